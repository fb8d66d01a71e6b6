"""A large page decided on a coarse grid comes out as one decided pixel by pixel, but for a pixel or two along what is cut."""

import numpy as np
import pytest

from gesso.rules.apply_hints import apply_hints
from gesso.rules.cutting import cut_pieces
from gesso.rules.decision import DecisionParameters
from gesso.rules.fill import flats
from gesso.rules.grid import grid_at, grid_of
from gesso.rules.pieces import find_pieces
from gesso.rules.prediction import Prediction, votes

COLOURS = np.array([(255, 255, 255), (255, 0, 0), (0, 0, 255)], np.uint8)


def drawing(size):
    """A room with a wall through it, a slit in the corner that no cell's middle meets, and a sliver beside the wall."""
    line = np.full((size, size), 255, np.uint8)
    a, b, pen = size // 6, size - size // 6, max(2, size // 40)
    line[a : a + pen, a:b] = line[b : b + pen, a : b + pen] = line[a:b, a : a + pen] = line[a:b, b : b + pen] = 0
    line[a:b, size // 2 : size // 2 + pen] = 0
    line[2:9, 2:9] = 0
    line[4:6, 4:6] = 255
    return line


def field(classes, size):
    shares = np.full((3, *classes.shape), 0.02, np.float32)
    np.put_along_axis(shares, classes[None], 0.96, 0)
    return Prediction.of_pixels(shares, (0, 0, size, size))


def coloured(page, predictions, grid):
    cells = grid.to_cells(predictions)
    parts = cut_pieces(grid.cells, cells, COLOURS, DecisionParameters())
    pieces, share, owner = grid.to_page(parts, votes(parts, cells), cells)
    return pieces, share, owner, flats(pieces, COLOURS[share.argmax(1)])


@pytest.mark.parametrize("size", [300, 517])
def test_it_is_what_the_whole_page_would_be(size):
    classes = np.zeros((72, 72), int)
    classes[:40, 12:36] = 1
    classes[40:, 12:36] = 2
    page, predictions = find_pieces(drawing(size), gap=0), [field(classes, size)]
    grid = grid_of(page, predictions)
    assert grid.cells.shape == (72, 72) and grid.page is page
    pieces, _, owner, seen = coloured(page, predictions, grid)
    _, _, _, whole = coloured(page, predictions, grid_at(page, 1))
    differs = (seen != whole).any(-1)
    assert differs.mean() < 0.02
    assert (owner[pieces.labels[page.free]] == page.labels[page.free]).all(), "a part stays in its piece"
    assert (pieces.labels.ravel()[page.under] == pieces.labels.ravel()[page.nearest.ravel()[page.under]]).all()


def test_a_piece_without_a_cell_is_asked_at_its_middle():
    page = find_pieces(drawing(517), gap=0)
    slit = int(page.labels[4, 4])
    assert page.areas[slit] == 4
    classes = np.zeros((72, 72), int)
    classes[:2, :2] = 2
    predictions = [field(classes, 517)]
    grid = grid_of(page, predictions)
    assert slit in grid.absent[:, 0]
    pieces, share, _, _ = coloured(page, predictions, grid)
    assert share[pieces.labels[4, 4]].argmax() == 2 and (pieces.labels == pieces.labels[4, 4]).sum() >= 4


def test_windows_meet_on_one_grid():
    line = np.full((900, 300), 255, np.uint8)
    line[:, 148:152] = 0
    left = np.zeros((72, 72), int)
    left[:, :36] = 1
    said = field(left, 300)
    predictions = [Prediction(said.shares, said.regions, (0, top, 300, top + 300)) for top in (0, 200, 400, 600)]
    page = find_pieces(line, gap=0)
    grid = grid_of(page, predictions)
    assert grid.cells.shape == (216, 72)
    _, _, _, seen = coloured(page, predictions, grid)
    assert (seen[:, :148] == COLOURS[1]).all() and (seen[:, 152:] == COLOURS[0]).all()


@pytest.mark.parametrize("value", [0, 255])
def test_blank_and_black_pages(value):
    page = find_pieces(np.full((300, 200), value, np.uint8), gap=0)
    said = field(np.ones((72, 48), int), 0)
    predictions = [Prediction(said.shares, said.regions, (0, 0, 200, 300))]
    _, _, _, seen = coloured(page, predictions, grid_of(page, predictions))
    assert (seen == COLOURS[1 if value else 0]).all(), "where all is ink nobody speaks"


def test_marks_are_obeyed_on_what_was_drawn_from_a_grid():
    size = 517
    page, predictions = find_pieces(drawing(size), gap=0), [field(np.ones((72, 72), int), size)]
    grid = grid_of(page, predictions)
    pieces, share, _, _ = coloured(page, predictions, grid)
    marks = [([(180, 180)], (10, 120, 30), 4.0), ([(180, 360)], (200, 50, 160), 4.0), ([(400, 300), (400, 350)], (90, 90, 200), 3.0)]
    parts, colours = apply_hints(pieces, COLOURS[share.argmax(1)], marks, np.zeros(pieces.num, bool), predictions, COLOURS)
    out = flats(parts, colours)
    assert tuple(out[180, 180]) == (10, 120, 30) and tuple(out[360, 180]) == (200, 50, 160) and tuple(out[200, 400]) == (90, 90, 200)
    assert tuple(out[20, 20]) == (255, 0, 0)
