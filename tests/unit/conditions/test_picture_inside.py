"""A picture beside another of a different shape: the slot's option `fit` = "inside" keeps its proportions."""

from __future__ import annotations

import numpy as np
import pytest

from gesso.conditions.picture import Picture, frame_inside
from gesso.ports import Frame


@pytest.mark.parametrize(("page", "size"), [((100, 50), (40, 20)), ((50, 100), (30, 60)), ((1, 1000), (1, 60)), ((40, 60), (40, 60))])
def test_the_frame_is_the_largest_that_fits(page, size):
    assert frame_inside(page, Frame((40, 60))).size == size


def test_the_picture_and_its_validity_are_encoded_in_the_corner():
    pixels = np.full((100, 50, 3), 255, np.uint8)
    frame = Frame((40, 60), page=(400, 600), box=(0, 0, 300, 200), options={"fit": "inside"})
    spatial = Picture.encode([Picture(pixels=pixels), None], frame).spatial
    assert spatial[0, 3].sum() == 40 * 20 and (spatial[0, :, :40, :20] == 1).all()
    assert not spatial[0, :, :, 20:].any() and not spatial[1].any()


def test_without_the_option_the_picture_fills_the_frame():
    spatial = Picture.encode([Picture(pixels=np.full((100, 50, 3), 255, np.uint8))], Frame((40, 60))).spatial
    assert (spatial == 1).all()
