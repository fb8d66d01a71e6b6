"""What a dot and a stroke mean."""

from __future__ import annotations

import numpy as np
import pytest

from gesso.errors import GessoError
from gesso.rules.hint_pieces import on_line, piece_at, pieces_under
from gesso.rules.pieces import find_pieces


@pytest.fixture
def columns():
    """Three rooms, x < 38, 42 to 77 and from 82, with lines 4 px wide between."""
    line = np.full((60, 120), 255, np.uint8)
    line[:, 38:42] = line[:, 78:82] = 0
    return find_pieces(line, gap=0)


def test_a_dot_means_the_piece_it_covers_most(columns) -> None:
    assert [piece_at(columns, x, 30, 3) for x in (20, 60, 100)] == [0, 1, 2]
    assert piece_at(columns, 37, 30, 8) == 0
    assert piece_at(columns, 43, 30, 8) == 1
    assert piece_at(columns, 38, 30, 6) == 0  # centre on ink
    assert piece_at(columns, 38, 30) == 0 and piece_at(columns, 41, 30) == 1  # wholly on ink: the nearest
    assert piece_at(columns, 0, 0, 5) == 0 and piece_at(columns, 119.9, 59.9, 5) == 2


def test_a_stroke_means_what_it_runs_through_not_what_it_grazes(columns) -> None:
    through = pieces_under(columns, [(8, 20), (68, 25)], 3)
    assert [piece for piece, _ in through] == [0, 1]
    assert through[0][1] + through[1][1] == pytest.approx(1) and 0.4 < through[0][1] < 0.6
    assert [p for p, _ in pieces_under(columns, [(45, 10), (45, 50)], 8)] == [1]
    assert [p for p, _ in pieces_under(columns, [(40, 30), (70, 30), (60, 40), (50, 30), (36, 31)], 2)] == [1]
    assert pieces_under(columns, [(39, 10), (39, 50)], 0) == [(0, 1.0)]
    assert pieces_under(columns, [(60, 30)], 2) == [(1, 1.0)]
    assert [p for p, _ in pieces_under(columns, [(-30, 30), (20, 30)], 2)] == [0]


def test_what_lies_outside_is_refused(columns) -> None:
    for x, y, radius in ((-1, 0, 2), (120, 5, 2), (5, 60, 2), (5, 5, -1), (float("nan"), 5, 1)):
        with pytest.raises(GessoError, match="hint"):
            piece_at(columns, x, y, radius)
    for points in ([], [(-5, -5), (-9, -9)]):
        with pytest.raises(GessoError, match="hint"):
            pieces_under(columns, points, 1)


def test_a_long_stroke_means_each_sliver_it_crosses_and_not_the_sky_it_ends_in() -> None:
    line = np.full((120, 300), 255, np.uint8)
    line[40:80, 50:250:10] = 0  # twenty slivers of 9 x 40, hatched
    line[40, 50:250] = line[80, 50:250] = line[40:81, 249] = 0
    pieces = find_pieces(line, gap=0)
    meant = [p for p, _ in pieces_under(pieces, [(55, 60), (244, 60)], 1.5)]
    slivers = {int(pieces.labels[60, x]) for x in range(55, 250, 10)}
    assert set(meant) == slivers and len(slivers) == 20
    sky = int(pieces.labels[5, 5])
    beyond = [p for p, _ in pieces_under(pieces, [(205, 60), (275, 60)], 1.5)]
    assert sky not in beyond and len(beyond) >= 4, "a quarter of it is outside"


def test_a_stroke_over_two_large_rooms_means_both(columns) -> None:
    assert [p for p, _ in pieces_under(columns, [(5, 20), (72, 20)], 2)] == [0, 1]


def test_what_lies_on_a_line_is_told(columns) -> None:
    assert on_line(columns, [(40, 30)], 2) and not on_line(columns, [(20, 30)], 2)
    assert on_line(columns, [(39, 10), (40, 50)], 0) and not on_line(columns, [(30, 10), (50, 50)], 1)
