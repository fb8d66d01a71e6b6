"""Who speaks, flats, and the plain rules."""

from __future__ import annotations

import numpy as np
import pytest

from gesso.errors import GessoError
from gesso.rules.fill import bucket_fill, flats, over_line, voting_pixels
from gesso.rules.line import INK
from gesso.rules.pieces import find_pieces


def box(size: int = 72) -> np.ndarray:
    line = np.full((size, size), 255, np.uint8)
    line[20:52, 20:52] = 0
    line[23:49, 23:49] = 255
    line[19, 19:53] = 128  # the rim of an anti-aliased stroke
    return line


def test_what_bleeds_over_the_line_does_not_speak() -> None:
    pieces = find_pieces(box(), gap=0)
    speak = voting_pixels(pieces)
    assert not speak[box() <= INK].any() and not speak[23, 23:49].any() and not speak[23:49, 23].any()
    assert speak[36, 36] and speak[5, 5] and not speak[18, 36], "beside the line on either side nobody speaks"


def test_a_piece_that_is_all_rim_speaks_too() -> None:
    line = np.full((20, 20), 0, np.uint8)
    line[10, 3:15] = 255
    assert np.argwhere(voting_pixels(find_pieces(line, gap=0))).tolist() == [[10, x] for x in range(3, 15)]


def test_flats_lie_under_the_line_without_a_fringe() -> None:
    pieces = find_pieces(box(), gap=0)
    colours = np.array([[255, 255, 255], [200, 30, 40]], np.uint8)
    flat = flats(pieces, colours)
    assert {tuple(c) for c in flat.reshape(-1, 3)} == {(255, 255, 255), (200, 30, 40)}
    line = np.full((1, 256), 0, np.uint8)
    line[0] = np.arange(256)
    made = over_line(np.full((1, 256, 3), 200, np.uint8), line)
    assert (made[0, :, 0] == np.rint(200 * np.arange(256) / 255)).all()
    assert (over_line(flat, box())[20:23, 20:52] == 0).all()


def test_bucket_fill_floods_and_spares() -> None:
    red, blue = (250, 10, 20), (10, 20, 250)
    hints = [(30.0, 30.0, red, 1.0), (2, 2, blue, 1.0)]
    flooded, spared = (bucket_fill(box(), hints, spare_paper=s) for s in (False, True))
    assert tuple(flooded[30, 30]) == tuple(spared[30, 30]) == red
    assert tuple(flooded[60, 60]) == blue and tuple(spared[60, 60]) == (255, 255, 255)
    assert (bucket_fill(box(), [], spare_paper=True) == box()[..., None]).all()


@pytest.mark.parametrize(
    "call",
    [
        lambda p: flats(p, np.zeros((5, 3), np.uint8)),
        lambda p: over_line(np.zeros((5, 5, 3), np.uint8), box()),
    ],
)
def test_bad_input_is_refused(call) -> None:
    with pytest.raises(GessoError):
        call(find_pieces(box(), gap=0))
