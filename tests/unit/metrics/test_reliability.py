"""Calibration of the confidence: with a confidence of one half, half of the guesses are right."""

from __future__ import annotations

import numpy as np
import pytest

from gesso.errors import GessoError
from gesso.metrics.reliability import calibration, piece_outcomes, reliability


def test_calibrated_confidence_has_no_error_and_overconfidence_has():
    rng = np.random.default_rng(0)
    said = rng.uniform(0, 1, 20_000)
    honest = calibration(said, rng.random(20_000) < said)
    assert honest["error"] < 0.02 and honest["pieces"] == 20_000 and len(honest["bins"]) == 10
    boast = calibration(np.ones(1000), np.arange(1000) % 2 == 0)
    assert boast["error"] == pytest.approx(0.5) and boast["bins"] == {"0.9": {"said": 1.0, "came": 0.5, "num": 1000}}


def test_only_pieces_that_the_guess_colours_count():
    line, pieces = np.full((72, 72), 255, np.uint8), np.zeros((72, 72), int)
    pieces[:, 36:], pieces[:10, :10] = 1, 2
    true, image = np.full((72, 72, 3), 255, np.uint8), np.full((72, 72, 3), 255, np.uint8)
    true[pieces == 1] = (200, 0, 0)
    image[pieces == 1], image[pieces == 2] = (220, 20, 20), (0, 0, 200)
    sure = np.where(pieces == 1, 204, 51).astype(np.uint8)
    said, came = piece_outcomes(line, true, image, pieces, sure)
    assert said.tolist() == pytest.approx([0.8, 0.2]) and came.tolist() == [True, False], "the first guessed nothing"


def test_no_guesses_and_unknown_options_are_refused():
    with pytest.raises(GessoError, match="guessed"):
        calibration(np.zeros(0), np.zeros(0, bool))
    with pytest.raises(GessoError, match="--counts"):
        reliability(lambda **_: None, None, {"counts": "3"})
