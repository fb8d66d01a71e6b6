"""What a training is, told the same way in every process."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import pytest
from torch import nn

from gesso.card import Settings
from gesso.training.config import content_of, plain, shape_of


@dataclass
class Inner:
    rates: tuple[float, ...] = (0.5, 1e-3)


class Mine(Settings):
    num_steps: int = 3


def test_everything_becomes_json_without_addresses() -> None:
    told = plain(
        {"a": Inner(), 2: Mine(), "f": test_everything_becomes_json_without_addresses, "o": object(), "p": partial(print, 1), "n": None}
    )
    assert told["a"] == {"rates": [0.5, 1e-3]} and told["2"] == {"num_steps": 3} and told["n"] is None
    assert told["f"] == "test_everything_becomes_json_without_addresses"
    assert " at 0x" not in json.dumps(told)
    assert plain(Inner) == "Inner"


def test_networks_of_other_shapes_have_other_names() -> None:
    assert shape_of(nn.Linear(2, 3)) == shape_of(nn.Linear(2, 3)) != shape_of(nn.Linear(3, 2))
    assert shape_of(nn.Linear(2, 3)) != shape_of(nn.Linear(2, 3).half())


class Data:
    def __init__(self) -> None:
        self.name, self.pixels, self.labels = "toy", np.arange(60, dtype=np.uint8).reshape(5, 3, 4), [1, 2, 3]
        self.inner, self.made, self.rng = {"a": [Inner()]}, print, np.random.default_rng(0)


def test_content_tells_equal_data_from_others_and_nothing_from_addresses() -> None:
    one, other = Data(), Data()
    other.rng.random()
    assert content_of(one) == content_of(other)


CHANGES: list[Callable[[Data], object]] = [
    lambda data: data.pixels.__setitem__((4, 2, 3), 0),
    lambda data: data.labels.reverse(),
    lambda data: setattr(data, "pixels", data.pixels.astype(np.uint16)),
    lambda data: setattr(data, "pixels", data.pixels.reshape(5, 4, 3)),
    lambda data: setattr(data.inner["a"][0], "rates", (0.5, 1e-4)),
    lambda data: setattr(data, "name", "other"),
]


@pytest.mark.parametrize("change", CHANGES)
def test_content_changes_with_any_value(change: Callable[[Data], object]) -> None:
    changed = Data()
    change(changed)
    assert content_of(changed) != content_of(Data())


def test_a_dataset_may_say_its_content_itself() -> None:
    one, other = Data(), Data()
    one.content = other.content = "files"  # type: ignore[attr-defined]
    other.pixels[:] = 0
    assert content_of(one) == content_of(other)
