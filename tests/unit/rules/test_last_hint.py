"""Hints win on any drawing: the last hint's pixel has its colour, for any network output and any earlier hints."""

from unittest.mock import patch

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as some

from gesso.rules import colouring
from gesso.rules.apply_hints import apply_hints, pieces_of_mark
from gesso.rules.colouring import UserEdits, colour_drawing
from gesso.rules.decision import DecisionParameters
from gesso.rules.fill import over_line
from gesso.rules.line import INK
from gesso.rules.prediction import Prediction

SIDE = 40
COLOURS = [(255, 255, 255), (220, 40, 40), (40, 60, 220), (250, 240, 200), (0, 0, 0)]


def scribbled(rng: np.random.Generator) -> np.ndarray:
    """Boxes, strokes with gaps, specks and soft greys; now and then a page that is nearly all ink or all paper."""
    line = np.full((SIDE, SIDE), 255, np.uint8)
    for _ in range(rng.integers(0, 7)):
        y, x = rng.integers(0, SIDE - 4, 2)
        b, r = y + rng.integers(3, SIDE), x + rng.integers(3, SIDE)
        line[y : b + 1, x] = line[y, x : r + 1] = rng.integers(0, 200)
        line[y : b + 1, min(r, SIDE - 1)] = line[min(b, SIDE - 1), x : r + 1] = 0
    line[rng.random(line.shape) < rng.choice([0, 0.02, 0.3])] = rng.integers(0, 255)
    line[rng.random(line.shape) < rng.choice([0, 0.05])] = 255
    return line


def said(rng: np.random.Generator) -> Prediction:
    num = int(rng.integers(1, 12))
    shares = rng.dirichlet(np.full(len(COLOURS), 0.3), num).astype(np.float32)
    regions = np.kron(rng.integers(0, num, (8, 8)), np.ones((5, 5), int))
    regions.ravel()[:num] = np.arange(num)
    return Prediction(shares, regions, (0, 0, SIDE, SIDE))


def marked(rng: np.random.Generator) -> tuple[list[tuple[float, float]], tuple[int, int, int], float]:
    start = rng.uniform(0, SIDE - 0.01, 2)
    path = [start] if rng.random() < 0.6 else [start, *(start + rng.normal(0, 6, (3, 2)).cumsum(0))]
    rgb = COLOURS[rng.integers(len(COLOURS))] if rng.random() < 0.5 else tuple(rng.integers(0, 256, 3).tolist())
    return [(float(x), float(y)) for x, y in path], rgb, float(rng.uniform(0.5, 5))


@given(some.integers(0, 2**32 - 1))
@example(2574)  # an earlier mark of the last one's colour is mostly painted over
@settings(max_examples=120, deadline=None)
def test_the_last_hints_pixel_has_its_colour_on_any_drawing(seed: int) -> None:
    rng = np.random.default_rng(seed)
    line, marks = scribbled(rng), [marked(rng) for _ in range(rng.integers(1, 6))]
    fills, alone = ({n for n in range(len(marks)) if rng.random() < 0.3} for _ in range(2))
    cuts = [([(5.0, 5.0), (35.0, 30.0)], 1.0)] if rng.random() < 0.2 else []
    edits = UserEdits(marks, cuts=cuts, fills=fills, alone=alone, guess=float(rng.random()))
    with patch.object(colouring, "apply_hints", wraps=apply_hints) as applied:
        out = colour_drawing(line, [said(rng)], np.array(COLOURS, np.uint8), edits, DecisionParameters())
    points, rgb, radius = marks[-1]
    pieces = applied.call_args.args[0]  # as they were before any hint divided them: on those the last stroke was understood
    wanted = over_line(np.full((*line.shape, 3), rgb, np.uint8), line)
    means = pieces_of_mark(pieces, points, radius)  # a stroke means what it crosses, and not the piece that it only begins in
    for x, y in points:
        at = int(y), int(x)
        if 0 <= x < SIDE and 0 <= y < SIDE and line[at] > INK and (len(points) == 1 or pieces.labels[at] in means):
            assert tuple(out.images[0][at]) == tuple(wanted[at])
