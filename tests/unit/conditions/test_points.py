"""Points on photographs: what simulated users tell, and how networks hear of it."""

import numpy as np
import pytest

from gesso.conditions.grey import Grey
from gesso.conditions.hints import Hint, Hints
from gesso.conditions.point_simulator import MOST, simulate_points
from gesso.ports import Frame


@pytest.fixture
def picture():
    return np.random.default_rng(0).integers(0, 256, (40, 60, 3)).astype(np.uint8)


def test_points_lie_on_the_page_in_about_its_colours(picture):
    smooth = np.broadcast_to(np.array([200, 90, 30], np.uint8), picture.shape)
    for seed in range(200):
        marks = simulate_points(smooth, np.random.default_rng(seed), 1.0)
        assert len(marks) <= MOST
        for x, y, colour, radius in marks:
            assert 0 <= x < 60 and 0 <= y < 40 and 0.5 <= radius <= 4.5
            assert np.abs(np.array(colour) - [200, 90, 30]).max() < 25


def test_numbers_are_geometric_with_users_who_give_none_or_many(picture):
    numbers = [len(simulate_points(picture, np.random.default_rng(seed), 1.0)) for seed in range(600)]
    assert numbers.count(0) > 90 and MOST in numbers and 4 < np.mean(numbers) < 9
    assert not simulate_points(picture, np.random.default_rng(0), 0.0)


def test_users_who_look_point_at_what_is_wrong(picture):
    given = picture.copy()
    given[5:10, 5:10] = 255 - given[5:10, 5:10]
    inside = [
        5 <= x < 10 and 5 <= y < 10 for seed in range(300) for x, y, *_ in simulate_points(picture, np.random.default_rng(seed), 1.0, given)
    ]
    assert np.mean(inside) > 0.25


def test_hints_of_a_picture_without_pieces_are_points(picture):
    made = [Hints.simulate({"picture": picture}, np.random.default_rng(seed), 1.0)[0] for seed in range(20)]
    assert any(made) and all(not mark.path for one in made if one for mark in one.marks)


def test_without_tokens_the_maps_are_the_same():
    value = Hints(marks=(Hint(3, 4, "#ff0000"), Hint(9, 9, "#0000ff", radius=1), Hint(12, 3, "#00ff00", alone=True)))
    frame = Frame((16, 20), page=(16, 20))
    whole, light = (Hints.encode([value, None], frame.with_options(options)) for options in ({}, {"tokens": False}))
    assert light.tokens is None and np.array_equal(whole.spatial.numpy(), light.spatial.numpy())
    assert Hints.sizes({"tokens": False}).token == 0


def test_grey_hears_the_lightness_alone(picture):
    grey = Grey(pixels=picture)
    spatial = Grey.encode([grey, None], Frame((40, 60), page=(40, 60))).spatial
    assert spatial.shape == (2, 2, 40, 60) and not spatial[1].any()
    np.testing.assert_allclose((spatial[0, 0] + 1) * 50, grey.lightness(), atol=0.3)
    assert Grey(pixels=picture[..., 0]).lightness().shape == (40, 60)


def test_a_blind_view_has_no_marks_with_or_without_tokens():
    value = Hints(marks=(Hint(3, 4, "#ff0000"),))
    for options in ({"blind": True}, {"blind": True, "tokens": False}):
        assert not Hints.encode([value], Frame((16, 20), page=(16, 20), options=options)).spatial.any()
