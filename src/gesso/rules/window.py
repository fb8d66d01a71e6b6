"""Windows through which a network of limited input size sees a page of any size."""

from __future__ import annotations

import numpy as np
import scipy

from gesso.rules.cache import ArrayCache
from gesso.rules.line import INK

PEN = 2.0  # the width in pixels of a stroke in the training drawings at the sizes TRAINED_SIZES
TRAINED_SIZES = (72, 192)  # the smallest and the largest long side in training
_DETAILS: ArrayCache[int] = ArrayCache(64)
MAX_SIDE = 256  # network pixels of a window's side
MAX_WINDOWS = 48  # each costs a network pass and some megabytes; a strip 36 times as long as wide still has square windows


def detail_of(line: np.ndarray) -> int:
    """The long side in network pixels at which strokes are as wide as in training, within `TRAINED_SIZES`.

    `line` is uint8 [h w]. A stroke's width is estimated as four times the median depth of its ink.
    """
    return _DETAILS.get(line, "detail", lambda: _detail_of(line))


def _detail_of(line: np.ndarray) -> int:
    ink = line <= INK
    if not ink.any():
        return TRAINED_SIZES[1]
    width = 4 * float(np.median(scipy.ndimage.distance_transform_edt(ink)[ink])) - 1
    return int(np.clip(round(PEN * max(line.shape) / max(width, 1.0)), *TRAINED_SIZES))


def windows(page: tuple[int, int], detail: int) -> list[tuple[tuple[int, int], tuple[int, int, int, int]]]:
    """The windows of a page: [((height, width) in network pixels, box (left, top, right, bottom) on the page)].

    A page not larger than `detail` keeps its size; a larger one is scaled down so that its long side has `detail` pixels. A page
    longer than 3:2 is scaled by its short side and gets square windows that overlap by at least a quarter; beyond MAX_WINDOWS, windows
    become longer and are scaled down further.
    """
    height, width = page
    short, long = min(page), max(page)
    scale = min(1.0, detail / long if long <= 1.5 * short else min(detail / short, MAX_SIDE / short))
    across = long if long <= 1.5 * short else short
    num = _num_of(long, across)
    if num > MAX_WINDOWS:
        across = -(-4 * long // (3 * MAX_WINDOWS + 1))
        num, scale = _num_of(long, across), min(scale, MAX_SIDE / across)
    out = []
    for n in range(num):
        start = 0 if num == 1 else round(n * (long - across) / (num - 1))
        box = (0, start, width, start + across) if height >= width else (start, 0, start + across, height)
        size = (max(8, round((box[3] - box[1]) * scale)), max(8, round((box[2] - box[0]) * scale)))
        out.append((size, box))
    return out


def _num_of(long: int, across: int) -> int:
    """The number of windows of `across` pixels that cover `long` pixels with an overlap of a quarter."""
    return -(-(long - across) * 4 // (across * 3)) + 1
