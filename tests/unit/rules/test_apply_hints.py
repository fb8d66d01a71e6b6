"""Several hints in one piece: each has its side, the border lies where the network sees one, and a later one covers."""

import numpy as np
import pytest

from gesso.rules.apply_hints import apply_hints
from gesso.rules.pieces import find_pieces
from gesso.rules.prediction import Prediction

WHITE, RED, BLUE = (255, 255, 255), (255, 0, 0), (0, 0, 255)
COLOURS = np.array([WHITE, RED, BLUE], np.uint8)


def room(size=72):
    line = np.full((size, size), 255, np.uint8)
    a, b, pen = size // 6, size - size // 6, max(1, size // 36)
    line[a : a + pen, a:b] = line[b : b + pen, a : b + pen] = line[a:b, a : a + pen] = line[a:b, b : b + pen] = 0
    return line


def field(classes, size):
    shares = np.full((3, *classes.shape), 0.02, np.float32)
    np.put_along_axis(shares, classes[None], 0.96, 0)
    return Prediction.of_pixels(shares, (0, 0, size, size))


def painted(marks, *, size=72, classes=None, line=None):
    line = room(size) if line is None else line
    classes = np.zeros((72, 72), int) if classes is None else classes
    pieces = find_pieces(line, gap=0)
    parts, colours = apply_hints(
        pieces, np.full((pieces.num, 3), 255, np.uint8), marks, np.zeros(pieces.num, bool), [field(classes, size)], COLOURS
    )
    return colours[parts.labels]


def test_two_hints_share_a_room_by_the_way_to_them_where_the_network_sees_nothing():
    out = painted([([(24, 36)], RED, 2.0), ([(48, 36)], BLUE, 2.0)])
    assert tuple(out[36, 20]) == tuple(out[20, 30]) == RED and tuple(out[36, 52]) == tuple(out[52, 45]) == BLUE
    assert tuple(out[5, 5]) == WHITE
    red = (out == RED).all(-1).sum()
    assert 0.4 < red / (red + (out == BLUE).all(-1).sum()) < 0.6


def test_the_border_lies_where_the_network_sees_an_edge():
    classes = np.ones((72, 72), int)
    classes[:, 50:] = 2
    out = painted([([(24, 36)], RED, 2.0), ([(54, 36)], BLUE, 1.5)], classes=classes)
    assert (out[20:55, 16:49] == RED).all() and (out[20:55, 51:57] == BLUE).all()


def test_a_hint_has_its_way_where_the_network_sees_it_nowhere():
    out = painted([([(36, 36)], RED, 2.0), ([(20, 20)], BLUE, 2.0)], classes=np.ones((72, 72), int))
    assert tuple(out[20, 20]) == BLUE and tuple(out[50, 50]) == RED


def test_a_hint_over_another_replaces_it():
    out = painted([([(36, 36)], RED, 2.0), ([(36, 36)], BLUE, 3.0)])
    assert not (out == RED).all(-1).any() and tuple(out[20, 50]) == BLUE


def test_marks_of_nearly_one_colour_count_as_one():
    out = painted([([(24, 36)], (0, 0, 250), 2.0), ([(48, 36)], BLUE, 2.0)])
    assert (out[20:50, 20:50] == BLUE).all()


def test_a_hint_on_ink_means_what_is_nearest_beside_another():
    line = room()
    out = painted([([(36, 36)], RED, 2.0), ([(13.2, 36)], BLUE, 0.6)], line=line)
    assert tuple(out[36, 36]) == RED


@pytest.mark.parametrize("size", [72, 313, 700])
def test_a_stroke_and_a_dot(size):
    unit = size / 72
    stroke = [(20 * unit, 20 * unit), (20 * unit, 52 * unit)]
    out = painted([(stroke, RED, 2 * unit), ([(50 * unit, 36 * unit)], BLUE, 2 * unit)], size=size)
    at = lambda x, y: tuple(out[int(y * unit), int(x * unit)])  # noqa: E731
    assert at(20, 50) == at(18, 22) == RED and at(50, 36) == at(54, 50) == BLUE
    border = np.abs(np.diff((out == BLUE).all(-1).astype(int)[int(16 * unit) : int(54 * unit)], axis=1)).argmax(1)
    assert np.abs(np.diff(border)).max() <= 2 * unit  # smooth, not torn


def test_pieces_joined_without_a_way_between_them():
    line = room()
    line[14:60, 35:37] = 0
    pieces = find_pieces(line, gap=0, joins=[[(24, 36), (48, 36)]])
    white = np.full((pieces.num, 3), 255, np.uint8)
    marks = [([(20, 36)], RED, 2.0), ([(28, 36)], BLUE, 2.0)]
    parts, colours = apply_hints(pieces, white, marks, np.zeros(pieces.num, bool), [field(np.zeros((72, 72), int), 72)], COLOURS)
    out = colours[parts.labels]
    assert tuple(out[36, 18]) == RED and tuple(out[36, 31]) == BLUE and tuple(out[36, 48]) in (RED, BLUE)


def test_a_page_of_many_hints_in_one_piece():
    rng = np.random.default_rng(0)
    marks = [([(float(x), float(y))], tuple(int(v) for v in rng.integers(0, 240, 3)), 1.0) for x, y in rng.integers(15, 57, (60, 2))]
    out = painted(marks)
    assert tuple(out[int(marks[-1][0][0][1]), int(marks[-1][0][0][0])]) == marks[-1][1]


def test_a_mark_on_the_page_colours_itself_and_one_that_fills_all_of_it():
    pieces = find_pieces(room(), gap=0)
    white, paper = np.full((pieces.num, 3), 255, np.uint8), np.arange(pieces.num) == 0
    marks = [([(5, 5)], RED, 2.0)]
    dab, fill = (
        (colours[parts.labels])
        for parts, colours in (
            apply_hints(pieces, white, marks, paper, [field(np.zeros((72, 72), int), 72)], COLOURS, fills) for fills in ((), {0})
        )
    )
    assert tuple(dab[5, 5]) == RED and tuple(dab[70, 70]) == WHITE
    assert tuple(fill[5, 5]) == tuple(fill[70, 70]) == RED and tuple(fill[36, 36]) == WHITE
