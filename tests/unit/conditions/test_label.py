"""Labels: parsing, encoding and refusal of unknown classes."""

from __future__ import annotations

import numpy as np
import pytest

from gesso.conditions.label import Label
from gesso.errors import GessoError
from gesso.ports import Frame

OPTIONS = {"classes": ("cat", "dog", "7")}


@pytest.mark.parametrize(
    ("given", "name"), [("dog", "dog"), (0, "cat"), (np.int64(1), "dog"), (7, "7"), ("7", "7"), ({"name": "cat"}, "cat")]
)
def test_parses_class_names_and_numbers(given, name):
    assert Label.read(given, where="label", options=OPTIONS).name == name


@pytest.mark.parametrize("given", ["mouse", 3, -1, True, None, 1.5, [], {"label": "cat"}, {"name": "cat", "more": 1}, "x" * 10_000])
def test_an_unknown_class_is_refused_with_a_list_of_classes(given):
    with pytest.raises(GessoError, match="cat, dog, 7") as caught:
        Label.read(given, where="--label", options=OPTIONS)
    assert caught.value.where == "--label"
    assert len(str(caught.value)) < 200


def test_encodes_one_hot_with_validity():
    frame = Frame((4, 4), options=OPTIONS)
    vector = Label.encode([Label(name="dog"), None], frame).vector
    assert vector.tolist() == [[0, 1, 0, 1], [0, 0, 0, 0]]
    assert Label.sizes(OPTIONS).vector == 4
    assert Label.null(frame, 2).vector.tolist() == [[0] * 4] * 2


def test_an_unknown_class_from_json_is_refused_when_encoded():
    with pytest.raises(GessoError, match="mouse"):
        Label.encode([Label(name="mouse")], Frame(options=OPTIONS))


def test_a_slot_without_classes_is_refused():
    with pytest.raises(GessoError, match="classes"):
        Label.sizes({})


def test_simulate_returns_the_examples_class():
    class Slot:
        options = OPTIONS

    value, truth = Label.simulate({"label": 2, "slot": Slot}, np.random.default_rng(0), 1.0)
    assert value == Label(name="7") and truth == {}
