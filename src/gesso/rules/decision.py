"""Choose each piece's colour by expected squared error: its mean colour, a likely hint's colour, or paper."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gesso.rules.prediction import WHITE


@dataclass(frozen=True)
class DecisionParameters:
    """Thresholds and weights of the decision. A background piece holds most of the page's border, or is cut from such a piece.

    sure         the least `certainty` at which a piece is coloured. Each hint adds `each`, up to `most`, because users who give many
                 hints leave white what they do not hint
    ground       the same for background pieces; the setting `guess` moves both (see `certainty_thresholds`)
    follow       the least share of a hint's colour at which a piece takes that colour
    odds         factor for paper's share in background pieces: training weighted paper that much less
    heed         weight of a hint's share in the mean colour of a piece that does not follow it
    temperature  of the shares before averaging; 1 gives the expected colour, less a more saturated one
    apart        two parts of a closed piece are merged unless their RGB colours are farther apart than this (at most 441)
    stay         the same in closed pieces with a hint: a part keeps the hint's colour unless the predictions differ from it by more
    open         two parts are merged where their shared border without ink is more than this share of either's border
    bare         the same in background pieces
    wanted       the same in background pieces for a part that holds a hint
    held         the largest share of border without ink or on the page's edge at which a part of the background with a hint is a shape
    leak         as `open`, in closed pieces with a hint, so that only what the hint leaked into through a gap is cut off
    join         the least share of a hint's colour at which a part of a hinted piece goes with the hint
    least        parts smaller than this, in pixels of a 72-pixel drawing, are not cut off
    """

    sure: float = 0.5
    each: float = 0.1
    most: float = 0.65
    ground: float = 0.6
    follow: float = 0.5
    odds: float = 2.0
    heed: float = 0.0
    temperature: float = 0.5
    apart: float = 60.0
    stay: float = 180.0
    open: float = 0.08
    bare: float = 0.12
    wanted: float = 0.5
    held: float = 0.5
    leak: float = 0.12
    join: float = 0.1
    least: float = 10.0


def apply_paper_prior(share: np.ndarray, colours: np.ndarray, page: np.ndarray, params: DecisionParameters) -> np.ndarray:
    """Votes [num k] whose share of paper in background pieces (`page` bool [num]) is corrected for paper's weight in training."""
    share = np.where(page[:, None] & (colours.min(1) >= WHITE)[None], share * params.odds, share)
    corrected: np.ndarray = share / np.maximum(share.sum(1, keepdims=True), 1e-9)
    return corrected


def expected_colours(share: np.ndarray, colours: np.ndarray, params: DecisionParameters) -> np.ndarray:
    """The expected colour of each piece, float [num 3], from its votes [num k], paper included.

    The mean minimises the squared error; `temperature` anneals it (Zhang 2016, eq. 5).
    """
    weight = np.maximum(share, 1e-9) ** (1 / params.temperature)
    mean: np.ndarray = weight @ colours.astype(float) / weight.sum(1, keepdims=True)
    return mean


def certainty(share: np.ndarray, colours: np.ndarray) -> np.ndarray:
    """The share of white's expected squared error that the expected colour removes, float [num] in [0, 1].

    1 means that one colour is certain, 0 that paper is; many different likely colours, or likely paper, give low values.
    """
    share = share / np.maximum(share.sum(1, keepdims=True), 1e-9)
    away = colours.astype(float) - 255
    gone = ((share @ away) ** 2).sum(1)
    certain: np.ndarray = gone / np.maximum(share @ (away**2).sum(1), 1e-9)
    return certain


def confidence(share: np.ndarray, colours: np.ndarray, params: DecisionParameters) -> np.ndarray:
    """The probability that each piece's expected colour is nearer to the truth than white, float [num], from its votes [num k]."""
    mean, seen = expected_colours(share, colours, params), colours.astype(float)
    nearer = ((seen[None] - mean[:, None]) ** 2).sum(-1) < ((seen - 255) ** 2).sum(-1)
    sure: np.ndarray = (share * nearer).sum(1) / np.maximum(share.sum(1), 1e-9)
    return sure


def certainty_thresholds(params: DecisionParameters, guess: float, num_hints: int = 0) -> tuple[float, float]:
    """The least certainty at which a piece, and a background piece, are coloured.

    `guess` in [0, 1]: 0 colours only what is certain, 0.5 uses `params` as they are, 1 colours all but certain paper.
    """
    dial, sure = 2 * guess - 1, min(max(params.most, params.sure), params.sure + params.each * num_hints)
    if dial >= 0:
        return sure * (1 - dial) + 0.02 * dial, params.ground * (1 - 0.5 * dial)
    return sure + (0.9 - sure) * -dial, params.ground + (0.95 - params.ground) * -dial


def choose_colours(
    share: np.ndarray,
    colours: np.ndarray,
    page: np.ndarray,
    params: DecisionParameters,
    noise: np.ndarray | None = None,
    *,
    hints: Sequence[int] = (),
    num_hints: int = 0,
    guess: float = 0.5,
) -> np.ndarray:
    """A colour for each piece, uint8 [num 3], from its votes [num k].

    Pieces below the certainty threshold stay paper (`certainty`, `certainty_thresholds`). A piece takes a hint's colour, one of the
    indices `hints` into `colours`, if that is likely enough, else its expected colour. With `noise` [k] it takes the colour with the
    largest sum of log share and noise; one draw serves the whole drawing, so that similar pieces stay alike.
    """
    inside, ground = certainty_thresholds(params, guess, num_hints)
    certain = certainty(share, colours)
    if noise is not None:
        white = colours.min(1) >= WHITE
        log = np.log(np.maximum(share, 1e-6)) + noise[None]
        chosen = (
            colours[np.where(white[None], -np.inf, log).argmax(1)].astype(float) if not white.all() else np.full((len(share), 3), 255.0)
        )
    else:
        without_hints = share.copy()
        without_hints[:, list(hints)] *= params.heed  # a piece that follows no hint should not be tinted by it
        chosen = expected_colours(without_hints, colours, params)
        for entry in hints:
            chosen[share[:, entry] >= params.follow] = colours[entry]
    chosen[certain < np.where(page, ground, inside)] = 255
    return np.rint(chosen).clip(0, 255).astype(np.uint8)
