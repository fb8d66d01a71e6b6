"""From what a network proposes to colours of pieces: necks at which they are parted, votes, and when to hold back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy import sparse

from gesso.rules.fill import voters
from gesso.rules.palette import lab_of
from gesso.rules.pieces import Pieces, borders, split

SAME = 4.0  # colours nearer than this (delta E 1976) are one
PAGE = 0.5  # a piece that holds this share of the page's border is the page
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


@dataclass(frozen=True)
class Knobs:
    """How far the proposal is trusted.

    sure         a piece is coloured where at least this share of the squared error that white is expected to make goes with it; for each
                 hint `each` more, up to `most`: who hints leaves white what they leave out
    ground       the same on the page itself and what is cut from it; both move with the dial `guess` (see `limits`)
    follow       a piece takes a hint's colour as its own where the hint's share is at least this
    odds         by which paper's share on the page itself is multiplied: networks learned with paper weighed that much less
    heed         what a hint's share counts in the mean of a piece that does not follow it
    temperature  of the shares before their mean is taken; 1 is the expected colour, less is more saturated
    apart        two parts of a closed piece stay apart where their colours are farther from each other than this, of 441
    stay         the same in a closed piece that has a hint, whose colour is the whole piece's unless the network is surer than that
    open         parts whose imagined border is more than this share of either's whole border are one: nothing is parted across open ground
    bare         the same on the page itself
    wanted       the same there where a hint lies in a part
    leak         the same in a closed piece that has a hint, which is whole but for what it leaked into through a gap
    join         there a part whose share of a hint's colour is at least this goes with the hint
    least        parts smaller than this, in pixels of a 72-pixel drawing, are not cut off
    """

    sure: float = 0.5
    each: float = 0.1
    most: float = 0.65
    ground: float = 0.6
    follow: float = 0.5
    odds: float = 2.0
    heed: float = 0.0
    temperature: float = 0.5
    apart: float = 60.0
    stay: float = 180.0
    open: float = 0.08
    bare: float = 0.12
    wanted: float = 0.4
    leak: float = 0.12
    join: float = 0.1
    least: float = 10.0


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


def cut(
    pieces: Pieces,
    fields: Sequence[Field],
    colours: np.ndarray,
    knobs: Knobs,
    hinted: Mapping[int, int] | None = None,
    places: Sequence[tuple[int, int]] = (),
) -> Pieces:
    """Open shapes parted where they are narrow, if the network expects unlike colours on the two sides.

    Borders are those of the fields' regions, so that nothing is parted across open ground or along a proposal's own edge. Parts of one
    closed piece whose expected colours are near each other are one, the nearest first. At `places` (row, column) hints lie; `hinted`
    {piece: entry of `colours`} are closed pieces with a hint: what is not surely of another colour goes with it. Where the page itself
    is among them somebody filled it, and nothing is cut from it.
    """
    labels = _regions_at(fields, pieces.shape)
    parts = split(pieces, labels, least=max(3, round(knobs.least * (max(pieces.shape) / 72) ** 2)))
    owner = np.zeros(parts.num, np.int64)
    owner[parts.labels[parts.free]] = pieces.labels[parts.free]
    if parts.num == pieces.num:
        return parts
    share, page, wide = votes(parts, fields), page_pieces(pieces), np.full(pieces.num, knobs.apart)
    ground = page[owner]
    share = weighed(share, colours, ground, knobs)
    tone = expected(share, colours, knobs)
    tone[ground & (certainty(share, colours) < knobs.ground)] = 255  # of the ground only what is certain to be none is parted
    for piece in hinted or {}:
        wide[piece] = np.inf if page[piece] else knobs.stay
    entries = np.array(sorted({*(hinted or {}).values()}), int)
    if len(entries):  # a part that may well be of a hint's colour goes with it
        most = share[:, entries].argmax(1)
        joins = np.isin(owner, list(hinted or {})) & (share[np.arange(parts.num), entries[most]] >= knobs.join)
        tone[joins] = colours[entries[most[joins]]]
    leak = np.where(ground, knobs.bare, knobs.open)
    leak[np.isin(owner, list(hinted or {}))] = knobs.leak
    touched = parts.labels[tuple(np.asarray(places, int).reshape(-1, 2).T)]
    leak[touched[ground[touched]]] = knobs.wanted
    table = _alike(parts, owner, tone, wide, leak, ground & parts.touches_border)
    return split(pieces, table[parts.labels], least=1)


def _alike(parts: Pieces, owner: np.ndarray, tone: np.ndarray, wide: np.ndarray, leak: np.ndarray, background: np.ndarray) -> np.ndarray:
    """For each part the one that stands for it. Neighbours in one piece are one where their imagined border is a larger share of either's
    than `leak` [num] of both, or their tones are nearer than `wide` of the piece, the most open and the nearest first; and all of the
    `background` bool [num] is one."""
    pairs, length = borders(parts.labels, parts.free, parts.num)
    inside = owner[pairs[:, 0]] == owner[pairs[:, 1]]
    pairs, length = pairs[inside], length[inside].astype(float)
    stands, area, rims, tone = np.arange(parts.num), parts.areas.astype(float), parts.rims.astype(float), tone.astype(float).copy()
    behind = background.copy()
    while len(pairs):
        one, two = pairs.T
        opening = length / np.maximum(np.minimum(rims[one], rims[two]), 1)
        away = np.linalg.norm(tone[one] - tone[two], axis=1) - wide[owner[one]]
        away = np.where(opening > np.maximum(leak[one], leak[two]), -1e3 - opening, away)
        away = np.where(behind[one] & behind[two], -1e4, away)
        nearest = int(away.argmin())
        if away[nearest] >= 0:
            break
        into, gone = pairs[nearest]
        tone[into] = (tone[into] * area[into] + tone[gone] * area[gone]) / max(area[into] + area[gone], 1e-9)
        area[into] += area[gone]
        leak[into] = max(leak[into], leak[gone])
        behind[into] |= behind[gone]
        rims[into] += rims[gone] - 2 * length[nearest]
        stands[stands == gone] = into
        pairs = np.sort(np.where(pairs == gone, into, pairs), axis=1)
        kept = pairs[:, 0] != pairs[:, 1]
        pairs, same = np.unique(pairs[kept], axis=0, return_inverse=True)
        length = np.bincount(same.ravel(), length[kept], len(pairs))
    return stands


def _regions_at(fields: Sequence[Field], shape: tuple[int, int]) -> np.ndarray:
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


def weighed(share: np.ndarray, colours: np.ndarray, page: np.ndarray, knobs: Knobs) -> np.ndarray:
    """Votes [num k] in which paper on the page (bool [num]) is as likely as it is, not as it was weighed when networks learned."""
    share = np.where(page[:, None] & (colours.min(1) >= WHITE)[None], share * knobs.odds, share)
    weighed: np.ndarray = share / np.maximum(share.sum(1, keepdims=True), 1e-9)
    return weighed


def expected(share: np.ndarray, colours: np.ndarray, knobs: Knobs) -> np.ndarray:
    """The colour that each piece is expected to have, float [num 3], from its votes [num k]: the mean of all, paper among them, which makes
    the smallest squared error (annealed by `temperature`: Zhang 2016, eq. 5)."""
    weight = np.maximum(share, 1e-9) ** (1 / knobs.temperature)
    mean: np.ndarray = weight @ colours.astype(float) / weight.sum(1, keepdims=True)
    return mean


def certainty(share: np.ndarray, colours: np.ndarray) -> np.ndarray:
    """How much of the squared error that white would make is expected to go when a piece takes its expected colour, [num] in 0 to 1.

    1 is sure of its colour, 0 sure of paper; many unlike colours, or paper as likely as not, lie low.
    """
    share = share / np.maximum(share.sum(1, keepdims=True), 1e-9)
    away = colours.astype(float) - 255
    gone = ((share @ away) ** 2).sum(1)
    certain: np.ndarray = gone / np.maximum(share @ (away**2).sum(1), 1e-9)
    return certain


def sureness(share: np.ndarray, colours: np.ndarray, knobs: Knobs) -> np.ndarray:
    """The probability that each piece's expected colour is nearer to the truth than white is, [num], from its votes [num k]."""
    mean, seen = expected(share, colours, knobs), colours.astype(float)
    nearer = ((seen[None] - mean[:, None]) ** 2).sum(-1) < ((seen - 255) ** 2).sum(-1)
    sure: np.ndarray = (share * nearer).sum(1) / np.maximum(share.sum(1), 1e-9)
    return sure


def limits(knobs: Knobs, guess: float, num_hints: int = 0) -> tuple[float, float]:
    """The least certainty at which a piece, and the page, are coloured. `guess` in 0 to 1: 0 only what is sure, 0.5 as the knobs say, 1 all
    but what is surely paper."""
    dial, sure = 2 * guess - 1, min(max(knobs.most, knobs.sure), knobs.sure + knobs.each * num_hints)
    if dial >= 0:
        return sure * (1 - dial) + 0.02 * dial, knobs.ground * (1 - 0.5 * dial)
    return sure + (0.9 - sure) * -dial, knobs.ground + (0.95 - knobs.ground) * -dial


def choose(
    share: np.ndarray,
    colours: np.ndarray,
    page: np.ndarray,
    knobs: Knobs,
    noise: np.ndarray | None = None,
    *,
    hints: Sequence[int] = (),
    num_hints: int = 0,
    guess: float = 0.5,
) -> np.ndarray:
    """A colour for each piece, uint8 [num 3], from its votes [num k].

    What is not certain enough stays paper (`certainty`, `limits`). A piece follows a hint, an entry of `colours` among `hints`, where that
    is likely enough; else it has its expected colour. With `noise` [k], added to log shares, the likeliest is taken: one draw for the whole
    drawing, so that like pieces stay alike.
    """
    inside, ground = limits(knobs, guess, num_hints)
    certain = certainty(share, colours)
    if noise is not None:
        white = colours.min(1) >= WHITE
        log = np.log(np.maximum(share, 1e-6)) + noise[None]
        chosen = (
            colours[np.where(white[None], -np.inf, log).argmax(1)].astype(float) if not white.all() else np.full((len(share), 3), 255.0)
        )
    else:
        unheard = share.copy()
        unheard[:, list(hints)] *= knobs.heed  # what follows no hint should not look as if it half did
        chosen = expected(unheard, colours, knobs)
        for entry in hints:
            chosen[share[:, entry] >= knobs.follow] = colours[entry]
    chosen[certain < np.where(page, ground, inside)] = 255
    return np.rint(chosen).clip(0, 255).astype(np.uint8)


def page_pieces(pieces: Pieces) -> np.ndarray:
    """Which pieces are the page itself, bool [num]: those that hold at least `PAGE` of the border, under a scan's dark rim too."""
    edge = np.concatenate([pieces.labels[0], pieces.labels[-1], pieces.labels[1:-1, 0], pieces.labels[1:-1, -1]])
    return np.bincount(edge, minlength=pieces.num) >= PAGE * len(edge)


def of_the_page(closed: Pieces, parts: Pieces, owner: np.ndarray) -> np.ndarray:
    """Of parts cut from closed pieces (`owner` int [num]), which come from the page itself: open ground, where colour must be sure."""
    return page_pieces(closed)[owner] | page_pieces(parts)
