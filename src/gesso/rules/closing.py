"""Closing lines between stroke ends: an outline with a wide opening may still be meant to enclose one region."""

from __future__ import annotations

import numpy as np
import scipy
from skimage.draw import line as raster

REACH = 0.6  # the largest distance between two ends, as a share of the long side
NEAREST = 6  # each end is tried with so many of its nearest ends
EACH = 2  # closing lines per end
MAX_ENDS = 120  # a page with more is textured or hatched, and its ends belong to no outline
APART = 3.0  # pixels; nearer ends are corners of one stroke


def closing_lines(free: np.ndarray) -> np.ndarray:
    """The free pixels of closing lines between stroke ends, bool [h w], for `free` bool [h w]. No line crosses ink or another line."""
    barrier = np.zeros(free.shape, bool)
    ends = _ends(~free)
    if not 2 <= len(ends) <= MAX_ENDS:
        return barrier
    used = np.zeros(len(ends), int)
    for one, two in _pairs(ends, REACH * max(free.shape)):
        if used[one] < EACH and used[two] < EACH and _drawn(free, barrier, ends[one], ends[two]):
            used[[one, two]] += 1
    return barrier & free


def _ends(ink: np.ndarray) -> np.ndarray:
    """(row, column) of the stroke ends, int [n 2]: pixels of the ink's skeleton with one neighbour."""
    from skimage.morphology import skeletonize  # slow to import

    skeleton = skeletonize(np.pad(ink, 1))[1:-1, 1:-1]
    around = scipy.ndimage.convolve(skeleton.astype(np.uint8), np.ones((3, 3), np.uint8), mode="constant") - skeleton
    return np.argwhere(skeleton & (around == 1))


def _pairs(ends: np.ndarray, reach: float) -> list[tuple[int, int]]:
    """Pairs of ends at most `reach` pixels apart, each end with its `NEAREST` ones, sorted by distance."""
    away = np.hypot(*(ends[:, None] - ends[None]).transpose(2, 0, 1))
    away[away <= APART] = np.inf
    near = np.argsort(away, axis=1, kind="stable")[:, :NEAREST]
    pairs = {(min(i, j), max(i, j)) for i, row in enumerate(near.tolist()) for j in row if away[i, j] <= reach}
    return sorted(pairs, key=lambda pair: (away[pair], pair))


def _drawn(free: np.ndarray, barrier: np.ndarray, one: np.ndarray, two: np.ndarray) -> bool:
    """Draw the 4-connected line into `barrier`, unless it crosses ink between its ends or another line. Returns whether it was drawn."""
    ys, xs = raster(*one, *two)
    bare = np.flatnonzero(free[ys, xs])
    ink = 4 + 0.05 * max(free.shape)  # pixels of the line that may lie on the strokes it starts from
    if len(bare) < 2 or bare[-1] - bare[0] + 1 != len(bare) or len(ys) - len(bare) > ink or barrier[ys, xs][3:-3].any():
        return False
    barrier[ys, xs] = True
    step = (ys[1:] != ys[:-1]) & (xs[1:] != xs[:-1])
    barrier[ys[:-1][step], xs[1:][step]] = True
    return True
