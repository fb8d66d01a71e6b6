"""The colour and the amount of ink in each pixel of a drawing, where lines have colours of their own."""

from __future__ import annotations

import numpy as np

STEPS = [(y, x) for far in (1, 2) for y in (-far, 0, far) for x in (-far, 0, far) if y or x]
CLOSE, SHARE = 6.0, 0.15  # levels, and a share of a pixel's own distance from the paper: that far from a mixture is still one
FRINGE = 0.2  # ink weaker than this share of its neighbour's is the neighbour's rim, whatever its colour


def unmixed(picture: np.ndarray, paper: tuple[int, int, int], drawn: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How much ink there is in the `drawn` pixels (bool [h w]), float32 [n] from 0 to 1, and the ink's colour, uint8 [n 3].

    `picture` is uint8 [h w 3]. A pixel is taken for a mixture of the paper and of the strongest ink within four pixels of which it
    can be one: the middle of its line, but not of another colour's line that crosses there. Over the paper the two give the picture.
    """
    height, width = drawn.shape
    flat = picture.reshape(-1, 3)
    colour = np.array(paper, np.float32)
    places = np.flatnonzero(drawn)
    own = flat[places].astype(np.float32) - colour
    length = np.sqrt((own**2).sum(1))
    number = np.full(height * width, -1, np.int32)
    number[places] = np.arange(len(places))
    best = np.arange(len(places))  # for each drawn pixel the one whose colour is its ink's
    strongest = np.zeros(height * width, np.float32)
    strongest[places] = length
    strongest = most_near(strongest.reshape(height, width), 2).ravel()
    open_ = np.flatnonzero(length < strongest[places])  # the rest are the middles of their lines
    rows, columns = places[open_] // width, places[open_] % width
    for _ in range(2):  # the second time from those that were found
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


def most_near(values: np.ndarray, reach: int) -> np.ndarray:
    """The largest of the values [h w] within `reach` pixels of each, diagonally too: as a maximum filter gives, in a tenth of its time."""
    out = values
    for axis in (0, 1):
        before, out = out, out.copy()
        for far in range(1, min(reach, values.shape[axis] - 1) + 1):
            low, high = (np.s_[far:], np.s_[:-far]) if axis == 0 else (np.s_[:, far:], np.s_[:, :-far])
            np.maximum(out[low], before[high], out=out[low])
            np.maximum(out[high], before[low], out=out[high])
    return out


def _is_mixture(one: np.ndarray, length: np.ndarray, ink: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Is what lies `one` from the paper a mixture of it with what lies `ink` from it; bool [n] of float32 [n 3] and their lengths."""
    along = (one * ink).sum(1) / np.maximum(whole**2, 1.0)
    off = np.sqrt(((one - along[:, None] * ink) ** 2).sum(1))
    return (off <= CLOSE + SHARE * length) | (length < FRINGE * whole)
