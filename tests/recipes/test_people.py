"""Every recipe that names a target is steered by every person of the library, at its smallest and untrained; and learns from them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import gesso
from gesso import recipes
from gesso.person import LIBRARY
from gesso.steering.people import why_not
from gesso.steering.people_figures import of_example
from gesso.verbs.assemble import assemble
from gesso.verbs.load import Model

STEERED = [name for name in recipes.names() if not why_not(recipes.find(name))]


def test_some_are():
    assert {"colorize", "digits", "diffusion", "inpaint"} <= set(STEERED)


@pytest.mark.parametrize("name", STEERED)
def test_people_steer_it(name: str):
    recipe = recipes.find(name)
    preset = recipe.preset("tiny")
    examples = recipe.stages(preset)[-1].data(None, "val")
    facts = None if recipe.facts is None else recipe.facts(recipe.stages(preset)[0].data(None, "train"))
    model = Model(assemble(recipe, preset="tiny", untrained=True, facts=facts))
    for person in LIBRARY.values():
        figures = of_example(model, person, examples, 0, 0, 2, 25.0)
        assert figures["done"] >= 1 and 0 <= figures["dB at the end"] <= 40
        assert figures["locality"] is None or 0 <= figures["locality"] <= 1


@pytest.mark.parametrize("name", STEERED)
def test_people_give_what_it_learns_from(name: str, tmp_path: Path):
    run = gesso.train(name, out=tmp_path / name, preset="tiny", steps=2, people="own,sloppy", quiet=True, sample_every=0, threads=1)
    assert run.done
    from gesso.weights.store import read_weights

    assert read_weights(run.weights).card["people"] == ["sloppy", "own"]


def test_a_run_without_people_is_as_before(tmp_path: Path):
    made = [
        gesso.train("digits", out=tmp_path / str(n), preset="tiny", steps=2, people=who, quiet=True, sample_every=0, threads=1)
        for n, who in enumerate((None, "own", "sloppy"))
    ]
    logs = [[line.split('"loss"')[-1][:40] for line in run.log.read_text().splitlines() if '"loss"' in line] for run in made]
    config = [(tmp_path / str(n) / "config.json").read_text() for n in range(3)]
    assert "people" not in config[0] and '"own"' in config[1] and "wobble" in config[2]
    assert np.array_equal(logs[0], logs[1])


LINE = np.full((72, 72), 255, np.uint8)
for left in (4, 26, 48):
    LINE[[20, 50], left : left + 20] = 0
    LINE[20:51, [left, left + 19]] = 0


@pytest.mark.parametrize(("reach", "others"), [("same", None), ("marked", 0)])
def test_reach_keeps_the_raw_proposal_of_what_follows_nothing(reach: str, others: int | None):
    model = gesso.load("colorize")
    first = model.generate(sketch=LINE, hints=[(14, 35, "#dd2222")], reach=reach)
    second = model.generate(sketch=LINE, hints=[(14, 35, "#dd2222"), (36, 35, "#2222dd")], reach=reach)
    plain = model.generate(sketch=LINE, reach=reach)
    assert np.array_equal(plain.outputs["image"], model.generate(sketch=LINE).outputs["image"])
    assert second.outputs["image"][35, 36].tolist() == [0x22, 0x22, 0xDD] and first.outputs["image"][35, 14].tolist() == [0xDD, 0x22, 0x22]
    if others == 0:
        assert np.array_equal(first.outputs["proposal"], second.outputs["proposal"])
        assert np.array_equal(first.outputs["image"][:, 47:], second.outputs["image"][:, 47:])


def test_not_this_colour_here_and_hints_win_over_it():
    model = gesso.load("colorize")
    before = model.generate(sketch=LINE, guess=1.0).outputs["image"]
    unwanted = "#{:02x}{:02x}{:02x}".format(*before[35, 36])
    after = model.generate(sketch=LINE, guess=1.0, avoid=[(36, 35, unwanted)]).outputs["image"]
    assert np.abs(after[35, 36].astype(int) - before[35, 36]).max() > 16
    assert np.array_equal(after[:, :25], before[:, :25]) and np.array_equal(after[:, 47:], before[:, 47:])
    hinted = model.generate(sketch=LINE, guess=1.0, avoid=[(36, 35, unwanted)], hints=[(36, 35, unwanted)]).outputs["image"]
    assert hinted[35, 36].tolist() == before[35, 36].tolist()


def test_branches_in_files_are_merged(tmp_path: Path):
    from gesso.errors import GessoError
    from gesso.media.picture import encode_png
    from gesso.verbs.generate import generate

    (tmp_path / "line.png").write_bytes(encode_png(LINE))
    red, blue = {"hints": [(14, 35, "#dd2222")]}, {"hints": [(36, 35, "#2222dd")]}
    for name, more in (("a", red), ("b", blue)):
        list(generate("colorize", {"sketch": str(tmp_path / "line.png"), **more}, out=tmp_path / f"{name}.png"))
    ((_, made),) = generate("colorize", {}, out=tmp_path / "c.png", base=tmp_path / "a.png", merge=[tmp_path / "b.png"])
    model = gesso.load("colorize")
    assert np.array_equal(made.image, model.generate(sketch=LINE, hints=[*red["hints"], *blue["hints"]]).image)
    asked = model.request(base=tmp_path / "a.png", merge=[tmp_path / "b.png"])
    assert [mark.color for mark in asked.conditions["hints"].marks] == ["#dd2222", "#2222dd"]
    (tmp_path / "other.png").write_bytes(encode_png(LINE.T.copy()))
    list(generate("colorize", {"sketch": str(tmp_path / "other.png")}, out=tmp_path / "d.png"))
    with pytest.raises(GessoError, match="another sketch"):
        model.request(base=tmp_path / "a.png", merge=[tmp_path / "d.png"])
    with pytest.raises(GessoError, match="nothing to merge it with"):
        model.request(merge=[tmp_path / "d.png"])
