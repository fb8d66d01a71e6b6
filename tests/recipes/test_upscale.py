"""Upscaling of pictures: sizes, transparency, greys, tiles; and the figures of the published protocol."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import gesso
from gesso import recipes
from gesso.media.bicubic import resized, rounded
from gesso.recipes import upscale
from gesso.rules import tiling
from gesso.verbs.assemble import assemble
from gesso.verbs.load import Model


@pytest.fixture(scope="module")
def model() -> Model:
    torch.manual_seed(0)
    made = Model(assemble("upscale", preset="tiny", untrained=True))
    for head in made.networks["upscaler"].heads.parameters():
        torch.nn.init.normal_(head, std=0.05)
    return made


def picture(*shape: int) -> np.ndarray:
    coarse = np.random.default_rng(1).integers(40, 200, (6, 6, *shape[2:])).astype(np.float32)
    return rounded(resized(coarse, *shape[:2]))


@pytest.mark.parametrize("shape", [(30, 41), (30, 41, 3), (30, 41, 4)])
@pytest.mark.parametrize("scale", [2, 3, 4])
def test_the_picture_is_larger_and_of_the_same_kind(model: Model, shape: tuple[int, ...], scale: int):
    given = picture(*shape)
    made = np.asarray(model.generate(picture=given, scale=scale).outputs["image"])
    assert made.shape == (30 * scale, 41 * scale, *shape[2:])
    back = resized(made.astype(np.float32), 30, 41)
    assert np.abs(back - given).mean() < 10


def test_transparency_is_kept(model: Model):
    given = picture(32, 32, 4)
    given[:, 16:] = (255, 0, 255, 0)
    given[:, :16, 3] = 255
    made = model.generate(picture=given, scale=2).outputs["image"]
    assert (made[:, :28, 3] == 255).all() and (made[:, 36:, 3] == 0).all()
    seen = made[:, :30, :3].astype(int)
    assert not ((seen[..., 0] > 230) & (seen[..., 2] > 230)).any(), "the colour of transparent pixels does not bleed into visible ones"


def test_tiles_have_the_bits_of_the_whole(model: Model, monkeypatch: pytest.MonkeyPatch):
    given = picture(70, 90, 3)
    whole = model.generate(picture=given, scale=3).outputs["image"]
    for module in (tiling.tiles, tiling.coloured):
        monkeypatch.setattr(module, "__defaults__", (24,))
    assert (model.generate(picture=given, scale=3).outputs["image"] == whole).all()


def test_presets_say_how_far_their_networks_reach():
    for preset in upscale.PRESETS.values():
        assert upscale.build(preset)["upscaler"].reach == preset.reach


def test_it_learns_and_is_measured(tmp_path: Path):
    gesso.train("upscale", preset="tiny", out=tmp_path / "run", steps=3, quiet=True)
    report = gesso.measure("upscale", weights=tmp_path / "run")
    assert set(report["figures"]["psnr"]) == {"x2", "x3", "x4"}
    out = gesso.load("upscale", weights=tmp_path / "run").generate(picture=picture(20, 20, 3)).save(tmp_path / "large.png")
    assert gesso.replay(out, weights=tmp_path / "run").equal


def test_its_example_is_of_its_card():
    card = recipes.find("upscale").card
    assert card.settings().scale == 2 and card.slot("picture").required


@pytest.mark.slow
@pytest.mark.parametrize("preset", ["small", "base"])
@pytest.mark.parametrize("data", ["set5"], indirect=True)
def test_shipped_weights_have_the_figures_of_the_card(data: Path, preset: str):
    """Set5, to a hundredth of a dB; the card's line of the preset names three figures."""
    found = gesso.measure("upscale", data=data, preset=preset)["figures"]["psnr"]
    line = next(one for one in recipes.find("upscale").card.numbers if one.startswith(preset))
    assert ", ".join(f"{found[name]['made']:.2f}" for name in ("x2", "x3", "x4")) in line
