"""Hints win: in the piece they lie in, and where several colours are hinted in one piece, each on its own side of it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Sequence
from functools import partial

import numpy as np
from scipy import ndimage

from gesso.rules.cutting import page_pieces
from gesso.rules.field import SAME, WHITE, Field, sampled
from gesso.rules.hinting import piece_at, pieces_under
from gesso.rules.palette import delta_e
from gesso.rules.pieces import Pieces, numbered
from gesso.rules.remember import Kept, Remembered

Points = Sequence[tuple[float, float]]
Box = tuple[slice, slice]  # rows and columns
Mark = tuple[Points, tuple[int, int, int], float]  # points, colour, radius

FAR = 4.0  # what a way as long as the piece is wide weighs against the log of the network's shares
UNLIKELY = -4.0  # no colour that was hinted in a piece counts as less likely there than this
MOST_SIDES = 8_000_000  # pixels of the pieces of several colours that are remembered, four bytes each
MOST_WAYS = 4_000_000  # places to which ways are remembered, eight bytes each
MOST_MEANT = 4096  # marks of which it is remembered what they mean
GRID = 160  # sides are weighed on a grid at most this wide; the border between them is drawn smoothly at full size

_PAINTED: Remembered[np.ndarray] = Remembered(MOST_SIDES)
_WAYS: Remembered[np.ndarray] = Remembered(MOST_WAYS)  # they are the drawing's, whatever the network says


def obey(
    pieces: Pieces,
    chosen: np.ndarray,
    marks: Sequence[Mark],
    paper: np.ndarray,
    fields: Sequence[Field],
    colours: np.ndarray,
    fills: Collection[int] = (),
    *,
    kept: tuple[Kept, bytes] | None = None,
) -> tuple[Pieces, np.ndarray]:
    """The pieces and their colours uint8 [num 3] once every mark has its way, in order: a later one wins where they meet.

    A mark on open paper (`paper` bool [num]: a piece that is the page and stays white, or was made white by an earlier
    mark) colours only itself, so that it never spreads over the page, unless its place in `marks` is among `fills`. A dot
    means the piece under its centre. `fields` over `colours` uint8 [k 3] say where a piece that has marks of several
    colours changes from one to the other. `kept` is a memory of the drawing's, and what tells the fields from others: the sides of
    a piece that is as it was are taken from there.
    """
    paper, page = paper.copy(), page_pieces(pieces)
    values = np.zeros(pieces.shape, np.int32)  # which mark colours a pixel, where it is not the whole piece's
    said: dict[int, list[int]] = {}
    for n, (points, rgb, radius) in enumerate(marks, 1):
        for piece in meant(pieces, points, radius):
            if paper[piece] and n - 1 not in fills:
                box, cover = _covered(pieces, piece, points, radius, np.s_[0 : pieces.shape[0], 0 : pieces.shape[1]])
                values[box][cover] = n
            else:
                if values.any():  # dabs on what was paper: where this mark lies over them it wins
                    box, cover = _covered(pieces, piece, points, radius, np.s_[0 : pieces.shape[0], 0 : pieces.shape[1]])
                    values[box][cover] = 0
                said.setdefault(piece, []).append(n)
                paper[piece] = page[piece] and min(rgb) >= WHITE
    ink = np.array([(0, 0, 0), *(rgb for _, rgb, _ in marks)], np.uint8)
    won = np.zeros(pieces.num, np.int64)  # which mark colours the whole of a piece
    for piece, numbers in said.items():
        won[piece] = numbers[-1]
        if len({tuple(marks[n - 1][1]) for n in numbers}) > 1:
            inside = (pieces.labels[pieces.boxes[piece]] == piece) & pieces.free[pieces.boxes[piece]]
            open_ = inside & (values[pieces.boxes[piece]] == 0)  # a dab on paper stays, whatever the paper becomes later
            sides = partial(_sides, pieces, piece, inside, marks, numbers, fields, colours)
            which = _known(kept, pieces.boxes[piece], inside, marks, numbers, sides) if kept else sides()
            values[pieces.boxes[piece]][open_] = which[open_]
    parts, added = _parted(pieces, values)
    colours_of = np.where(won[:, None] > 0, ink[won], chosen)
    return parts, np.concatenate([colours_of, ink[added]])


def _known(
    kept: tuple[Kept, bytes], box: Box, inside: np.ndarray, marks: Sequence[Mark], numbers: Sequence[int], sides: Callable[[], np.ndarray]
) -> np.ndarray:
    """The sides as they were, where piece and marks are."""
    memory, told = kept
    shape = hashlib.sha256(np.ascontiguousarray(inside).data).digest()
    key = told, repr(box), shape, repr([(n, marks[n - 1]) for n in numbers])
    return memory.get("sides", key, sides, MOST_SIDES, inside.size)


def _parted(pieces: Pieces, values: np.ndarray) -> tuple[Pieces, np.ndarray]:
    """The pieces, what each mark colours of a piece made one of its own, and the marks of those that came to them."""
    where = np.flatnonzero(values)
    if not len(where):
        return pieces, np.zeros(0, int)
    marks = values.ravel()[where]
    most = int(marks.max()) + 1
    keys, which = numbered(pieces.labels.ravel()[where].astype(np.int64) * most + marks, pieces.num * most)
    labels = pieces.labels.copy()
    flat = labels.ravel()
    flat[where] = pieces.num + which
    flat[pieces.under] = flat[pieces.nearest.ravel()[pieces.under]]
    return Pieces(labels, pieces.free, pieces.bridges, pieces.num + len(keys), pieces.nearest), keys % most


def hinted_pieces(pieces: Pieces, marks: Sequence[Mark], colours: np.ndarray, fills: Collection[int] = ()) -> dict[int, int]:
    """Which pieces have a mark, on the page's own one of `fills`, and the entry of `colours` uint8 [k 3] that its last mark has."""
    page = page_pieces(pieces)
    found: dict[int, int] = {}
    entries = nearest_entries(colours, [rgb for _, rgb, _ in marks])
    for n, ((points, _, radius), entry) in enumerate(zip(marks, entries, strict=True)):
        found |= {piece: entry for piece in meant(pieces, points, radius) if n in fills or not page[piece]}
    return found


def _sides(
    pieces: Pieces,
    piece: int,
    inside: np.ndarray,
    marks: Sequence[Mark],
    numbers: Sequence[int],
    fields: Sequence[Field],
    colours: np.ndarray,
) -> np.ndarray:
    """Which mark's colour each pixel of a piece's box takes, int32 [h w]: under a mark its own, elsewhere as the network sees it."""
    box, stands = pieces.boxes[piece], _alike(marks, numbers)
    own, area = np.zeros(inside.shape, np.int32), dict.fromkeys(sorted(set(stands.values())), 0)
    for n in numbers:
        at, cover = _under(pieces, piece, marks[n - 1])
        own[_within(at, box)][cover] = stands[n]
        area[stands[n]] += int(cover.sum())
    left = np.bincount(own.ravel(), minlength=len(marks) + 1)
    kept = [n for n in area if left[n] and 2 * left[n] >= area[n]] or [stands[numbers[-1]]]  # one mostly painted over is gone
    if len(kept) == 1:
        return np.full(inside.shape, kept[0], np.int32)
    own[~np.isin(own, kept)] = 0
    step = max(1.0, max(inside.shape) / GRID)
    rows, columns = (np.minimum((np.arange(int(np.ceil(num / step))) + 0.5) * step - 0.5, num - 1) for num in inside.shape)
    which = nearest_entries(colours, [marks[n - 1][1] for n in kept])
    share = np.log(np.maximum(sampled(fields, which, rows + box[0].start, columns + box[1].start), 1e-6))
    score = np.maximum(share - share.max(0), UNLIKELY)
    coarse = np.rint(rows).astype(int)[:, None], np.rint(columns).astype(int)[None]
    starts = [_cells(own == n, step, inside[coarse].shape) for n in kept]
    inner = inside[coarse]
    score -= FAR * _WAYS.get(inner, [start.tolist() for start in starts], lambda: _ways(inner, starts), len(starts) * inner.size)
    fine = np.stack([_stretched(one, inside.shape) for one in score])
    return np.where(own > 0, own, np.array(kept, np.int32)[fine.argmax(0)])


def _alike(marks: Sequence[Mark], numbers: Sequence[int]) -> dict[int, int]:
    """For each mark the last one that looks like it: two touches of one blue are one wish."""
    colours = np.array([marks[n - 1][1] for n in numbers], np.uint8)
    alike = delta_e(colours[:, None], colours[None]) < SAME
    return {n: numbers[int(np.flatnonzero(row)[-1])] for n, row in zip(numbers, alike, strict=True)}


def nearest_entries(colours: np.ndarray, wanted: Sequence[tuple[int, int, int]]) -> list[int]:
    """The entry of `colours` uint8 [k 3] that looks most like each."""
    if not wanted:
        return []
    nearest: list[int] = delta_e(colours[None], np.array(wanted, np.uint8)[:, None]).argmin(1).tolist()
    return nearest


def _under(pieces: Pieces, piece: int, mark: Mark) -> tuple[Box, np.ndarray]:
    """A box inside a piece's own and which of its pixels are the piece's and under a mark; the nearest to it, where it lies on ink."""
    points, _, radius = mark
    box = pieces.boxes[piece]
    at, cover = _covered(pieces, piece, points, radius, box)
    if cover.any():
        return at, cover
    h, w = pieces.shape
    nearest = [int(pieces.nearest[min(max(int(y), 0), h - 1), min(max(int(x), 0), w - 1)]) for x, y in points]
    cover = np.zeros((box[0].stop - box[0].start, box[1].stop - box[1].start), bool)
    for i in nearest:
        if pieces.labels.ravel()[i] == piece:
            cover[i // w - box[0].start, i % w - box[1].start] = True
    return box, cover


def _within(at: Box, box: Box) -> Box:
    """The same place, in pixels of a box around it."""
    return tuple(slice(one.start - outer.start, one.stop - outer.start) for one, outer in zip(at, box, strict=True))  # type: ignore[return-value]


def _cells(fine: np.ndarray, step: float, shape: tuple[int, ...]) -> np.ndarray:
    """The cells of a grid that hold any of the pixels, as an array of (row, column)."""
    cells = np.unique((np.argwhere(fine) / step).astype(int), axis=0)
    return np.minimum(cells, np.array(shape) - 1)


def _ways(inside: np.ndarray, starts: Sequence[np.ndarray]) -> np.ndarray:
    """How long the way inside is from each set of cells, in widths of the inside, float [n h w]; outside it is as nearest inside."""
    from skimage.graph import MCP_Geometric  # slow to import

    open_ = inside.copy()
    for start in starts:
        open_[tuple(start.T)] = True
    costs = np.where(open_, 1.0, -1.0)
    ways = np.stack([MCP_Geometric(costs).find_costs([tuple(cell) for cell in start.tolist()])[0] for start in starts])
    width = np.sqrt(open_.sum())
    ways = np.minimum(ways / width, 1e3)  # a part of a joined piece that no way leads to
    near = ndimage.distance_transform_edt(~open_, return_distances=False, return_indices=True)
    return ways[:, near[0], near[1]]


def _stretched(coarse: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    from PIL import Image

    if coarse.shape == shape:
        return coarse
    return np.asarray(Image.fromarray(coarse.astype(np.float32)).resize((shape[1], shape[0]), Image.Resampling.BILINEAR))


def meant(pieces: Pieces, points: Points, radius: float) -> list[int]:
    """The pieces that a mark means: while more are made, those before it mean what they meant."""
    return pieces.kept.get("meant", (tuple(map(tuple, points)), radius), lambda: _looked_under(pieces, points, radius), MOST_MEANT)


def _looked_under(pieces: Pieces, points: Points, radius: float) -> list[int]:
    if len(points) > 1:
        return [piece for piece, _ in pieces_under(pieces, points, radius)]
    x, y = points[0]
    return [int(pieces.labels[int(y), int(x)]) if pieces.free[int(y), int(x)] else piece_at(pieces, x, y, radius)]


def _covered(pieces: Pieces, piece: int, points: Points, radius: float, within: Box) -> tuple[Box, np.ndarray]:
    """A box inside another, and which of its pixels are a piece's, free, and under a mark."""
    reach = int(np.ceil(radius)) + 2
    low, high = np.min(points, 0), np.max(points, 0)
    at = []
    for side, axis in zip(within, (1, 0), strict=True):
        start = min(max(side.start, int(low[axis]) - reach), side.stop)
        at.append(slice(start, max(start, min(side.stop, int(high[axis]) + reach + 1))))
    box = (at[0], at[1])
    if at[0].start == at[0].stop or at[1].start == at[1].stop:
        return box, np.zeros((at[0].stop - at[0].start, at[1].stop - at[1].start), bool)
    moved = np.asarray(points, float) - (at[1].start, at[0].start)
    size = at[1].stop - at[1].start, at[0].stop - at[0].start
    painted = _PAINTED.get(moved, (radius, size), lambda: _painted(moved, radius, size), size[0] * size[1])
    return box, painted & pieces.free[box] & (pieces.labels[box] == piece)


def _painted(points: np.ndarray, radius: float, size: tuple[int, int]) -> np.ndarray:
    """The pixels of a page of (width, height) under a mark, bool."""
    from PIL import Image, ImageDraw

    page = Image.new("1", size)
    pen, places = ImageDraw.Draw(page), [(float(x), float(y)) for x, y in points]
    if len(places) > 1:
        pen.line(places, fill=1, width=max(1, round(2 * radius)), joint="curve")
    for x, y in places:
        pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=1)
    return np.asarray(page)
