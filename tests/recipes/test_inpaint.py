"""inpaint: only the hole changes, by whichever of three ways it is given; a measure that knows simpler ways."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from gesso.conditions.hole import Hole
from gesso.errors import GessoError
from gesso.metrics.filling import figures, measure_filling
from gesso.verbs.assemble import assemble
from gesso.verbs.load import Model


@pytest.fixture(scope="module")
def model() -> Model:
    torch.manual_seed(0)
    return Model(assemble("inpaint", preset="tiny", untrained=True))


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (60, 90, 3)).astype(np.uint8)


def test_only_the_hole_changes(model: Model, picture: np.ndarray):
    strokes = [{"path": [[20, 20], [50, 30]], "radius": 5}, {"path": [[80, 50]], "radius": 4}]
    made = model.generate(picture=picture, hole=strokes, num_steps=2).outputs["image"]
    hole = Hole.read(strokes, where="hole", options={}).covered((0, 0, 90, 60))
    assert np.array_equal(made[~hole], picture[~hole]) and (made[hole] != picture[hole]).any(-1).mean() > 0.5


def test_what_lies_in_the_hole_does_not_matter(model: Model, picture: np.ndarray):
    strokes = [{"path": [[20, 20], [50, 30]], "radius": 5}]
    hole = Hole.read(strokes, where="hole", options={}).covered((0, 0, 90, 60))
    other = picture.copy()
    other[hole] = 7
    one, two = (model.generate(picture=one, hole=strokes, num_steps=2).outputs["image"] for one in (picture, other))
    assert np.array_equal(one, two)


def test_transparency_is_a_hole_too(model: Model, picture: np.ndarray):
    clear = np.dstack([picture, np.full((60, 90), 255, np.uint8)])
    clear[10:20, 30:50, 3] = 0
    made = model.generate(picture=clear, num_steps=2).outputs["image"]
    assert made.shape == (60, 90, 4) and (made[..., 3] == 255).all() and np.array_equal(made[20:, :, :3], picture[20:])


def test_a_picture_grows(model: Model, picture: np.ndarray):
    made = model.generate(picture=picture, left=8, bottom=5, num_steps=2).outputs["image"]
    assert made.shape == (65, 98, 3) and np.array_equal(made[:60, 8:], picture)


def test_without_a_hole_nothing_changes_and_it_is_said(model: Model, picture: np.ndarray):
    result = model.generate(picture=picture, num_steps=1)
    assert np.array_equal(result.outputs["image"], picture) and result.notes == ("nothing",)


def test_the_measure_sees_seams_and_changes_outside(picture: np.ndarray):
    ys, xs = np.mgrid[:40, :40]
    real = np.stack([4 * xs, 5 * ys, 3 * xs + ys], -1).clip(0, 255).astype(np.uint8)
    mask = np.zeros((40, 40), bool)
    mask[10:20, 10:30] = True
    true = figures(real, real, mask)
    assert true == {"psnr": 40.0, "seam": 1.0, "texture": 1.0, "outside": 0.0}
    flat = real.copy()
    flat[mask] = 128
    assert figures(flat, real, mask)["seam"] > 3 and figures(flat, real, mask)["texture"] == 0
    flat[0, 0] ^= 1
    assert figures(flat, real, mask)["outside"] == 1


def test_the_measure_compares_with_simpler_ways(model: Model, picture: np.ndarray):
    class Held:
        name = "held"

        def __len__(self) -> int:
            return 5

        def item(self, index: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
            return {"picture": picture[:40, index : index + 40]}

    found = measure_filling(model, Held(), {"num_steps": 1})
    assert set(found["holes"]) == {"filled", "membrane", "biharmonic"} and found["n"] == 5
    assert all(row["outside"] == 0 for row in found["holes"].values())


def test_a_picture_that_would_be_too_large_is_refused(model: Model):
    with pytest.raises(GessoError, match="would be"):
        model.generate(picture=np.zeros((4000, 4000, 3), np.uint8), left=2048, bottom=10, num_steps=1)
