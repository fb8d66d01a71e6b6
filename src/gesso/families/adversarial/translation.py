"""Games that turn one picture into another: pairs (Isola 2017), and two sets without pairs (Zhu 2017)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from gesso.families.adversarial.game import Turn
from gesso.families.family import Batch, Inputs, Networks, Output


@dataclass(frozen=True)
class Paired:
    """`play` and `show` of a generator of pictures from condition maps; the critic judges both beside the maps."""

    clean: str = "target"
    role: str = "generator"

    def play(self, networks: Networks, batch: Batch, rng: torch.Generator) -> Mapping[str, Tensor]:
        given = batch.ports.spatial
        assert given is not None
        return {"given": given, "real": batch.clean[self.clean], "fake": networks[self.role](given)}

    def show(self, networks: Networks, inputs: Inputs, rng: torch.Generator, settings: Any) -> Iterator[Output]:
        yield Output({"image": networks[self.role](inputs.ports.spatial).float()})


@dataclass(frozen=True)
class Unpaired:
    """`play` and `show` of two generators, `there` from set a to b and `back`; settings with `direction` say which samples."""

    def play(self, networks: Networks, batch: Batch, rng: torch.Generator) -> Mapping[str, Tensor]:
        a, b, there, back = batch.clean["a"], batch.clean["b"], networks["there"], networks["back"]
        return {"a": a, "b": b, "ab": there(a), "ba": back(b)}

    def show(self, networks: Networks, inputs: Inputs, rng: torch.Generator, settings: Any) -> Iterator[Output]:
        given = inputs.ports.spatial
        assert given is not None
        yield Output({"image": networks[settings.direction](given[:, :-1]).float()})


def l1(turn: Turn) -> Tensor:
    """Mean distance of the generated from the real picture, [b] (Isola 2017, equation 3)."""
    return distance(turn.pictures["fake"], turn.pictures["real"])


def cycle(turn: Turn) -> Tensor:
    """Distance of each picture from itself after the way there and back, [b] (Zhu 2017, equation 2)."""
    pictures, there, back = turn.pictures, turn.networks["there"], turn.networks["back"]
    return distance(back(pictures["ab"]), pictures["a"]) + distance(there(pictures["ba"]), pictures["b"])


def identity(turn: Turn) -> Tensor:
    """Distance of each picture from what the generator into its own set makes of it, [b] (Zhu 2017, section 5.2)."""
    a, b = turn.pictures["a"], turn.pictures["b"]
    return distance(turn.networks["there"](b), b) + distance(turn.networks["back"](a), a)


def distance(one: Tensor, two: Tensor) -> Tensor:
    """The mean absolute difference of each item, [b …] -> [b]."""
    return (one.float() - two.float()).abs().flatten(1).mean(1)
