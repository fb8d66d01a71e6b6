"""Simulation of a user who colours a photograph with points: where they lie, how large they are, and which colour they have.

Zhang 2017, 3.1: the number of points is geometric, they lie about the middle, and each has the mean colour of a small square. Deviations:
a third of the users look at the current picture, if there is one, and point at what is wrong; an eye for colour is not exact.
"""

from __future__ import annotations

from typing import Any

import numpy as np

Point = tuple[float, float, tuple[int, int, int], float]  # x, y, colour, radius

FEWER = 1 / 8  # the geometric distribution's probability
NOTHING = 0.15  # of the users, beside those that the geometric distribution gives no point
MANY, MOST = 0.01, 64  # of the users give that many points, which tell nearly all
SPREAD = 0.25  # the points' standard deviation about the middle, as a share of the side
LARGEST = 4  # a square's half side, in pixels
INEXACT = 4.0  # standard deviation of a colour that is picked by eye, in levels


def simulate_points(picture: np.ndarray, rng: np.random.Generator, budget: float, given: Any = None) -> list[Point]:
    """Points on a picture uint8 [h w 3] in its colours. `given` is the current picture, uint8 [h w 3], or None."""
    h, w = picture.shape[:2]
    if budget <= 0 or rng.random() < NOTHING:
        return []
    num = MOST if rng.random() < MANY else min(int(rng.geometric(FEWER)) - 1, MOST)
    exact = rng.random() < 0.6
    places = _wrong(picture, given, num, rng) if given is not None and rng.random() < 1 / 3 else _about_the_middle(h, w, num, rng)
    marks = []
    for y, x in places:
        half = int(rng.integers(0, LARGEST + 1))
        colour = mean_colour(picture, x, y, half) + (0 if exact else rng.normal(0, INEXACT, 3))
        red, green, blue = (int(v) for v in colour.round().clip(0, 255))
        marks.append((float(x), float(y), (red, green, blue), half + 0.5))
    return marks


def mean_colour(picture: np.ndarray, x: int, y: int, half: int) -> np.ndarray:
    """The mean colour of a square of 2 `half` + 1 pixels about a pixel of uint8 [h w 3], float64 [3]."""
    found: np.ndarray = picture[max(0, y - half) : y + half + 1, max(0, x - half) : x + half + 1].reshape(-1, 3).mean(0)
    return found


def _about_the_middle(h: int, w: int, num: int, rng: np.random.Generator) -> np.ndarray:
    drawn = rng.normal(0.5, SPREAD, (num, 2)) * (h, w)
    return drawn.astype(int).clip(0, (h - 1, w - 1))


def _wrong(picture: np.ndarray, given: np.ndarray, num: int, rng: np.random.Generator) -> np.ndarray:
    error = np.abs(picture.astype(float) - given).mean(-1).ravel() ** 2
    if not num or error.sum() <= 0:
        return np.zeros((0, 2), int)
    chosen = rng.choice(error.size, num, p=error / error.sum())
    return np.stack(np.unravel_index(chosen, picture.shape[:2]), 1)
