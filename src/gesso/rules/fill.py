"""Colour on pieces: votes of a proposal, flats, the line on top, and the plain rules that stand beside the network."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from scipy import ndimage

from gesso.errors import GessoError
from gesso.rules.hinting import piece_at
from gesso.rules.pieces import Pieces, find_pieces

RIM_SHARE = 1 / 72
"""Pixels nearer to a line or to another piece than this share of the long side don't vote, where a piece has others."""
_NEAR_COLOUR = 24


def voters(pieces: Pieces) -> np.ndarray:
    """The pixels that speak for their piece, bool [h w]: free and away from line and border, or all of a piece that is only rim."""
    chosen = pieces.free.copy()
    settled = np.zeros(pieces.num, bool)
    result = np.zeros(pieces.shape, bool)
    rim = max(1, round(RIM_SHARE * max(pieces.shape)))
    alone = np.where(pieces.free, pieces.labels, -1)
    for width in sorted({rim, max(1, rim // 3)}, reverse=True):
        size = 2 * width + 1
        low, high = (f(alone, size, mode="nearest") for f in (ndimage.minimum_filter, ndimage.maximum_filter))
        inner = (low == high) & pieces.free & ~settled[pieces.labels]
        result |= inner
        settled[pieces.labels[inner]] = True
    return result | (chosen & ~settled[pieces.labels])


def vote(pieces: Pieces, values: np.ndarray, weight: np.ndarray | None = None) -> np.ndarray:
    """The mean of `values` [h w c] over each piece's `voters`, float64 [num c]; `weight` [h w] >= 0 counts pixels unequally.

    A piece whose weights are all 0 is voted on without them; one with no free pixel (a page all ink) takes all its pixels.
    """
    if values.ndim != 3 or values.shape[:2] != pieces.shape:
        raise GessoError(f"values are {list(values.shape)}", where="values", fix=f"give [{pieces.shape[0]} {pieces.shape[1]} c]")
    if weight is not None and weight.shape != pieces.shape:
        raise GessoError(f"the weight is {list(weight.shape)}", where="weight", fix=f"give {list(pieces.shape)}")
    speak = voters(pieces) if pieces.free.any() else np.ones(pieces.shape, bool)
    owner, said = pieces.labels[speak], values[speak]
    count = np.bincount(owner, minlength=pieces.num).astype(float)
    each = None
    if weight is not None:
        each = weight[speak].astype(float)
        total = np.bincount(owner, each, pieces.num)
        each = np.where(total[owner] > 0, each, 1.0)
        count = np.where(total > 0, total, count)
    sums = [np.bincount(owner, said[:, c] if each is None else said[:, c] * each, pieces.num) for c in range(values.shape[2])]
    return np.stack(sums, 1) / count[:, None]


def vote_colour(pieces: Pieces, picture: np.ndarray) -> np.ndarray:
    """The commonest colour among each piece's `voters` in `picture` uint8 [h w 3], uint8 [num 3].

    The fullest of 16 levels a channel is found, and the mean taken of what lies near that bin's mean: unlike the mean of
    all, it makes no colour that isn't there.
    """
    _check_rgb(picture, (*pieces.shape, 3), "picture")
    speak = voters(pieces) if pieces.free.any() else np.ones(pieces.shape, bool)
    owner, said = pieces.labels[speak].astype(np.int64), picture[speak]
    level = said.astype(np.int64) >> 4
    keys, where, counts = np.unique(owner * 4096 + level @ np.array([256, 16, 1]), return_inverse=True, return_counts=True)
    order = np.lexsort((keys, -counts, keys // 4096))
    _, first = np.unique(keys[order] // 4096, return_index=True)
    winner = order[first]
    middle = _means(owner[where == winner[owner]], said[where == winner[owner]], pieces.num)
    near = np.abs(said - middle[owner]).max(1) <= _NEAR_COLOUR
    return np.rint(_means(owner[near], said[near], pieces.num)).astype(np.uint8)


def _means(owner: np.ndarray, said: np.ndarray, num: int) -> np.ndarray:
    count = np.bincount(owner, minlength=num)
    return np.stack([np.bincount(owner, said[:, c], num) for c in range(said.shape[1])], 1) / count[:, None]


def flats(pieces: Pieces, colours: np.ndarray) -> np.ndarray:
    """Each piece in its colour, under the line too: uint8 [h w 3] from uint8 [num 3]."""
    _check_rgb(colours, (pieces.num, 3), "colours")
    return colours[pieces.labels]


def over_line(flat: np.ndarray, line: np.ndarray) -> np.ndarray:
    """Colour uint8 [h w 3] times the line uint8 [h w], rounded to the nearest: uint8 [h w 3]."""
    _check_rgb(flat, (*line.shape, 3), "flats")
    return ((flat.astype(np.uint16) * line[..., None] + 127) // 255).astype(np.uint8)


def bucket_fill(
    line: np.ndarray,
    hints: Iterable[tuple[float, float, tuple[int, int, int], float]],
    *,
    spare_paper: bool,
    gap: float = 0.0,
) -> np.ndarray:
    """What rules do alone: each hint (x, y, rgb, radius) floods its piece, the rest stays white; uint8 [h w 3] with the line.

    With `spare_paper`, pieces that reach the picture's border stay white. A hint on a free pixel means that pixel's piece,
    another the one it covers most.
    """
    pieces = find_pieces(line, gap=gap)
    colours = np.full((pieces.num, 3), 255, np.uint8)
    for x, y, rgb, radius in hints:
        piece = piece_at(pieces, x, y, radius)
        if pieces.free[int(y), int(x)]:
            piece = int(pieces.labels[int(y), int(x)])
        if not (spare_paper and pieces.touches_border[piece]):
            colours[piece] = rgb
    return over_line(flats(pieces, colours), line)


def _check_rgb(array: np.ndarray, shape: tuple[int, ...], where: str) -> None:
    if array.dtype != np.uint8 or array.shape != shape:
        raise GessoError(f"{array.dtype} {list(array.shape)}", where=where, fix=f"give uint8 {list(shape)}")
