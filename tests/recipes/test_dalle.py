"""dalle: two stages into one file, words change what is written, the two ways of writing, and its measures."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import gesso
from gesso.datasets.composed_scenes import ComposedScenes
from gesso.errors import GessoError
from gesso.metrics.bits import measure_bits
from gesso.metrics.obedience import measure_obedience
from gesso.verbs.assemble import assemble
from gesso.verbs.load import Model


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return gesso.train("dalle", preset="tiny", steps=2, out=tmp_path_factory.mktemp("run") / "w", quiet=True).weights


def test_both_stages_end_in_one_file_that_makes_pictures(run: Path):
    model = gesso.load("dalle", weights=run)
    asked = (("a red star", 1), ("파란 달", 1), ("a red star", 2))
    made = [model.generate(words=words, seed=seed).outputs["image"] for words, seed in asked]
    assert all(one.shape == (32, 32, 3) for one in made) and not np.array_equal(made[0], made[2])
    assert np.array_equal(model.generate(words="a red star", seed=1).outputs["image"], made[0])


def test_a_model_that_fills_in_many_codes_at_once(run: Path):
    torch.manual_seed(0)
    facts = gesso.load("dalle", weights=run).assembled.recipe.known
    made = Model(assemble("dalle", preset="masked", untrained=True, facts=facts))
    few, more = (made.generate(words="a red star", num_steps=steps).outputs["image"] for steps in (1, 4))
    assert few.shape == (32, 32, 3) and not np.array_equal(few, more)
    with pytest.raises(GessoError, match="no likelihood"):
        measure_bits(made, ComposedScenes(32, "val"), {"num": 4})


def test_its_measures(run: Path):
    model = gesso.load("dalle", weights=run)
    bits = measure_bits(model, ComposedScenes(32, "val"), {"num": 6})
    assert bits["bits of any code"] == 5 and 4 < bits["bits a code"] < 6 and bits["n"] == 6
    assert bits["bits a dimension"] == pytest.approx(bits["bits a code"] * 64 / (3 * 32 * 32))
    rows = measure_obedience(SimpleNamespace(model=model), {"num": 6})["obedience"]
    assert 0 <= rows["one picture"]["all"] < 0.7
