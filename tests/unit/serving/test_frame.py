"""What changed of a picture is found whole, and is no larger than it must be."""

import io

import numpy as np
import pytest
from PIL import Image

from gesso.serving.frame import changed, quick_png


@pytest.mark.parametrize("shape", [(9, 7, 3), (16, 16), (8, 24, 3), (1, 1, 4), (5, 64, 4)])
def test_the_box_is_the_smallest_around_what_differs(shape):
    dice = np.random.default_rng(1)
    before = dice.integers(0, 256, shape, dtype=np.uint8)
    assert changed(before, before.copy()) == (0, 0, 1, 1)
    for _ in range(40):
        now = before.copy()
        places = [(int(dice.integers(shape[0])), int(dice.integers(shape[1]))) for _ in range(dice.integers(1, 4))]
        for y, x in places:
            now[y, x, ..., -1 if now.ndim == 3 else None] ^= 1
        ys, xs = zip(*places, strict=True)
        if all((now[y, x] != before[y, x]).any() for y, x in places):
            assert changed(before, now) == (min(xs), min(ys), max(xs) + 1, max(ys) + 1)


def test_a_picture_of_another_shape_is_new_altogether():
    now = np.zeros((4, 6, 3), np.uint8)
    assert changed(None, now) == changed(now[:, :5], now) == (0, 0, 6, 4)


def test_the_box_is_sent_exactly():
    pixels = np.random.default_rng(2).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(quick_png(pixels, (3, 5, 17, 6))))), pixels[5:6, 3:17])
