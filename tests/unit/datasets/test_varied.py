"""Varied pictures: what moves, what stays, and that a run knows when the data behind them change."""

from __future__ import annotations

import numpy as np
import pytest

from gesso.datasets.cifar import PATTERNS, Patterns
from gesso.datasets.small_pictures import SmallPictures
from gesso.datasets.varied import Varied, moved, with_hole
from gesso.training.config import content_hash

SQUARE = np.arange(8 * 8 * 3, dtype=np.uint8).reshape(8, 8, 3)


def small(pixels):
    return SmallPictures(pixels, np.zeros(len(pixels), int), ("a", "b"), name="small")


def test_an_item_is_decided_by_its_generator():
    varied = Varied(Patterns(20), shift=3, hole=6)
    one, same, other = (varied.item(4, np.random.default_rng(seed))["picture"] for seed in (1, 1, 2))
    assert np.array_equal(one, same) and not np.array_equal(one, other)
    assert varied.item(4, np.random.default_rng(1))["label"] == 4
    assert (len(varied), varied.classes, varied.name) == (20, PATTERNS, "made-up patterns")
    assert varied.stack([varied.item(0, np.random.default_rng(0))])["image"].shape == (1, 3, 32, 32)


def test_pictures_move_and_their_edges_are_reflected():
    seen = {moved(SQUARE, np.random.default_rng(seed), 2).tobytes() for seed in range(300)}
    assert len(seen) == 50  # 5 × 5 places, and each mirrored
    still = {moved(SQUARE, np.random.default_rng(seed), 0).tobytes() for seed in range(20)}
    assert still == {SQUARE.tobytes(), np.ascontiguousarray(SQUARE[:, ::-1]).tobytes()}
    by_one = np.pad(SQUARE, ((2, 2), (2, 2), (0, 0)), mode="reflect")[1:9, 3:11]
    assert by_one.tobytes() in seen


def test_the_hole_is_grey_and_no_larger():
    for seed in range(20):
        holed = with_hole(SQUARE, np.random.default_rng(seed), 4)
        changed = (holed != SQUARE).any(2)
        assert 1 <= changed.sum() <= 16 and (holed[changed] == 128).all()
    assert SQUARE[0, 1, 0] == 3, "the given picture stays"


@pytest.mark.parametrize("changed", [{"shift": 2}, {"hole": 5}])
def test_a_run_knows_other_data_and_other_variation(changed):
    pixels = np.zeros((3, 8, 8, 3), np.uint8)
    usual = content_hash(Varied(small(pixels), shift=1))
    assert usual == content_hash(Varied(small(pixels.copy()), shift=1))
    assert usual != content_hash(Varied(small(pixels + 1), shift=1))
    assert usual != content_hash(Varied(small(pixels), **{"shift": 1, **changed}))
