"""The kind "bars": how long the music is to be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
from pydantic import Field

from gesso.conditions.condition import Clean, Condition, Truth
from gesso.errors import GessoError
from gesso.media.score import MAX_STEPS, STEPS_PER_BAR
from gesso.number import Whole, whole
from gesso.ports import Frame, Ports, PortSizes

MAX_BARS = MAX_STEPS // STEPS_PER_BAR
SCALES = (4, 16, 64)  # steps


class Bars(Condition):
    """The length in sixteenths; 16 a bar."""

    kind: ClassVar[str] = "bars"
    reads: ClassVar[str] = "notes"
    notation: ClassVar[str] = "a number of bars"
    steps: Whole = Field(ge=1, le=MAX_STEPS)

    @classmethod
    def read(cls, given: Any, *, where: str, options: Mapping[str, Any]) -> Self:
        """Parse a number of bars or {"steps": sixteenths}."""
        if isinstance(given, Mapping):
            return cls.model_validate(dict(given))
        number = int(given) if isinstance(given, str) and given.strip().isdecimal() else given
        return cls(steps=STEPS_PER_BAR * whole(number, where=where, low=1, high=MAX_BARS))

    @classmethod
    def sizes(cls, options: Mapping[str, Any]) -> PortSizes:
        return PortSizes(spatial=len(SCALES) + 1)

    @classmethod
    def encode(cls, values: Sequence[Self | None], frame: Frame) -> Ports:
        """Encode as spatial [b 4 1 steps]: exp(-left / scale) for the steps left until the end, by three scales, then validity.

        Where the frame's options know how many `steps` are made, that is the length, said or not.
        """
        import torch

        if "steps" in frame.options:
            values = [cls.model_construct(steps=frame.options["steps"]) if value is None else value for value in values]

        out = torch.zeros(len(values), len(SCALES) + 1, 1, frame.size[1])
        for row, value in zip(out, values, strict=True):
            if value is not None:
                left = (value.steps - torch.arange(frame.size[1])).clamp(min=0)
                row[:-1, 0] = torch.stack([torch.exp(-left / scale) for scale in SCALES])
                row[-1] = 1
        return Ports(spatial=out)

    @classmethod
    def simulate(cls, clean: Clean, rng: np.random.Generator, budget: float, given: Any = None) -> tuple[Self | None, Truth]:
        """The steps from the beginning of the example to the end of its piece."""
        return cls.model_construct(steps=int(clean["steps"] - clean["start"])), {}

    @classmethod
    def control(cls, options: Mapping[str, Any]) -> dict[str, Any]:
        about = {"low": 1, "high": MAX_BARS, "unit": STEPS_PER_BAR, "default": options.get("default", 8)}
        return {"tool": "number", "schema": cls.model_json_schema(), **about}


def total_steps(given: Mapping[str, Condition], name: str = "bars", default_bars: int = 8) -> int:
    """The length in sixteenths: what the condition `name` says, else the end of the longest of `given` that have `steps`, else a few bars.

    GessoError where something lasts longer than `name` says. What is shorter leaves the rest free.
    """
    steps = {one: int(value.steps) for one, value in given.items() if hasattr(value, "steps")}
    if not steps:
        return default_bars * STEPS_PER_BAR
    total = steps.get(name, max(steps.values()))
    for one, num in steps.items():
        if num > total:
            what = f"lasts {num / STEPS_PER_BAR:g} bars, and {name} says {total / STEPS_PER_BAR:g}"
            raise GessoError(what, where=one, fix=f"leave {name} out, or give a shorter {one}")
    return total
