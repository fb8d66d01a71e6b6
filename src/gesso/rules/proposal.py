"""From what a network proposes to colours of pieces: cuts where the proposal has an edge, and votes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy import ndimage, sparse

from gesso.rules.fill import voters
from gesso.rules.palette import lab_of
from gesso.rules.pieces import Pieces, numbered, split

SAME = 4.0  # colours nearer than this (delta E 1976) are one
PAGE = 0.5  # a piece that holds this share of the page's border is the page
WHITE = 243  # a colour with no channel below this is paper's


@dataclass(frozen=True)
class Field:
    """What a network says of a window: `shares` float32 [k h w] of colours, summing to 1; `box` (left, top, right, bottom) on the page."""

    shares: np.ndarray
    box: tuple[int, int, int, int]


@dataclass(frozen=True)
class Knobs:
    """How far the proposal is trusted.

    temperature  of the mean that a piece's colour is; 0 takes the likeliest colour
    paper        added to paper's log share on the page and what is cut from it, before it is weighed against all colours
    inside       the same for pieces that don't; for each hint that the person gave `each` more, up to `most`: who hints
                 leaves white what they leave out
    least        parts smaller than this share of a 72-pixel drawing's pixels are not cut off
    sure         how much of a part must agree on its colour, for the cut to stand
    ground       the same on the page itself
    stay         the same in a closed piece that has a hint: what is less sure takes the hint's colour
    smooth       pixels of a field over which its edges are smoothed before pieces are cut along them, on pages twice its size and more
    """

    temperature: float = 0.4
    paper: float = 2.0
    inside: float = 0.5
    each: float = 1.4
    most: float = 2.5
    least: float = 10.0
    sure: float = 0.3
    ground: float = 0.4
    stay: float = 0.9
    smooth: float = 1.5


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
        shares = np.zeros((len(kept), *field.shares.shape[1:]), np.float32)
        for i, share in zip(into, field.shares, strict=True):
            shares[i] += share
        out.append(Field(shares, field.box))
    return out, colours[kept]


def smoothed(fields: Sequence[Field], sigma: float) -> list[Field]:
    """Fields without the grain that would tear edges once enlarged: a Gaussian of `sigma` field pixels over each share."""
    out = []
    for field in fields:
        large = field.box[2] - field.box[0] >= 2 * field.shares.shape[2]
        out.append(Field(ndimage.gaussian_filter(field.shares, (0, sigma, sigma), mode="nearest"), field.box) if large and sigma else field)
    return out


def likeliest(fields: Sequence[Field], colours: np.ndarray, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """The likeliest colour at each pixel of the page int16 [h w], and its share float32 [h w], bilinear between the field's pixels.

    Paper or not is decided first: many colours that share a pixel are together likelier than paper, though none may be
    alone. A colour's share is among colours then. Where windows overlap, the one in which a pixel lies deeper speaks.
    """
    is_white = colours.min(1) >= WHITE
    best, share = np.zeros(shape, np.int16), np.zeros(shape, np.float32)
    depth = np.full(shape, -1.0, np.float32)
    for field in fields:
        left, top, right, bottom = field.box
        h, w = bottom - top, right - left
        used = np.flatnonzero(field.shares.reshape(len(field.shares), -1).max(1) > 0.02)
        used = used if len(used) else np.arange(len(field.shares))
        ys, xs = axis(h, field.shares.shape[1]), axis(w, field.shares.shape[2])
        rows = max(1, 2_000_000 // (w * max(1, len(used))))
        deep_x = np.minimum(np.arange(w), np.arange(w)[::-1])
        for start in range(0, h, rows):
            part = slice(start, min(h, start + rows))
            values = _bilinear(field.shares[used], Axis(*(a[part] for a in ys)), xs)
            deep = np.minimum(np.minimum(np.arange(h), np.arange(h)[::-1])[part, None], deep_x[None]).astype(np.float32)
            at = np.s_[top + part.start : top + part.stop, left:right]
            wins = deep > depth[at]
            white = is_white[used]
            paper = values[white].sum(0) if white.any() else np.zeros(values.shape[1:], np.float32)
            coloured = np.where(white[:, None, None], 0, values)
            of_paper = paper > coloured.sum(0)
            top_one = np.where(of_paper, white.argmax(), coloured.argmax(0))
            sure = np.where(of_paper, paper, coloured.max(0) / np.maximum(1 - paper, 1e-6))
            best[at] = np.where(wins, used[top_one], best[at])
            share[at] = np.where(wins, sure, share[at])
            depth[at] = np.maximum(depth[at], deep)
    return best, share


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
            h, w = field.shares.shape[1:]
            rows, columns = (
                _between((ys + 0.5 - top) * h / (bottom - top) - 0.5, h),
                _between((xs + 0.5 - left) * w / (right - left) - 0.5, w),
            )
            out = np.where(wins, _bilinear(field.shares[list(which)], rows, columns), out)
            depth = np.maximum(depth, deep)
    return out


def deepest(fields: Sequence[Field], ys: np.ndarray, xs: np.ndarray) -> np.ndarray:
    """The shares of all colours float [n k] at the pixels (xs, ys), as the window has them in which each lies deepest."""
    out, depth = np.zeros((len(ys), len(fields[0].shares)), np.float32), np.full(len(ys), -np.inf)
    for field in fields:
        left, top, right, bottom = field.box
        deep = np.minimum.reduce([ys - top, bottom - 1 - ys, xs - left, right - 1 - xs])
        h, w = field.shares.shape[1:]
        row, column = ((ys - top) * h // (bottom - top)).clip(0, h - 1), ((xs - left) * w // (right - left)).clip(0, w - 1)
        out = np.where((deep > depth)[:, None], field.shares[:, row, column].T, out)
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


def cut(pieces: Pieces, fields: Sequence[Field], colours: np.ndarray, knobs: Knobs, hinted: Mapping[int, int] | None = None) -> Pieces:
    """Open shapes cut where the proposal's likeliest colour changes, if both sides are large and sure enough.

    `hinted` {piece: entry of `colours`} are closed pieces with a hint: what is not sure of another colour there goes with it. Where the
    page itself is among them somebody filled it, and nothing is cut from it, however sure.
    On a page much larger than its fields give them `smoothed`.
    """
    best, share = likeliest(fields, colours, pieces.shape)
    least = max(3, round(knobs.least * (max(pieces.shape) / 72) ** 2))
    page = page_pieces(pieces)
    main, needed = _majority(pieces, best), np.where(page, knobs.ground, knobs.sure)
    for piece, colour in (hinted or {}).items():
        main[piece], needed[piece] = colour, np.inf if page[piece] else knobs.stay
    main = main[pieces.labels]
    for _ in range(2):
        # a part that is not sure of its colour is no part: it goes with its piece's commonest, or its hint
        parts = split(pieces, best, least=least)
        speak = voters(parts)
        count = np.bincount(parts.labels[speak], minlength=parts.num)
        sure = np.bincount(parts.labels[speak], share[speak], parts.num) / np.maximum(count, 1)
        limit = np.zeros(parts.num)
        limit[parts.labels[parts.free]] = needed[pieces.labels[parts.free]]
        weak = (sure < limit)[parts.labels]
        if not (weak & (best != main)).any():
            return parts
        best = np.where(weak, main, best)
    return split(pieces, best, least=least)


def _majority(pieces: Pieces, values: np.ndarray) -> np.ndarray:
    """Each piece's commonest value [num]."""
    num = int(values.max()) + 1
    keys, which = numbered(pieces.labels[pieces.free].astype(np.int64) * num + values[pieces.free], pieces.num * num)
    order = np.lexsort((keys, np.bincount(which, minlength=len(keys))))
    table = np.zeros(pieces.num, values.dtype)
    table[keys[order] // num] = keys[order] % num
    return table


def votes(pieces: Pieces, fields: Sequence[Field]) -> np.ndarray:
    """The mean share of each colour over each piece's voters, float [num k]; tiny pieces are asked at their middle."""
    num_colours = fields[0].shares.shape[0]
    total, count = np.zeros((pieces.num, num_colours)), np.zeros(pieces.num)
    speak = voters(pieces)
    for field in fields:
        left, top, right, bottom = field.box
        labels, voting = pieces.labels[top:bottom, left:right], speak[top:bottom, left:right]
        ys, xs = np.nonzero(voting)
        if not len(ys):
            continue
        h, w = field.shares.shape[1:]
        cell = (ys * h // (bottom - top)) * w + xs * w // (right - left)
        owner = labels[ys, xs]
        pixels = sparse.csr_array((np.ones(len(cell)), (owner, cell)), (pieces.num, h * w))  # how many of a piece's pixels are in each cell
        total += pixels @ field.shares.reshape(num_colours, -1).T.astype(np.float64)
        count += np.bincount(owner, minlength=pieces.num)
    return total / np.maximum(count, 1e-9)[:, None]


def choose(
    share: np.ndarray, colours: np.ndarray, page: np.ndarray, knobs: Knobs, noise: np.ndarray | None = None, num_hints: int = 0
) -> np.ndarray:
    """A colour for each piece, uint8 [num 3], from its votes [num k].

    Paper is a decision of its own, then the annealed mean of the rest (Zhang 2016). With `noise` [k], added to log
    shares, the likeliest is taken: one draw for the whole drawing, so that like pieces stay alike.
    """
    white = colours.min(1) >= WHITE
    log = np.log(np.maximum(share, 1e-6)) + (0.0 if noise is None else noise[None])
    inside = min(max(knobs.most, knobs.inside), knobs.inside + knobs.each * num_hints)
    paper = np.where(page, knobs.paper, inside) + _log_sum(log[:, white])
    is_paper = paper > _log_sum(log[:, ~white])
    rest = np.where(white[None], -np.inf, log)
    if knobs.temperature <= 0 or noise is not None:
        chosen = colours[rest.argmax(1)].astype(float)
    else:
        weight = np.exp((rest - rest.max(1, keepdims=True)) / knobs.temperature)
        chosen = weight @ colours.astype(float) / weight.sum(1, keepdims=True)
    chosen[is_paper] = 255
    return np.rint(chosen).astype(np.uint8)


def _log_sum(log: np.ndarray) -> np.ndarray:
    if not log.shape[1]:
        return np.full(len(log), -np.inf)
    return np.logaddexp.reduce(log, axis=1)


def page_pieces(pieces: Pieces) -> np.ndarray:
    """Which pieces are the page itself, bool [num]: those that hold at least `PAGE` of the border, under a scan's dark rim too."""
    edge = np.concatenate([pieces.labels[0], pieces.labels[-1], pieces.labels[1:-1, 0], pieces.labels[1:-1, -1]])
    return np.bincount(edge, minlength=pieces.num) >= PAGE * len(edge)


def of_the_page(closed: Pieces, parts: Pieces, owner: np.ndarray) -> np.ndarray:
    """Of parts cut from closed pieces (`owner` int [num]), which come from the page itself: open ground, where colour must be sure."""
    return page_pieces(closed)[owner] | page_pieces(parts)
