"""The kind "handles": how far to go along directions that a model offers, such as those found in a generator's latent space."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
from pydantic import field_validator

from gesso.conditions.condition import Clean, Condition, Truth
from gesso.errors import GessoError
from gesso.ports import Frame, Ports, PortSizes

MOST, REACH = 64, 5.0


class Handles(Condition):
    """`amounts` along the first directions, the strongest first; 0 is no change. The slot's options are `num` of them and `reach`,
    the largest amount."""

    kind: ClassVar[str] = "handles"
    notation: ClassVar[str] = '"2 0 -1.5": an amount for each of the first directions'
    amounts: tuple[float, ...]

    @field_validator("amounts")
    @classmethod
    def _finite(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if len(value) > MOST or not all(abs(one) <= 1000 for one in value):
            raise ValueError(f"at most {MOST} finite amounts")
        return value

    @classmethod
    def read(cls, given: Any, *, where: str, options: Mapping[str, Any]) -> Self:
        """Parse a text of numbers, a sequence, or {"amounts": […]}."""
        if isinstance(given, str):
            try:
                given = [float(part) for part in given.replace(",", " ").split()]
            except ValueError:
                raise GessoError(f"{given[:40]!r} are not numbers", where=where, fix='such as "2 0 -1.5"') from None
        value = cls.model_validate(dict(given) if isinstance(given, Mapping) else {"amounts": tuple(given)})
        return value.fit(options, where=where)

    def fit(self, options: Mapping[str, Any], *, where: str) -> Self:
        num, reach = int(options["num"]), float(options.get("reach", REACH))
        if len(self.amounts) > num:
            raise GessoError(f"{len(self.amounts)} amounts", where=where, fix=f"at most {num}, as there are so many directions")
        far = next((one for one in self.amounts if abs(one) > reach), None)
        if far is not None:
            raise GessoError(f"{far:g} is too far", where=where, fix=f"from {-reach:g} to {reach:g}")
        return self

    @classmethod
    def sizes(cls, options: Mapping[str, Any]) -> PortSizes:
        return PortSizes(vector=int(options["num"]) + 1)

    @classmethod
    def encode(cls, values: Sequence[Self | None], frame: Frame) -> Ports:
        """Encode as vector [b num+1]: the amounts, then 1 if any are given."""
        import torch

        out = torch.zeros(len(values), int(frame.options["num"]) + 1)
        for row, value in zip(out, values, strict=True):
            if value is not None:
                row[: len(value.amounts)] = torch.tensor(value.amounts)
                row[-1] = 1
        return Ports(vector=out)

    @classmethod
    def simulate(cls, clean: Clean, rng: np.random.Generator, budget: float, given: Any = None) -> tuple[Self | None, Truth]:
        """A user who moves a few handles."""
        options = clean["slot"].options
        amounts = rng.uniform(-1, 1, int(options["num"])) * float(options.get("reach", REACH)) * (rng.random(int(options["num"])) < 0.5)
        return cls.model_construct(amounts=tuple(float(one) for one in amounts)), {}

    @classmethod
    def control(cls, options: Mapping[str, Any]) -> dict[str, Any]:
        reach = float(options.get("reach", REACH))
        return {"tool": "sliders", "schema": cls.model_json_schema(), "num": int(options["num"]), "low": -reach, "high": reach}
