"""Windows cover the page, overlap, and are no larger than the network was taught on."""

import numpy as np
import pytest

from gesso.rules.window import MOST, windows


@pytest.mark.parametrize(
    "page", [(72, 72), (8, 8), (144, 100), (512, 512), (1000, 1500), (20000, 800), (300, 9000), (2000, 2000), (8, 3000)]
)
@pytest.mark.parametrize("detail", [64, 144, 256])
def test_windows(page, detail):
    seen = np.zeros(page, np.uint8)
    for (h, w), (left, top, right, bottom) in windows(page, detail):
        assert 8 <= h <= MOST and 8 <= w <= MOST
        assert 0 <= left < right <= page[1] and 0 <= top < bottom <= page[0]
        seen[top:bottom, left:right] += 1
    assert seen.min() >= 1


def test_a_small_page_is_shown_as_it_is():
    assert windows((72, 72), 144) == [((72, 72), (0, 0, 72, 72))]


def test_windows_of_a_strip_overlap_by_a_quarter():
    boxes = [box for _, box in windows((8000, 800), 144)]
    assert all(a[3] - b[1] >= 190 for a, b in zip(boxes, boxes[1:], strict=False))
