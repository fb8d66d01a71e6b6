"""The reach of hints, and colours that are ruled out: in drawings whose predictions are given."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gesso.ports import Frame
from gesso.rules.avoided import without_avoided
from gesso.rules.hint_pieces import pieces_under
from gesso.rules.pieces import find_pieces
from gesso.rules.prediction import Prediction
from gesso.rules.reach import mixed, predicted, views

COLOURS = np.array([[255, 255, 255], [200, 0, 0], [0, 0, 200], [10, 200, 10], [10, 200, 10]], np.uint8)  # two hints of one green
REGIONS = np.array([[0, 1, 2]])


def shares(*rows: list[float]) -> np.ndarray:
    return np.array(rows, np.float32)


def test_regions_count_without_hints_unless_they_follow_one():
    seen = Prediction(shares([0.1, 0.2, 0.1, 0.3, 0.3], [0.3, 0.3, 0.3, 0.05, 0.05], [0, 1, 0, 0, 0]), REGIONS, (0, 0, 3, 1))
    blind = Prediction(shares([0.2, 0.8, 0, 0], [0.5, 0.25, 0.25, 0], [0, 0, 1, 0]), REGIONS, (0, 0, 3, 1))
    made = mixed(seen, blind, COLOURS, 3, 0.5)
    assert np.allclose(made.shares[0], seen.shares[0]), "both hints of its colour together"
    assert np.allclose(made.shares[1], [0.5, 0.25, 0.25, 0, 0])
    assert np.allclose(made.shares[2], [0, 0, 1, 0, 0])
    assert np.allclose(made.shares.sum(1), 1)


def test_views_and_drafts():
    frame = Frame((8, 8), options={"lines": "auto"})
    assert views([frame], "all") == [frame]
    assert [one.options.get("blind", False) for one in views([frame], "same")] == [True, False]
    assert [one.options for one in views([frame], "marked")] == [{"lines": "auto", "blind": True}]

    def output(rows: np.ndarray, colours: np.ndarray) -> Any:
        parts = {"shares": rows, "regions": REGIONS, "colours": colours}
        return SimpleNamespace(media={name: torch.from_numpy(np.array(part))[None] for name, part in parts.items()})

    seen, blind = output(shares(*[[0.1, 0.8, 0.1, 0, 0]] * 3), COLOURS), output(shares(*[[0.2, 0, 0.8, 0]] * 3), COLOURS[:4])
    blind_frame, plain = views([frame], "same")
    for made, entry, num in (([(plain, seen)], 1, 5), ([(blind_frame, blind)], 2, 4), ([(blind_frame, blind), (plain, seen)], 2, 5)):
        predictions, colours = predicted(made, (1, 3), 3, 0.5)
        assert len(predictions) == 1 and predictions[0].shares[0].argmax() == entry and len(colours) == num


def two_boxes() -> Any:
    line = np.full((40, 80), 255, np.uint8)
    line[[4, 35], 4:76] = 0
    line[4:36, [4, 40, 75]] = 0
    return find_pieces(line)


def at(pieces: Any, x: int, y: int) -> int:
    return int(pieces.labels[y, x])


def test_a_ruled_out_colour_gives_way_to_the_likeliest_of_the_others():
    pieces = two_boxes()
    share = np.tile(shares([0.1, 0.5, 0.3, 0.1]), (pieces.num, 1))
    chosen = np.tile(COLOURS[1], (pieces.num, 1))
    left, right = at(pieces, 20, 20), at(pieces, 60, 20)
    out = without_avoided(pieces, chosen, share, COLOURS[:4], [([(20, 20)], (205, 4, 4), 2.0)])
    assert out[left].tolist() == [0, 0, 200] and out[right].tolist() == [200, 0, 0]
    out = without_avoided(pieces, chosen, share, COLOURS[:4], [([(20, 20)], (205, 4, 4), 2.0), ([(22, 22)], (0, 0, 190), 2.0)])
    assert out[left].tolist() == [10, 200, 10]
    assert without_avoided(pieces, chosen, share, COLOURS[:4], [([(20, 20)], (0, 0, 190), 2.0)])[left].tolist() == [200, 0, 0]
    assert without_avoided(pieces, chosen, share, COLOURS[:4], []) is chosen


def test_paper_can_be_ruled_out_and_is_what_remains():
    pieces = two_boxes()
    left = at(pieces, 20, 20)
    paper = np.full((pieces.num, 3), 255, np.uint8)
    share = np.tile(shares([0.9, 0.02, 0.08, 0]), (pieces.num, 1))
    assert without_avoided(pieces, paper, share, COLOURS[:4], [([(20, 20)], (255, 255, 255), 2.0)])[left].tolist() == [0, 0, 200]
    only = np.tile(shares([0.4, 0.6, 0, 0]), (pieces.num, 1))
    red = np.tile(COLOURS[1], (pieces.num, 1))
    assert without_avoided(pieces, red, only, COLOURS[:4], [([(20, 20)], (200, 0, 0), 2.0)])[left].tolist() == [255, 255, 255]


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(
    st.lists(st.tuples(st.integers(5, 70), st.integers(6, 33), st.sampled_from([(200, 0, 0), (0, 0, 200), (255, 255, 255)])), max_size=4)
)
def test_only_pieces_under_a_mark_change(marks: list[tuple[int, int, tuple[int, int, int]]]):
    pieces = two_boxes()
    rng = np.random.default_rng(0)
    share, chosen = rng.random((pieces.num, 4)), COLOURS[rng.integers(0, 3, pieces.num)]
    out = without_avoided(pieces, chosen, share, COLOURS[:4], [([(x, y)], colour, 1.0) for x, y, colour in marks])
    ruled = {piece: colour for x, y, colour in marks for piece, _ in pieces_under(pieces, [(x, y)], 1.0)}
    changed = np.flatnonzero((out != chosen).any(1)).tolist()
    assert set(changed) <= set(ruled)
    assert all((out[piece] != ruled[piece]).any() for piece in ruled)
