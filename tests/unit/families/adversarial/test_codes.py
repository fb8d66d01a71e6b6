"""Content and style: what was made depends on both pictures, codes are found again, padding around an exemplar says nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import gesso
from gesso import recipes
from gesso.families.adversarial.codes import ContentAndStyle
from gesso.families.adversarial.game import Turn
from gesso.families.family import Batch
from gesso.networks.content_style import CodeDecoder, CodeReader
from gesso.ports import Ports


@pytest.fixture
def networks() -> dict[str, Any]:
    torch.manual_seed(0)
    return {"matcher": CodeReader(8, 4), "painter": CodeDecoder(8, 4)}


def batch(num: int = 2) -> Batch:
    clean = {name: torch.rand(num, 3, 32, 32) * 2 - 1 for name in ("picture", "target", "exemplar")}
    return Batch(clean, Ports(), torch.arange(num))


def turn_of(networks: dict[str, Any], of: Batch) -> Turn:
    game, rng = ContentAndStyle(), torch.Generator()
    return Turn(networks, of, game.play(networks, of, rng), rng, 0, None)  # type: ignore[arg-type]


def test_a_style_does_not_depend_on_what_surrounds_the_exemplar(networks: dict[str, Any]):
    reader = networks["matcher"]
    shown, there = torch.rand(1, 3, 32, 64), torch.zeros(1, 1, 32, 64)
    there[..., :32] = 1
    other = shown.clone()
    other[..., 56:] = -1
    assert torch.allclose(reader.style(shown, there), reader.style(other, there), atol=1e-5)
    assert not torch.allclose(reader.style(shown, there), reader.style(shown, torch.ones_like(there)), atol=1e-4)


def test_contents_hold_no_contrast(networks: dict[str, Any]):
    picture = torch.rand(1, 3, 32, 32)
    assert torch.allclose(networks["matcher"].coloured(picture), networks["matcher"].coloured(picture / 2), atol=0.1)


def test_codes_are_found_again_by_learning(networks: dict[str, Any]):
    game, of = ContentAndStyle(), batch()
    optimiser = torch.optim.Adam([p for one in networks.values() for p in one.parameters()], 3e-3)
    values = []
    for _ in range(25):
        turn = turn_of(networks, of)
        terms = [game.content_found(turn), game.style_found(turn), game.picture_again(turn)]
        assert all(one.shape == (2,) for one in terms)
        total = torch.stack(terms).sum(0).mean()
        optimiser.zero_grad()
        total.backward()
        optimiser.step()
        values.append(total.item())
    assert values[-1] < 0.7 * values[0], values


def test_its_preset_trains_and_colours_after_the_exemplar(tmp_path: Path):
    recipe = recipes.find("exemplar")
    small = replace(recipe.presets["munit"], width=8, critic=8, side=32, num_steps=4, batch_size=2)
    recipe = replace(recipe, presets={**recipe.presets, "munit": small})
    for number in range(20):
        for folder, value in (("a", 255), ("b", 10 * number)):
            file = tmp_path / "data" / folder / f"{number}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.full((40, 40, 3), value, np.uint8)).save(file)
    gesso.train(recipe, data=tmp_path / "data", out=tmp_path / "run", preset="munit", threads=1, quiet=True)
    model = gesso.load(recipe, preset="munit", weights=tmp_path / "run")
    drawing = np.full((30, 41, 3), 255, np.uint8)
    drawing[10:20, 8] = 0
    red, blue = (np.full((20, 50, 3), colour, np.uint8) for colour in ((255, 0, 0), (0, 0, 255)))
    one, two = (model.generate(picture=drawing, exemplar=shown).outputs for shown in (red, blue))
    assert set(one) == {"image"} and one["image"].shape == (30, 41, 3)
    assert not np.array_equal(one["image"], two["image"]), "the exemplar decides"
