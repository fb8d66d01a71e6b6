"""A recipe for tests, outside the package: one linear network with weights, told what by a number from 0 to 3."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from pydantic import Field

from gesso.card import Card, Out, Settings, Slot
from gesso.conditions.condition import Clean, Condition, Truth
from gesso.errors import GessoError
from gesso.families.family import Inputs, Networks, Output
from gesso.ports import Frame, Ports, PortSizes
from gesso.recipes.recipe import Recipe


class Number(Condition):
    kind: ClassVar[str] = "number"
    value: int = Field(ge=0, le=3)

    @classmethod
    def read(cls, given: Any, *, where: str, options: Mapping[str, Any]) -> Number:
        try:
            return cls(value=int(given))
        except (TypeError, ValueError):
            raise GessoError(f"{given!r} is no number from 0 to 3", where=where, fix="0, 1, 2 or 3") from None

    @classmethod
    def sizes(cls, options: Mapping[str, Any]) -> PortSizes:
        return PortSizes(vector=5)

    @classmethod
    def encode(cls, values: Sequence[Number | None], frame: Frame) -> Ports:
        out = torch.zeros(len(values), 5)
        for row, value in zip(out, values, strict=True):
            if value is not None:
                row[value.value], row[4] = 1, 1
        return Ports(vector=out)

    @classmethod
    def simulate(cls, clean: Clean, rng: np.random.Generator, budget: float, given: Any = None) -> tuple[Number | None, Truth]:
        return None, {}


class KeptFamily:
    def sample(self, networks: Networks, inputs: Inputs, rng: torch.Generator, settings: Settings) -> Iterator[Output]:
        noise = torch.randn(1, 192, generator=rng)
        yield Output({"whatever": torch.tanh(networks["painter"](inputs.ports.vector) + 0.1 * noise).view(1, 3, 8, 8)})


recipe = Recipe(
    card=Card(
        name="kept",
        title={"en": "Kept", "ko": "간직"},
        summary={"en": "Paints a number.", "ko": "숫자를 그립니다."},
        conditions=(Slot(name="number", kind=Number, required=True, help={"en": "0 to 3.", "ko": "0부터 3까지."}),),
        outputs=(Out(name="image", medium="picture", help={"en": "It", "ko": "그것"}),),
        example="gesso generate kept.py --number 2",
    ),
    presets={"small": 8, "wide": 16},
    build=lambda preset: {
        "painter": torch.nn.Sequential(torch.nn.Linear(5, preset), torch.nn.Linear(preset, 192)),
        "critic": torch.nn.Linear(192, 1),
    },
    family=lambda preset: KeptFamily(),
    keeps=("painter",),
)
