"""Choose each piece's colour by expected loss: its mean colour where that is certain enough, a likely hint's colour, or paper."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gesso.rules.field import WHITE


@dataclass(frozen=True)
class Knobs:
    """How far the proposal is trusted.

    sure         a piece is coloured where at least this share of the squared error that white is expected to make goes with it; for each
                 hint `each` more, up to `most`: who hints leaves white what they leave out
    ground       the same on the page itself and what is cut from it; both move with the dial `guess` (see `limits`)
    follow       a piece takes a hint's colour as its own where the hint's share is at least this
    odds         by which paper's share on the page itself is multiplied: networks learned with paper weighed that much less
    heed         what a hint's share counts in the mean of a piece that does not follow it
    temperature  of the shares before their mean is taken; 1 is the expected colour, less is more saturated
    apart        two parts of a closed piece stay apart where their colours are farther from each other than this, of 441
    stay         the same in a closed piece that has a hint, whose colour is the whole piece's unless the network is surer than that
    open         parts whose imagined border is more than this share of either's whole border are one: nothing is parted across open ground
    bare         the same on the page itself
    wanted       the same there where a hint lies in a part
    held         there a part is a shape of its own where no more than this share of its border is imagined or the page's
    leak         the same in a closed piece that has a hint, which is whole but for what it leaked into through a gap
    join         there a part whose share of a hint's colour is at least this goes with the hint
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


def weighed(share: np.ndarray, colours: np.ndarray, page: np.ndarray, knobs: Knobs) -> np.ndarray:
    """Votes [num k] in which paper on the page (bool [num]) is as likely as it is, not as it was weighed when networks learned."""
    share = np.where(page[:, None] & (colours.min(1) >= WHITE)[None], share * knobs.odds, share)
    weighed: np.ndarray = share / np.maximum(share.sum(1, keepdims=True), 1e-9)
    return weighed


def expected(share: np.ndarray, colours: np.ndarray, knobs: Knobs) -> np.ndarray:
    """The colour that each piece is expected to have, float [num 3], from its votes [num k]: the mean of all, paper among them, which makes
    the smallest squared error (annealed by `temperature`: Zhang 2016, eq. 5)."""
    weight = np.maximum(share, 1e-9) ** (1 / knobs.temperature)
    mean: np.ndarray = weight @ colours.astype(float) / weight.sum(1, keepdims=True)
    return mean


def certainty(share: np.ndarray, colours: np.ndarray) -> np.ndarray:
    """How much of the squared error that white would make is expected to go when a piece takes its expected colour, [num] in 0 to 1.

    1 is sure of its colour, 0 sure of paper; many unlike colours, or paper as likely as not, lie low.
    """
    share = share / np.maximum(share.sum(1, keepdims=True), 1e-9)
    away = colours.astype(float) - 255
    gone = ((share @ away) ** 2).sum(1)
    certain: np.ndarray = gone / np.maximum(share @ (away**2).sum(1), 1e-9)
    return certain


def sureness(share: np.ndarray, colours: np.ndarray, knobs: Knobs) -> np.ndarray:
    """The probability that each piece's expected colour is nearer to the truth than white is, [num], from its votes [num k]."""
    mean, seen = expected(share, colours, knobs), colours.astype(float)
    nearer = ((seen[None] - mean[:, None]) ** 2).sum(-1) < ((seen - 255) ** 2).sum(-1)
    sure: np.ndarray = (share * nearer).sum(1) / np.maximum(share.sum(1), 1e-9)
    return sure


def limits(knobs: Knobs, guess: float, num_hints: int = 0) -> tuple[float, float]:
    """The least certainty at which a piece, and the page, are coloured. `guess` in 0 to 1: 0 only what is sure, 0.5 as the knobs say, 1 all
    but what is surely paper."""
    dial, sure = 2 * guess - 1, min(max(knobs.most, knobs.sure), knobs.sure + knobs.each * num_hints)
    if dial >= 0:
        return sure * (1 - dial) + 0.02 * dial, knobs.ground * (1 - 0.5 * dial)
    return sure + (0.9 - sure) * -dial, knobs.ground + (0.95 - knobs.ground) * -dial


def choose(
    share: np.ndarray,
    colours: np.ndarray,
    page: np.ndarray,
    knobs: Knobs,
    noise: np.ndarray | None = None,
    *,
    hints: Sequence[int] = (),
    num_hints: int = 0,
    guess: float = 0.5,
) -> np.ndarray:
    """A colour for each piece, uint8 [num 3], from its votes [num k].

    What is not certain enough stays paper (`certainty`, `limits`). A piece follows a hint, an entry of `colours` among `hints`, where that
    is likely enough; else it has its expected colour. With `noise` [k], added to log shares, the likeliest is taken: one draw for the whole
    drawing, so that like pieces stay alike.
    """
    inside, ground = limits(knobs, guess, num_hints)
    certain = certainty(share, colours)
    if noise is not None:
        white = colours.min(1) >= WHITE
        log = np.log(np.maximum(share, 1e-6)) + noise[None]
        chosen = (
            colours[np.where(white[None], -np.inf, log).argmax(1)].astype(float) if not white.all() else np.full((len(share), 3), 255.0)
        )
    else:
        unheard = share.copy()
        unheard[:, list(hints)] *= knobs.heed  # what follows no hint should not look as if it half did
        chosen = expected(unheard, colours, knobs)
        for entry in hints:
            chosen[share[:, entry] >= knobs.follow] = colours[entry]
    chosen[certain < np.where(page, ground, inside)] = 255
    return np.rint(chosen).clip(0, 255).astype(np.uint8)
