"""What only the data know reaches networks, cards and weights; weights are given by role; a fit returns weights and values."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from gesso import recipes
from gesso.errors import GessoError, Stopped
from gesso.recipes.recipe import Recipe
from gesso.verbs.fit import fit
from gesso.verbs.load import load
from gesso.verbs.train import train
from gesso.weights.overlay import layered_over, save_overlay
from gesso.weights.store import read_weights, save_weights
from unit.verbs.seams import table


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "own"
    folder.mkdir()
    (folder / "names.txt").write_text("one two three four five")
    return folder


@pytest.fixture
def run(tmp_path: Path, data: Path) -> Path:
    train(table(), data=data, out=tmp_path / "run", quiet=True, sample_every=0)
    return tmp_path / "run"


def made(model: Any, **given: Any) -> dict[str, Any]:
    return model.generate(**given).outputs["number"]


def test_facts_of_the_data_decide_the_network_the_card_and_the_weights(run: Path) -> None:
    card = read_weights(run / "weights.safetensors").card
    assert card["facts"] == {"classes": ["one", "two", "three", "four", "five"]}
    model = load(table(), weights=run)
    assert model.networks["net"].in_features == 6 and model.card.slot("label").options["classes"][3] == "four"
    assert made(model, label="four")["facts"]["classes"] == tuple(card["facts"]["classes"])
    with pytest.raises(GessoError, match="red"):
        model.generate(label="red")


def test_a_run_of_other_facts_is_another_training(run: Path, data: Path) -> None:
    (data / "names.txt").write_text("one two three four six")
    with pytest.raises(GessoError, match="another training"):
        train(table(), data=data, out=run, quiet=True, sample_every=0)


def test_the_familys_state_comes_back(run: Path) -> None:
    assert made(load(table(), weights=run), label="one")["seen"] == 4 * 6


def test_a_training_begins_from_others(run: Path, data: Path, tmp_path: Path) -> None:
    train(table(), data=data, out=tmp_path / "more", begin=run, steps=1, quiet=True, sample_every=0)
    old, new = (read_weights(folder / "weights.safetensors") for folder in (run, tmp_path / "more"))
    assert new.card["begun_from"] == old.sha256
    moved = (new.states["net"]["weight"].float() - old.states["net"]["weight"].float()).abs()
    assert 0 < moved.max() <= 0.11, "one step from where the other ended"
    with pytest.raises(GessoError, match="no trained weights of 'table' are shipped"):
        train(table(), data=data, out=tmp_path / "none", begin="shipped", quiet=True)
    assert not (tmp_path / "none").exists()


@pytest.fixture
def parent(monkeypatch: pytest.MonkeyPatch) -> Recipe:
    """The recipe that `child` uses twice."""
    found, of_name = table(), recipes.find
    monkeypatch.setattr(recipes, "find", lambda wanted: found if wanted == "table" else of_name(wanted))
    return found


def test_parents_are_given_by_role_and_may_be_untrained(parent: Recipe, run: Path, tmp_path: Path) -> None:
    child = table("child", uses={"left": "table", "right": "table"}, trained=False)
    other = tmp_path / "other.safetensors"
    held = read_weights(run / "weights.safetensors")
    doubled = {"net": {name: 2 * value for name, value in held.states["net"].items()}, "family": held.states["family"]}
    save_weights(other, doubled, held.card)
    own = tmp_path / "child.safetensors"
    save_weights(own, {"net": held.states["net"]}, {**held.card, "recipe": "child"})
    total = float(held.states["net"]["weight"].float().sum())
    both = load(child, weights={"child": own, "left": run, "right": other})
    assert made(both, label="one")["parents"] == pytest.approx(3 * total, rel=1e-2)
    assert sorted(both.assembled.hashes) == ["child", "right:table", "table"], "two files of one recipe keep their own hashes"
    words = [str(own), f"left={run}", f"right={run}"]
    assert made(load(child, weights=words), label="one")["parents"] == pytest.approx(2 * total, rel=1e-3)
    with pytest.raises(GessoError, match="no role 'middle'"):
        load(child, weights=[str(own), f"middle={run}"])
    with pytest.raises(GessoError, match="both weights of child"):
        load(child, weights=[own, own])


def test_an_overlay_lies_over_the_weights_that_it_names(run: Path, tmp_path: Path) -> None:
    base = read_weights(run / "weights.safetensors")
    overlay = tmp_path / "mine.safetensors"
    down, up = torch.full((1, 6), 0.5), torch.full((1, 1), 2.0)
    save_overlay(overlay, {"net": {"weight.down": down, "weight.up": up, "bias": torch.tensor([7.0])}}, base, {"data": "mine"})
    states = layered_over(base, [read_weights(overlay)])
    assert torch.allclose(states["net"]["weight"], base.states["net"]["weight"].float() + 1.0, atol=1e-3) and states["net"]["bias"] == 7
    model = load(table(), weights=[run, overlay])
    assert made(model, label="one")["value"] > made(load(table(), weights=run), label="one")["value"]
    assert set(model.assembled.hashes) == {"table", "table:overlay1"}
    other = tmp_path / "other.safetensors"
    save_weights(other, base.states, {**base.card, "seed": 9})
    with pytest.raises(GessoError, match="this overlay lies over weights with sha256"):
        load(table(), weights=[other, overlay])
    for wrong in ({"bias": torch.zeros(2)}, {"weight.down": down}, {"gone": torch.zeros(1)}):
        save_overlay(overlay, {"net": wrong}, base, {})
        with pytest.raises(GessoError, match="mine.safetensors: net/"):
            load(table(), weights=[run, overlay])


def test_a_fit_leaves_weights_and_values_that_generate_takes(data: Path, tmp_path: Path) -> None:
    recipe, out = table(trained=False), tmp_path / "fitted"
    fitted = fit(recipe, data=data, out=out, seed=4, given={"label": "two"})
    assert fitted.weights == out / "weights.safetensors" and fitted.file == out / "result.json"
    assert made(load(recipe, weights=out), label="two")["value"] == pytest.approx(2.0)
    held = read_weights(fitted.weights)
    assert held.card["data"] == "rows" and held.card["facts"]["classes"][4] == "five" and held.card["seed"] == 4
    assert json.loads((out / "request.json").read_text())["conditions"]["label"]["name"] == "five"
    asked = load(recipe, weights=out).request(base=out / "request.json")
    assert asked.conditions["label"].name == "five"
    with pytest.raises(GessoError, match="earlier fit"):
        fit(recipe, data=data, out=out, given={"label": "two"})


def test_a_fit_that_is_stopped_keeps_the_newest_weights(data: Path, tmp_path: Path) -> None:
    def stop() -> bool:
        return calls.append(1) or len(calls) > 2

    calls: list[int] = []
    with pytest.raises(Stopped):
        fit(table(trained=False), data=data, out=tmp_path / "f", given={"label": "two"}, stop=stop)
    assert (tmp_path / "f" / "weights.safetensors").is_file() and not (tmp_path / "f" / "result.json").exists()


def test_a_folder_of_examples_is_checked_first(tmp_path: Path) -> None:
    with pytest.raises(GessoError, match="no such file or folder"):
        fit(table(trained=False), data=tmp_path / "nowhere", out=tmp_path / "f")
    with pytest.raises(GessoError, match="style reads no examples"):
        fit("style", data=tmp_path, out=tmp_path / "f")
    assert not (tmp_path / "f").exists()
