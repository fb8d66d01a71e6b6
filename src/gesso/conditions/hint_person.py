"""Colour hints as one simulated person gives them: which pieces, where in them, how straight, and in which colour.

`hint_simulator` mixes many habits for training. Here the habits are a Person's, one look at the picture at a time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import scipy

from gesso.conditions.hint_simulator import SimulatedMark, distance_to_border, recolour, seen
from gesso.person import Person

INK = 160  # pixels with a line value up to this are ink; their colour does not count
PAPER_FROM = 243  # pieces this light in all channels are paper
TRIES = 2  # marks in one piece before a person leaves it as it is
STEPS = 6  # points of a stroke
NEAR = 0.05  # how far about a point on a picture a person means it, as a share of the longer side
BESIDE = 0.06  # how far beside a piece a mark that misses lands, as a share of the longer side

Path = list[tuple[float, float]]


def hints_by_person(
    person: Person,
    clean: Mapping[str, Any],
    rng: np.random.Generator,
    given: np.ndarray | None,
    before: Sequence[tuple[float, float]],
    turns: int,
) -> tuple[list[SimulatedMark], dict[str, Any]]:
    """The next marks of a person, and their truth: that of `simulate_hints`; `meant`, bool [h w], the pieces that were meant; and `asked`,
    uint8 [h w 3], the marks' colours there.

    `given` is the picture they look at, uint8 or float [h w 3], and `before` the first points of their marks so far.
    """
    pieces, colours, free = clean["pieces"], clean["colours"], clean["line"] > INK
    tried = _times_tried(pieces, before)
    wrong = _in_order(person, _wrong_pieces(person, np.where(free, pieces, len(colours)), colours, given), pieces, rng)
    chosen = np.array([piece for piece in wrong if tried.get(piece, 0) < TRIES][: turns * person.a_look], int)
    wants = person.wants_other > 0 and rng.random() < person.wants_other
    wanted, changed = recolour(colours, chosen, rng) if wants else (colours, np.zeros(len(colours), bool))
    marks: list[SimulatedMark] = []
    meant, asked = np.zeros(pieces.shape, bool), np.zeros((*pieces.shape, 3), np.uint8)
    depth = distance_to_border(pieces, free) if len(chosen) else np.zeros(0)
    for piece in chosen:
        inside = (pieces == piece) & free
        colour = np.clip(wanted[piece] + rng.normal(0, 1, 3) * person.off_colour, 0, 255).round().astype(int)
        red, green, blue = (int(value) for value in colour)
        radius = float(max(pieces.shape) * person.pen * rng.uniform(0.8, 1.25))
        marks.append((drawn(person, inside, free, depth, rng), (red, green, blue), radius))
        meant |= inside
        asked[inside] = colour
    answers = np.array([(wanted == wanted[p]).all(1) for p in chosen], bool).reshape(len(chosen), len(colours))
    return marks, {"wanted": wanted, "changed": changed, "answers": answers, "meant": meant, "asked": asked}


def _wrong_pieces(person: Person, pieces: np.ndarray, colours: np.ndarray, given: np.ndarray | None) -> dict[int, float]:
    """{piece: its mean error in levels} of those large enough to see, whose error bothers the person; without a picture, coloured ones."""
    num = len(colours)
    areas = np.bincount(pieces.ravel(), minlength=num + 1).astype(float)[:-1]
    large = seen(areas, pieces.size)
    if given is None:
        return {int(piece): 255.0 for piece in np.flatnonzero(large & (colours.min(1) < PAPER_FROM))}
    away = np.abs(np.asarray(given, np.float32) - np.pad(colours, ((0, 1), (0, 0)))[pieces]).mean(-1)
    error = np.bincount(pieces.ravel(), away.ravel(), minlength=num + 1)[:-1] / np.maximum(areas, 1)
    return {int(piece): float(error[piece]) for piece in np.flatnonzero(large & (error > person.content))}


def _in_order(person: Person, wrong: Mapping[int, float], pieces: np.ndarray, rng: np.random.Generator) -> list[int]:
    """Pieces in the order in which the person takes them. The worst are those with the largest error over all their pixels."""
    found = [int(piece) for piece in rng.permutation(list(wrong))] if wrong else []
    if person.order == "any":
        return found
    areas = np.bincount(pieces.ravel())
    return sorted(found, key=lambda piece: -float(areas[piece] * (1 if person.order == "largest" else wrong[piece])))


def _times_tried(pieces: np.ndarray, before: Sequence[tuple[float, float]]) -> dict[int, int]:
    h, w = pieces.shape
    tried: dict[int, int] = {}
    for x, y in before:
        piece = int(pieces[min(h - 1, max(0, round(y))), min(w - 1, max(0, round(x)))])
        tried[piece] = tried.get(piece, 0) + 1
    return tried


def drawn(person: Person, inside: np.ndarray, free: np.ndarray, depth: np.ndarray, rng: np.random.Generator) -> Path:
    """A dot or a stroke for a piece (`inside`, bool [h w]) by the person's hand; `depth` is each pixel's distance from the piece's edge."""
    h, w = inside.shape
    side = max(h, w)
    near = _beside(inside, free, side) if rng.random() < person.miss else None
    where = near if near is not None and near.any() else inside & (depth >= person.aim * depth[inside].max() - 1e-6)
    ys, xs = np.nonzero(where)
    first = int(rng.integers(len(ys)))
    points = np.array([[xs[first], ys[first]]], float)
    if rng.random() < person.strokes and len(ys) > 1:
        away = np.hypot(xs - xs[first], ys - ys[first])
        wanted = person.length * np.sqrt(np.ptp(np.nonzero(inside)[1]) ** 2 + np.ptp(np.nonzero(inside)[0]) ** 2)
        last = int(np.abs(away - wanted * rng.uniform(0.5, 1)).argmin())
        points = np.linspace(points[0], [xs[last], ys[last]], STEPS) if away[last] > 1 else points
    points = points + rng.normal(0, 1, points.shape) * person.wobble * side
    return [(float(x), float(y)) for x, y in points.clip(0, (w - 1, h - 1))]


def _beside(inside: np.ndarray, free: np.ndarray, side: int) -> np.ndarray:
    """Paper close to a piece and not in it, bool [h w]."""
    away = scipy.ndimage.distance_transform_edt(~inside)
    found: np.ndarray = free & (away > 1) & (away <= max(3, BESIDE * side))
    return found


def points_by_person(
    person: Person,
    picture: np.ndarray,
    rng: np.random.Generator,
    given: np.ndarray | None,
    before: Sequence[tuple[float, float]],
    turns: int,
) -> tuple[list[SimulatedMark], dict[str, Any]]:
    """The next marks of a person on a picture without pieces, uint8 [h w 3]: points where it is wrong, in the colour that should be there.

    The truth has `meant`, the discs about the points, and `asked`. Places near earlier marks (`before`) are left as they are.
    """
    h, w = picture.shape[:2]
    side = max(h, w)
    wrong = np.full((h, w), 255.0) if given is None else np.abs(np.asarray(given, np.float32) - picture[..., :3]).mean(-1)
    ys, xs = np.mgrid[:h, :w]
    near = max(2.0, NEAR * side)
    for x, y in before:
        wrong[np.hypot(xs - x, ys - y) <= near] = 0
    marks: list[SimulatedMark] = []
    meant, asked = np.zeros((h, w), bool), np.zeros((h, w, 3), np.uint8)
    for _ in range(turns * person.a_look):
        left = scipy.ndimage.uniform_filter(wrong, 2 * int(near / 2) + 1)
        places = np.flatnonzero(left.ravel() > person.content)
        if not len(places):
            break
        place = int(rng.choice(places)) if given is None or person.order == "any" else int(left.argmax())
        y, x = divmod(place, w)
        colour = np.clip(picture[y, x, :3] + rng.normal(0, 1, 3) * person.off_colour, 0, 255).round().astype(int)
        slip = rng.normal(0, 1, 2) * person.wobble * side
        disc = np.hypot(xs - x, ys - y) <= near
        meant, wrong = meant | disc, np.where(disc, 0, wrong)
        asked[disc] = picture[disc, :3]
        red, green, blue = (int(value) for value in colour)
        at = float(np.clip(x + slip[0], 0, w - 1)), float(np.clip(y + slip[1], 0, h - 1))
        marks.append(([at], (red, green, blue), side * person.pen))
    return marks, {"meant": meant, "asked": asked}
