"""Simulation of a user who gives colour hints: which pieces get a hint, how inaccurate it is, and which colours the user wants.

Users differ: some give no hints, some hint the largest pieces first, some a random half of the pieces, and some correct errors
of the current picture. They often want other colours than the example's, so that the network learns to follow hints instead of
memorising colours.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy

RECOLOUR_ONLY_HINTED = 0.35  # probability that a changed colour applies to the hinted pieces only
SimulatedMark = tuple[list[tuple[float, float]], tuple[int, int, int], float]  # points, colour, radius


def simulate_hints(
    clean: Any, rng: np.random.Generator, budget: float, given: np.ndarray | None
) -> tuple[list[SimulatedMark], dict[str, np.ndarray]]:
    """Marks on an example with `pieces` int [h w] and `colours` uint8 [n 3] (piece -> its colour), and their truth.

    truth: `wanted` uint8 [n 3], the colours this user wants; `changed` bool [n], where they differ from the example's colours;
    `answers` bool [marks n], the pieces that should have a mark's colour. `given` is the current picture, uint8 [h w 3], or None.
    """
    pieces, colours, free = clean["pieces"], clean["colours"], clean["line"] > 160
    chosen = _choose_pieces(np.where(free, pieces, len(colours)), colours, rng, budget, given)
    wanted, changed = recolour(colours, chosen, rng) if rng.random() < 0.45 else (colours, np.zeros(len(colours), bool))
    unit = max(pieces.shape) / 72
    depth = distance_to_border(pieces, free) if len(chosen) else np.zeros(0)
    marks: list[SimulatedMark] = []
    for piece in chosen:
        red, green, blue = (int(v) for v in np.clip(wanted[piece] + (rng.normal(0, 4, 3) if rng.random() < 0.4 else 0), 0, 255))
        marks.append((_draw_mark((pieces == piece) & free, depth, rng), (red, green, blue), float(rng.uniform(0.7, 2.2) * unit)))
    answers = np.array([(wanted == wanted[p]).all(1) for p in chosen], bool).reshape(len(chosen), len(colours))
    return marks, {"wanted": wanted, "changed": changed, "answers": answers}


def seen(areas: np.ndarray, num_pixels: int) -> np.ndarray:
    """Which pieces, by their areas in pixels, are large enough on a page of so many pixels that a user would look at them."""
    found: np.ndarray = areas >= 9 * num_pixels / 72**2 / 16
    return found


def _choose_pieces(
    pieces: np.ndarray, colours: np.ndarray, rng: np.random.Generator, budget: float, given: np.ndarray | None
) -> np.ndarray:
    areas = np.bincount(pieces.ravel(), minlength=len(colours) + 1).astype(float)[:-1]
    big = seen(areas, pieces.size)
    coloured = np.flatnonzero(big & (colours.min(1) < 243))
    white = np.flatnonzero(big & (colours.min(1) >= 243))
    if not len(coloured) or budget <= 0:
        return np.zeros(0, int)
    if given is not None:
        wrong = np.abs(given.astype(float) - np.pad(colours, ((0, 1), (0, 0)))[pieces]).mean(-1)
        error = np.bincount(pieces.ravel(), wrong.ravel(), minlength=len(colours) + 1)[:-1] * big
        if error.sum() <= 0:
            return np.zeros(0, int)
        num = min(int(rng.geometric(0.35)), 8, int((error > 0).sum()))
        return rng.choice(len(colours), num, replace=False, p=error / error.sum())
    habit = rng.random()
    if habit < 0.35:
        return np.zeros(0, int)
    if habit < 0.57:
        return coloured[np.argsort(-areas[coloured])][: rng.integers(1, 11)]
    if habit < 0.8:
        return rng.permutation(coloured)[: (len(coloured) + 1) // 2]
    pool = np.concatenate([coloured, white[:3]]) if rng.random() < 0.4 else coloured
    return rng.permutation(pool)[: min(int(rng.geometric(0.2)), 14)]


def recolour(colours: np.ndarray, chosen: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Replace the colours of some hinted pieces. All pieces of that colour change with it, or sometimes only the hinted ones."""
    wanted, changed = colours.copy(), np.zeros(len(colours), bool)
    turn = rng.permutation(3) if rng.random() < 0.5 else None
    for colour in np.unique(colours[chosen], axis=0):
        if colour.min() >= 243 or rng.random() < 0.2:
            continue
        same = (colours == colour).all(1)
        if rng.random() < RECOLOUR_ONLY_HINTED:  # the user means only the hinted pieces, not all pieces of this colour
            same &= np.isin(np.arange(len(colours)), chosen)
        wanted[same] = colour[turn] if turn is not None else rng.integers(0, 256, 3)
        changed |= same
    return wanted, changed & (wanted != colours).any(1)


def distance_to_border(pieces: np.ndarray, free: np.ndarray) -> np.ndarray:
    """The distance of each pixel, in pixels, from its piece's border and from ink."""
    edge = ~free
    edge[1:] |= pieces[1:] != pieces[:-1]
    edge[:-1] |= pieces[1:] != pieces[:-1]
    edge[:, 1:] |= pieces[:, 1:] != pieces[:, :-1]
    edge[:, :-1] |= pieces[:, 1:] != pieces[:, :-1]
    return scipy.ndimage.distance_transform_edt(~edge)


def _draw_mark(inside: np.ndarray, depth: np.ndarray, rng: np.random.Generator) -> list[tuple[float, float]]:
    """One point, or an uneven stroke, in a piece. Careful users aim at the middle, others anywhere."""
    where = np.flatnonzero(inside.ravel())
    tries = where[rng.integers(len(where), size=1 if rng.random() < 0.4 else 12)]
    start = tries[depth.ravel()[tries].argmax()]
    width = inside.shape[1]
    first = (float(start % width), float(start // width))
    if rng.random() < 0.75 or len(where) < 30:
        return [first]
    others = where[rng.integers(len(where), size=int(rng.integers(1, 4)))]
    points = [first, *((float(p % width), float(p // width)) for p in others)]
    spread = np.array(points)
    axis = spread[:, 0] if np.ptp(spread[:, 0]) > np.ptp(spread[:, 1]) else spread[:, 1]
    spread = spread[np.argsort(axis)] + rng.normal(0, 0.5, spread.shape)
    return [(float(x), float(y)) for x, y in spread.clip(0, np.array(inside.shape[::-1]) - 1)]
