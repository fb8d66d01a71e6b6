"""Gaps in outlines: where a stroke's end comes near other ink, and which of the bridges there close a piece.

Trapped-ball filling (Zhang, Chen, Zhang, Kitamura and Hu 2009, "Vectorizing cartoon animations") closes every place too
narrow for a ball, and so also cuts corridors and the necks of closed shapes. Here a bridge needs a *stroke's end* on at
least one side, pointing across; the ball decides only afterwards whether what a bridge cuts off is big enough to be meant.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from skimage.draw import line as raster

ACROSS = np.cos(np.deg2rad(65.0))  # how far a stroke may turn away from the bridge that goes on from its end
BALL = 1.3  # what a bridge cuts off must hold a ball this many times as wide as the bridge
OPEN_SHARE = 0.4  # a piece whose border is bridges by more than this is no piece: hatching, a bundle of strokes


@dataclass(frozen=True)
class Bridges:
    """Imagined lines from ink to ink: `start` and `end` int [n 2] as (y, x) of ink pixels, `width` [n] free pixels between."""

    start: np.ndarray
    end: np.ndarray
    width: np.ndarray

    def __len__(self) -> int:
        return len(self.width)


def find_bridges(free: np.ndarray, depth: np.ndarray, gap: float) -> Bridges:
    """All bridges of at most `gap` free pixels that go on from a stroke's end.

    `free` is bool [h w]; `depth` [h w] is the distance of each ink pixel to the nearest free one.
    """
    start, end, width = _necks(free, gap)
    kept = [i for i in range(len(width)) if _is_end(free, depth, start[i], end[i], gap) or _is_end(free, depth, end[i], start[i], gap)]
    return Bridges(start[kept], end[kept], width[kept])


def _necks(free: np.ndarray, gap: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pairs of ink pixels facing each other across at most `gap` free pixels, one for each two places that face.

    Neighbouring pixels whose nearest ink lies on opposite sides straddle the middle of a passage.
    """
    height, width = free.shape
    near = ndimage.distance_transform_edt(free, return_distances=False, return_indices=True)
    ys, xs = np.nonzero(free)
    reach = (gap + 1) / 2 + 0.75
    narrow = (ys - near[0][ys, xs]) ** 2 + (xs - near[1][ys, xs]) ** 2 <= reach**2
    ys, xs = ys[narrow], xs[narrow]
    found = []
    for dy, dx in ((0, 1), (1, 0), (1, 1), (1, -1), (0, -1), (-1, 0), (-1, -1), (-1, 1)):
        qy, qx = ys + dy, xs + dx
        inside = (qy >= 0) & (qy < height) & (qx >= 0) & (qx < width)
        py, px, qy, qx = ys[inside], xs[inside], qy[inside], qx[inside]
        # of two free pixels one order is enough; an ink neighbour is its own nearest ink
        once = ~free[qy, qx] if (dy, dx) < (0, 1) else np.ones(len(py), bool)
        py, px, qy, qx = py[once], px[once], qy[once], qx[once]
        ay, ax, by, bx = near[0][py, px], near[1][py, px], near[0][qy, qx], near[1][qy, qx]
        apart = np.hypot(ay - by, ax - bx)
        sides = np.hypot(ay - py, ax - px) + np.hypot(by - qy, bx - qx)
        ok = (apart >= 2) & (apart - 1 <= gap + 0.5) & (apart >= 0.9 * sides)
        found.append(np.stack([ay[ok], ax[ok], by[ok], bx[ok]], 1))
    pairs = np.concatenate(found).astype(np.int64)
    if not len(pairs):
        return np.zeros((0, 2), int), np.zeros((0, 2), int), np.zeros(0)
    swap = (pairs[:, 0] > pairs[:, 2]) | ((pairs[:, 0] == pairs[:, 2]) & (pairs[:, 1] > pairs[:, 3]))
    pairs[swap] = pairs[swap][:, [2, 3, 0, 1]]
    pairs = np.unique(pairs, axis=0)
    apart = np.hypot(pairs[:, 0] - pairs[:, 2], pairs[:, 1] - pairs[:, 3])
    pairs, apart = (v[np.argsort(apart, kind="stable")] for v in (pairs, apart))
    cell = max(2, int(gap / 2))
    corner = np.argmax(~free.all(1)), np.argmax(~free.all(0))  # counted from the first ink, so that paper around changes nothing
    _, first = np.unique((pairs - np.tile(corner, 2)) // cell, axis=0, return_index=True)
    first.sort()
    return pairs[first, :2], pairs[first, 2:], apart[first] - 1


def _is_end(free: np.ndarray, depth: np.ndarray, here: np.ndarray, there: np.ndarray, gap: float) -> bool:
    """Does a stroke end at the ink pixel `here`, coming from the side away from `there`?

    Within a disc somewhat wider than the stroke, the ink joined to `here` leaves by one arm, and that arm points back.
    """
    back = (here - there) / np.hypot(*(here - there))
    most = max(16.0, 5 * gap)
    steps = np.arange(0, most)[:, None] * back + here
    iy, ix = np.rint(steps).astype(int).T
    inside = (iy >= 0) & (iy < free.shape[0]) & (ix >= 0) & (ix < free.shape[1])
    values = depth[iy[inside], ix[inside]]
    gone = np.nonzero(values <= 0)[0]
    thick = 2 * float(values[: gone[0] if len(gone) else None].max(initial=1)) - 1
    radius = min(1.5 * thick + 2, most)
    reach = int(np.ceil(radius))
    top, left = max(0, here[0] - reach), max(0, here[1] - reach)
    ink = ~free[top : here[0] + reach + 1, left : here[1] + reach + 1]
    dy = np.arange(ink.shape[0])[:, None] + top - here[0]
    dx = np.arange(ink.shape[1])[None] + left - here[1]
    away = dy * dy + dx * dx
    parts, _ = ndimage.label(ink & (away <= radius**2), structure=np.ones((3, 3), bool))
    ry, rx = np.nonzero((parts == parts[here[0] - top, here[1] - left]) & (away > (radius - 1.5) ** 2))
    if not len(ry):
        return False
    angles = np.sort(np.arctan2(ry + top - here[0], rx + left - here[1]))
    spaces = np.diff(np.append(angles, angles[0] + 2 * np.pi))
    if (spaces > 2.5 / radius).sum() != 1:
        return False
    widest = int(spaces.argmax())
    extent = 2 * np.pi - spaces[widest]
    middle = angles[widest] + spaces[widest] + extent / 2
    return bool(extent <= np.deg2rad(75) and np.sin(middle) * back[0] + np.cos(middle) * back[1] >= ACROSS)


def close(free: np.ndarray, bridges: Bridges, cuts: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Components int32 [h w] (0 where blocked) after bridging, and the pixels of bridges that part two of them, bool [h w].

    Bridges that touch stand and fall together. What they cut off too little of goes to the biggest part they touch.
    """
    drawn = np.zeros(free.shape, np.float32)
    for start, end, width in zip(bridges.start[::-1], bridges.end[::-1], bridges.width[::-1], strict=True):
        drawn[raster(*start, *end)] = width + 1
    drawn[~free] = 0
    owner, num = ndimage.label(drawn > 0, structure=np.ones((3, 3), bool))
    width = np.zeros(num + 1)
    np.maximum.at(width, owner.ravel(), drawn.ravel())
    blocked = owner > 0
    if cuts is not None:
        blocked |= cuts & free
    parts, num = ndimage.label(free & ~blocked)
    met = _Met.of(parts, owner)
    parts = _joined(free, parts, num, met, width)[parts]
    still = _Met.of(parts, owner)
    return parts, blocked & (np.bincount(still.bridge, minlength=len(width)) > 1)[owner] & (owner > 0)


@dataclass(frozen=True)
class _Met:
    """Each pair of a bridge and a component that touch, and the length along which they do, all int [n]."""

    bridge: np.ndarray
    part: np.ndarray
    length: np.ndarray

    @classmethod
    def of(cls, parts: np.ndarray, owner: np.ndarray) -> _Met:
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


def _joined(free: np.ndarray, parts: np.ndarray, num: int, met: _Met, width: np.ndarray) -> np.ndarray:
    """For each component (and 0) the component it belongs to when bridges that part too little are taken back."""
    parent = list(range(num + 1))
    ball = np.zeros(num + 1)
    np.maximum.at(ball, parts.ravel(), ndimage.distance_transform_edt(free).ravel())
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
