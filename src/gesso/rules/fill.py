"""Fill pieces with colours: voting pixels, flats, the line over them, and the bucket fill used as a baseline."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import scipy

from gesso.errors import GessoError
from gesso.rules.hint_pieces import piece_at
from gesso.rules.pieces import Pieces, find_pieces

RIM_SHARE = 1 / 72
"""Pixels nearer to a line or to another piece than this share of the long side do not vote if their piece has other pixels."""


def voting_pixels(pieces: Pieces) -> np.ndarray:
    """The pixels whose predictions count for their piece, bool [h w]: those away from its border, or all pixels of a narrow piece."""
    chosen = pieces.free.copy()
    settled = np.zeros(pieces.num, bool)
    result = np.zeros(pieces.shape, bool)
    rim = max(1, round(RIM_SHARE * max(pieces.shape)))
    alone = np.where(pieces.free, pieces.labels, -1)
    for width in sorted({rim, max(1, rim // 3)}, reverse=True):
        size = 2 * width + 1
        low, high = (f(alone, size, mode="nearest") for f in (scipy.ndimage.minimum_filter, scipy.ndimage.maximum_filter))
        inner = (low == high) & pieces.free & ~settled[pieces.labels]
        result |= inner
        settled[pieces.labels[inner]] = True
    return result | (chosen & ~settled[pieces.labels])


def flats(pieces: Pieces, colours: np.ndarray) -> np.ndarray:
    """Each piece in its colour, also under the line: uint8 [h w 3] from `colours` uint8 [num 3]."""
    _check_rgb(colours, (pieces.num, 3), "colours")
    return np.take(colours, pieces.labels, axis=0)  # five times as fast as indexing


def over_line(flat: np.ndarray, line: np.ndarray, ink: np.ndarray | None = None) -> np.ndarray:
    """The line, uint8 [h w], composited over `flat`, uint8 [h w 3]; `ink` uint8 [h w 3] is the line's colour, black by default."""
    _check_rgb(flat, (*line.shape, 3), "flats")
    out = np.ascontiguousarray(flat).copy()
    drawn = np.flatnonzero(line.ravel() < 255)  # most pixels have no ink
    pixels, light = out.reshape(-1, 3), line.ravel()[drawn, None].astype(np.uint16)
    mixed = pixels[drawn] * light
    if ink is not None:
        _check_rgb(ink, flat.shape, "ink")
        mixed += ink.reshape(-1, 3)[drawn] * (255 - light)
    pixels[drawn] = (mixed + 127) // 255
    return out


def bucket_fill(
    line: np.ndarray,
    hints: Iterable[tuple[float, float, tuple[int, int, int], float]],
    *,
    spare_paper: bool,
    gap: float = 0.0,
) -> np.ndarray:
    """Bucket fill without a network: each hint (x, y, rgb, radius) fills its piece, the rest stays white; uint8 [h w 3] with the line.

    With `spare_paper`, pieces that touch the picture's border stay white. A hint on a free pixel fills that pixel's piece; a hint on
    ink fills the piece it covers most.
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
