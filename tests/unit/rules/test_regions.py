"""Regions: closed pieces parted at their necks, whatever the size at which they are seen."""

import numpy as np
import pytest

from gesso.rules.pieces import find_pieces
from gesso.rules.regions import MAX_REGIONS, drawn_regions, regions_of


def box(size=72, opening=0):
    line = np.full((size, size), 255, np.uint8)
    a, b = size // 4, size * 3 // 4
    line[a : b + 1, [a, b]] = 0
    line[[a, b], a : b + 1] = 0
    line[size // 2 : size // 2 + opening, b] = 255
    return line


@pytest.mark.parametrize("opening", [0, 1, 6, 10])
def test_an_outline_that_is_open_a_little_still_holds_its_inside(opening):
    regions = drawn_regions(box(opening=opening))
    assert regions[36, 36] != regions[36, 68] and (regions[22:50, 22:50] == regions[36, 36]).all()


def test_an_outline_that_is_half_missing_holds_nothing():
    line = box()
    line[19:54, 54] = 255
    line[18, 30:55] = 255
    regions = drawn_regions(line)
    assert regions[36, 50] == regions[36, 68]


def test_open_ground_is_not_parted():
    assert drawn_regions(np.full((72, 100), 255, np.uint8)).max() == 0
    line = np.full((72, 100), 255, np.uint8)
    line[30] = 0
    assert sorted(np.unique(drawn_regions(line))) == [0, 1]


def test_regions_never_cross_a_closed_line():
    rng = np.random.default_rng(0)
    line = np.full((96, 96), 255, np.uint8)
    for _ in range(5):
        y, x = rng.integers(0, 70, 2)
        line[y : y + 20, [x, x + 20]] = 0
        line[[y, y + 20], x : x + 21] = 0
    pieces = find_pieces(line, gap=0)
    regions = regions_of(pieces, line.shape)
    for one in np.unique(regions):
        assert len(np.unique(pieces.labels[(regions == one) & pieces.free])) <= 1


def test_a_large_page_has_the_same_regions_seen_small():
    pieces = find_pieces(box(288, opening=12), gap=0)
    small = regions_of(pieces, (72, 72))
    assert small.shape == (72, 72) and small[36, 36] != small[36, 68]


def test_a_line_too_thin_to_be_seen_still_parts():
    line = np.full((720, 720), 255, np.uint8)
    line[:, 360] = 0
    small = regions_of(find_pieces(line), (72, 72))
    assert small[10, 10] != small[10, 60] and len(np.unique(small)) == 2


def test_a_piece_smaller_than_a_pixel_is_there():
    line = box(720)
    line[300:306, [300, 305]] = 0
    line[[300, 305], 300:306] = 0
    pieces = find_pieces(line, gap=0)
    assert pieces.num == 3 and len(np.unique(regions_of(pieces, (72, 72)))) == 3


def test_a_window_sees_its_part():
    pieces = find_pieces(box(), gap=0)
    part = regions_of(pieces, (36, 36), (36, 0, 72, 36))
    assert part.shape == (36, 36) and len(np.unique(part)) == 2


def test_a_page_of_hatching_has_a_bounded_number_of_regions():
    line = np.full((144, 144), 255, np.uint8)
    line[::4] = 0
    line[:, ::4] = 0
    assert drawn_regions(line).max() < MAX_REGIONS


@pytest.mark.parametrize("value", [0, 255])
def test_pages_of_one_kind_are_one_region(value):
    assert (drawn_regions(np.full((9, 5), value, np.uint8)) == 0).all()
