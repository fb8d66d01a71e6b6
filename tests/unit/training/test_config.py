"""What a training is, told the same way in every process."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial

from torch import nn

from gesso.card import Settings
from gesso.training.config import plain, shape_of


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
