"""A drawing coloured by rules from what a network proposes: pieces, cuts, votes, hints that win, flats under the line."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from gesso.rules.cutting import cut, hinted_shapes, of_the_page
from gesso.rules.decision import Knobs, choose, sureness, weighed
from gesso.rules.field import WHITE, Field, group, votes
from gesso.rules.fill import flats, over_line
from gesso.rules.grid import grid_of
from gesso.rules.hinting import along, on_line, pieces_under
from gesso.rules.line import INK
from gesso.rules.obey import Mark, hinted_pieces, meant, nearest_entries, obey
from gesso.rules.pieces import Pieces, find_pieces, join
from gesso.rules.remember import Kept, Remembered

Places = Sequence[tuple[tuple[float, float], int]]  # points, and the entries of colours that are hinted there
Dots = Sequence[tuple[Sequence[tuple[float, float]], float]]  # paths and radii


_MEANS = Kept()
_PIECES: Remembered[Pieces] = Remembered(20_000_000)  # pixels of the drawings, ten bytes each


@dataclass(frozen=True)
class Wishes:
    """What the person said: `marks` with colours, strokes that say `paper`, `cuts` and `joins` of pieces, in the page's pixels.

    `fills` are the places in `marks` of those that colour the page around the drawing as they would a piece of it; of those in `alone`
    the network was not told, and no other piece follows them. `guess` in 0 to 1 says how much is coloured that nobody hinted
    (`decision.limits`).
    """

    marks: Sequence[Mark] = ()
    paper: Dots = ()
    cuts: Dots = ()
    joins: Sequence[Sequence[tuple[float, float]]] = ()
    gap: float | None = None
    fills: Collection[int] = ()
    alone: Collection[int] = ()
    guess: float = 0.5


@dataclass(frozen=True)
class Coloured:
    """`images` uint8 [h w 3], one a proposal, the first the surest, and their `flats` without lines; `pieces`, `colours` of the first.

    `num_closed` pieces there were before a network's proposal cut them. `sure` uint8 [h w] is 255 times the probability that what is
    expected of a piece is nearer to the truth than white. `follows` uint8 [h w] is 255 in pieces without a hint that took a
    hint's colour. `notes` are the names of what should be said: "on_line", where the newest mark lies on a line.
    """

    images: list[np.ndarray]
    flats: list[np.ndarray]
    pieces: Pieces
    colours: np.ndarray = field(repr=False)
    num_closed: int
    sure: np.ndarray = field(repr=False)
    follows: np.ndarray = field(repr=False)
    notes: tuple[str, ...] = ()


def colour(
    line: np.ndarray,
    fields: Sequence[Field],
    colours: np.ndarray,
    wishes: Wishes,
    knobs: Knobs,
    *,
    num: int = 1,
    spread: float = 1.0,
    seed: int = 0,
    told: bytes | None = None,
) -> Coloured:
    """Colour a drawing's pieces. `fields` are the network's windows over `colours` uint8 [k 3], the palette's and the marks'.

    `num` proposals: the first takes each piece's surest colour; each other adds Gumbel noise of size `spread` to the log
    shares, one draw a colour for the whole drawing, so that it differs in which colours it prefers and like pieces stay alike.
    `told` is the fields' and colours' `fingerprint`, where it is known already.
    """
    joins = [_passed(path, line) for path in wishes.joins]
    closed = _remembered(line, wishes.gap, wishes.cuts, joins)
    told = told or fingerprint(fields, colours)
    fields, colours = closed.kept.get("grouped", told, lambda: group(fields, colours), 1)
    hinted = hinted_pieces(closed, wishes.marks, colours, wishes.fills)
    followed = [rgb for n, (_, rgb, _) in enumerate(wishes.marks) if n not in wishes.alone]
    entries = sorted(set(nearest_entries(colours, followed)))
    middles = [points[len(points) // 2] for points, _, _ in wishes.marks]
    places = tuple(zip(middles, nearest_entries(colours, [rgb for _, rgb, _ in wishes.marks]), strict=True))
    key = told, knobs, tuple(sorted(hinted.items())), places
    pieces, share, page = closed.kept.get("voted", key, lambda: _voted(closed, fields, colours, knobs, hinted, places), 2)
    rng = np.random.default_rng(seed)
    images, laid, first, cut, follows = [], [], None, pieces, np.zeros(0, bool)
    for n in range(num):
        noise = None if n == 0 else spread * rng.gumbel(size=len(colours))
        chosen = choose(share, colours, page, knobs, noise, hints=entries, num_hints=len(followed), guess=wishes.guess)
        for path, radius in wishes.paper:
            chosen[[p for p, _ in pieces_under(pieces, path, radius)]] = 255
        follows = follows if n else _follows(pieces, chosen, colours[entries], wishes, page)
        paper = page & (chosen.min(1) >= WHITE)
        parts, chosen = obey(pieces, chosen, wishes.marks, paper, fields, colours, wishes.fills, kept=(closed.kept, told))
        laid.append(flats(parts, chosen))
        images.append(over_line(laid[-1], line))
        if first is None:
            first, cut = chosen, parts
    assert first is not None
    sure = np.rint(255 * sureness(share, colours, knobs)).astype(np.uint8)
    maps = np.take(sure, pieces.labels), np.take(255 * follows.astype(np.uint8), pieces.labels)
    newest = [("on_line",) for points, _, radius in wishes.marks[-1:] if on_line(closed, points, radius)]
    return Coloured(images, laid, cut, first, closed.num, *maps, *newest)


def _follows(pieces: Pieces, chosen: np.ndarray, hints: np.ndarray, wishes: Wishes, page: np.ndarray) -> np.ndarray:
    """The pieces that took a hint's colour and have no hint, bool [num]; the page counts among them unless a mark fills it."""
    same = (chosen[:, None] == hints[None]).all(-1).any(1) & (chosen.min(1) < WHITE)
    for n, (points, _, radius) in enumerate(wishes.marks):
        same[[piece for piece in meant(pieces, points, radius) if n in wishes.fills or not page[piece]]] = False
    return same


def fingerprint(fields: Sequence[Field], colours: np.ndarray) -> bytes:
    """What a network said, in a few bytes: while a hand moves it says nothing new, and the votes stand."""
    told = hashlib.sha256(repr([(one.box, one.shares.shape, one.shares.dtype.str, one.regions.shape) for one in fields]).encode())
    for array in (colours, *(part for one in fields for part in (one.shares, one.regions))):
        told.update(np.ascontiguousarray(array).data)
    return told.digest()


def _voted(
    closed: Pieces, fields: Sequence[Field], colours: np.ndarray, knobs: Knobs, hinted: Mapping[int, int], places: Places
) -> tuple[Pieces, np.ndarray, np.ndarray]:
    """The pieces cut where the proposal has edges, their votes [num k], and which of them are of the page."""
    grid = grid_of(closed, fields)
    cells = grid.fields(fields)
    scale = [small / large for small, large in zip(grid.cells.shape, closed.shape, strict=True)]
    inside = [(y, x, n) for (x, y), n in places if 0 <= x < closed.shape[1] and 0 <= y < closed.shape[0]]
    parts = cut(grid.cells, cells, colours, knobs, hinted, [(int(y * scale[0]), int(x * scale[1]), n) for y, x, n in inside])
    pieces, share, owner = grid.drawn(parts, votes(parts, cells), cells)
    page = of_the_page(closed, pieces, owner)
    page &= ~hinted_shapes(pieces, page, [(int(y), int(x), n) for y, x, n in inside])
    return pieces, weighed(share, colours, page, knobs), page


def closed_pieces(line: np.ndarray) -> Pieces:
    """The closed pieces of a drawing nobody has cut or joined anything in, remembered."""
    return _remembered(line, None, (), ())


def _remembered(line: np.ndarray, gap: float | None, cuts: Dots, joins: Sequence[Sequence[tuple[float, float]]]) -> Pieces:
    """`find_pieces`, its last few answers kept: hints don't change them, and they cost as much as the network."""
    told = (gap, [list(path) for path, _ in cuts])
    found = _PIECES.get(line, told, lambda: find_pieces(line, gap=gap, cuts=_painted(line.shape, cuts)), line.size)
    return _PIECES.get(line, (told, [list(path) for path in joins]), lambda: join(found, joins), line.size) if joins else found


def mean_picture(fields: Sequence[Field], colours: np.ndarray, shape: tuple[int, int], *, told: bytes | None = None) -> np.ndarray:
    """What the network alone proposes, before any rule: its mean colour, uint8 [h w 3], windows pasted in order."""
    key = told or fingerprint(fields, colours), shape
    return _MEANS.get("mean", key, lambda: _mean_picture(fields, colours, shape), 2).copy()


def _mean_picture(fields: Sequence[Field], colours: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    from PIL import Image

    page = np.full((*shape, 3), 255, np.uint8)
    for one in fields:
        left, top, right, bottom = one.box
        mean = (one.shares @ colours.astype(np.float32)).round().clip(0, 255).astype(np.uint8)[one.regions]
        page[top:bottom, left:right] = np.asarray(Image.fromarray(mean).resize((right - left, bottom - top), Image.Resampling.BILINEAR))
    return page


def _passed(path: Sequence[tuple[float, float]], line: np.ndarray) -> list[tuple[float, float]]:
    """Places on the page that a stroke is over, a pixel apart: its own points, and between them those that aren't ink."""
    points = np.asarray(path, float).reshape(-1, 2)
    every = np.concatenate([points, along(points, 1.0)])
    on_page = (every >= 0).all(1) & (every < line.shape[::-1]).all(1)
    where = np.floor(every).astype(int).clip(0, np.array(line.shape[::-1]) - 1)
    seen = line[where[:, 1], where[:, 0]] > INK
    seen[: len(points)] = True
    return [(float(x), float(y)) for x, y in every[on_page & seen]]


def _painted(shape: tuple[int, ...], strokes: Dots) -> np.ndarray | None:
    if not strokes:
        return None
    from PIL import Image, ImageDraw

    page = Image.new("1", (shape[1], shape[0]))
    pen = ImageDraw.Draw(page)
    for path, _ in strokes:  # one pixel parts pieces; two, so that a diagonal does too
        pen.line([tuple(p) for p in path], fill=1, width=2)
    return np.asarray(page)
