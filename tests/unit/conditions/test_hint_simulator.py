"""Simulated users: they hint inside pieces, sometimes want other colours, and correct errors of an output."""

import numpy as np
import pytest

from gesso.conditions.hints import Hints
from gesso.conditions.sketch import Sketch


@pytest.fixture
def clean():
    pieces = np.zeros((72, 72), np.int16)
    pieces[10:30, 10:30], pieces[10:30, 40:60], pieces[40:60, 10:60] = 1, 2, 3
    line = np.full((72, 72), 255, np.uint8)
    line[9:31, 9] = line[9:31, 30] = 0
    colours = np.array([[255, 255, 255], [250, 230, 40], [250, 230, 40], [90, 150, 240]], np.uint8)
    return {"pieces": pieces, "line": line, "colours": colours, "across": 1}


def many(clean, num=300, given=None, budget=1.0):
    return [Hints.simulate(clean, np.random.default_rng(i), budget, given) for i in range(num)]


def test_hints_lie_on_free_pixels_of_pieces_with_their_colour(clean):
    for value, truth in many(clean):
        for mark, answers in zip(value.marks if value else (), truth["answers"], strict=True):
            x, y = mark.points[0] if not mark.path else mark.points[len(mark.points) // 2]
            if not mark.path:
                piece = clean["pieces"][int(y), int(x)]
                assert answers[piece] and clean["line"][int(y), int(x)] > 160
                assert np.abs(truth["wanted"][piece].astype(int) - mark.rgb).max() <= 20  # inaccurate, but not another colour


def test_the_number_and_form_of_hints_vary(clean):
    counts = [len(v.marks) if v else 0 for v, _ in many(clean)]
    assert counts.count(0) > 40 and max(counts) >= 3
    assert any(m.path for v, _ in many(clean, 60) if v for m in v.marks)


def test_pieces_of_one_colour_change_colour_together(clean):
    changed = alike = 0
    for _, truth in many(clean):
        same = (truth["wanted"][1] == truth["wanted"][2]).all()
        assert same or truth["changed"][[1, 2]].sum() == 1, "the change applies to hinted pieces only"
        changed += truth["changed"].any()
        alike += same and truth["changed"][[1, 2]].all()
        assert not truth["changed"][0], "paper is never recoloured"
    assert 40 < changed < 200 and 20 < alike < changed


def test_users_who_see_an_output_hint_only_its_errors(clean):
    right = clean["colours"][clean["pieces"]].astype(np.float32)
    wrong = right.copy()
    wrong[40:60, 10:60] = 0
    assert all(v is None for v, _ in many(clean, 50, given=right))
    for value, truth in many(clean, 50, given=wrong):
        assert value is not None and truth["answers"][:, 3].all()


def test_a_budget_of_zero_gives_no_hints(clean):
    assert all(v is None for v, _ in many(clean, 20, budget=0.0))


def test_the_same_seed_gives_the_same_hints(clean):
    assert many(clean, 20)[7][0] == many(clean, 20)[7][0]


def test_a_simulated_sketch_has_gaps_where_its_truth_says(clean):
    seen = 0
    for i in range(100):
        value, truth = Sketch.simulate(clean, np.random.default_rng(i), 1.0)
        if truth["gaps"].any():
            seen += 1
            assert (value.pixels[truth["gaps"]] >= 254).all()
            assert (clean["line"][truth["gaps"]] < 128).any()
    assert 15 < seen < 60
