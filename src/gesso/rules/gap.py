"""Gaps in outlines: find bridges between a stroke's end and other ink, and keep those that close a piece.

Trapped-ball filling (Zhang, Chen, Zhang, Kitamura and Hu 2009, "Vectorizing cartoon animations") closes every place too
narrow for a ball, and so also cuts corridors and the necks of closed shapes. Here a bridge needs a *stroke's end* on at
least one side, pointing across; the ball then decides whether the area that a bridge cuts off is large enough to be a piece.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy
from skimage.draw import line as raster

ACROSS = np.cos(np.deg2rad(65.0))  # the largest angle between a stroke and the bridge that continues it
BALL = 1.3  # the area cut off must hold a ball this many times as wide as the bridge
BREADTH = 75.0  # degrees; ink that leaves the disc more broadly is a filled area, not a stroke
OPEN_SHARE = 0.4  # if bridges are more than this share of an area's border, it is hatching, not a piece
_TURNS, _RINGS, _CHUNK = 48, 12, 8192


@dataclass(frozen=True)
class Bridges:
    """Lines that close gaps: `start` and `end` int [n 2] are (y, x) of ink pixels, `width` [n] the number of free pixels between."""

    start: np.ndarray
    end: np.ndarray
    width: np.ndarray

    def __len__(self) -> int:
        return len(self.width)


def find_bridges(free: np.ndarray, near: np.ndarray, depth: np.ndarray, gap: float) -> Bridges:
    """All bridges of at most `gap` free pixels that continue a stroke's end.

    `free` is bool [h w]; `near` int [2 h w] the nearest ink (y, x) of each pixel; `depth` [h w] the distance of each ink pixel
    to the nearest free one.
    """
    start, end, width = _necks(free, near, gap)
    kept = np.zeros(len(width), bool)
    for i in range(0, len(width), _CHUNK):
        some = np.s_[i : i + _CHUNK]
        kept[some] = _are_ends(free, depth, start[some], end[some], gap) | _are_ends(free, depth, end[some], start[some], gap)
    return Bridges(start[kept], end[kept], width[kept])


def _necks(free: np.ndarray, near: np.ndarray, gap: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pairs of ink pixels that face each other across at most `gap` free pixels, one pair per passage, as start, end and width.

    The middle of a passage lies between neighbouring pixels whose nearest ink is on opposite sides.
    """
    height, width = free.shape
    away = (near[0] - np.arange(height, dtype=np.int32)[:, None]) ** 2 + (near[1] - np.arange(width, dtype=np.int32)) ** 2
    ink = near[0] * np.int64(width) + near[1] if free.size > 2**31 else near[0] * np.int32(width) + near[1]
    here = np.flatnonzero(free & (away <= ((gap + 1) / 2 + 0.75) ** 2))
    ink, free_at = ink.ravel(), free.ravel()
    found = []
    for dy, dx in ((0, 1), (1, 0), (1, 1), (1, -1), (0, -1), (-1, 0), (-1, -1), (-1, 1)):
        p = here[(here >= -dy * width) & (here < (height - dy) * width)] if dy else here
        if dx:
            column = p % width
            p = p[column < width - 1] if dx > 0 else p[column > 0]
        q = p + (dy * width + dx)
        ok = ink[p] != ink[q]
        if (dy, dx) < (0, 1):  # each pair of free pixels is visited once; an ink neighbour is its own nearest ink
            ok &= ~free_at[q]
        p, q = p[ok], q[ok]
        (py, px), (qy, qx), (ay, ax), (by, bx) = (np.divmod(v, width) for v in (p, q, ink[p], ink[q]))
        apart = np.hypot(ay - by, ax - bx)
        sides = np.hypot(ay - py, ax - px) + np.hypot(by - qy, bx - qx)
        ok = (apart >= 2) & (apart - 1 <= gap + 0.5) & (apart >= 0.9 * sides)
        a, b = (v[ok].astype(np.int64) for v in (ink[p], ink[q]))
        found.append(np.minimum(a, b) * free.size + np.maximum(a, b))
    pairs = np.unique(np.concatenate(found))
    start, end = (np.stack(np.divmod(v, width), 1) for v in np.divmod(pairs, free.size))
    apart = np.hypot(*(start - end).T)
    order = np.argsort(apart, kind="stable")
    start, end, apart = start[order], end[order], apart[order]
    # only the shortest bridge between two grid cells; cells start at the first ink, so that margins change nothing
    cell = max(2, int(gap / 2))
    corner = np.array([np.argmax(~free.all(1)), np.argmax(~free.all(0))])
    rows, columns = height // cell + 1, width // cell + 1
    places = [((v - corner) // cell) @ np.array([columns, 1]) for v in (start, end)]
    first = np.sort(np.unique(places[0] * (rows * columns) + places[1], return_index=True)[1])
    return start[first], end[first], apart[first] - 1


def _are_ends(free: np.ndarray, depth: np.ndarray, here: np.ndarray, there: np.ndarray, gap: float) -> np.ndarray:
    """Whether a stroke that comes from the side opposite `there` [n 2] ends at each ink pixel `here` [n 2], bool [n].

    In a disc somewhat wider than the stroke, the ink connected with `here` then leaves by one narrow arm, which points away from
    `there`. The disc is sampled as rings of directions, each reached from the ring inside it.
    """
    apart = np.hypot(*(here - there).T)
    back = (here - there) / apart[:, None]
    most = max(16.0, 5 * gap)
    walk = _read(depth, here[:, None] + np.arange(0, most, 0.5 + most / 64)[:, None] * back[:, None])
    walk[np.logical_or.accumulate(walk <= 0, axis=1)] = 0
    deep = walk.max(1)
    result = np.zeros(len(here), bool)
    unsure = np.arange(len(here))
    for _ in range(3):
        radius = np.minimum(1.5 * (2 * deep[unsure] - 1) + 2, most)
        one, breadth, towards, deepest = _arm(depth, here[unsure], back[unsure], apart[unsure] / 2, radius)
        leads = one & (towards >= ACROSS)
        result[unsure] = leads & (breadth <= BREADTH)
        # seen from the corner of a broad stroke's end the stroke looks thin: repeat with a wider disc
        again = leads & (breadth > BREADTH) & (deepest > deep[unsure]) & (radius < most)
        deep[unsure] = deepest
        unsure = unsure[again]
    return result


def _arm(depth: np.ndarray, here: np.ndarray, back: np.ndarray, half: np.ndarray, radius: np.ndarray) -> tuple[np.ndarray, ...]:
    """The ink connected with `here` [n 2] in a disc of `radius` [n]: whether it leaves as one arm, the arm's breadth in degrees, the
    cosine of its angle to `back` [n 2], and the greatest depth on it, each [n].

    Ink beyond the middle of the bridge, at distance `half` [n], belongs to the other side.
    """
    turn = np.arange(_TURNS) * (2 * np.pi / _TURNS)
    ray = np.stack([np.sin(turn), np.cos(turn)], 1)
    ahead = back @ ray.T
    reached = np.ones((len(here), _TURNS), bool)
    deepest = np.ones(len(here))
    for ring in range(1, _RINGS + 1):
        met = _read(depth, here[:, None] + (radius * (ring / _RINGS))[:, None, None] * ray)
        ink = (met > 0) & ((radius * (ring / _RINGS))[:, None] * ahead > -half[:, None])
        reached = ink & _wider(reached, int(np.ceil(_TURNS / (2 * np.pi * ring))))
        for _ in range(2):
            reached = ink & _wider(reached, 1)
        deepest = np.maximum(deepest, (met * reached).max(1))
    arms = (reached & ~np.roll(reached, 1, axis=1)).sum(1)
    middle = reached @ ray
    towards = (middle * back).sum(1) / np.maximum(np.hypot(*middle.T), 1e-9)
    return arms == 1, reached.sum(1) * (360 / _TURNS), towards, deepest


def _read(values: np.ndarray, spots: np.ndarray) -> np.ndarray:
    """`values` [h w] at the pixels nearest to `spots` [... 2] (y, x); 0 outside."""
    near = np.rint(spots).astype(np.int32)
    y, x = near[..., 0], near[..., 1]
    inside = (y >= 0) & (y < values.shape[0]) & (x >= 0) & (x < values.shape[1])
    return np.where(inside, values[np.where(inside, y, 0), np.where(inside, x, 0)], 0)


def _wider(rings: np.ndarray, steps: int) -> np.ndarray:
    """Runs of true directions in bool [n turns], extended by `steps` at both ends."""
    return scipy.ndimage.maximum_filter1d(rings.view(np.uint8), 2 * steps + 1, axis=1, mode="wrap").view(bool)


def close_gaps(free: np.ndarray, near: np.ndarray, bridges: Bridges, cuts: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Components int32 [h w] (0 on ink) after closing gaps, and the pixels of bridges between two components, bool [h w].

    Touching bridges are kept or removed together. An area too small to be a piece joins the largest component at its bridges.
    Components that were separate stay separate, and none is lost under a bridge or a cut.
    """
    from skimage.measure import label as connected  # slow to import

    whole, num = scipy.ndimage.label(free)
    drawn = np.zeros(free.shape, np.float32)
    for start, end, width in zip(bridges.start[::-1], bridges.end[::-1], bridges.width[::-1], strict=True):
        drawn[raster(*start, *end)] = width + 1
    blocked = free & ((drawn > 0) if cuts is None else (drawn > 0) | cuts)
    spared = np.bincount(whole[free & ~blocked], minlength=num + 1) == 0
    blocked &= ~spared[whole]
    parts, num = scipy.ndimage.label(free & ~blocked)
    if len(bridges):
        owner = connected(np.where(blocked & (drawn > 0), whole, 0), connectivity=2, background=0)
        width = np.zeros(int(owner.max()) + 1)
        owned = np.flatnonzero(owner)
        np.maximum.at(width, owner.ravel()[owned], drawn.ravel()[owned])
        parts = _joined(near, parts, num, _Contacts.of(parts, owner), width)[parts]
        still = _Contacts.of(parts, owner)
        parting = (np.bincount(still.bridge, minlength=len(width)) > 1)[owner] & (owner > 0)
    else:
        parting = np.zeros(free.shape, bool)
    return _grown(parts, blocked), parting


def _grown(parts: np.ndarray, blocked: np.ndarray) -> np.ndarray:
    """Extend labels over the blocked pixels, each from the nearest component that blocked pixels connect it with."""
    parts = np.pad(parts.astype(np.int32, copy=False), 1)
    ys, xs = (v + 1 for v in np.nonzero(blocked))
    while len(ys):
        taken = np.zeros(len(ys), np.int32)
        for dy, dx in ((-1, 0), (0, -1), (0, 1), (1, 0)):
            taken = np.where(taken > 0, taken, parts[ys + dy, xs + dx])
        if not taken.any():
            break
        parts[ys, xs] = taken
        ys, xs = ys[taken == 0], xs[taken == 0]
    return parts[1:-1, 1:-1]


@dataclass(frozen=True)
class _Contacts:
    """Pairs of a bridge and a component that touch, with the length of their contact, all int [n]."""

    bridge: np.ndarray
    part: np.ndarray
    length: np.ndarray

    @classmethod
    def of(cls, parts: np.ndarray, owner: np.ndarray) -> _Contacts:
        height, width = parts.shape
        ys, xs = np.nonzero(owner)
        found = []
        for dy, dx in ((0, 1), (1, 0), (0, -1), (-1, 0)):
            qy, qx = np.clip(ys + dy, 0, height - 1), np.clip(xs + dx, 0, width - 1)
            found.append(np.stack([owner[ys, xs], parts[qy, qx]], 1))
        pairs, length = np.unique(np.concatenate(found), axis=0, return_counts=True)
        touching = pairs[:, 1] > 0
        return cls(pairs[touching, 0], pairs[touching, 1], length[touching])


def _rims(parts: np.ndarray, num: int) -> np.ndarray:
    """The length of each component's border with ink and bridges, int64 [num + 1]."""
    length = np.zeros(num + 1, np.int64)
    for a, b in ((np.s_[:, :-1], np.s_[:, 1:]), (np.s_[:-1], np.s_[1:])):
        for one, other in ((parts[a], parts[b]), (parts[b], parts[a])):
            length += np.bincount(one[other == 0], minlength=num + 1)
    return length


def _joined(near: np.ndarray, parts: np.ndarray, num: int, met: _Contacts, width: np.ndarray) -> np.ndarray:
    """For each component (and 0) the component it belongs to after bridges that cut off too little are removed."""
    parent = list(range(num + 1))
    ball = np.zeros(num + 1)
    rows, columns = np.arange(parts.shape[0], dtype=np.int32)[:, None], np.arange(parts.shape[1], dtype=np.int32)[None]
    np.maximum.at(ball, parts.ravel(), np.hypot(near[0] - rows, near[1] - columns, dtype=np.float32).ravel())
    area, rim = np.bincount(parts.ravel(), minlength=num + 1), _rims(parts, num)
    around: dict[int, set[int]] = {}
    beside: dict[int, dict[int, int]] = {}
    for bridge, part, length in zip(met.bridge.tolist(), met.part.tolist(), met.length.tolist(), strict=True):
        around.setdefault(bridge, set()).add(part)
        beside.setdefault(part, {})[bridge] = length

    def top(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    def parted(bridge: int) -> list[int]:
        return sorted({top(p) for p in around[bridge]}, key=lambda p: (-area[p], p))

    def join(whole: int, part: int) -> None:
        parent[part] = whole
        ball[whole] = max(ball[whole], ball[part])
        area[whole] += area[part]
        rim[whole] += rim[part]
        for bridge, length in beside.pop(part).items():
            beside[whole][bridge] = beside[whole].get(bridge, 0) + length

    order = sorted(around, key=lambda i: (-width[i], i))
    for bridge in order:
        whole, *rest = parted(bridge)
        for part in rest:
            if ball[part] < BALL * width[bridge] / 2 + 0.75:
                join(whole, part)
    for bridge in order:
        whole, *rest = parted(bridge)
        for part in rest:
            if sum(n for b, n in beside[part].items() if len(parted(b)) > 1) > OPEN_SHARE * rim[part]:
                join(whole, part)
    return np.array([top(i) for i in range(num + 1)], np.int32)
