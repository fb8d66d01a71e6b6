"""The regions that a network receives: closed pieces, split where they are narrow, and open outlines closed by closing lines."""

from __future__ import annotations

import numpy as np
import scipy

from gesso.rules.closing import closing_lines
from gesso.rules.line import INK
from gesso.rules.pieces import Pieces

NECK = 0.7  # a piece is split where it is narrower than this share of its width on both sides
CLOSER = 2  # necks are searched at so many times the network's size
MAX_CACHED = 8  # views of a drawing whose regions are cached
MAX_REGIONS = 250  # regions of a view; the smallest beyond are merged with their neighbours


def regions_of(pieces: Pieces, size: tuple[int, int], box: tuple[int, int, int, int] | None = None, neck: float = NECK) -> np.ndarray:
    """The regions of a page's `box` (left, top, right, bottom), int64 [h w] of `size`, numbered from 0 in reading order; cached."""
    return pieces.cache.get("regions", (size, box, neck), lambda: _regions_of(pieces, size, box, neck), MAX_CACHED)


def _regions_of(pieces: Pieces, size: tuple[int, int], box: tuple[int, int, int, int] | None, neck: float) -> np.ndarray:
    labels, free = pieces.labels, pieces.free
    if box is not None:
        left, top, right, bottom = box
        labels, free = labels[top:bottom, left:right], free[top:bottom, left:right]
    twice = size[0] * CLOSER, size[1] * CLOSER
    if labels.shape[0] > twice[0] or labels.shape[1] > twice[1]:
        labels, free = _shrunk(labels, free, twice)
    regions = partition(labels, free, neck)
    return regions if regions.shape == size else _in_order(_sampled(regions, size))


def drawn_regions(line: np.ndarray) -> np.ndarray:
    """The regions of line values uint8 [h w], int64 [h w]; gaps are not closed, but narrow ones are necks."""
    free = line > INK
    if not free.any():
        return np.zeros(line.shape, np.int64)
    near = scipy.ndimage.distance_transform_edt(~free, return_distances=False, return_indices=True)
    return partition(scipy.ndimage.label(free)[0][tuple(near)], free)


def partition(labels: np.ndarray, free: np.ndarray, neck: float = NECK) -> np.ndarray:
    """Split closed pieces, `labels` int [h w] over `free` pixels, at closing lines (`closing_lines`) and at necks; int64 [h w].

    Ink belongs to the nearest region.
    """
    if not free.any():
        return np.zeros(labels.shape, np.int64)
    inside = free & ~_borders(labels) & ~closing_lines(free)
    depth = scipy.ndimage.distance_transform_edt(np.pad(inside, 1))[1:-1, 1:-1].astype(np.float32)
    basins = _basins(depth, inside, neck)
    near = scipy.ndimage.distance_transform_edt(basins == 0, return_distances=False, return_indices=True)
    keys = _region_keys(labels, basins, near)
    _, regions = np.unique(keys, return_inverse=True)
    return _in_order(_without_specks(regions.reshape(labels.shape)))


def _shrunk(labels: np.ndarray, free: np.ndarray, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Labels and free pixels at a smaller size: a cell with any ink is ink, so that no line is lost; each piece keeps at least one cell."""
    rows, columns = ((np.arange(n) * m / n).astype(int) for n, m in zip(size, labels.shape, strict=True))
    clear = np.logical_and.reduceat(np.logical_and.reduceat(free, rows, axis=0), columns, axis=1)
    small = labels[np.ix_(*(_middles(n, m) for n, m in zip(size, labels.shape, strict=True)))].copy()
    present = np.zeros(int(labels.max()) + 1, bool)
    present[small[clear]] = True
    missing = np.setdiff1d(np.flatnonzero(np.bincount(labels[free], minlength=len(present))), np.flatnonzero(present))
    for (y, x), piece in zip(_places(labels, missing), missing.tolist(), strict=True):
        at = y * size[0] // labels.shape[0], x * size[1] // labels.shape[1]
        small[at], clear[at] = piece, True
    return small, clear


def _sampled(regions: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The region at the centre of each cell of a smaller size; each region keeps at least one cell."""
    small = regions[np.ix_(*(_middles(n, m) for n, m in zip(size, regions.shape, strict=True)))].copy()
    missing = np.setdiff1d(np.arange(int(regions.max()) + 1), small)
    for (y, x), region in zip(_places(regions, missing), missing.tolist(), strict=True):
        small[y * size[0] // regions.shape[0], x * size[1] // regions.shape[1]] = region
    return small


def _middles(small: int, large: int) -> np.ndarray:
    return np.minimum(((np.arange(small) + 0.5) * large / small).astype(int), large - 1)


def _places(labels: np.ndarray, wanted: np.ndarray) -> list[tuple[int, int]]:
    """The pixel nearest to the centroid of each of the wanted labels, as (row, column)."""
    boxes = scipy.ndimage.find_objects(labels + 1) if len(wanted) else []
    out = []
    for label in wanted.tolist():
        rows, columns = boxes[label]
        where = np.argwhere(labels[rows, columns] == label)
        y, x = where[((where - where.mean(0)) ** 2).sum(1).argmin()]
        out.append((int(y) + rows.start, int(x) + columns.start))
    return out


def _borders(labels: np.ndarray) -> np.ndarray:
    """Pixels whose right or lower neighbour is in another piece: lines too thin to be visible at this size."""
    edge = np.zeros(labels.shape, bool)
    edge[:, :-1] |= labels[:, 1:] != labels[:, :-1]
    edge[:-1] |= labels[1:] != labels[:-1]
    return edge


def _basins(depth: np.ndarray, inside: np.ndarray, neck: float) -> np.ndarray:
    """Basins of the distance transform `depth`, numbered from 1, merged where the pass between two is not a neck."""
    from skimage.segmentation import watershed  # slow to import

    peaks, num = scipy.ndimage.label((scipy.ndimage.maximum_filter(depth, 3) == depth) & inside, np.ones((3, 3)))
    if not num:
        return inside.astype(np.int32)
    basins = watershed(-depth, peaks, mask=inside)
    top = np.zeros(num + 1, np.float32)
    np.maximum.at(top, basins.ravel(), depth.ravel())
    return _merged(basins, depth, top, neck)


def _merged(basins: np.ndarray, depth: np.ndarray, top: np.ndarray, neck: float) -> np.ndarray:
    """Merge basins over passes wider than `neck` times the depth of the shallower side, the widest passes first."""
    ones, twos, passes = [], [], []
    for a, b in ((np.s_[:, :-1], np.s_[:, 1:]), (np.s_[:-1], np.s_[1:])):
        meet = (basins[a] != basins[b]) & (basins[a] > 0) & (basins[b] > 0)
        ones.append(basins[a][meet])
        twos.append(basins[b][meet])
        passes.append(np.minimum(depth[a][meet], depth[b][meet]))
    one, two, wide = (np.concatenate(v) for v in (ones, twos, passes))
    num = len(top)
    key = np.minimum(one, two).astype(np.int64) * num + np.maximum(one, two)
    order = np.lexsort((-wide, key))
    key, wide = key[order], wide[order]
    first = np.r_[True, key[1:] != key[:-1]] if len(key) else np.zeros(0, bool)
    key, wide = key[first], wide[first]
    stands = list(range(num))

    def root(n: int) -> int:
        while stands[n] != n:
            stands[n] = stands[stands[n]]
            n = stands[n]
        return n

    for at in np.argsort(-wide, kind="stable").tolist():
        left, right = root(int(key[at] // num)), root(int(key[at] % num))
        if left != right and wide[at] > neck * min(top[left], top[right]):
            stands[right] = left
            top[left] = max(top[left], top[right])
    table = np.array([root(n) for n in range(num)])
    merged: np.ndarray = table[basins]
    return merged


def _region_keys(labels: np.ndarray, basins: np.ndarray, near: np.ndarray) -> np.ndarray:
    """A region key for each pixel: its basin's, or its piece's if the piece contains no basin."""
    num = int(basins.max()) + 1
    keys = labels.astype(np.int64) * num + basins
    ground = keys[tuple(near)]
    has = np.zeros(int(labels.max()) + 1, bool)
    has[labels[basins > 0]] = True
    lone = ~has[labels]
    ground[lone] = labels[lone].astype(np.int64) * num
    return ground


def _without_specks(regions: np.ndarray) -> np.ndarray:
    """Merge the smallest regions with their nearest neighbours until at most MAX_REGIONS are left."""
    area = np.bincount(regions.ravel())
    if len(area) <= MAX_REGIONS:
        return regions
    small = np.zeros(len(area), bool)
    small[np.argsort(-area, kind="stable")[MAX_REGIONS:]] = True
    near = scipy.ndimage.distance_transform_edt(small[regions], return_distances=False, return_indices=True)
    kept: np.ndarray = regions[tuple(near)]
    return kept


def _in_order(regions: np.ndarray) -> np.ndarray:
    _, first, which = np.unique(regions, return_index=True, return_inverse=True)
    place = np.empty(len(first), np.int64)
    place[np.argsort(first)] = np.arange(len(first))
    ordered: np.ndarray = place[which].reshape(regions.shape)
    return ordered
