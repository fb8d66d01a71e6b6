"""Which pieces a dot or a stroke of a hint selects."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from gesso.errors import GessoError
from gesso.rules.cache import ArrayCache
from gesso.rules.pieces import Pieces

GRAZE, INTO = 0.1, 0.25
"""A stroke selects a piece if at least the share GRAZE of it lies there and its length there is at least INTO times the root of the
piece's area: a stroke that ends slightly beyond a line does not select the piece behind the line."""
SMALL, ACROSS = 0.5, 0.4
"""A stroke also selects a small piece (root of the area at most SMALL times the stroke's length) if it crosses the share ACROSS of the
piece's width: a stroke over hatching selects each sliver."""


class Swept(NamedTuple):
    """The pixels of a stroke: `window` (rows, columns) around it, its pixels under the pen (`swept`) and under its inner half (`core`),
    `centres` (x, y) along it in page pixels, and the distance `step` between them."""

    window: tuple[slice, slice]
    swept: np.ndarray
    core: np.ndarray
    centres: np.ndarray
    step: float


_SWEPT: ArrayCache[Swept] = ArrayCache(16_000_000)  # pixels of windows; earlier strokes stay the same while more are drawn


def piece_at(pieces: Pieces, x: float, y: float, radius: float = 0.0) -> int:
    """The piece that holds most of the free pixels of a dot at (x, y), weighted towards its centre.

    For a dot wholly on ink, the piece of the nearest free pixel. GessoError if the centre is outside the picture.
    """
    height, width = pieces.shape
    if not (0 <= x < width and 0 <= y < height and radius >= 0):
        what = f"a dot at ({x:g}, {y:g}) of radius {radius:g} lies outside the picture"
        raise GessoError(what, where="hint", fix=f"stay within {width}x{height} pixels")
    rows, columns, away = _disc(pieces.shape, x, y, radius)
    here = pieces.free[rows, columns] & (away <= radius + 0.5)
    if not here.any():
        return int(pieces.labels[int(y), int(x)])
    votes = np.bincount(pieces.labels[rows, columns][here], 1 - (away[here] / (radius + 1)) ** 2 / 2)
    return int(votes.argmax())


def pieces_under(pieces: Pieces, points: Sequence[tuple[float, float]], radius: float = 0.0) -> list[tuple[int, float]]:
    """The pieces that a stroke through (x, y) `points` selects, with the share of its free pixels in each, the largest first.

    Pieces that it only grazes (`GRAZE`, `SMALL`) are left out, so the shares may sum to less than 1. Parts outside the picture are
    ignored; a stroke wholly on ink selects the nearest piece. GessoError if the stroke is wholly outside.
    """
    if not len(points):
        raise GessoError("a stroke without points", where="hint", fix="give at least one (x, y)")
    path = np.asarray(points, float).reshape(-1, 2)
    size = int(np.prod(np.ptp(path, axis=0).clip(max=max(pieces.shape)) + 2 * radius + 5))
    window, swept, core, centres, step = _SWEPT.get(path, (radius, pieces.shape), lambda: _swept(path, radius, pieces.shape), size)
    labels, free = pieces.labels[window], pieces.free[window]
    if not (swept & free).any():
        x, y = centres[len(centres) // 2]
        return [(int(pieces.labels[int(y), int(x)]), 1.0)]
    ids, count = np.unique(labels[swept & free], return_counts=True)
    share = count / count.sum()
    deep = np.isin(ids, labels[core & free])
    at = tuple(centres.astype(int).T[::-1])
    way, area = np.bincount(pieces.labels[at][pieces.free[at]], minlength=pieces.num)[ids] * step, np.maximum(pieces.areas[ids], 1)
    far = (share >= GRAZE) & (way >= INTO * np.sqrt(area))
    across = (np.sqrt(area) <= SMALL * step * len(centres)) & (way >= ACROSS * 2 * area / np.maximum(pieces.rims[ids], 1))
    selected = deep & (far | across | (count >= area / 3) | (share >= 0.5))
    if not selected.any():
        selected = share == share.max()
    order = sorted(np.flatnonzero(selected), key=lambda i: (-share[i], ids[i]))
    return [(int(ids[i]), float(share[i])) for i in order]


def on_line(pieces: Pieces, points: Sequence[tuple[float, float]], radius: float = 0.0) -> bool:
    """Whether a dot's centre, or all of a stroke, lies on ink. Such a hint selects the nearest piece."""
    if len(points) == 1:
        x, y = points[0]
        return not pieces.free[int(y), int(x)]
    path = np.asarray(points, float).reshape(-1, 2)
    swept = _swept(path, radius, pieces.shape)
    return not (swept.swept & pieces.free[swept.window]).any()


def _swept(path: np.ndarray, radius: float, shape: tuple[int, int]) -> Swept:
    height, width = shape
    step = max(1.0, radius / 2)
    centres = along(path, step)
    centres = centres[(centres >= 0).all(1) & (centres[:, 0] < width) & (centres[:, 1] < height)]
    if not len(centres):
        raise GessoError("the stroke lies outside the picture", where="hint", fix=f"stay within {width}x{height}")
    low = np.floor(centres.min(0) - radius - 2).astype(int).clip(0)
    high = np.minimum(np.ceil(centres.max(0) + radius + 3).astype(int), (width, height))
    swept = np.zeros((high[1] - low[1], high[0] - low[0]), bool)
    core = np.zeros_like(swept)
    for x, y in centres:
        rows, columns, away = _disc(shape, x, y, radius)
        at = np.s_[rows.start - low[1] : rows.stop - low[1], columns.start - low[0] : columns.stop - low[0]]
        swept[at] |= away <= radius + 0.5
        core[at] |= away <= radius / 2 + 0.5
    return Swept(np.s_[low[1] : high[1], low[0] : high[0]], swept, core, centres, step)


def along(points: np.ndarray, step: float) -> np.ndarray:
    """The points of a path, float [n 2], with more points between them so that the distances are at most `step`."""
    rows = [points[:1]]
    for a, b in pairwise(points):
        num = max(1, int(np.ceil(np.hypot(*(b - a)) / step)))
        rows.append(a + (b - a) * (np.arange(1, num + 1) / num)[:, None])
    return np.concatenate(rows)


def _disc(shape: tuple[int, int], x: float, y: float, radius: float) -> tuple[slice, slice, np.ndarray]:
    """The window (rows, columns) around a dot, clipped to the picture, and each pixel's distance from the dot's centre pixel."""
    cx, cy, reach = int(x), int(y), int(np.ceil(radius)) + 1
    rows = slice(max(0, cy - reach), min(shape[0], cy + reach + 1))
    columns = slice(max(0, cx - reach), min(shape[1], cx + reach + 1))
    away = np.hypot(np.arange(rows.start, rows.stop)[:, None] - cy, np.arange(columns.start, columns.stop)[None] - cx)
    return rows, columns, away
