"""Heat over a picture: none is the picture in grey, the hottest is yellow, between is red."""

from __future__ import annotations

import numpy as np

from gesso.media.heat import heat_over


def test_heat_is_grey_then_red_then_yellow():
    picture = np.full((4, 12, 3), (40, 80, 120), np.uint8)
    heat = np.repeat(np.array([[0, 0.5, 1.0]], np.float32), 4, 1)
    (none, some, most) = heat_over(picture, np.tile(heat, (4, 1)))[0, [0, 6, 11]].tolist()
    assert none == [80, 80, 80]
    assert some[0] > some[1] and some[0] > some[2]
    assert most[0] > 200 and most[1] > 200 and most[2] < 40


def test_heat_is_stretched_over_the_page():
    heat = np.zeros((2, 2), np.float32)
    heat[0, 0] = 1
    made = heat_over(np.full((30, 50, 3), 255, np.uint8), heat)
    assert made.shape == (30, 50, 3) and made.dtype == np.uint8
    assert (made[0, 0] != 255).any() and (made[-1, -1] == 255).all()
