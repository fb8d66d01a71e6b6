"""A request is everything that decides an output: JSON both ways without loss, and nothing bad gets in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gesso import recipes
from gesso.card import Card
from gesso.errors import GessoError
from gesso.request import MAX_SEED, Request


@pytest.fixture
def card(toy: Path) -> Card:
    return recipes.find(toy).card


@pytest.fixture
def request_(card: Card, pixels: np.ndarray) -> Request:
    given = {"photo": pixels, "tags": ["warm", "none"]}
    return Request.build(card, given, seed=MAX_SEED, settings={"num_steps": 7}, weights={"toy": "a" * 64}, preset="other")


def test_json_both_ways_without_loss(card: Card, request_: Request, pixels: np.ndarray):
    again = Request.from_json(json.loads(request_.canonical()), card)
    assert again.canonical() == request_.canonical()
    assert np.array_equal(again.conditions["photo"].pixels, pixels)
    assert (again.seed, again.preset, again.weights, again.settings.num_steps) == (MAX_SEED, "other", {"toy": "a" * 64}, 7)


def test_defaults_are_written_out(request_: Request):
    assert request_.to_json()["settings"] == {"num_steps": 7, "strength": 0.2, "mood": "plain", "flip": False}


def test_equal_requests_have_equal_text_whatever_the_order(card: Card, pixels: np.ndarray):
    one = Request.build(card, {"photo": pixels, "tags": "warm"}, settings={"flip": True, "num_steps": 2})
    two = Request.build(card, {"tags": "warm", "photo": pixels}, settings={"num_steps": 2, "flip": True})
    assert one.canonical() == two.canonical()
    assert one.canonical() != Request.build(card, {"photo": pixels, "tags": "warm"}, seed=1).canonical()


@pytest.mark.parametrize("seed", [-1, MAX_SEED + 1, 0.5, "x", None, float("nan"), [1]])
def test_a_bad_seed_is_named(card: Card, pixels: np.ndarray, seed: Any):
    with pytest.raises(GessoError, match="seed"):
        Request.build(card, {"photo": pixels}, seed=seed)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"num_steps": 0}, "num_steps.*greater than or equal to 1, not 0"),
        ({"num_steps": 1e9}, "num_steps"),
        ({"strength": float("nan")}, "strength"),
        ({"strength": "much"}, "strength.*not 'much'"),
        ({"steps": 3}, "steps"),
        ({"mood": "x" * 500}, "mood.*…"),
    ],
)
def test_a_bad_setting_is_named_with_what_was_given(card: Card, pixels: np.ndarray, settings: dict, words: str):
    with pytest.raises(GessoError, match=words) as error:
        Request.build(card, {"photo": pixels}, settings=settings)
    assert len(str(error.value)) < 250


BAD = {
    "conditions a list": {"conditions": [1]},
    "conditions a text": {"conditions": "photo"},
    "conditions null": {"conditions": None},
    "a condition null": {"conditions": {"photo": None}},
    "a condition a number": {"conditions": {"photo": 3}},
    "a picture of nothing": {"conditions": {"photo": {"pixels": "data:image/png;base64,"}}},
    "a picture that is a path": {"conditions": {"photo": {"pixels": "/etc/passwd"}}},
    "a picture that is a number": {"conditions": {"photo": {"pixels": 3}}},
    "a field too many": {"conditions": {"photo": {"pixels": "data:image/png;base64,AAAA", "more": 1}}},
    "an unknown condition": {"conditions": {"unknown": {}}},
    "settings a list": {"settings": [1]},
    "settings a text": {"settings": "x"},
    "weights a list": {"weights": ["x"]},
    "weights of numbers": {"weights": {"toy": 1}},
    "a preset that is a number": {"preset": 1},
    "a seed as text": {"seed": "seven"},
}


@pytest.mark.parametrize("change", BAD.values(), ids=BAD)
def test_bad_json_is_a_gesso_error(card: Card, request_: Request, change: dict):
    with pytest.raises(GessoError):
        Request.from_json(request_.to_json() | change, card)


@pytest.mark.parametrize("value", [None, [], "x", 3])
def test_json_that_is_no_object_is_a_gesso_error(card: Card, value: Any):
    with pytest.raises(GessoError):
        Request.from_json(value, card)


def test_equal_requests_are_equal_and_have_one_hash(card: Card, pixels: np.ndarray):
    given = {"photo": pixels, "tags": ["warm"]}
    one, two = (Request.build(card, given, seed=3, weights={"toy": "0" * 64}) for _ in range(2))
    assert one == two and hash(one) == hash(two)
    assert Request.from_json(json.loads(one.canonical()), card) == one
    darker = pixels.copy()
    darker[0, 0, 0] ^= 1
    for other in (
        Request.build(card, given | {"photo": darker}, seed=3, weights={"toy": "0" * 64}),
        Request.build(card, given | {"tags": ["warmer"]}, seed=3, weights={"toy": "0" * 64}),
        Request.build(card, given, seed=4, weights={"toy": "0" * 64}),
        Request.build(card, given, seed=3),
        Request.build(card, given, seed=3, weights={"toy": "0" * 64}, settings={"num_steps": 4}),
        Request.build(card, given, seed=3, weights={"toy": "0" * 64}, preset="other"),
    ):
        assert one != other and len({one, other}) == 2
    assert one != None and one != one.to_json()  # noqa: E711
