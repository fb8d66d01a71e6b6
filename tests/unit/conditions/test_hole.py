"""A hole is what its strokes cover, wherever the page is cut, and people paint holes with different habits."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from gesso.card import Slot
from gesso.conditions.hole import HABITS, Hole
from gesso.errors import GessoError
from gesso.ports import Frame

SLOT = Slot(name="hole", kind=Hole)


def test_it_covers_a_disc_along_the_path():
    mask = SLOT.read([{"path": [[10, 10], [30, 10]], "radius": 4}]).covered((0, 0, 40, 20))
    assert mask.shape == (20, 40)
    assert mask[10, 10:31].all() and mask[10, 7] and mask[7, 20] and not mask[10, 2] and not mask[2, 20] and not mask[10, 37]
    dot = SLOT.read([{"path": [[5, 5]], "radius": 2}]).covered((0, 0, 12, 12))
    assert 9 <= dot.sum() <= 25 and dot[5, 5]


def test_a_part_of_the_page_is_the_part_of_its_mask_and_smaller_pixels_are_covered_if_any_is():
    hole = SLOT.read([{"path": [[10, 10], [33, 21]], "radius": 3}])
    whole = hole.covered((0, 0, 48, 32))
    assert np.array_equal(hole.covered((8, 4, 40, 28)), whole[4:28, 8:40])
    beyond = hole.covered((-8, -8, 56, 40))
    assert np.array_equal(beyond[8:40, 8:56], whole)
    small = hole.covered((0, 0, 48, 32), (8, 12))
    assert np.array_equal(small, whole.reshape(8, 4, 12, 4).any((1, 3)))


def test_it_is_encoded_as_a_map_and_none_is_no_hole():
    hole = SLOT.read([{"path": [[10, 10]], "radius": 4}])
    ports = Hole.encode([hole, None], Frame((16, 16), page=(32, 32)))
    assert ports.spatial is not None and ports.spatial.shape == (2, 1, 16, 16)
    assert torch.equal(ports.spatial[1], torch.zeros(1, 16, 16)) and 12 <= ports.spatial[0].sum() <= 36


@pytest.mark.parametrize("habit", HABITS)
def test_people_leave_something_and_paint_over_something(habit: str):
    shares = []
    for seed in range(40):
        hole = Hole.of_habit(habit, (40, 60), np.random.default_rng(seed))
        assert SLOT.from_json(json.loads(hole.model_dump_json())) == hole
        hole.check((40, 60), where="hole")
        shares.append(hole.covered((0, 0, 60, 40)).mean())
    assert min(shares) > 0.002 and max(shares) < 0.97 and np.std(shares) > 0.005


def test_a_stroke_off_the_page_is_refused():
    with pytest.raises(GessoError, match="outside the page"):
        SLOT.read([{"path": [[500, 10]], "radius": 4}]).check((40, 60), where="hole")
