"""Calibration of a colouring's confidence `sure`: the probability that the guess for an unhinted piece is nearer to the truth than white.

bins   per tenth of confidence: `said`, the mean confidence; `came`, the share of pieces whose guess has a smaller squared error
       than white; `num`
error  the expected calibration error (Naeini 2015): the mean of |said - came| over pieces
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from gesso.errors import GessoError
from gesso.metrics.drawing_pieces import SIDE, table_of, truths_of
from gesso.number import whole

BINS = 10
MIN_AREA = 9  # pixels of a 72-pixel drawing: smaller pieces are ignored
OPTIONS = ("size", "limit", "group")


def reliability(make: Callable[..., Any], data: Path | None, options: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Measure the drawings of a table without hints; `make(sketch=…, guess=1)` returns `image`, `pieces` and `sure` (uint8 [h w])."""
    given = dict(options or {})
    if unknown := [name for name in given if name not in OPTIONS]:
        raise GessoError(f"sureness is measured without {unknown[0]!r}", where=f"--{unknown[0]}", fix="one of " + ", ".join(OPTIONS))
    size = whole(given.get("size", SIDE), where="--size", low=24, high=2048)
    limit = None if given.get("limit") is None else whole(given["limit"], where="--limit", low=1, high=10**9)
    predicted: list[np.ndarray] = []
    correct: list[np.ndarray] = []
    table = table_of(data, size, limit, given.get("group"))
    for truth in truths_of(table, size):
        made = make(sketch=truth.line, guess=1.0, seed=0)
        sure, better = piece_outcomes(truth.line, truth.colour, np.asarray(made.image), np.asarray(made.pieces), np.asarray(made.sure))
        predicted.append(sure)
        correct.append(better)
    return calibration(np.concatenate(predicted), np.concatenate(correct))


def piece_outcomes(
    line: np.ndarray, true: np.ndarray, image: np.ndarray, pieces: np.ndarray, sure: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """For each large piece that the guess colours: the confidence, and whether the colour was nearer to the truth than white."""
    flat = pieces.ravel()
    area = np.bincount(flat)
    errors = []
    for one in (image, np.repeat(line[..., None], 3, -1)):
        squares = ((one.astype(float) - true) ** 2).sum(-1)
        errors.append(np.bincount(flat, squares.ravel(), len(area)))
    sureness = np.bincount(flat, sure.ravel() / 255, len(area)) / np.maximum(area, 1)
    counted = (area >= MIN_AREA * (line.shape[0] / SIDE) ** 2) & (errors[0] != errors[1])
    return sureness[counted], (errors[0] < errors[1])[counted]


def calibration(predicted: np.ndarray, correct: np.ndarray, num_bins: int = BINS) -> dict[str, Any]:
    """The reliability diagram and the calibration error of probabilities [n] in 0 to 1 and outcomes bool [n]."""
    if not len(predicted):
        raise GessoError("the model guessed no piece of these drawings", where="data", fix="measure on coloured drawings, or raise --limit")
    which = np.minimum((predicted * num_bins).astype(int), num_bins - 1)
    bins, error = {}, 0.0
    for n in range(num_bins):
        here = which == n
        if here.any():
            row = {"said": round(float(predicted[here].mean()), 3), "came": round(float(correct[here].mean()), 3), "num": int(here.sum())}
            bins[f"{n / num_bins:.1f}"] = row
            error += here.mean() * abs(predicted[here].mean() - correct[here].mean())
    return {"bins": bins, "error": round(float(error), 4), "pieces": len(predicted)}
