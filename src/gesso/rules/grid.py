"""The pieces of a large page on a grid as coarse as the network's pixels, on which cuts and votes are computed.

Predictions have no detail below a network pixel, so computing cuts at the page's full size takes time and adds nothing. Only the
borders between two parts of one piece are drawn at full size, smoothed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import scipy

from gesso.rules.pieces import Pieces
from gesso.rules.prediction import Axis, Prediction, axis, shares_at_pixels

SOFT = 1.0  # cells over which borders between parts are smoothed


@dataclass(frozen=True, eq=False)
class Grid:
    """`page`, the closed pieces at full size, and `cells`, the same pieces with the same numbers, sampled at the cells' centres.

    `absent` int [n 3] are the pieces that contain no cell's centre, each with the (row, column) of a cell near its middle.
    """

    page: Pieces
    cells: Pieces
    absent: np.ndarray

    @property
    def same(self) -> bool:
        """Whether the page is so small that it is its own grid."""
        return self.cells is self.page

    def to_cells(self, predictions: Sequence[Prediction]) -> list[Prediction]:
        """The same predictions with their boxes in cells."""
        if self.same:
            return list(predictions)
        high, wide = (small / large for small, large in zip(self.cells.shape, self.page.shape, strict=True))
        out = []
        for prediction in predictions:
            left, top, right, bottom = prediction.box
            out.append(replace(prediction, box=(round(left * wide), round(top * high), round(right * wide), round(bottom * high))))
        return out

    def to_page(self, parts: Pieces, share: np.ndarray, predictions: Sequence[Prediction]) -> tuple[Pieces, np.ndarray, np.ndarray]:
        """The parts at full size, their votes [num k], and the piece of `page` that each belongs to, int [num].

        `parts` are cut from `cells` and have the votes `share`; `predictions` have their boxes in cells. Pieces without a cell are
        numbered after the parts, and their votes are sampled at their middle.
        """
        owner = np.zeros(parts.num, np.int64)
        owner[parts.labels[parts.free]] = self.cells.labels[parts.free]
        if self.same:
            return parts, share, owner
        num = np.bincount(owner, minlength=self.page.num)
        table = np.full(self.page.num, -1, np.int32)
        table[owner] = np.arange(parts.num)
        lone = self.absent[:, 0]
        table[lone] = parts.num + np.arange(len(lone))
        table[num > 1] = -1
        labels = table[self.page.labels]
        if (num > 1).any():
            _Borders(self, parts, owner).draw(labels, np.flatnonzero(num > 1))
        pieces = Pieces(labels, self.page.free, self.page.bridges, parts.num + len(lone), self.page.nearest)
        return (
            pieces,
            np.concatenate([share, shares_at_pixels(predictions, self.absent[:, 1], self.absent[:, 2])]),
            np.concatenate([owner, lone]),
        )


def grid_of(page: Pieces, predictions: Sequence[Prediction]) -> Grid:
    """The grid with about one cell per network pixel of `predictions`, whose boxes are in page pixels; cached."""
    scale = max(max(f.regions.shape[0] / (f.box[3] - f.box[1]), f.regions.shape[1] / (f.box[2] - f.box[0])) for f in predictions)
    return page.cache.get("grid", scale, lambda: grid_at(page, scale), 2)


def grid_at(page: Pieces, scale: float) -> Grid:
    """The grid with `scale` cells per page pixel along each axis."""
    shape = tuple(max(1, round(side * scale)) for side in page.shape)
    if scale >= 1 or not page.free.any():
        return Grid(page, page, np.zeros((0, 3), int))
    rows, columns = (_middles(small, large) for small, large in zip(shape, page.shape, strict=True))
    free = page.free[np.ix_(rows, columns)]
    if not free.any():
        return Grid(page, page, np.zeros((0, 3), int))
    near = np.asarray(scipy.ndimage.distance_transform_edt(~free, return_distances=False, return_indices=True))
    nearest = (near[0] * np.int32(shape[1]) + near[1]).astype(np.int32)
    labels = page.labels[np.ix_(rows, columns)].ravel()[nearest]
    cells = Pieces(labels, free, np.zeros(shape, bool), page.num, nearest)
    absent = np.flatnonzero(np.bincount(labels[free], minlength=page.num) == 0)
    return Grid(page, cells, np.array([[piece, *_cell(page, int(piece), shape)] for piece in absent], int).reshape(-1, 3))


def _middles(small: int, large: int) -> np.ndarray:
    """The pixel at the centre of each cell."""
    return np.minimum(((np.arange(small) + 0.5) * large / small).astype(int), large - 1)


def _cell(page: Pieces, piece: int, shape: tuple[int, ...]) -> tuple[int, int]:
    """The cell of the piece's pixel that is nearest to its centroid."""
    box = page.boxes[piece]
    where = np.argwhere((page.labels[box] == piece) & page.free[box])
    y, x = where[((where - where.mean(0)) ** 2).sum(1).argmin()] + (box[0].start, box[1].start)
    return int(y * shape[0] / page.shape[0]), int(x * shape[1] / page.shape[1])


class _Borders:
    """Draws cut pieces at full size: each pixel takes the part with the largest smoothed share of the cells around it."""

    def __init__(self, grid: Grid, parts: Pieces, owner: np.ndarray) -> None:
        self.page, self.cells, self.mine = grid.page, parts.labels, owner[parts.labels]
        self.rows, self.columns = (axis(large, small) for large, small in zip(self.page.shape, self.cells.shape, strict=True))

    def draw(self, labels: np.ndarray, pieces: np.ndarray) -> None:
        """Write the parts of `pieces`, numbered as in the page, into `labels` int32 [h w]."""
        boxes = scipy.ndimage.find_objects(self.mine + 1, self.page.num)
        for piece in pieces.tolist():
            self._piece(labels, piece, boxes[piece])
        flat, under = labels.ravel(), self.page.under
        flat[under] = flat[self.page.nearest.ravel()[under]]

    def _piece(self, labels: np.ndarray, piece: int, around: tuple[slice, slice]) -> None:
        box = self.page.boxes[piece]
        ys, xs = np.nonzero((self.page.labels[box] == piece) & self.page.free[box])
        ys, xs = ys + box[0].start, xs + box[1].start
        # cells outside the piece take the nearest part in it, so that the parts extend to the piece's lines
        crop = tuple(slice(max(0, side.start - 2), side.stop + 2) for side in around)
        near = scipy.ndimage.distance_transform_edt(self.mine[crop] != piece, return_distances=False, return_indices=True)
        cells = self.cells[crop][near[0], near[1]]
        rows, columns = (
            Axis(a.low.clip(c.start, c.start + n - 1) - c.start, a.high.clip(c.start, c.start + n - 1) - c.start, a.part)
            for a, c, n in zip((self.rows, self.columns), crop, cells.shape, strict=True)
        )
        found = cells[rows.near[ys], columns.near[xs]]
        calm = scipy.ndimage.minimum_filter(cells, 5, mode="nearest") == scipy.ndimage.maximum_filter(cells, 5, mode="nearest")
        edge = np.flatnonzero(~calm[rows.near[ys], columns.near[xs]])
        if len(edge):
            names = np.unique(cells)
            soft = scipy.ndimage.gaussian_filter((cells == names[:, None, None]).astype(np.float32), (0, SOFT, SOFT), mode="nearest")
            found[edge] = names[_bilinear_at(soft, ys[edge], xs[edge], rows, columns).argmax(0)]
        labels[ys, xs] = found


def _bilinear_at(values: np.ndarray, y: np.ndarray, x: np.ndarray, rows: Axis, columns: Axis) -> np.ndarray:
    """`values` [k h w] interpolated between the four cells around each pixel, [k n]."""
    down, right = rows.part[y], columns.part[x]
    above = values[:, rows.low[y], columns.low[x]] * (1 - right) + values[:, rows.low[y], columns.high[x]] * right
    below = values[:, rows.high[y], columns.low[x]] * (1 - right) + values[:, rows.high[y], columns.high[x]] * right
    mixed: np.ndarray = above * (1 - down) + below * down
    return mixed
