"""Tiles cover a page once, and pictures put together from them have colours and transparency in place."""

from __future__ import annotations

import numpy as np
import pytest

from gesso.media.bicubic import resized, rounded, scaled
from gesso.media.luma import luma
from gesso.rules.tiling import coloured, tiles, under_alpha


def parts(picture: np.ndarray, scale: int, side: int, reach: int = 4) -> list:
    """Bicubic luma, tile by tile."""
    plane = luma(picture[..., :3] if picture.ndim == 3 else picture)
    whole = scaled(plane, scale)
    made = []
    for frame in tiles(picture.shape[:2], reach, side):
        left, top, right, bottom = frame.box
        assert frame.size == (bottom - top, right - left)
        made.append((frame, whole[top * scale : bottom * scale, left * scale : right * scale]))
    return made


@pytest.mark.parametrize("shape", [(50, 70), (50, 70, 3), (50, 70, 4), (33, 32, 3)])
@pytest.mark.parametrize("side", [16, 512])
def test_bicubic_tiles_give_the_bicubic_picture(shape: tuple[int, ...], side: int):
    picture = np.random.default_rng(0).integers(40, 200, shape).astype(np.uint8)
    made = coloured(picture, parts(picture, 2, side), 2, side)
    wanted = rounded(resized(picture.astype(np.float32), shape[0] * 2, shape[1] * 2))
    assert made.shape == wanted.shape and np.abs(made.astype(int) - wanted).max() <= 1


def test_tiles_cover_every_pixel_once():
    covered = np.zeros((50, 70), int)
    for number, frame in enumerate(tiles((50, 70), 5, 16)):
        top, left = number // 5 * 16, number % 5 * 16
        covered[top : top + 16, left : left + 16] += 1
        assert frame.box[0] == max(0, left - 5) and frame.box[3] == min(50, top + 16 + 5)
    assert (covered == 1).all()


def test_colours_under_alpha_are_the_nearest_that_are_seen():
    picture = np.zeros((4, 4, 4), np.uint8)
    picture[:, :2] = (10, 20, 30, 255)
    picture[:, 2:] = (255, 0, 255, 0)
    assert (under_alpha(picture) == (10, 20, 30)).all()
    assert (under_alpha(np.zeros((2, 2, 4), np.uint8)) == 0).all()
