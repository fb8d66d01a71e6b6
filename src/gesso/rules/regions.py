"""What a network is shown of a drawing's areas: closed pieces, parted where they are narrow, and outlines closed by imagined lines."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from gesso.rules.closing import closings
from gesso.rules.line import INK
from gesso.rules.pieces import Pieces

NECK = 0.7  # a piece is parted where it is narrower than this share of what lies on either side
CLOSER = 2  # times the network's size, at which necks are looked for
MOST_KEPT = 8  # views of a drawing whose regions are remembered
MOST = 250  # regions of a view; where there would be more, the smallest go with what is beside them


def regions_of(pieces: Pieces, size: tuple[int, int], box: tuple[int, int, int, int] | None = None, neck: float = NECK) -> np.ndarray:
    """Regions int64 [h w] of `size`, numbered from 0 in reading order, of a page's `box` (left, top, right, bottom). Remembered."""
    return pieces.kept.get("regions", (size, box, neck), lambda: _regions_of(pieces, size, box, neck), MOST_KEPT)


def _regions_of(pieces: Pieces, size: tuple[int, int], box: tuple[int, int, int, int] | None, neck: float) -> np.ndarray:
    labels, free = pieces.labels, pieces.free
    if box is not None:
        left, top, right, bottom = box
        labels, free = labels[top:bottom, left:right], free[top:bottom, left:right]
    twice = size[0] * CLOSER, size[1] * CLOSER
    if labels.shape[0] > twice[0] or labels.shape[1] > twice[1]:
        labels, free = _shrunk(labels, free, twice)
    regions = parted(labels, free, neck)
    return regions if regions.shape == size else _in_order(_sampled(regions, size))


def drawn_regions(line: np.ndarray) -> np.ndarray:
    """The regions of line values uint8 [h w] as they are, int64 [h w]: no gap is bridged but by the necks it makes."""
    free = line > INK
    if not free.any():
        return np.zeros(line.shape, np.int64)
    near = ndimage.distance_transform_edt(~free, return_distances=False, return_indices=True)
    return parted(ndimage.label(free)[0][tuple(near)], free)


def parted(labels: np.ndarray, free: np.ndarray, neck: float = NECK) -> np.ndarray:
    """Closed pieces, `labels` int [h w] over `free` pixels, parted where an outline is open (`closings`) and at necks; ink goes with the
    nearest region. int64 [h w]."""
    if not free.any():
        return np.zeros(labels.shape, np.int64)
    inside = free & ~_borders(labels) & ~closings(free)
    depth = ndimage.distance_transform_edt(np.pad(inside, 1))[1:-1, 1:-1].astype(np.float32)
    basins = _basins(depth, inside, neck)
    near = ndimage.distance_transform_edt(basins == 0, return_distances=False, return_indices=True)
    keys = _own(labels, basins, near)
    _, regions = np.unique(keys, return_inverse=True)
    return _in_order(_without_specks(regions.reshape(labels.shape)))


def _shrunk(labels: np.ndarray, free: np.ndarray, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Labels and free pixels of a smaller size: what holds any ink is ink, so that no line is lost; each piece is in a cell at least."""
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
    """The region under the middle of each cell of a smaller size, and every region in one cell at least."""
    small = regions[np.ix_(*(_middles(n, m) for n, m in zip(size, regions.shape, strict=True)))].copy()
    missing = np.setdiff1d(np.arange(int(regions.max()) + 1), small)
    for (y, x), region in zip(_places(regions, missing), missing.tolist(), strict=True):
        small[y * size[0] // regions.shape[0], x * size[1] // regions.shape[1]] = region
    return small


def _middles(small: int, large: int) -> np.ndarray:
    return np.minimum(((np.arange(small) + 0.5) * large / small).astype(int), large - 1)


def _places(labels: np.ndarray, wanted: np.ndarray) -> list[tuple[int, int]]:
    """A pixel in the middle of each of the wanted labels."""
    boxes = ndimage.find_objects(labels + 1) if len(wanted) else []
    out = []
    for label in wanted.tolist():
        rows, columns = boxes[label]
        where = np.argwhere(labels[rows, columns] == label)
        y, x = where[((where - where.mean(0)) ** 2).sum(1).argmin()]
        out.append((int(y) + rows.start, int(x) + columns.start))
    return out


def _borders(labels: np.ndarray) -> np.ndarray:
    """Pixels whose right or lower neighbour is of another piece: where a line is too thin to be seen at this size."""
    edge = np.zeros(labels.shape, bool)
    edge[:, :-1] |= labels[:, 1:] != labels[:, :-1]
    edge[:-1] |= labels[1:] != labels[:-1]
    return edge


def _basins(depth: np.ndarray, inside: np.ndarray, neck: float) -> np.ndarray:
    """Parts of the inside around its widest places, from 1; two are one where the way between is not much narrower than either."""
    from skimage.segmentation import watershed  # slow to import

    peaks, num = ndimage.label((ndimage.maximum_filter(depth, 3) == depth) & inside, np.ones((3, 3)))
    if not num:
        return inside.astype(np.int32)
    basins = watershed(-depth, peaks, mask=inside)
    top = np.zeros(num + 1, np.float32)
    np.maximum.at(top, basins.ravel(), depth.ravel())
    return _merged(basins, depth, top, neck)


def _merged(basins: np.ndarray, depth: np.ndarray, top: np.ndarray, neck: float) -> np.ndarray:
    """Basins joined over their widest passes first, as long as a pass is wider than `neck` of the smaller of both sides."""
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


def _own(labels: np.ndarray, basins: np.ndarray, near: np.ndarray) -> np.ndarray:
    """A number for each pixel that tells its region: its basin's, but a piece that no basin is in keeps its own."""
    num = int(basins.max()) + 1
    keys = labels.astype(np.int64) * num + basins
    ground = keys[tuple(near)]
    has = np.zeros(int(labels.max()) + 1, bool)
    has[labels[basins > 0]] = True
    lone = ~has[labels]
    ground[lone] = labels[lone].astype(np.int64) * num
    return ground


def _without_specks(regions: np.ndarray) -> np.ndarray:
    """At most MOST regions: the smallest beyond that become their nearest neighbour's."""
    area = np.bincount(regions.ravel())
    if len(area) <= MOST:
        return regions
    small = np.zeros(len(area), bool)
    small[np.argsort(-area, kind="stable")[MOST:]] = True
    near = ndimage.distance_transform_edt(small[regions], return_distances=False, return_indices=True)
    kept: np.ndarray = regions[tuple(near)]
    return kept


def _in_order(regions: np.ndarray) -> np.ndarray:
    _, first, which = np.unique(regions, return_index=True, return_inverse=True)
    place = np.empty(len(first), np.int64)
    place[np.argsort(first)] = np.arange(len(first))
    ordered: np.ndarray = place[which].reshape(regions.shape)
    return ordered
