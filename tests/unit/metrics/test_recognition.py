"""Accuracy with its interval and mistakes, and the pointing game against planted evidence."""

from __future__ import annotations

import numpy as np
import pytest

from gesso.errors import GessoError
from gesso.metrics.recognition import CORNERS, mosaic, pointing, right_share


def test_the_interval_is_wilsons():
    made = right_share(np.arange(100) < 90)
    assert made["accuracy"] == 0.9 and made["n"] == 100
    assert made["90 %"] == pytest.approx([0.8397, 0.9393], abs=2e-3)
    low, high = right_share(np.ones(10, bool))["90 %"]
    assert low < 0.9 and high == pytest.approx(1)


def test_pointing_finds_evidence_in_its_quarter():
    heats = np.zeros((4, 8, 8))
    for number, (y, x) in enumerate(CORNERS):
        heats[number, 4 * y + 1, 4 * x + 2] = 3
        heats[number, 4 * (1 - y), 4 * (1 - x)] = 1
    right = pointing(heats, range(4))
    assert right["peak"] == 1 and right["share"] == pytest.approx(0.75)
    wrong = pointing(heats, [1, 0, 3, 2])
    assert wrong["peak"] == 0 and wrong["share"] == 0


def test_evidence_that_is_nowhere_points_nowhere():
    assert pointing(np.zeros((2, 8, 8)), [0, 0])["peak"] == 0


@pytest.mark.parametrize("num_classes", [2, 3, 6])
def test_a_mosaic_holds_the_class_once(num_classes):
    labels = np.arange(24) % num_classes
    pictures = np.broadcast_to(labels[:, None, None, None], (24, 4, 4, 3)).astype(np.uint8) * 10 + 5
    corners = set()
    for seed in range(30):
        board, plain, corner, asked = mosaic(pictures, labels, np.random.default_rng(seed))
        assert board.shape == plain.shape == (8, 8, 3)
        y, x = CORNERS[corner]
        quarter = (slice(4 * y, 4 * y + 4), slice(4 * x, 4 * x + 4))
        assert (board[quarter] == asked * 10 + 5).all() and (board == asked * 10 + 5).all(2).sum() == 16
        assert np.array_equal(plain[quarter], board[quarter])
        assert len(np.unique(board)) == min(4, num_classes)
        corners.add(corner)
    assert corners == {0, 1, 2, 3}


@pytest.mark.parametrize("measure", ["measure_accuracy", "measure_evidence"])
def test_unknown_options_are_refused(measure):
    from gesso.metrics import recognition

    given = (None, None, {"nmu": 1}) if measure == "measure_evidence" else (None, None, {}, {"nmu": 1})
    with pytest.raises(GessoError, match="nmu"):
        getattr(recognition, measure)(*given)
