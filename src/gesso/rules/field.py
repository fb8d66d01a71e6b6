"""What a network says of a page, in windows: each region's shares of colours, sampled at places and counted as votes of pieces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy import sparse

from gesso.rules.fill import voters
from gesso.rules.palette import lab_of
from gesso.rules.pieces import Pieces

SAME = 4.0  # colours nearer than this (delta E 1976) are one
WHITE = 243  # a colour with no channel below this is paper's


@dataclass(frozen=True)
class Field:
    """What a network says of a window: `shares` float32 [n k] of colours for each region, summing to 1; `regions` int [h w], which region a
    place is in; `box` (left, top, right, bottom) on the page."""

    shares: np.ndarray
    regions: np.ndarray
    box: tuple[int, int, int, int]

    @classmethod
    def of_pixels(cls, shares: np.ndarray, box: tuple[int, int, int, int]) -> Field:
        """From shares [k h w] of pixels: those that have the same are a region."""
        rows, regions = np.unique(shares.reshape(len(shares), -1).T, axis=0, return_inverse=True)
        return cls(rows, regions.reshape(shares.shape[1:]), box)


def group(fields: Sequence[Field], colours: np.ndarray) -> tuple[list[Field], np.ndarray]:
    """Colours that look the same made one, their shares added: a hint's blue and the palette's blue are one wish.

    Paper is never made one with a colour: cream beside it would take the whole page along.
    """
    white, seen = colours.min(1) >= WHITE, lab_of(colours)
    into = np.zeros(len(colours), int)
    kept: list[int] = []
    for i in reversed(range(len(colours))):  # hints come last and keep their exact colour
        away = np.where(white[kept] == white[i], np.linalg.norm(seen[kept] - seen[i], axis=-1), np.inf) if kept else np.full(1, np.inf)
        into[i] = away.argmin() if away.min() < SAME else len(kept)
        if into[i] == len(kept):
            kept.append(i)
    out = []
    for field in fields:
        shares = np.zeros((len(field.shares), len(kept)), np.float32)
        for i, share in zip(into, field.shares.T, strict=True):
            shares[:, i] += share
        out.append(Field(shares, field.regions, field.box))
    return out, colours[kept]


def sampled(fields: Sequence[Field], which: Sequence[int], ys: np.ndarray, xs: np.ndarray) -> np.ndarray:
    """The shares of some colours float32 [len(which) len(ys) len(xs)] where rows `ys` and columns `xs` of the page cross.

    Bilinear between the field's pixels; where windows overlap, the one in which a place lies deeper speaks.
    """
    out = np.zeros((len(which), len(ys), len(xs)), np.float32)
    depth = np.full((len(ys), len(xs)), -1.0)
    for field in fields:
        left, top, right, bottom = field.box
        deep = np.minimum(np.minimum(ys - top, bottom - 1 - ys)[:, None], np.minimum(xs - left, right - 1 - xs)[None])
        wins = deep > depth
        if wins.any():
            h, w = field.regions.shape
            rows, columns = (
                _between((ys + 0.5 - top) * h / (bottom - top) - 0.5, h),
                _between((xs + 0.5 - left) * w / (right - left) - 0.5, w),
            )
            out = np.where(wins, _bilinear(field.shares.T[list(which)][:, field.regions], rows, columns), out)
            depth = np.maximum(depth, deep)
    return out


def deepest(fields: Sequence[Field], ys: np.ndarray, xs: np.ndarray) -> np.ndarray:
    """The shares of all colours float [n k] at the pixels (xs, ys), as the window has them in which each lies deepest."""
    out, depth = np.zeros((len(ys), fields[0].shares.shape[1]), np.float32), np.full(len(ys), -np.inf)
    for field in fields:
        left, top, right, bottom = field.box
        deep = np.minimum.reduce([ys - top, bottom - 1 - ys, xs - left, right - 1 - xs])
        h, w = field.regions.shape
        row, column = ((ys - top) * h // (bottom - top)).clip(0, h - 1), ((xs - left) * w // (right - left)).clip(0, w - 1)
        out = np.where((deep > depth)[:, None], field.shares[field.regions[row, column]], out)
        depth = np.maximum(depth, deep)
    return out


class Axis(NamedTuple):
    """For places among pixels: the pixel before each, the one after, and how far it is from one to the other."""

    low: np.ndarray
    high: np.ndarray
    part: np.ndarray

    @property
    def near(self) -> np.ndarray:
        """The pixel nearest to each place."""
        return np.where(self.part < 0.5, self.low, self.high)


def axis(num: int, small: int) -> Axis:
    """Where the middles of `num` pixels lie among `small` ones over the same length."""
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


def regions_at(fields: Sequence[Field], shape: tuple[int, int]) -> np.ndarray:
    """Which region each pixel of the page is in, int64 [h w]; where windows overlap, the one in which a place lies deeper speaks."""
    out, depth, first = np.zeros(shape, np.int64), np.full(shape, -1.0, np.float32), 0
    for field in fields:
        left, top, right, bottom = field.box
        ys, xs = axis(bottom - top, field.regions.shape[0]), axis(right - left, field.regions.shape[1])
        here = field.regions[np.ix_(ys.near, xs.near)] + first
        deep = [np.minimum(np.arange(n), np.arange(n)[::-1]) for n in here.shape]
        deeper = np.minimum(deep[0][:, None], deep[1][None]).astype(np.float32)
        at = np.s_[top:bottom, left:right]
        wins = deeper > depth[at]
        out[at], depth[at] = np.where(wins, here, out[at]), np.maximum(deeper, depth[at])
        first += int(field.regions.max()) + 1
    return out


def votes(pieces: Pieces, fields: Sequence[Field]) -> np.ndarray:
    """The mean share of each colour over each piece's voters, float [num k]; tiny pieces are asked at their middle."""
    total, count = np.zeros((pieces.num, fields[0].shares.shape[1])), np.zeros(pieces.num)
    speak = voters(pieces)
    for field in fields:
        left, top, right, bottom = field.box
        labels, voting = pieces.labels[top:bottom, left:right], speak[top:bottom, left:right]
        ys, xs = np.nonzero(voting)
        if not len(ys):
            continue
        h, w = field.regions.shape
        owner, region = labels[ys, xs], field.regions[ys * h // (bottom - top), xs * w // (right - left)]
        # how many of a piece's pixels are in each region
        pixels = sparse.csr_array((np.ones(len(ys)), (owner, region)), (pieces.num, len(field.shares)))
        total += pixels @ field.shares.astype(np.float64)
        count += np.bincount(owner, minlength=pieces.num)
    return total / np.maximum(count, 1e-9)[:, None]
