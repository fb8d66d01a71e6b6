"""How a page of any size is shown to a network that works in small windows."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from gesso.rules.line import INK
from gesso.rules.remember import Remembered

PEN = 2.0  # pixels: how wide a stroke was in the drawings that the network learned from, shown SEEN pixels wide
SEEN = (72, 192)  # the sizes it learned from
_DETAILS: Remembered[int] = Remembered(64)
MOST = 256  # pixels of a window's side
MOST_WINDOWS = 48  # each costs a pass of the network and some megabytes: a strip 36 times as long as wide still has square ones


def detail_of(line: np.ndarray) -> int:
    """How many pixels wide a drawing is best shown, within `SEEN`: strokes as wide as in what the network learned from.

    `line` is uint8 [h w]. A stroke's width is read off the ink's median depth, four times which it is.
    """
    return _DETAILS.get(line, "detail", lambda: _detail_of(line))


def _detail_of(line: np.ndarray) -> int:
    ink = line <= INK
    if not ink.any():
        return SEEN[1]
    width = 4 * float(np.median(ndimage.distance_transform_edt(ink)[ink])) - 1
    return int(np.clip(round(PEN * max(line.shape) / max(width, 1.0)), *SEEN))


def windows(page: tuple[int, int], detail: int) -> list[tuple[tuple[int, int], tuple[int, int, int, int]]]:
    """[(window's (height, width) in network pixels, its box (left, top, right, bottom) on the page)].

    A page not larger than `detail` is shown as it is, a larger one shrunk so that its long side has `detail` pixels.
    A long page (beyond 3:2) is shrunk by its short side and gets square windows, each overlapping the next by a quarter or more;
    where that would be more than MOST_WINDOWS, they are longer and shrunk further.
    """
    height, width = page
    short, long = min(page), max(page)
    scale = min(1.0, detail / long if long <= 1.5 * short else min(detail / short, MOST / short))
    across = long if long <= 1.5 * short else short
    num = _num_of(long, across)
    if num > MOST_WINDOWS:
        across = -(-4 * long // (3 * MOST_WINDOWS + 1))
        num, scale = _num_of(long, across), min(scale, MOST / across)
    out = []
    for n in range(num):
        start = 0 if num == 1 else round(n * (long - across) / (num - 1))
        box = (0, start, width, start + across) if height >= width else (start, 0, start + across, height)
        size = (max(8, round((box[3] - box[1]) * scale)), max(8, round((box[2] - box[0]) * scale)))
        out.append((size, box))
    return out


def _num_of(long: int, across: int) -> int:
    """How many windows of `across` pixels cover `long` ones with an overlap of a quarter."""
    return -(-(long - across) * 4 // (across * 3)) + 1
