"""A network's predictions of colours, one per window of the page, sampled at pixels and counted as votes of pieces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import scipy

from gesso.rules.fill import voting_pixels
from gesso.rules.palette import lab_of
from gesso.rules.pieces import Pieces

SAME = 4.0  # colours nearer than this (delta E 1976) count as equal
WHITE = 243  # a colour with no channel below this is paper


@dataclass(frozen=True)
class Prediction:
    """The prediction for one window of the page.

    `shares` float32 [n k] are each region's probabilities of k colours, summing to 1; `regions` int [h w] is the region of each
    network pixel; `box` (left, top, right, bottom) is the window in page pixels.
    """

    shares: np.ndarray
    regions: np.ndarray
    box: tuple[int, int, int, int]

    @classmethod
    def of_pixels(cls, shares: np.ndarray, box: tuple[int, int, int, int]) -> Prediction:
        """A prediction from shares [k h w] per pixel: pixels with equal shares form a region."""
        rows, regions = np.unique(shares.reshape(len(shares), -1).T, axis=0, return_inverse=True)
        return cls(rows, regions.reshape(shares.shape[1:]), box)


def merge_similar_colours(predictions: Sequence[Prediction], colours: np.ndarray) -> tuple[list[Prediction], np.ndarray]:
    """Merge colours that look the same and add their shares, such as a hint's blue and the palette's blue; hints keep their exact colour.

    Paper is never merged with a colour: a cream hint would otherwise take the whole page.
    """
    white, seen = colours.min(1) >= WHITE, lab_of(colours)
    into = np.zeros(len(colours), int)
    kept: list[int] = []
    for i in reversed(range(len(colours))):  # hints come last and stay
        away = np.where(white[kept] == white[i], np.linalg.norm(seen[kept] - seen[i], axis=-1), np.inf) if kept else np.full(1, np.inf)
        into[i] = away.argmin() if away.min() < SAME else len(kept)
        if into[i] == len(kept):
            kept.append(i)
    out = []
    for prediction in predictions:
        shares = np.zeros((len(prediction.shares), len(kept)), np.float32)
        for i, share in zip(into, prediction.shares.T, strict=True):
            shares[:, i] += share
        out.append(Prediction(shares, prediction.regions, prediction.box))
    return out, colours[kept]


def sample_shares(predictions: Sequence[Prediction], which: Sequence[int], ys: np.ndarray, xs: np.ndarray) -> np.ndarray:
    """The shares of the colours `which`, float32 [len(which) len(ys) len(xs)], on the grid of the page's rows `ys` and columns `xs`.

    Bilinear between network pixels. Where windows overlap, the one counts whose border is farther away.
    """
    out = np.zeros((len(which), len(ys), len(xs)), np.float32)
    depth = np.full((len(ys), len(xs)), -1.0)
    for prediction in predictions:
        left, top, right, bottom = prediction.box
        deep = np.minimum(np.minimum(ys - top, bottom - 1 - ys)[:, None], np.minimum(xs - left, right - 1 - xs)[None])
        wins = deep > depth
        if wins.any():
            h, w = prediction.regions.shape
            rows, columns = (
                _between((ys + 0.5 - top) * h / (bottom - top) - 0.5, h),
                _between((xs + 0.5 - left) * w / (right - left) - 0.5, w),
            )
            out = np.where(wins, _bilinear(prediction.shares.T[list(which)][:, prediction.regions], rows, columns), out)
            depth = np.maximum(depth, deep)
    return out


def shares_at_pixels(predictions: Sequence[Prediction], ys: np.ndarray, xs: np.ndarray) -> np.ndarray:
    """The shares of all colours, float [n k], at the pixels (xs, ys), each from the window whose border is farthest away."""
    out, depth = np.zeros((len(ys), predictions[0].shares.shape[1]), np.float32), np.full(len(ys), -np.inf)
    for prediction in predictions:
        left, top, right, bottom = prediction.box
        deep = np.minimum.reduce([ys - top, bottom - 1 - ys, xs - left, right - 1 - xs])
        h, w = prediction.regions.shape
        row, column = ((ys - top) * h // (bottom - top)).clip(0, h - 1), ((xs - left) * w // (right - left)).clip(0, w - 1)
        out = np.where((deep > depth)[:, None], prediction.shares[prediction.regions[row, column]], out)
        depth = np.maximum(depth, deep)
    return out


class Axis(NamedTuple):
    """Linear interpolation along one axis: the pixel before each position, the one after, and the fraction of the way between them."""

    low: np.ndarray
    high: np.ndarray
    part: np.ndarray

    @property
    def near(self) -> np.ndarray:
        """The pixel nearest to each position."""
        return np.where(self.part < 0.5, self.low, self.high)


def axis(num: int, small: int) -> Axis:
    """The positions of the centres of `num` pixels among `small` pixels that span the same length."""
    return _between((np.arange(num) + 0.5) * small / num - 0.5, small)


def _between(at: np.ndarray, small: int) -> Axis:
    at = at.clip(0, small - 1)
    low = np.floor(at).astype(int)
    return Axis(low, np.minimum(low + 1, small - 1), (at - low).astype(np.float32))


def _bilinear(values: np.ndarray, ys: Axis, xs: Axis) -> np.ndarray:
    if values.shape[1:] == (len(ys.low), len(xs.low)) and not ys.part.any() and not xs.part.any():
        return values
    rows = values[:, ys.low] * (1 - ys.part)[:, None] + values[:, ys.high] * ys.part[:, None]
    return rows[:, :, xs.low] * (1 - xs.part) + rows[:, :, xs.high] * xs.part


def regions_at(predictions: Sequence[Prediction], shape: tuple[int, int]) -> np.ndarray:
    """The region of each page pixel, int64 [h w]. Where windows overlap, the one counts whose border is farther away."""
    out, depth, first = np.zeros(shape, np.int64), np.full(shape, -1.0, np.float32), 0
    for prediction in predictions:
        left, top, right, bottom = prediction.box
        ys, xs = axis(bottom - top, prediction.regions.shape[0]), axis(right - left, prediction.regions.shape[1])
        here = prediction.regions[np.ix_(ys.near, xs.near)] + first
        deep = [np.minimum(np.arange(n), np.arange(n)[::-1]) for n in here.shape]
        deeper = np.minimum(deep[0][:, None], deep[1][None]).astype(np.float32)
        at = np.s_[top:bottom, left:right]
        wins = deeper > depth[at]
        out[at], depth[at] = np.where(wins, here, out[at]), np.maximum(deeper, depth[at])
        first += int(prediction.regions.max()) + 1
    return out


def votes(pieces: Pieces, predictions: Sequence[Prediction]) -> np.ndarray:
    """The mean share of each colour over each piece's voting pixels, float [num k]."""
    total, count = np.zeros((pieces.num, predictions[0].shares.shape[1])), np.zeros(pieces.num)
    voters = voting_pixels(pieces)
    for prediction in predictions:
        left, top, right, bottom = prediction.box
        labels, voting = pieces.labels[top:bottom, left:right], voters[top:bottom, left:right]
        ys, xs = np.nonzero(voting)
        if not len(ys):
            continue
        h, w = prediction.regions.shape
        owner, region = labels[ys, xs], prediction.regions[ys * h // (bottom - top), xs * w // (right - left)]
        # how many of a piece's pixels are in each region
        pixels = scipy.sparse.csr_array((np.ones(len(ys)), (owner, region)), (pieces.num, len(prediction.shares)))
        total += pixels @ prediction.shares.astype(np.float64)
        count += np.bincount(owner, minlength=pieces.num)
    return total / np.maximum(count, 1e-9)[:, None]
