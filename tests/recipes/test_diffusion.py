"""`diffusion`: every objective trains and samples, few-step tuning goes on from other weights, and a kept part stays."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import gesso
from gesso import recipes
from gesso.verbs.train import train


def tiny(name: str):
    """The recipe with a preset as `name` but as small as "tiny"."""
    recipe = recipes.find("diffusion")
    small, wanted = recipe.presets["tiny"], recipe.presets[name]
    widths, depths = ((24,), (1,)) if len(wanted.widths) == 1 else (small.widths, small.depths)
    presets = {name: replace(wanted, widths=widths, depths=depths, batch_size=4)}
    return replace(recipe, presets=presets, default_preset=name)


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("flow")
    train(tiny("small"), out=folder, preset="small", steps=2, threads=1, quiet=True, sample_every=0)
    return folder


@pytest.mark.parametrize("name", ["epsilon", "v", "edm", "dit"])
def test_every_objective_trains_and_samples(name: str, tmp_path: Path):
    recipe = tiny(name)
    assert train(recipe, out=tmp_path, preset=name, steps=2, threads=1, quiet=True, sample_every=0).done
    made = gesso.load(recipe, weights=tmp_path).generate(seed=3, label="disc", num_steps=2).outputs["image"]
    assert made.shape == (32, 32, 3) and made.dtype == np.uint8


def test_few_steps_are_tuned_from_trained_weights(trained: Path, tmp_path: Path):
    few = tiny("few")
    assert train(few, out=tmp_path, preset="few", begin=trained, steps=2, threads=1, quiet=True, sample_every=0).done
    model = gesso.load(few, weights=tmp_path)
    assert model.generate(seed=3, num_steps=1).outputs["image"].shape == (32, 32, 3)
    assert model.network.span is not None


def test_a_kept_part_stays_and_the_rest_depends_on_seed_and_class(trained: Path):
    model = gesso.load(tiny("small"), weights=trained)
    for parameter in model.network.parameters():
        if parameter.abs().max() < 0.05:  # layers that begin at zero have hardly learned yet
            torch.nn.init.normal_(parameter, 0, 0.3)
    pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    mask = np.zeros((32, 32), bool)
    mask[:, :16] = True

    def made(**given) -> np.ndarray:
        return model.generate(
            **{"seed": 1, "num_steps": 3, "label": "disc", "known": (pixels, mask.astype(np.uint8) * 255), **given}
        ).outputs["image"]

    assert np.array_equal(made()[mask], pixels[mask])
    assert not np.array_equal(made(), made(seed=2)) and not np.array_equal(made(), made(label="ring"))


def test_previews_come_at_every_step(trained: Path):
    seen = []
    gesso.load(tiny("small"), weights=trained).generate(seed=1, num_steps=4, on_output=seen.append)
    assert [one.step for one in seen] == [1, 2, 3] and not any(one.final for one in seen)


def test_pictures_without_classes_are_learned_too(tmp_path: Path):
    from PIL import Image

    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(12):
        pixels = np.random.default_rng(number).integers(0, 256, (40, 40, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    recipe = tiny("small")
    train(recipe, data=folder, out=tmp_path / "run", preset="small", steps=2, threads=1, quiet=True, sample_every=0)
    model = gesso.load(recipe, weights=tmp_path / "run")
    assert model.card.slot("label").options["classes"] == ["pictures"]
    assert model.generate(num_steps=1).outputs["image"].shape == (32, 32, 3)
