"""Apply hints: each colours its piece, and a piece with hints of several colours is divided between them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Sequence
from functools import partial

import numpy as np
import scipy

from gesso.rules.cache import ArrayCache, ResultCache
from gesso.rules.cutting import background_pieces
from gesso.rules.hint_pieces import piece_at, pieces_under
from gesso.rules.palette import delta_e
from gesso.rules.pieces import Pieces, dense_labels
from gesso.rules.prediction import SAME, WHITE, Prediction, sample_shares

Points = Sequence[tuple[float, float]]
Box = tuple[slice, slice]  # rows and columns
Mark = tuple[Points, tuple[int, int, int], float]  # points, colour, radius

FAR = 4.0  # weight of a path as long as the piece is wide against the log of the predicted shares
UNLIKELY = -4.0  # lower bound of the log share of a colour that was hinted in the piece
MAX_SIDES = 8_000_000  # cached pixels of divided pieces, four bytes each
MAX_PATH_LENGTHS = 4_000_000  # cached path lengths, eight bytes each
MAX_MARKS = 4096  # cached marks, each with the pieces it selects
GRID = 160  # a piece is divided on a grid at most this wide; the borders are drawn smoothly at full size

_PAINTED: ArrayCache[np.ndarray] = ArrayCache(MAX_SIDES)
_PATH_LENGTHS: ArrayCache[np.ndarray] = ArrayCache(MAX_PATH_LENGTHS)  # they depend on the drawing alone


def apply_hints(
    pieces: Pieces,
    chosen: np.ndarray,
    marks: Sequence[Mark],
    paper: np.ndarray,
    predictions: Sequence[Prediction],
    colours: np.ndarray,
    fills: Collection[int] = (),
    *,
    cache: tuple[ResultCache, bytes] | None = None,
) -> tuple[Pieces, np.ndarray]:
    """The pieces and their colours, uint8 [num 3], after applying all marks in order; later marks overwrite earlier ones.

    A mark on the white background (`paper` bool [num], or made white by an earlier mark) colours only the pixels it covers, unless its
    index in `marks` is in `fills`. A dot colours the piece under its centre. A piece with marks of several colours is divided by the
    predictions over `colours` uint8 [k 3]. `cache` is the drawing's cache and the hash of the predictions: divisions of unchanged pieces
    are taken from it.
    """
    paper, page = paper.copy(), background_pieces(pieces)
    values = np.zeros(pieces.shape, np.int32)  # the mark that colours a pixel, where it differs from that of the whole piece
    marks_of: dict[int, list[int]] = {}
    for n, (points, rgb, radius) in enumerate(marks, 1):
        for piece in pieces_of_mark(pieces, points, radius):
            if paper[piece] and n - 1 not in fills:
                box, cover = _covered(pieces, piece, points, radius, np.s_[0 : pieces.shape[0], 0 : pieces.shape[1]])
                values[box][cover] = n
            else:
                if values.any():  # this mark overwrites earlier dabs on paper
                    box, cover = _covered(pieces, piece, points, radius, np.s_[0 : pieces.shape[0], 0 : pieces.shape[1]])
                    values[box][cover] = 0
                marks_of.setdefault(piece, []).append(n)
                paper[piece] = page[piece] and min(rgb) >= WHITE
    ink = np.array([(0, 0, 0), *(rgb for _, rgb, _ in marks)], np.uint8)
    won = np.zeros(pieces.num, np.int64)  # the mark that colours the whole piece
    for piece, numbers in marks_of.items():
        won[piece] = numbers[-1]
        if len({tuple(marks[n - 1][1]) for n in numbers}) > 1:
            inside = (pieces.labels[pieces.boxes[piece]] == piece) & pieces.free[pieces.boxes[piece]]
            open_ = inside & (values[pieces.boxes[piece]] == 0)  # a dab on paper stays when the paper gets a colour later
            sides = partial(_sides, pieces, piece, inside, marks, numbers, predictions, colours)
            which = _cached_sides(cache, pieces.boxes[piece], inside, marks, numbers, sides) if cache else sides()
            values[pieces.boxes[piece]][open_] = which[open_]
    parts, added = _parted(pieces, values)
    colours_of = np.where(won[:, None] > 0, ink[won], chosen)
    return parts, np.concatenate([colours_of, ink[added]])


def _cached_sides(
    cache: tuple[ResultCache, bytes],
    box: Box,
    inside: np.ndarray,
    marks: Sequence[Mark],
    numbers: Sequence[int],
    sides: Callable[[], np.ndarray],
) -> np.ndarray:
    """`sides()`, cached by predictions, piece and marks."""
    results, prediction_hash = cache
    shape = hashlib.sha256(np.ascontiguousarray(inside).data).digest()
    key = prediction_hash, repr(box), shape, repr([(n, marks[n - 1]) for n in numbers])
    return results.get("sides", key, sides, MAX_SIDES, inside.size)


def _parted(pieces: Pieces, values: np.ndarray) -> tuple[Pieces, np.ndarray]:
    """The pieces, with the pixels that each mark colours in a piece as a new piece, and the marks of the new pieces, int [n]."""
    where = np.flatnonzero(values)
    if not len(where):
        return pieces, np.zeros(0, int)
    marks = values.ravel()[where]
    most = int(marks.max()) + 1
    keys, which = dense_labels(pieces.labels.ravel()[where].astype(np.int64) * most + marks, pieces.num * most)
    labels = pieces.labels.copy()
    flat = labels.ravel()
    flat[where] = pieces.num + which
    flat[pieces.under] = flat[pieces.nearest.ravel()[pieces.under]]
    return Pieces(labels, pieces.free, pieces.bridges, pieces.num + len(keys), pieces.nearest), keys % most


def hinted_pieces(pieces: Pieces, marks: Sequence[Mark], colours: np.ndarray, fills: Collection[int] = ()) -> dict[int, int]:
    """{piece with a mark: index in `colours` uint8 [k 3] of its last mark's colour}; background pieces count only with marks in `fills`."""
    page = background_pieces(pieces)
    found: dict[int, int] = {}
    entries = nearest_indices(colours, [rgb for _, rgb, _ in marks])
    for n, ((points, _, radius), entry) in enumerate(zip(marks, entries, strict=True)):
        found |= {piece: entry for piece in pieces_of_mark(pieces, points, radius) if n in fills or not page[piece]}
    return found


def _sides(
    pieces: Pieces,
    piece: int,
    inside: np.ndarray,
    marks: Sequence[Mark],
    numbers: Sequence[int],
    predictions: Sequence[Prediction],
    colours: np.ndarray,
) -> np.ndarray:
    """The mark whose colour each pixel of the piece's box takes, int32 [h w]: the mark over it, else the most likely by the predictions."""
    box, stands = pieces.boxes[piece], _alike(marks, numbers)
    own, area = np.zeros(inside.shape, np.int32), dict[int, int]()
    for n in numbers:
        at, cover = _under(pieces, piece, marks[n - 1])
        own[_within(at, box)][cover] = n
        area[n] = int(cover.sum())
    left = np.bincount(own.ravel(), minlength=len(marks) + 1)
    # A colour all of whose marks are mostly painted over is dropped.
    kept = sorted({stands[n] for n in numbers if left[n] and 2 * left[n] >= area[n]}) or [stands[numbers[-1]]]
    same = np.arange(len(marks) + 1, dtype=np.int32)
    same[list(stands)] = list(stands.values())
    own = same[own]
    if len(kept) == 1:
        return np.full(inside.shape, kept[0], np.int32)
    own[~np.isin(own, kept)] = 0
    step = max(1.0, max(inside.shape) / GRID)
    rows, columns = (np.minimum((np.arange(int(np.ceil(num / step))) + 0.5) * step - 0.5, num - 1) for num in inside.shape)
    which = nearest_indices(colours, [marks[n - 1][1] for n in kept])
    share = np.log(np.maximum(sample_shares(predictions, which, rows + box[0].start, columns + box[1].start), 1e-6))
    score = np.maximum(share - share.max(0), UNLIKELY)
    coarse = np.rint(rows).astype(int)[:, None], np.rint(columns).astype(int)[None]
    starts = [_cells(own == n, step, inside[coarse].shape) for n in kept]
    inner = inside[coarse]
    score -= FAR * _PATH_LENGTHS.get(
        inner, [start.tolist() for start in starts], lambda: _path_lengths(inner, starts), len(starts) * inner.size
    )
    fine = np.stack([_stretched(one, inside.shape) for one in score])
    return np.where(own > 0, own, np.array(kept, np.int32)[fine.argmax(0)])


def _alike(marks: Sequence[Mark], numbers: Sequence[int]) -> dict[int, int]:
    """For each mark the last one whose colour looks the same; such marks count as one."""
    colours = np.array([marks[n - 1][1] for n in numbers], np.uint8)
    alike = delta_e(colours[:, None], colours[None]) < SAME
    return {n: numbers[int(np.flatnonzero(row)[-1])] for n, row in zip(numbers, alike, strict=True)}


def nearest_indices(colours: np.ndarray, wanted: Sequence[tuple[int, int, int]]) -> list[int]:
    """For each wanted colour the index of the most similar one in `colours` uint8 [k 3]."""
    if not wanted:
        return []
    nearest: list[int] = delta_e(colours[None], np.array(wanted, np.uint8)[:, None]).argmin(1).tolist()
    return nearest


def _under(pieces: Pieces, piece: int, mark: Mark) -> tuple[Box, np.ndarray]:
    """A box inside the piece's box and its pixels that are in the piece and under the mark; for a mark on ink, the nearest free pixels."""
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
    """The box `at` relative to an outer box."""
    return tuple(slice(one.start - outer.start, one.stop - outer.start) for one, outer in zip(at, box, strict=True))  # type: ignore[return-value]


def _cells(fine: np.ndarray, step: float, shape: tuple[int, ...]) -> np.ndarray:
    """The (row, column) of the grid cells that hold any pixel of the mask `fine`, int [n 2]."""
    cells = np.unique((np.argwhere(fine) / step).astype(int), axis=0)
    return np.minimum(cells, np.array(shape) - 1)


def _path_lengths(inside: np.ndarray, starts: Sequence[np.ndarray]) -> np.ndarray:
    """The length of the shortest path inside from each set of cells, in widths of the inside, float [n h w].

    Cells outside have the value of the nearest cell inside.
    """
    from skimage.graph import MCP_Geometric  # slow to import

    open_ = inside.copy()
    for start in starts:
        open_[tuple(start.T)] = True
    costs = np.where(open_, 1.0, -1.0)
    lengths = np.stack([MCP_Geometric(costs).find_costs([tuple(cell) for cell in start.tolist()])[0] for start in starts])
    width = np.sqrt(open_.sum())
    lengths = np.minimum(lengths / width, 1e3)  # parts of a joined piece that no path reaches
    near = scipy.ndimage.distance_transform_edt(~open_, return_distances=False, return_indices=True)
    return lengths[:, near[0], near[1]]


def _stretched(coarse: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    from PIL import Image

    if coarse.shape == shape:
        return coarse
    return np.asarray(Image.fromarray(coarse.astype(np.float32)).resize((shape[1], shape[0]), Image.Resampling.BILINEAR))


def pieces_of_mark(pieces: Pieces, points: Points, radius: float) -> list[int]:
    """The pieces that a mark selects; cached, because earlier marks stay the same while more are drawn."""
    return pieces.cache.get(
        "selected", (tuple(map(tuple, points)), radius), lambda: _find_pieces_of_mark(pieces, points, radius), MAX_MARKS
    )


def _find_pieces_of_mark(pieces: Pieces, points: Points, radius: float) -> list[int]:
    if len(points) > 1:
        return [piece for piece, _ in pieces_under(pieces, points, radius)]
    x, y = points[0]
    return [int(pieces.labels[int(y), int(x)]) if pieces.free[int(y), int(x)] else piece_at(pieces, x, y, radius)]


def _covered(pieces: Pieces, piece: int, points: Points, radius: float, within: Box) -> tuple[Box, np.ndarray]:
    """A box in the box `within`, and its pixels that are in the piece, free, and under the mark."""
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
    """The pixels under a mark on a page of (width, height), bool [h w]."""
    from PIL import Image, ImageDraw

    page = Image.new("1", size)
    pen, places = ImageDraw.Draw(page), [(float(x), float(y)) for x, y in points]
    if len(places) > 1:
        pen.line(places, fill=1, width=max(1, round(2 * radius)), joint="curve")
    for x, y in places:
        pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=1)
    return np.asarray(page)
