"""The pieces of a drawing: closed regions at full size, with small gaps in outlines closed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy

from gesso.errors import GessoError
from gesso.rules.cache import ArrayCache, ResultCache
from gesso.rules.gap import Bridges, close_gaps, find_bridges
from gesso.rules.line import INK, check_line

GAP_SHARE = 0.012
"""The default gap as a share of the drawing's long side, which counts at most 1.5 times the short side."""

MAX_CACHED = 17_000_000  # pixels of the drawings whose bridges are cached, sixteen bytes each; at most four drawings
_BRIDGES: ArrayCache[tuple[np.ndarray, np.ndarray, Bridges]] = ArrayCache(MAX_CACHED)


def default_gap(shape: tuple[int, ...]) -> float:
    """The widest gap in pixels that is closed by default: 1.2 % of the long side (0.9 px at 72, 6 at 512, 24 at 2000)."""
    return GAP_SHARE * min(max(shape[:2]), 1.5 * min(shape[:2]))


@dataclass(frozen=True, eq=False)
class Pieces:
    """A segmentation of a drawing into pieces numbered 0 to `num` - 1.

    `labels` int32 [h w] is the piece of every pixel; ink belongs to the nearest piece. `free` bool [h w] are the pixels that are not
    ink, `bridges` bool [h w] the free pixels on lines that close gaps. `nearest` int32 [h w] is the flat index of the free pixel from
    which a pixel has its label. A drawing that is all ink is one piece. Closed pieces are numbered in reading order of their first free
    pixel; parts cut from them may have any number, and some numbers may be unused.
    """

    labels: np.ndarray
    free: np.ndarray
    bridges: np.ndarray
    num: int
    nearest: np.ndarray

    @property
    def shape(self) -> tuple[int, int]:
        return self.labels.shape[0], self.labels.shape[1]

    @cached_property
    def areas(self) -> np.ndarray:
        """The number of free pixels of each piece, int64 [num]."""
        return np.bincount(self.labels[self.free], minlength=self.num)

    @cached_property
    def rims(self) -> np.ndarray:
        """The length of each piece's border in pixel sides, int64 [num]. Twice the area divided by it is about the piece's width."""
        framed = np.pad(self.labels, 1, constant_values=-1)
        total = np.zeros(self.num, np.int64)
        for a, b in ((framed[:, :-1], framed[:, 1:]), (framed[:-1], framed[1:])):
            meet = a != b
            for side in (a[meet], b[meet]):
                total += np.bincount(side[side >= 0], minlength=self.num)
        return total

    @cached_property
    def touches_border(self) -> np.ndarray:
        """Whether a piece has a free pixel on the picture's border, bool [num]."""
        found = np.zeros(self.num, bool)
        for side in (np.s_[0], np.s_[-1], np.s_[:, 0], np.s_[:, -1]):
            found[self.labels[side][self.free[side]]] = True
        return found

    @cached_property
    def boxes(self) -> list[tuple[slice, slice]]:
        """The bounding box (rows, columns) of each piece, including its pixels under the line."""
        return [box or np.s_[0:0, 0:0] for box in scipy.ndimage.find_objects(self.labels + 1, self.num)]

    @cached_property
    def under(self) -> np.ndarray:
        """The flat indices of pixels that are ink, int64 [n]."""
        return np.flatnonzero(~self.free)

    @cached_property
    def cache(self) -> ResultCache:
        """Results computed from these pieces, cached for later requests."""
        return ResultCache()

    def mask(self, piece: int) -> np.ndarray:
        """The pixels of one piece, including those under the line, bool [h w]."""
        return self.labels == piece


def find_pieces(
    line: np.ndarray,
    *,
    gap: float | None = None,
    cuts: np.ndarray | None = None,
    joins: Sequence[Sequence[tuple[float, float]]] | None = None,
) -> Pieces:
    """Find the closed regions of a drawing, closing gaps of at most `gap` free pixels between a stroke's end and other ink.

    `line` is uint8 [h w]. `gap` is in pixels; None means `default_gap`, and below 1 no gap is closed and pieces are the 4-connected
    components of line > `INK`. `cuts` bool [h w] are pixels that separate pieces. Each of `joins` is a path of (x, y) points whose
    pieces become one. Closing gaps never cuts off areas too small for a ball as wide as the gap. GessoError for invalid arguments.
    """
    free = check_line(line) > INK
    gap = default_gap(free.shape) if gap is None else float(gap)
    if not 0 <= gap < np.inf:
        raise GessoError(f"a gap of {gap}", where="gap", fix="give 0 or more pixels")
    if cuts is not None and (cuts.shape != free.shape or cuts.dtype != bool):
        raise GessoError(f"cuts are {cuts.dtype} {list(cuts.shape)}", where="cuts", fix=f"give bool {list(free.shape)}, as the line")
    nearest, parts, bridges = _components(free, gap, cuts)
    labels, num = _in_order(parts.ravel()[nearest], free)
    pieces = Pieces(labels, free, bridges, num, nearest)
    return pieces if not joins else join_pieces(pieces, joins)


def _components(free: np.ndarray, gap: float, cuts: np.ndarray | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The nearest free pixel of each pixel, the components, and the pixels of the bridges between them."""
    if gap >= 1 and free.any() and not free.all():
        nearest, near, bridges = _BRIDGES.get(free, gap, lambda: _bridges(free, gap), max(free.size, MAX_CACHED // 4))
        return nearest, *close_gaps(free, near, bridges, cuts)
    nearest = _nearest_free(free)
    if cuts is not None:
        none = Bridges(np.zeros((0, 2), int), np.zeros((0, 2), int), np.zeros(0))
        return nearest, *close_gaps(free, np.zeros((2, 0, 0)), none, cuts)
    return nearest, scipy.ndimage.label(free)[0], np.zeros(free.shape, bool)


def _bridges(free: np.ndarray, gap: float) -> tuple[np.ndarray, np.ndarray, Bridges]:
    """The nearest free pixel and the nearest ink (y, x) int32 [2 h w] of each pixel, and all bridges. Cuts and joins do not change them."""
    nearest = _nearest_free(free)
    near = np.asarray(scipy.ndimage.distance_transform_edt(free, return_distances=False, return_indices=True))
    rows, columns = np.arange(free.shape[0], dtype=np.int32)[:, None], np.arange(free.shape[1], dtype=np.int32)
    depth = np.hypot(nearest // free.shape[1] - rows, nearest % free.shape[1] - columns, dtype=np.float32)
    return nearest, near, find_bridges(free, near, depth, gap)


def _nearest_free(free: np.ndarray) -> np.ndarray:
    """The flat index of the free pixel nearest to each pixel, int32 [h w]; the pixel's own index if no pixel is free."""
    if not free.any():
        return np.arange(free.size, dtype=np.int32).reshape(free.shape)
    near = np.asarray(scipy.ndimage.distance_transform_edt(~free, return_distances=False, return_indices=True))
    return (near[0] * np.int32(free.shape[1]) + near[1]).astype(np.int32, copy=False)


def _in_order(labels: np.ndarray, free: np.ndarray) -> tuple[np.ndarray, int]:
    """Labels renumbered 0, 1, … in reading order of their first free pixels, int32 [h w], and their number."""
    where = np.flatnonzero(free)
    if not len(where):
        return np.zeros(labels.shape, np.int32), 1
    values = labels.ravel()[where]
    first = np.full(int(labels.max()) + 1, len(where), np.int64)
    first[values[::-1]] = np.arange(len(where) - 1, -1, -1)  # the last write wins: the first place in reading order
    used = np.flatnonzero(first < len(where))
    table = np.zeros(len(first), np.int32)
    table[used[np.argsort(first[used])]] = np.arange(len(used), dtype=np.int32)
    return table[labels], len(used)


def join_pieces(pieces: Pieces, paths: Sequence[Sequence[tuple[float, float]]]) -> Pieces:
    """Merge the pieces under each path's (x, y) points into one. GessoError for points outside the picture."""
    height, width = pieces.shape
    table = np.arange(pieces.num)
    for path in paths:
        for x, y in path:
            if not (0 <= x < width and 0 <= y < height):
                raise GessoError(f"the point ({x:g}, {y:g}) lies outside the {width}x{height} picture", where="joins")
        met = [int(table[pieces.labels[int(y), int(x)]]) for x, y in path]
        if met:
            table[np.isin(table, met)] = min(met)
    labels, num = _in_order(table[pieces.labels].astype(np.int32), pieces.free)
    bridges = pieces.bridges & _beside_another(labels)
    return Pieces(labels, pieces.free, bridges, num, pieces.nearest)


def _beside_another(labels: np.ndarray) -> np.ndarray:
    """Pixels whose 3x3 surroundings hold more than one label, bool [h w]."""
    return scipy.ndimage.minimum_filter(labels, 3, mode="nearest") != scipy.ndimage.maximum_filter(labels, 3, mode="nearest")


def dense_labels(keys: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray]:
    """`np.unique(keys, return_inverse=True)` for integers in [0, `most`), by a lookup table instead of sorting."""
    if most > max(4 * keys.size, 2**16):
        found, inverse = np.unique(keys, return_inverse=True)
        return found, inverse.reshape(keys.shape)
    table = np.zeros(most, np.int64)
    table[keys.ravel()] = 1
    found = np.flatnonzero(table)
    table[found] = np.arange(len(found))
    return found, table[keys]


def shared_borders(labels: np.ndarray, counted: np.ndarray, num: int) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of labels that meet between `counted` pixels, int64 [n 2], and the length of each border, int64 [n]."""
    keys = []
    for a, b in ((np.s_[:, :-1], np.s_[:, 1:]), (np.s_[:-1], np.s_[1:])):
        differ = (labels[a] != labels[b]) & counted[a] & counted[b]
        one, two = labels[a][differ].astype(np.int64), labels[b][differ].astype(np.int64)
        keys.append(np.minimum(one, two) * num + np.maximum(one, two))
    pairs, lengths = np.unique(np.concatenate(keys), return_counts=True)
    return np.stack([pairs // num, pairs % num], 1), lengths


def split_pieces(pieces: Pieces, parts: np.ndarray, *, least: int) -> Pieces:
    """Split pieces where the label map `parts`, int [h w], changes.

    New pieces are the 4-connected components of equal (piece, part) over free pixels. A component of fewer than `least` pixels is merged
    with the neighbour in the same old piece that shares the longest border with it. Old pieces are never merged. A piece that was joined
    from several closed regions is split by part alone, so that the join stays. GessoError if `parts` does not fit.
    """
    if not isinstance(parts, np.ndarray) or parts.shape != pieces.shape or parts.dtype.kind not in "iub":
        raise GessoError("parts do not fit the pieces", where="parts", fix=f"give a whole-number array {list(pieces.shape)}")
    if not pieces.free.any():
        return pieces
    from skimage.measure import label as connected  # slow to import

    lowest = int(parts.min())
    _, dense = dense_labels(parts.astype(np.int64) - lowest, int(parts.max()) - lowest + 1)
    key = pieces.labels * (int(dense.max()) + 1) + dense + 1
    key[~pieces.free] = 0
    new = connected(key, connectivity=1, background=0).astype(np.int32) - 1
    num = int(new.max()) + 1
    free = pieces.free
    first = np.zeros(num, np.int64)
    first[new[free]] = np.flatnonzero(free)  # one pixel represents its new piece
    old, key, area = pieces.labels.ravel()[first].astype(np.int64), key.ravel()[first], np.bincount(new[free], minlength=num)
    closed = connected(np.where(free, pieces.labels + 1, 0), connectivity=1, background=0).ravel()[first]
    table = _held_together(old, key, closed, area)
    pairs, lengths = shared_borders(table[new], free, num)
    table = _absorbed(pairs, lengths, np.bincount(table, area, num), old, least)[table]
    new[free] = table[new[free]]
    new[~free] = new.ravel()[pieces.nearest[~free]]
    labels, num = _in_order(new, free)
    bridges = pieces.bridges & _beside_another(labels) if pieces.bridges.any() else pieces.bridges
    return Pieces(labels, free, bridges, num, pieces.nearest)


def _held_together(old: np.ndarray, key: np.ndarray, closed: np.ndarray, area: np.ndarray) -> np.ndarray:
    """For each new piece its representative: in joined pieces, the largest pieces of equal key in all closed regions are one piece."""
    table = np.arange(len(old))
    several = np.bincount(np.unique(np.stack([old, closed], 1), axis=0)[:, 0], minlength=int(old.max()) + 1) > 1
    which = np.flatnonzero(several[old])
    which = which[np.argsort(-area[which], kind="stable")]
    _, largest = np.unique(np.stack([key[which], closed[which]], 1), axis=0, return_index=True)
    which = np.sort(which[largest])
    _, first, same = np.unique(key[which], return_index=True, return_inverse=True)
    table[which] = which[first][same]
    return table


def _absorbed(pairs: np.ndarray, lengths: np.ndarray, area: np.ndarray, old: np.ndarray, least: int) -> np.ndarray:
    """For each new piece the one it is merged with, after pieces of fewer than `least` pixels were merged with their neighbours.

    As in Borůvka's spanning trees, every small piece chooses one border by one strict order, so that choices form no cycle
    and two large pieces are never merged through a small one.
    """
    table = np.arange(len(area))
    area = area.copy()
    inside = old[pairs[:, 0]] == old[pairs[:, 1]]
    pairs, lengths = pairs[inside], lengths[inside]
    while len(pairs):
        both = np.concatenate([pairs, pairs[:, ::-1]])
        rank = np.tile(np.lexsort((-np.arange(len(lengths)), lengths)).argsort(), 2)
        rank, both = (v[area[both[:, 0]] < least] for v in (rank, both))
        if not len(both):
            break
        order = np.lexsort((-rank, both[:, 0]))
        small, pick = np.unique(both[order, 0], return_index=True)
        aim = np.arange(len(area))
        aim[small] = both[order[pick], 1]
        mutual = (aim[aim] == np.arange(len(area))) & (np.arange(len(area)) < aim)
        aim[mutual] = np.flatnonzero(mutual)
        while (aim[aim] != aim).any():
            aim = aim[aim]
        table, area = aim[table], np.bincount(aim, area, len(area))
        pairs = np.sort(aim[pairs], axis=1)
        kept = pairs[:, 0] != pairs[:, 1]
        pairs, same = np.unique(pairs[kept], axis=0, return_inverse=True)
        lengths = np.bincount(same.ravel(), lengths[kept], len(pairs))
    return _stray(table, area, old, least)


def _stray(table: np.ndarray, area: np.ndarray, old: np.ndarray, least: int) -> np.ndarray:
    """Merge small pieces without a neighbour in their old piece with its largest new piece."""
    order = np.argsort(area, kind="stable")
    largest = np.zeros(int(old.max()) + 1, np.int64)
    largest[old[order]] = order  # the last write wins: the largest
    alone = area[table] < least
    return np.where(alone, largest[old], table)
