"""Unmix coloured lines: the amount and the colour of the ink in each pixel of a drawing."""

from __future__ import annotations

import numpy as np

STEPS = [(y, x) for far in (1, 2) for y in (-far, 0, far) for x in (-far, 0, far) if y or x]
CLOSE, SHARE = 6.0, 0.15  # tolerance of a mixture: levels, plus a share of the pixel's distance from the paper's colour
FRINGE = 0.2  # ink weaker than this share of its neighbour's belongs to the neighbour's line, whatever its colour


def unmix_inks(picture: np.ndarray, paper: tuple[int, int, int], drawn: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The amount of ink in the `drawn` pixels (bool [h w]), float32 [n] in [0, 1], and the ink's colour, uint8 [n 3].

    `picture` is uint8 [h w 3]. Each pixel is explained as a mixture of the paper and the strongest matching ink within four pixels,
    which is the middle of its own line, not of a crossing line in another colour. Compositing both over the paper gives the picture.
    """
    height, width = drawn.shape
    flat = picture.reshape(-1, 3)
    colour = np.array(paper, np.float32)
    places = np.flatnonzero(drawn)
    own = flat[places].astype(np.float32) - colour
    length = np.sqrt((own**2).sum(1))
    number = np.full(height * width, -1, np.int32)
    number[places] = np.arange(len(places))
    best = np.arange(len(places))  # for each drawn pixel the pixel that has its ink's pure colour
    strongest = np.zeros(height * width, np.float32)
    strongest[places] = length
    strongest = local_maximum(strongest.reshape(height, width), 2).ravel()
    open_ = np.flatnonzero(length < strongest[places])  # the others are the middles of their lines
    rows, columns = places[open_] // width, places[open_] % width
    for _ in range(2):  # the second round starts from the pixels found in the first
        before = best.copy()
        for y, x in STEPS:
            there = (rows + y).clip(0, height - 1) * width + (columns + x).clip(0, width - 1)
            beside = number[there]
            other = np.where(beside >= 0, before[beside], best[open_])
            better = np.flatnonzero(length[other] > length[best[open_]])
            one, other = open_[better], other[better]
            fits = _is_mixture(own[one], length[one], own[other], length[other])
            best[one[fits]] = other[fits]
    inks = own[best]
    amount = (own * inks).sum(1) / np.maximum((inks**2).sum(1), 1.0)
    return amount.clip(0, 1), flat[places[best]]


def local_maximum(values: np.ndarray, reach: int) -> np.ndarray:
    """The maximum of `values` [h w] in a square of `reach` pixels around each pixel; ten times as fast as scipy's maximum_filter."""
    out = values
    for axis in (0, 1):
        before, out = out, out.copy()
        for far in range(1, min(reach, values.shape[axis] - 1) + 1):
            low, high = (np.s_[far:], np.s_[:-far]) if axis == 0 else (np.s_[:, far:], np.s_[:, :-far])
            np.maximum(out[low], before[high], out=out[low])
            np.maximum(out[high], before[low], out=out[high])
    return out


def _is_mixture(one: np.ndarray, length: np.ndarray, ink: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Whether the offsets `one` from the paper's colour are mixtures of it with `ink`, bool [n]; both float32 [n 3], with lengths [n]."""
    along = (one * ink).sum(1) / np.maximum(whole**2, 1.0)
    off = np.sqrt(((one - along[:, None] * ink) ** 2).sum(1))
    return (off <= CLOSE + SHARE * length) | (length < FRINGE * whole)
