"""The configuration of a training is the same in every process."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import pytest
from torch import nn

from gesso.card import Settings
from gesso.recipes.recipe import Optimiser
from gesso.training.config import architecture_hash, as_json, content_hash


@dataclass
class Inner:
    rates: tuple[float, ...] = (0.5, 1e-3)


class Mine(Settings):
    num_steps: int = 3


def test_everything_becomes_json_without_addresses() -> None:
    told = as_json(
        {"a": Inner(), 2: Mine(), "f": test_everything_becomes_json_without_addresses, "o": object(), "p": partial(print, 1), "n": None}
    )
    assert told["a"] == {"rates": [0.5, 1e-3]} and told["2"] == {"num_steps": 3} and told["n"] is None
    assert told["f"] == "test_everything_becomes_json_without_addresses"
    assert " at 0x" not in json.dumps(told)
    assert as_json(Inner) == "Inner"


def test_networks_of_different_shapes_have_different_hashes() -> None:
    assert architecture_hash(nn.Linear(2, 3)) == architecture_hash(nn.Linear(2, 3)) != architecture_hash(nn.Linear(3, 2))
    assert architecture_hash(nn.Linear(2, 3)) != architecture_hash(nn.Linear(2, 3).half())


class Data:
    def __init__(self) -> None:
        self.name, self.pixels, self.labels = "toy", np.arange(60, dtype=np.uint8).reshape(5, 3, 4), [1, 2, 3]
        self.inner, self.made, self.rng = {"a": [Inner()]}, print, np.random.default_rng(0)


def test_equal_data_have_equal_content_hashes() -> None:
    one, other = Data(), Data()
    other.rng.random()
    assert content_hash(one) == content_hash(other)


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
    assert content_hash(changed) != content_hash(Data())


def test_a_dataset_may_provide_its_content() -> None:
    one, other = Data(), Data()
    one.content = other.content = "files"  # type: ignore[attr-defined]
    other.pixels[:] = 0
    assert content_hash(one) == content_hash(other)


def test_a_run_of_before_a_setting_existed_resumes() -> None:
    """Fields added later are left out of the config while they hold their default."""
    assert as_json(Optimiser()) == {"rate": 1e-3, "betas": [0.9, 0.99], "decay": 0.0, "warmup": 100, "floor": 0.02, "clip": 1.0}
    assert as_json(Optimiser(kind="sgd"))["kind"] == "sgd"


def test_what_training_does_not_depend_on_is_left_out() -> None:
    @dataclass(frozen=True)
    class Shown:
        rate: float = 0.1
        sign: bool = field(default=True, metadata={"aside": True})

    assert as_json(Shown(sign=False)) == as_json(Shown()) == {"rate": 0.1}
