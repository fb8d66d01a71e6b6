"""A large page's pieces on a grid as coarse as a network's pixels: what is cut and who speaks is decided there, and drawn at full size.

A cut needs a part of some size and is as blurred as the proposal, so that deciding it pixel by pixel of a large page costs time
and adds nothing. Only the border between two parts of one piece is drawn pixel by pixel, where the proposal's shares meet.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import ndimage

from gesso.rules.pieces import Pieces
from gesso.rules.proposal import Axis, Field, axis, deepest, standing


@dataclass(frozen=True, eq=False)
class Grid:
    """`page`, the closed pieces at full size, and `cells`, the same pieces (and numbers) as the middles of cells see them.

    A piece in which no cell has its middle has no cell; `absent` int [n 3] are such pieces with the (row, column) of a cell near
    their own middle.
    """

    page: Pieces
    cells: Pieces
    absent: np.ndarray

    @property
    def same(self) -> bool:
        """Is the grid the page?"""
        return self.cells is self.page

    def fields(self, fields: Sequence[Field]) -> list[Field]:
        """The same fields, their boxes in cells."""
        if self.same:
            return list(fields)
        high, wide = (small / large for small, large in zip(self.cells.shape, self.page.shape, strict=True))
        out = []
        for field in fields:
            left, top, right, bottom = field.box
            out.append(Field(field.shares, (round(left * wide), round(top * high), round(right * wide), round(bottom * high))))
        return out

    def drawn(
        self, parts: Pieces, share: np.ndarray, fields: Sequence[Field], colours: np.ndarray
    ) -> tuple[Pieces, np.ndarray, np.ndarray]:
        """Pieces at full size, their votes [num k], and which of `page`'s pieces each belongs to, int [num].

        `parts` are cut from `cells`, with votes `share`; `fields` have their boxes in cells. Numbers are the parts' own, then those
        of pieces without a cell, which are asked at their middle.
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
            _Borders(self, parts, owner, share, fields, colours).draw(labels)
        pieces = Pieces(labels, self.page.free, self.page.bridges, parts.num + len(lone), self.page.nearest)
        return pieces, np.concatenate([share, deepest(fields, self.absent[:, 1], self.absent[:, 2])]), np.concatenate([owner, lone])


def grid_of(page: Pieces, fields: Sequence[Field]) -> Grid:
    """The grid on which `fields`, whose boxes are in the page's pixels, have about a cell a pixel; the page where it is no larger."""
    scale = max(max(f.shares.shape[1] / (f.box[3] - f.box[1]), f.shares.shape[2] / (f.box[2] - f.box[0])) for f in fields)
    if scale not in page.seen:
        page.seen[scale] = grid_at(page, scale)
    return page.seen[scale]  # type: ignore[return-value]


def grid_at(page: Pieces, scale: float) -> Grid:
    """A grid of `scale` cells a pixel."""
    shape = tuple(max(1, round(side * scale)) for side in page.shape)
    if scale >= 1 or not page.free.any():
        return Grid(page, page, np.zeros((0, 3), int))
    rows, columns = (_middles(small, large) for small, large in zip(shape, page.shape, strict=True))
    free = page.free[np.ix_(rows, columns)]
    if not free.any():
        return Grid(page, page, np.zeros((0, 3), int))
    near = np.asarray(ndimage.distance_transform_edt(~free, return_distances=False, return_indices=True))
    nearest = (near[0] * np.int32(shape[1]) + near[1]).astype(np.int32)
    labels = page.labels[np.ix_(rows, columns)].ravel()[nearest]
    cells = Pieces(labels, free, np.zeros(shape, bool), page.num, nearest)
    absent = np.flatnonzero(np.bincount(labels[free], minlength=page.num) == 0)
    return Grid(page, cells, np.array([[piece, *_cell(page, int(piece), shape)] for piece in absent], int).reshape(-1, 3))


def _middles(small: int, large: int) -> np.ndarray:
    """The pixel under the middle of each cell."""
    return np.minimum(((np.arange(small) + 0.5) * large / small).astype(int), large - 1)


def _cell(page: Pieces, piece: int, shape: tuple[int, ...]) -> tuple[int, int]:
    """The cell under the pixel of a piece that is nearest to its middle."""
    box = page.boxes[piece]
    where = np.argwhere((page.labels[box] == piece) & page.free[box])
    y, x = where[((where - where.mean(0)) ** 2).sum(1).argmin()] + (box[0].start, box[1].start)
    return int(y * shape[0] / page.shape[0]), int(x * shape[1] / page.shape[1])


class _Borders:
    """Pieces that were cut, drawn at full size."""

    def __init__(
        self, grid: Grid, parts: Pieces, owner: np.ndarray, share: np.ndarray, fields: Sequence[Field], colours: np.ndarray
    ) -> None:
        self.grid, self.parts, self.owner = grid, parts, owner
        self.fields, self.colours = fields, colours
        self.which, self.entry = np.unique(share.argmax(1), return_inverse=True)  # each part's own colour

    def draw(self, labels: np.ndarray) -> None:
        """Fill in the parts of pixels whose label is -1."""
        page, cells = self.grid.page, self.parts.labels
        rows, columns = (axis(large, small) for large, small in zip(page.shape, cells.shape, strict=True))
        calm = ndimage.minimum_filter(cells, 3, mode="nearest") == ndimage.maximum_filter(cells, 3, mode="nearest")
        todo = np.flatnonzero((labels.ravel() < 0) & page.free.ravel())
        y, x = np.divmod(todo, page.shape[1])
        near = cells[rows.near[y], columns.near[x]]
        wanted = page.labels.ravel()[todo]
        done = calm[rows.near[y], columns.near[x]] & (self.owner[near] == wanted)
        flat = labels.ravel()
        flat[todo[done]] = near[done]
        rest = ~done
        if rest.any():
            flat[todo[rest]] = self._by_shares(y[rest], x[rest], wanted[rest], rows, columns)
        under = page.under
        flat[under] = flat[page.nearest.ravel()[under]]

    def _by_shares(self, y: np.ndarray, x: np.ndarray, wanted: np.ndarray, rows: Axis, columns: Axis) -> np.ndarray:
        """For pixels near a border: of the parts around that belong to their piece, the one whose colour is likeliest there."""
        cells = self.parts.labels
        corners = np.stack([cells[r[y], c[x]] for r in (rows.low, rows.high) for c in (columns.low, columns.high)])
        fits = self.owner[corners] == wanted
        corners[~fits] = -1
        best = corners.max(0)
        differ = (np.where(fits, corners, best) != best).any(0)
        if differ.any():
            at = np.flatnonzero(differ)
            score = self.standing
            found = np.full(len(at), -np.inf, np.float32)
            ys, xs = y[at], x[at]
            for corner in corners[:, at]:
                value = _bilinear_at(score, self.entry[np.maximum(corner, 0)], ys, xs, rows, columns)
                value[corner < 0] = -np.inf
                better = value > found
                best[at[better]], found[better] = corner[better], value[better]
        alone = best < 0
        if alone.any():
            best[alone] = self._nearest(rows.near[y[alone]], columns.near[x[alone]], wanted[alone])
        return best

    @cached_property
    def standing(self) -> np.ndarray:
        """How well the parts' colours stand in each cell, float32 [n h w]."""
        return standing(self.fields, self.colours, self.which.tolist(), self.parts.shape)

    def _nearest(self, row: np.ndarray, column: np.ndarray, wanted: np.ndarray) -> np.ndarray:
        """The part of each pixel's own piece in the cell nearest to it."""
        out = np.empty(len(wanted), np.int32)
        mine = self.owner[self.parts.labels]
        for piece in np.unique(wanted):
            near = ndimage.distance_transform_edt(mine != piece, return_distances=False, return_indices=True)
            which = wanted == piece
            out[which] = self.parts.labels[near[0][row[which], column[which]], near[1][row[which], column[which]]]
        return out


def _bilinear_at(values: np.ndarray, entry: np.ndarray, y: np.ndarray, x: np.ndarray, rows: Axis, columns: Axis) -> np.ndarray:
    """values[entry] between the four cells around each pixel."""
    down, right = rows.part[y], columns.part[x]
    above = values[entry, rows.low[y], columns.low[x]] * (1 - right) + values[entry, rows.low[y], columns.high[x]] * right
    below = values[entry, rows.high[y], columns.low[x]] * (1 - right) + values[entry, rows.high[y], columns.high[x]] * right
    mixed: np.ndarray = above * (1 - down) + below * down
    return mixed
