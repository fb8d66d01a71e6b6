"""Which piece a dot or a stroke means."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from gesso.errors import GessoError
from gesso.rules.pieces import Pieces
from gesso.rules.remember import Remembered

GRAZE, INTO = 0.1, 0.25
"""A stroke means a piece if at least this share of it lies there, and its way there is at least this long against the root of the piece's
area: one that ends a little beyond a line does not mean the sky there."""
SMALL, ACROSS = 0.5, 0.4
"""It means a piece that is small beside it (the root of its area against the stroke's length) if it goes across this share of the piece's
width, however little of the stroke that is: so a stroke over hatching means each sliver."""


class Swept(NamedTuple):
    """The window (rows, columns) around a stroke, which of its pixels the pen swept, and the middle of it; places (x, y) along it on the
    page, and how far it is from one to the next."""

    window: tuple[slice, slice]
    swept: np.ndarray
    core: np.ndarray
    centres: np.ndarray
    step: float


_SWEPT: Remembered[Swept] = Remembered(16_000_000)  # pixels of windows: strokes stay as they are while others are made


def piece_at(pieces: Pieces, x: float, y: float, radius: float = 0.0) -> int:
    """The piece that a dot at (x, y) means: the one most of its free pixels lie in, those near its centre counting more.

    A dot wholly on ink means the piece of the nearest free pixel. A centre outside the picture is a `GessoError`.
    """
    height, width = pieces.shape
    if not (0 <= x < width and 0 <= y < height and radius >= 0):
        raise GessoError(f"a dot at ({x:g}, {y:g}) of radius {radius:g}", where="hint", fix=f"stay within the {width}x{height} picture")
    rows, columns, away = _disc(pieces.shape, x, y, radius)
    here = pieces.free[rows, columns] & (away <= radius + 0.5)
    if not here.any():
        return int(pieces.labels[int(y), int(x)])
    votes = np.bincount(pieces.labels[rows, columns][here], 1 - (away[here] / (radius + 1)) ** 2 / 2)
    return int(votes.argmax())


def pieces_under(pieces: Pieces, points: Sequence[tuple[float, float]], radius: float = 0.0) -> list[tuple[int, float]]:
    """The pieces that a stroke through (x, y) `points` means, with the share of the stroke in each, the largest first.

    Pieces that it only grazes (`GRAZE`, `SMALL`) are left out and the shares are of its free pixels, so that they may sum to less
    than 1. Parts outside the picture don't count; a stroke wholly outside is a `GessoError`, one wholly on ink means the nearest piece.
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
    meant = deep & (far | across | (count >= area / 3) | (share >= 0.5))
    if not meant.any():
        meant = share == share.max()
    order = sorted(np.flatnonzero(meant), key=lambda i: (-share[i], ids[i]))
    return [(int(ids[i]), float(share[i])) for i in order]


def on_line(pieces: Pieces, points: Sequence[tuple[float, float]], radius: float = 0.0) -> bool:
    """Does a dot's middle, or all of a stroke, lie on ink? It then means the nearest piece."""
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
    """The points of a path and others between them, no farther apart than `step`."""
    rows = [points[:1]]
    for a, b in pairwise(points):
        num = max(1, int(np.ceil(np.hypot(*(b - a)) / step)))
        rows.append(a + (b - a) * (np.arange(1, num + 1) / num)[:, None])
    return np.concatenate(rows)


def _disc(shape: tuple[int, int], x: float, y: float, radius: float) -> tuple[slice, slice, np.ndarray]:
    """The window (rows, columns) around a dot, cut off at the picture's edge, and each pixel's distance from the dot's pixel."""
    cx, cy, reach = int(x), int(y), int(np.ceil(radius)) + 1
    rows = slice(max(0, cy - reach), min(shape[0], cy + reach + 1))
    columns = slice(max(0, cx - reach), min(shape[1], cx + reach + 1))
    away = np.hypot(np.arange(rows.start, rows.stop)[:, None] - cy, np.arange(columns.start, columns.stop)[None] - cx)
    return rows, columns, away
