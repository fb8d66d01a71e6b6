"""Imagined lines from one stroke's end to another's: where an outline is open, however wide, its inside may still be meant as one area."""

from __future__ import annotations

import numpy as np
from scipy import ndimage
from skimage.draw import line as raster

REACH = 0.6  # how far apart two ends may be, of the long side
NEAREST = 6  # ends that each is tried with
EACH = 2  # imagined lines that begin at one end
MOST_ENDS = 120  # a page with more is textured or hatched: its ends are no outline's
APART = 3.0  # pixels: nearer ends are one stroke's corners


def closings(free: np.ndarray) -> np.ndarray:
    """The free pixels of imagined lines between strokes' ends, bool [h w] as `free`; each crosses no ink and no other such line."""
    barrier = np.zeros(free.shape, bool)
    ends = _ends(~free)
    if not 2 <= len(ends) <= MOST_ENDS:
        return barrier
    used = np.zeros(len(ends), int)
    for one, two in _pairs(ends, REACH * max(free.shape)):
        if used[one] < EACH and used[two] < EACH and _drawn(free, barrier, ends[one], ends[two]):
            used[[one, two]] += 1
    return barrier & free


def _ends(ink: np.ndarray) -> np.ndarray:
    """(row, column) of strokes' ends, int [n 2]: pixels of the ink's skeleton with one neighbour."""
    from skimage.morphology import skeletonize  # slow to import

    skeleton = skeletonize(np.pad(ink, 1))[1:-1, 1:-1]
    around = ndimage.convolve(skeleton.astype(np.uint8), np.ones((3, 3), np.uint8), mode="constant") - skeleton
    return np.argwhere(skeleton & (around == 1))


def _pairs(ends: np.ndarray, reach: float) -> list[tuple[int, int]]:
    """Pairs of ends within reach, each with its nearest few, the nearest first."""
    away = np.hypot(*(ends[:, None] - ends[None]).transpose(2, 0, 1))
    away[away <= APART] = np.inf
    near = np.argsort(away, axis=1, kind="stable")[:, :NEAREST]
    pairs = {(min(i, j), max(i, j)) for i, row in enumerate(near.tolist()) for j in row if away[i, j] <= reach}
    return sorted(pairs, key=lambda pair: (away[pair], pair))


def _drawn(free: np.ndarray, barrier: np.ndarray, one: np.ndarray, two: np.ndarray) -> bool:
    """Write the line into `barrier`, closed against diagonal steps, if between its ends' ink it lies free and crosses no other."""
    ys, xs = raster(*one, *two)
    bare = np.flatnonzero(free[ys, xs])
    ink = 4 + 0.05 * max(free.shape)  # what an end's own stroke may take of the line
    if len(bare) < 2 or bare[-1] - bare[0] + 1 != len(bare) or len(ys) - len(bare) > ink or barrier[ys, xs][3:-3].any():
        return False
    barrier[ys, xs] = True
    step = (ys[1:] != ys[:-1]) & (xs[1:] != xs[:-1])
    barrier[ys[:-1][step], xs[1:][step]] = True
    return True
