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
