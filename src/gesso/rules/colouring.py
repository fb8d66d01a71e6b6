"""Colour a drawing from a network's predictions: segment it into pieces, cut them, count votes, apply hints, draw the flats."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from gesso.rules.apply_hints import Mark, apply_hints, hinted_pieces, nearest_indices, pieces_of_mark
from gesso.rules.avoided import without_avoided
from gesso.rules.cache import ArrayCache, ResultCache
from gesso.rules.cutting import cut_pieces, hinted_open_shapes, is_background
from gesso.rules.decision import DecisionParameters, apply_paper_prior, choose_colours, confidence
from gesso.rules.fill import flats, over_line
from gesso.rules.grid import grid_of
from gesso.rules.hint_pieces import along, on_line, pieces_under
from gesso.rules.line import INK
from gesso.rules.pieces import Pieces, find_pieces, join_pieces
from gesso.rules.prediction import WHITE, Prediction, merge_similar_colours, votes

Places = Sequence[tuple[tuple[float, float], int]]  # hinted points, and the index of each hint's colour
Paths = Sequence[tuple[Sequence[tuple[float, float]], float]]  # paths and radii


_MEANS = ResultCache()
_PIECES: ArrayCache[Pieces] = ArrayCache(20_000_000)  # pixels of the drawings, ten bytes each


@dataclass(frozen=True)
class UserEdits:
    """A user's edits in page pixels: `marks` with colours, strokes that keep `paper` white, `cuts` and `joins` of pieces.

    `fills` are the indices of marks that colour the whole background, as they would a piece; `alone` those of marks that were not
    encoded for the network and that no other piece follows. `guess` in [0, 1] says how much is coloured without a hint
    (`decision.certainty_thresholds`); with `steady` the number of hints does not matter for that. `avoid` are marks of
    colours that their pieces shall not have.
    """

    marks: Sequence[Mark] = ()
    paper: Paths = ()
    cuts: Paths = ()
    joins: Sequence[Sequence[tuple[float, float]]] = ()
    gap: float | None = None
    fills: Collection[int] = ()
    alone: Collection[int] = ()
    guess: float = 0.5
    steady: bool = False
    avoid: Sequence[Mark] = ()


@dataclass(frozen=True)
class ColouredDrawing:
    """A coloured drawing: `images` uint8 [h w 3], one per proposal, the most likely first, and their `flats` without lines.

    `pieces` and `colours` uint8 [num 3] belong to the first proposal. `num_closed` counts the closed pieces before the predictions cut
    them. `sure` uint8 [h w] is 255 times the probability that a piece's expected colour is nearer to the truth than white. `follows`
    uint8 [h w] is 255 in pieces without a hint that took a hint's colour. `notes` are names of notes for the user: "on_line" if the
    newest mark lies on a line.
    """

    images: list[np.ndarray]
    flats: list[np.ndarray]
    pieces: Pieces
    colours: np.ndarray = field(repr=False)
    num_closed: int
    sure: np.ndarray = field(repr=False)
    follows: np.ndarray = field(repr=False)
    notes: tuple[str, ...] = ()


def colour_drawing(
    line: np.ndarray,
    predictions: Sequence[Prediction],
    colours: np.ndarray,
    edits: UserEdits,
    params: DecisionParameters,
    *,
    num: int = 1,
    spread: float = 1.0,
    seed: int = 0,
    digest: bytes | None = None,
) -> ColouredDrawing:
    """Colour the pieces of a drawing, `line` uint8 [h w], from predictions over `colours` uint8 [k 3]: the palette's and the marks'.

    Returns `num` proposals. The first takes each piece's most likely colour. Each other one adds Gumbel noise of scale `spread` to the
    log shares, one draw per colour for the whole drawing, so that proposals prefer different colours and similar pieces stay alike.
    `digest` is the result of `hash_predictions`, if the caller has it.
    """
    joins = [_points_of(path, line) for path in edits.joins]
    closed = _edited_pieces(line, edits.gap, edits.cuts, joins)
    digest = digest or hash_predictions(predictions, colours)
    predictions, colours = closed.cache.get("grouped", digest, lambda: merge_similar_colours(predictions, colours), 1)
    hinted = hinted_pieces(closed, edits.marks, colours, edits.fills)
    followed = [rgb for n, (_, rgb, _) in enumerate(edits.marks) if n not in edits.alone]
    entries, num_hints = sorted(set(nearest_indices(colours, followed))), 0 if edits.steady else len(followed)
    middles = [points[len(points) // 2] for points, _, _ in edits.marks]
    places = tuple(zip(middles, nearest_indices(colours, [rgb for _, rgb, _ in edits.marks]), strict=True))
    key = digest, params, tuple(sorted(hinted.items())), places
    pieces, share, page = closed.cache.get("voted", key, lambda: _voted(closed, predictions, colours, params, hinted, places), 2)
    rng = np.random.default_rng(seed)
    images, laid, first, cut, follows = [], [], None, pieces, np.zeros(0, bool)
    for n in range(num):
        noise = None if n == 0 else spread * rng.gumbel(size=len(colours))
        chosen = choose_colours(share, colours, page, params, noise, hints=entries, num_hints=num_hints, guess=edits.guess)
        chosen = without_avoided(pieces, chosen, share, colours, edits.avoid)
        for path, radius in edits.paper:
            chosen[[p for p, _ in pieces_under(pieces, path, radius)]] = 255
        follows = follows if n else _follows(pieces, chosen, colours[entries], edits, page)
        paper = page & (chosen.min(1) >= WHITE)
        parts, chosen = apply_hints(pieces, chosen, edits.marks, paper, predictions, colours, edits.fills, cache=(closed.cache, digest))
        laid.append(flats(parts, chosen))
        images.append(over_line(laid[-1], line))
        if first is None:
            first, cut = chosen, parts
    assert first is not None
    sure = np.rint(255 * confidence(share, colours, params)).astype(np.uint8)
    maps = np.take(sure, pieces.labels), np.take(255 * follows.astype(np.uint8), pieces.labels)
    newest = [("on_line",) for points, _, radius in edits.marks[-1:] if on_line(closed, points, radius)]
    return ColouredDrawing(images, laid, cut, first, closed.num, *maps, *newest)


def _follows(pieces: Pieces, chosen: np.ndarray, hints: np.ndarray, edits: UserEdits, page: np.ndarray) -> np.ndarray:
    """The pieces without a hint that took a hint's colour, bool [num]; the background counts among them unless a mark fills it."""
    same = (chosen[:, None] == hints[None]).all(-1).any(1) & (chosen.min(1) < WHITE)
    for n, (points, _, radius) in enumerate(edits.marks):
        same[[piece for piece in pieces_of_mark(pieces, points, radius) if n in edits.fills or not page[piece]]] = False
    return same


def hash_predictions(predictions: Sequence[Prediction], colours: np.ndarray) -> bytes:
    """A hash of the predictions and colours. While a stroke is drawn they do not change, so cached votes stay valid."""
    hashed = hashlib.sha256(repr([(one.box, one.shares.shape, one.shares.dtype.str, one.regions.shape) for one in predictions]).encode())
    for array in (colours, *(part for one in predictions for part in (one.shares, one.regions))):
        hashed.update(np.ascontiguousarray(array).data)
    return hashed.digest()


def _voted(
    closed: Pieces,
    predictions: Sequence[Prediction],
    colours: np.ndarray,
    params: DecisionParameters,
    hinted: Mapping[int, int],
    places: Places,
) -> tuple[Pieces, np.ndarray, np.ndarray]:
    """The pieces after cutting at the predictions' edges, their votes [num k], and which of them are background, bool [num]."""
    grid = grid_of(closed, predictions)
    cells = grid.to_cells(predictions)
    scale = [small / large for small, large in zip(grid.cells.shape, closed.shape, strict=True)]
    inside = [(y, x, n) for (x, y), n in places if 0 <= x < closed.shape[1] and 0 <= y < closed.shape[0]]
    parts = cut_pieces(grid.cells, cells, colours, params, hinted, [(int(y * scale[0]), int(x * scale[1]), n) for y, x, n in inside])
    pieces, share, owner = grid.to_page(parts, votes(parts, cells), cells)
    page = is_background(closed, pieces, owner)
    page &= ~hinted_open_shapes(pieces, page, [(int(y), int(x), n) for y, x, n in inside])
    return pieces, apply_paper_prior(share, colours, page, params), page


def closed_pieces(line: np.ndarray) -> Pieces:
    """The closed pieces of a drawing without cuts and joins; cached."""
    return _edited_pieces(line, None, (), ())


def _edited_pieces(line: np.ndarray, gap: float | None, cuts: Paths, joins: Sequence[Sequence[tuple[float, float]]]) -> Pieces:
    """`find_pieces` with cuts and joins, cached: hints do not change the pieces, and finding them takes as long as the network."""
    arguments = (gap, [list(path) for path, _ in cuts])
    found = _PIECES.get(line, arguments, lambda: find_pieces(line, gap=gap, cuts=_painted(line.shape, cuts)), line.size)
    return _PIECES.get(line, (arguments, [list(path) for path in joins]), lambda: join_pieces(found, joins), line.size) if joins else found


def mean_picture(
    predictions: Sequence[Prediction], colours: np.ndarray, shape: tuple[int, int], *, digest: bytes | None = None
) -> np.ndarray:
    """The mean colour of the predictions before any rule, uint8 [h w 3] of `shape` (h, w); later windows overwrite earlier ones."""
    key = digest or hash_predictions(predictions, colours), shape
    return _MEANS.get("mean", key, lambda: _mean_picture(predictions, colours, shape), 2).copy()


def _mean_picture(predictions: Sequence[Prediction], colours: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    from PIL import Image

    page = np.full((*shape, 3), 255, np.uint8)
    for one in predictions:
        left, top, right, bottom = one.box
        mean = (one.shares @ colours.astype(np.float32)).round().clip(0, 255).astype(np.uint8)[one.regions]
        page[top:bottom, left:right] = np.asarray(Image.fromarray(mean).resize((right - left, bottom - top), Image.Resampling.BILINEAR))
    return page


def _points_of(path: Sequence[tuple[float, float]], line: np.ndarray) -> list[tuple[float, float]]:
    """The points of a stroke on the page, one pixel apart: its own points, and those between them that are not ink."""
    points = np.asarray(path, float).reshape(-1, 2)
    every = np.concatenate([points, along(points, 1.0)])
    on_page = (every >= 0).all(1) & (every < line.shape[::-1]).all(1)
    where = np.floor(every).astype(int).clip(0, np.array(line.shape[::-1]) - 1)
    seen = line[where[:, 1], where[:, 0]] > INK
    seen[: len(points)] = True
    return [(float(x), float(y)) for x, y in every[on_page & seen]]


def _painted(shape: tuple[int, ...], strokes: Paths) -> np.ndarray | None:
    if not strokes:
        return None
    from PIL import Image, ImageDraw

    page = Image.new("1", (shape[1], shape[0]))
    pen = ImageDraw.Draw(page)
    for path, _ in strokes:  # two pixels wide, so that diagonals part pieces too
        pen.line([tuple(p) for p in path], fill=1, width=2)
    return np.asarray(page)
