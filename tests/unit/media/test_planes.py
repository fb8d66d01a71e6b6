"""Chroma of a film's frames stays where it was when they become larger, whatever its sampling."""

from __future__ import annotations

import numpy as np
import pytest

from gesso.media.planes import CENTRE, LEFT, Planes, as_levels, chroma_at


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize(("down", "across"), [(2, 2), (1, 2), (1, 1)])
@pytest.mark.parametrize("site", [LEFT, CENTRE])
def test_a_ramp_of_colour_stays_in_place(scale: int, down: int, across: int, site: str):
    h, w = 24, 36
    first = 0.0 if across == 1 or site == LEFT else 0.5
    xs = np.arange(w // across) * across + first  # where each sample of chroma lies, in columns of luma
    ys = np.arange(h // down) * down + (0.5 if down == 2 else 0.0)
    plane = (40 + 3 * xs + 2 * ys[:, None]) * 4
    planes = Planes(np.zeros((h, w), np.uint16), (plane.astype(np.uint16), plane.astype(np.uint16)), 10, down, across, site)
    made, _ = chroma_at(planes, scale, (h * scale, w * scale))
    assert made.shape == (h * scale // 2, w * scale // 2) and made.dtype == np.uint16
    at = (2 * np.arange(made.shape[1]) + (0.0 if site == LEFT else 0.5) + 0.5) / scale - 0.5
    rows = (2 * np.arange(made.shape[0]) + 0.5 + 0.5) / scale - 0.5
    wanted = (40 + 3 * at + 2 * rows[:, None]) * 4
    assert np.abs(made - wanted)[6:-6, 6:-6].max() <= 1.6


def test_grey_becomes_neutral_and_odd_sizes_are_covered():
    made = chroma_at(Planes(np.zeros((5, 7), np.uint8), None), 3, (14, 20))
    assert made[0].shape == (7, 10) and (made[0] == 128).all() and (made[1] == 128).all()
    odd = Planes(np.zeros((5, 7), np.uint8), (np.full((3, 4), 90, np.uint8), np.full((3, 4), 40, np.uint8)))
    blue, red = chroma_at(odd, 2, (10, 14))
    assert blue.shape == (5, 7) and (blue == 90).all() and (red == 40).all()


def test_levels_are_rounded_and_clipped():
    assert as_levels(np.array([-1.0, 1.49, 1.5, 300.0]), 8).tolist() == [0, 1, 2, 255]
    assert as_levels(np.array([1022.6, 5000.0]), 10).tolist() == [1023, 1023]
