"""Caches do not change outputs: each picture is equal to one computed with empty caches."""

import numpy as np
import pytest

from gesso.rules import apply_hints, colouring, hint_pieces
from gesso.rules.cache import ArrayCache, ResultCache
from gesso.rules.colouring import UserEdits, colour_drawing, mean_picture
from gesso.rules.decision import DecisionParameters
from gesso.rules.prediction import Prediction

COLOURS = np.array([(255, 255, 255), (230, 60, 40), (40, 90, 220), (250, 200, 60)], np.uint8)
SIDE = 144


def drawing(dice: np.random.Generator) -> np.ndarray:
    line = np.full((SIDE, SIDE), 255, np.uint8)
    for _ in range(5):
        left, top = dice.integers(4, SIDE - 60, 2)
        width, height = dice.integers(20, 50, 2)
        box = line[top : top + height, left : left + width]
        box[:2] = box[-2:] = box[:, :2] = box[:, -2:] = 0
    return line


def random_predictions(dice: np.random.Generator) -> list[Prediction]:
    coarse = dice.random((len(COLOURS), 6, 6)).astype(np.float32) ** 4
    shares = coarse.repeat(12, 1).repeat(12, 2)
    return [Prediction.of_pixels(shares / shares.sum(0), (0, 0, SIDE, SIDE))]


def mark(dice: np.random.Generator):
    x, y = dice.uniform(3, SIDE - 20, 2)
    path = tuple((float(x + 2 * n), float(y + n)) for n in range(int(dice.integers(1, 8))))
    return path, tuple(int(v) for v in COLOURS[dice.integers(1, 4)]), float(dice.uniform(1, 4))


def empty_caches(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(colouring, "_PIECES", ArrayCache(10**9))
    patch.setattr(colouring, "_MEANS", ResultCache())
    patch.setattr(hint_pieces, "_SWEPT", ArrayCache(10**9))
    for name in ("_PAINTED", "_PATH_LENGTHS"):
        patch.setattr(apply_hints, name, ArrayCache(10**9))


@pytest.mark.parametrize("seed", range(4))
def test_a_long_session_gives_the_same_pictures_as_empty_caches(seed: int):
    dice = np.random.default_rng(seed)
    line, predictions, marks = drawing(dice), random_predictions(dice), []
    for step in range(16):
        if step % 5 == 4:
            predictions = random_predictions(dice)
        if step % 7 == 6:
            line = drawing(dice)
        marks = [*marks, mark(dice)] if step % 4 != 3 else marks[1:]
        asked = line, predictions, COLOURS, UserEdits(marks), DecisionParameters()
        warm, mean = colour_drawing(*asked), mean_picture(predictions, COLOURS, line.shape)
        with pytest.MonkeyPatch.context() as patch:
            empty_caches(patch)
            cold = colour_drawing(*asked)
            assert np.array_equal(mean, mean_picture(predictions, COLOURS, line.shape))
        assert np.array_equal(warm.images[0], cold.images[0]) and np.array_equal(warm.flats[0], cold.flats[0])
        assert np.array_equal(warm.pieces.labels, cold.pieces.labels) and np.array_equal(warm.colours, cold.colours)


def test_modifying_a_result_does_not_change_the_cache():
    dice = np.random.default_rng(9)
    line, predictions = drawing(dice), random_predictions(dice)
    first = mean_picture(predictions, COLOURS, line.shape)
    kept = first.copy()
    first[:] = 0
    assert np.array_equal(mean_picture(predictions, COLOURS, line.shape), kept)
    edits = UserEdits([mark(dice), mark(dice)])
    out = colour_drawing(line, predictions, COLOURS, edits, DecisionParameters())
    image = out.images[0].copy()
    out.images[0][:], out.flats[0][:], out.colours[:] = 0, 0, 0
    assert np.array_equal(colour_drawing(line, predictions, COLOURS, edits, DecisionParameters()).images[0], image)


def test_followers_are_reported_without_the_hinted_pieces():
    line = np.full((60, 90), 255, np.uint8)
    line[10:50, [10, 30, 50, 70]] = line[10, 10:71] = line[49, 10:71] = 0
    likes = np.zeros((3, 60, 90), np.float32)
    likes[0] = 1
    likes[:, 10:50, 10:50] = np.array([0.05, 0.05, 0.9])[:, None, None]  # the first two rooms are sure to be of the hint's colour
    predictions, colours = (
        [Prediction.of_pixels(likes, (0, 0, 90, 60))],
        np.array([(255, 255, 255), (200, 40, 40), (20, 200, 30)], np.uint8),
    )
    out = colour_drawing(line, predictions, colours, UserEdits([([(20, 30)], (20, 200, 30), 2.0)]), DecisionParameters())
    assert out.follows[30, 40] and not out.follows[30, 20] and not out.follows[30, 60] and not out.follows[2, 2]
    assert tuple(out.images[0][30, 40]) == (20, 200, 30)
    other = colour_drawing(
        line, predictions, colours, UserEdits([([(20, 30)], (20, 200, 30), 2.0), ([(40, 30)], (9, 9, 200), 2.0)]), DecisionParameters()
    )
    assert not other.follows.any() and tuple(other.images[0][30, 40]) == (9, 9, 200), "another hint takes it back"


def test_the_ground_that_takes_a_hints_colour_follows_it_unless_the_hint_fills_it():
    line = np.full((60, 90), 255, np.uint8)
    line[20:40, [30, 60]] = line[[20, 39], 30:61] = 0
    sure = np.zeros((3, 60, 90), np.float32) + np.array([0.01, 0.01, 0.98], np.float32)[:, None, None]
    predictions, colours = [Prediction.of_pixels(sure, (0, 0, 90, 60))], np.array([(255, 255, 255), (200, 40, 40), (20, 200, 30)], np.uint8)
    marks = [([(8, 8)], (20, 200, 30), 2.0)]
    told, filled, alone = (
        colour_drawing(line, predictions, colours, UserEdits(marks, **more), DecisionParameters())
        for more in ({}, {"fills": {0}}, {"alone": {0}})
    )
    assert told.follows[50, 80] and tuple(told.images[0][50, 80]) == (20, 200, 30)
    assert not filled.follows[50, 80] and tuple(filled.images[0][50, 80]) == (20, 200, 30)
    assert not alone.follows.any()
