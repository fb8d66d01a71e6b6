"""No number is rounded and no truth is counted, through the command line, Python, JSON files, HTTP, sessions and jobs."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest

from gesso import recipes
from gesso.card import Card
from gesso.errors import GessoError
from gesso.request import Request
from gesso.steering.fold import State, check
from gesso.verbs.load import load

PAGE = np.zeros((9, 9, 3), np.uint8)
TOY = Path(__file__).parent.parent / "verbs" / "toy.py"
NO_WHOLE = (1.5, 0.1, True, math.nan, math.inf)
NO_NUMBER = (True, math.nan, math.inf)


def cards() -> list[Card]:
    return [recipes.find(name).card for name in (*recipes.names(), TOY)]


def takes(kind: Any) -> set[Any]:
    return {kind, *(leaf for one in get_args(kind) for leaf in takes(one))}


def fields(of: type) -> list[tuple[Card, str]]:
    """The settings of all cards that take numbers of a kind, and neither true nor words."""
    return [
        (card, name)
        for card in cards()
        for name, info in card.settings.model_fields.items()
        if of in (held := takes(info.annotation)) and bool not in held and (of is int or int not in held)
    ]


def lenient(card: Card) -> Card:
    return card.model_copy(update={"conditions": tuple(slot.model_copy(update={"required": False}) for slot in card.conditions)})


def wrongs() -> Iterator[Any]:
    for kind, wrong in ((int, NO_WHOLE), (float, NO_NUMBER)):
        for card, name in fields(kind):
            yield from (pytest.param(card, name, one, id=f"{card.name}.{name}={one}") for one in wrong)


@pytest.mark.parametrize(("card", "name", "given"), [*wrongs()])
def test_a_setting_through_python_json_and_sessions(card: Card, name: str, given: Any):
    card = lenient(card)
    doors: list[Callable[[], Any]] = [
        lambda: Request.build(card, {}, settings={name: given}),
        lambda: Request.from_json({"recipe": card.name, "settings": {name: given}}, card),
        lambda: check(card, State({}, {name: given}, 0)),
    ]
    for door in doors:
        with pytest.raises(GessoError, match=name):
            door()


@pytest.mark.parametrize(("card", "name"), fields(int), ids=lambda one: one if isinstance(one, str) else one.name)
def test_a_whole_setting_may_be_written_as_a_float(card: Card, name: str):
    info = card.settings.model_fields[name]
    low = max([getattr(rule, "ge", 1) for rule in info.metadata if hasattr(rule, "ge")] or [1])
    made = Request.from_json({"recipe": card.name, "settings": {name: float(low)}}, lenient(card))
    assert getattr(made.settings, name) == low and type(getattr(made.settings, name)) is int


@pytest.mark.parametrize("given", ["1.5", "true", "nan", "inf", "0.9999999", "1e-1"])
@pytest.mark.parametrize(("card", "name"), fields(int), ids=lambda one: one if isinstance(one, str) else one.name)
def test_a_setting_at_the_command_line(card: Card, name: str, given: str, refused: Callable[..., str]):
    recipe, flag = TOY if card.name == "toy" else card.name, f"--{name.replace('_', '-')}"
    assert flag in refused("generate", recipe, flag, given)


@pytest.mark.parametrize("given", [*NO_WHOLE, "1.5", "7", -1, 2**53])
def test_a_seed_through_python_and_json(given: Any):
    toy = lenient(recipes.find(TOY).card)
    for door in (
        lambda: Request.build(toy, {}, seed=given),
        lambda: Request.from_json({"recipe": "toy", "seed": given}, toy),
        lambda: load(TOY).generate(photo=PAGE, seed=given),
    ):
        with pytest.raises(GessoError, match="seed"):
            door()


@pytest.mark.parametrize("given", ["1.5", "nan", "true", "-0.5", "2.0000000000000001", "x"])
def test_whole_flags_of_every_verb(given: str, photo: Path, tmp_path: Path, refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    out = tmp_path / "new"
    for line in (
        ("generate", TOY, "--photo", photo, "--out", out / "a.png", "--seed"),
        ("generate", TOY, "--photo", photo, "--out", out / "a.png", "--seeds"),
        ("generate", TOY, "--photo", photo, "--out", out / "a.png", "--threads"),
        ("fit", TOY, "--photo", photo, "--out", out, "--seed"),
        ("batch", TOY, "--folder", photo.parent, "--out", out, "--seed"),
        ("batch", TOY, "--folder", photo.parent, "--out", out, "--threads"),
        ("train", "colorize", "--out", out, "--seed"),
        ("train", "colorize", "--out", out, "--steps"),
        ("train", "colorize", "--out", out, "--threads"),
        ("replay", photo, "--threads"),
        ("demo", "--out", out, "--size"),
        ("studio", "--port"),
    ):
        assert str(line[-1]) in refused(*line, given)
    assert not out.exists()


@pytest.mark.parametrize("given", ["2.0", "2", "0x2", "2e0"])
def test_a_seed_is_what_was_typed(given: str, photo: Path, tmp_path: Path, gesso: Callable[..., Any]):
    assert gesso("generate", TOY, "--photo", photo, "--seed", given, "--out", tmp_path / "a.json").code == 0
    assert json.loads((tmp_path / "a.json").read_text())["record"]["request"]["seed"] == 2


@pytest.mark.parametrize("seed", ["1.5", "true", '"1"', "NaN", "1e400"])
def test_a_request_in_a_file(seed: str, photo: Path, tmp_path: Path, refused: Callable[..., str]):
    (tmp_path / "asked.json").write_text(f'{{"recipe": "toy", "seed": {seed}}}')
    refused("generate", TOY, "--photo", photo, "--request", tmp_path / "asked.json", "--out", tmp_path / "a.png")
    assert not (tmp_path / "a.png").exists()


@pytest.mark.parametrize(
    "given", [{"steps": 1.5}, {"steps": True}, {"seed": 0.5}, {"seed": True}, {"threads": 1.5}, {"minutes": math.inf}], ids=str
)
def test_a_training_in_python(given: dict[str, Any], tmp_path: Path):
    from gesso.verbs.train import train

    with pytest.raises(GessoError, match=f"--{next(iter(given))}"):
        train("colorize", out=tmp_path / "run", **given)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("given", [{"num": 1.5}, {"seed": 1.5}, {"runs": "heun:1.5"}, {"seed": True}], ids=str)
def test_a_measures_options(given: dict[str, Any]):
    from gesso.metrics.steered import measure_steered

    class Judge:
        network = None

    with pytest.raises(GessoError, match=f"--{next(iter(given))}"):
        measure_steered(None, Judge(), [1, 2], given)


def test_variations_and_threads_in_python(photo: Path):
    model = load(TOY)
    for given in ({"num": 1.5}, {"num": True}, {"num": 1, "seed": 1.5}):
        with pytest.raises(GessoError, match="num|seed"):
            model.variations(photo=photo, **given)
    with pytest.raises(GessoError, match="threads"):
        model.generate(photo=photo, threads=1.5)
