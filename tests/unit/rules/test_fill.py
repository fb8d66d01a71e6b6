"""Votes, flats, and the plain rules."""

from __future__ import annotations

import numpy as np
import pytest

from gesso.errors import GessoError
from gesso.rules.fill import bucket_fill, flats, over_line, vote, vote_colour
from gesso.rules.pieces import find_pieces


def box(size: int = 72) -> np.ndarray:
    line = np.full((size, size), 255, np.uint8)
    line[20:52, 20:52] = 0
    line[23:49, 23:49] = 255
    line[19, 19:53] = 128  # the rim of an anti-aliased stroke
    return line


def test_the_vote_ignores_what_bleeds_over_the_line() -> None:
    pieces = find_pieces(box(), gap=0)
    values = np.zeros((72, 72, 2))
    values[22:50, 22:50, 0] = 1
    values[23:25, 23:49, 1] = 5  # beside the line
    assert np.allclose(vote(pieces, values)[:, 0], [0, 1])
    assert vote(pieces, values)[1, 1] < 0.3
    weight = np.ones((72, 72))
    weight[:, 30:] = 0
    values[30:40, 31:, 0] = 9
    assert np.isclose(vote(pieces, values, weight)[1, 0], 1)
    assert np.isfinite(vote(pieces, values, np.zeros((72, 72)))).all()


def test_a_piece_that_is_all_rim_votes_too() -> None:
    line = np.full((20, 20), 0, np.uint8)
    line[10, 3:15] = 255
    values = np.full((20, 20, 1), 3.0)
    assert vote(find_pieces(line, gap=0), values).tolist() == [[3.0]]


def test_the_colour_vote_takes_the_commonest_and_mixes_none() -> None:
    pieces = find_pieces(box(), gap=0)
    picture = np.full((72, 72, 3), 255, np.uint8)
    picture[23:49, 23:49] = (200, 30, 40)
    picture[23:49, 23:33] = (20, 30, 240)
    assert vote_colour(pieces, picture).tolist() == [[255, 255, 255], [200, 30, 40]]
    noisy = np.clip(picture + np.random.default_rng(0).normal(0, 4, picture.shape), 0, 255).astype(np.uint8)
    assert np.abs(vote_colour(pieces, noisy).astype(int) - [[255] * 3, [200, 30, 40]]).max() <= 4


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
        lambda p: vote(p, np.zeros((72, 72))),
        lambda p: vote(p, np.zeros((72, 72, 1)), np.zeros((3, 3))),
        lambda p: vote_colour(p, np.zeros((72, 72, 3))),
        lambda p: flats(p, np.zeros((5, 3), np.uint8)),
        lambda p: over_line(np.zeros((5, 5, 3), np.uint8), box()),
    ],
)
def test_bad_input_is_refused(call) -> None:
    with pytest.raises(GessoError):
        call(find_pieces(box(), gap=0))
