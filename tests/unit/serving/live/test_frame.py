"""What changed of a picture is found whole, and is no larger than it must be."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from gesso.errors import GessoError
from gesso.serving.live.frame import changed, pack, quick_png, unpack


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


pictures = arrays.arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9), st.just(3)), elements=st.integers(0, 1))


@given(pictures, st.data())
@settings(max_examples=60, deadline=None)
def test_boxes_hold_all_that_changed(before: np.ndarray, data: st.DataObject):
    now = data.draw(arrays.arrays(np.uint8, before.shape, elements=st.integers(0, 1)))
    left, top, right, bottom = changed(before, now)
    painted = before.copy()
    painted[top:bottom, left:right] = np.asarray(Image.open(io.BytesIO(quick_png(now, (left, top, right, bottom)))))
    assert np.array_equal(painted, now) and 0 <= left < right <= now.shape[1] and 0 <= top < bottom <= now.shape[0]
    if (before != now).any():
        outside = np.ones(now.shape[:2], bool)
        outside[top:bottom, left:right] = False
        assert not (before != now).any(-1)[outside].any()
        for side in (now[top, left:right] != before[top, left:right], now[bottom - 1, left:right] != before[bottom - 1, left:right]):
            assert side.any(), "and nothing more"


def test_another_shape_is_sent_whole():
    assert changed(np.zeros((4, 5), np.uint8), np.zeros((5, 5), np.uint8)) == (0, 0, 5, 5) == changed(None, np.zeros((5, 5, 3), np.uint8))


def test_messages_both_ways():
    assert unpack(pack({"a": "한"}, b"xyz")) == ({"a": "한"}, b"xyz")
    with pytest.raises(GessoError):
        unpack(b"\x01")
