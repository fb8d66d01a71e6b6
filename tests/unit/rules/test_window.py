"""Windows cover the page, overlap, and are no larger than the network was taught on."""

import numpy as np
import pytest

from gesso.rules.window import MAX_SIDE, MAX_WINDOWS, TRAINED_SIZES, detail_of, windows


@pytest.mark.parametrize(
    "page", [(72, 72), (8, 8), (144, 100), (512, 512), (1000, 1500), (20000, 800), (300, 9000), (2000, 2000), (8, 3000)]
)
@pytest.mark.parametrize("detail", [64, 144, 256])
def test_windows(page, detail):
    seen = np.zeros(page, np.uint8)
    for (h, w), (left, top, right, bottom) in windows(page, detail):
        assert 8 <= h <= MAX_SIDE and 8 <= w <= MAX_SIDE
        assert 0 <= left < right <= page[1] and 0 <= top < bottom <= page[0]
        seen[top:bottom, left:right] += 1
    assert seen.min() >= 1


def test_a_small_page_is_shown_as_it_is():
    assert windows((72, 72), 144) == [((72, 72), (0, 0, 72, 72))]


def test_windows_of_a_strip_overlap_by_a_quarter():
    boxes = [box for _, box in windows((8000, 800), 144)]
    assert all(a[3] - b[1] >= 190 for a, b in zip(boxes, boxes[1:], strict=False))


@pytest.mark.parametrize("page", [(8, 32768), (32768, 8), (40000, 1), (1, 1), (600, 40000), (7, 2600)])
@pytest.mark.parametrize("detail", [64, 144, 256])
def test_no_page_has_more_windows_than_the_most(page, detail):
    made = windows(page, detail)
    assert 1 <= len(made) <= MAX_WINDOWS
    along = [(box[3], box[1]) if page[0] >= page[1] else (box[2], box[0]) for _, box in made]
    assert along[0][1] == 0 and along[-1][0] == max(page)
    spans = [end - start for end, start in along]
    assert all(a[0] - b[1] >= 0.25 * span - 1 for a, b, span in zip(along, along[1:], spans, strict=False)), "they overlap by a quarter"
    assert all(8 <= h <= MAX_SIDE and 8 <= w <= MAX_SIDE for (h, w), _ in made)


def test_a_strip_of_a_usual_length_keeps_its_square_windows():
    made = windows((20000, 800), 144)
    assert len(made) == 33 and {size for size, _ in made} == {(144, 144)}


@pytest.mark.parametrize(("size", "pen", "wanted"), [(512, 14, 73), (512, 5, 144), (512, 30, 72), (72, 2, 72)])
def test_a_drawing_is_shown_so_that_its_pen_is_as_wide_as_those_learned_from(size, pen, wanted):
    line = np.full((size, size), 255, np.uint8)
    line[size // 3 : size // 3 + pen, size // 6 : -size // 6] = 0
    line[size // 6 : -size // 6, size // 2 : size // 2 + pen] = 0
    assert abs(detail_of(line) - wanted) <= 8
    assert detail_of(np.full((size, size), 255, np.uint8)) == TRAINED_SIZES[1]
