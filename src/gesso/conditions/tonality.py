"""The kind "key": a major or minor key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
from pydantic import field_validator

from gesso.conditions.condition import Clean, Condition, Truth
from gesso.ports import Frame, Ports, PortSizes
from gesso.rules.harmony import KEYS, key_of, parse_key


class Tonality(Condition):
    """One of the 24 keys by its name, such as "G major" or "F# minor"."""

    kind: ClassVar[str] = "key"
    reads: ClassVar[str] = "notes"
    notation: ClassVar[str] = '"G major", "F# minor", Eb, Em'
    name: str

    @field_validator("name")
    @classmethod
    def _one_of_them(cls, value: str) -> str:
        return parse_key(value, where="name")

    @classmethod
    def read(cls, given: Any, *, where: str, options: Mapping[str, Any]) -> Self:
        if isinstance(given, Mapping):
            return cls.model_validate(dict(given))
        return cls(name=parse_key(str(given), where=where))

    @classmethod
    def sizes(cls, options: Mapping[str, Any]) -> PortSizes:
        return PortSizes(vector=len(KEYS) + 1)

    @classmethod
    def encode(cls, values: Sequence[Self | None], frame: Frame) -> Ports:
        """Encode as vector: one-hot over the keys, then 1 if there is one."""
        import torch

        out = torch.zeros(len(values), len(KEYS) + 1)
        for row, value in zip(out, values, strict=True):
            if value is not None:
                row[KEYS.index(value.name)] = row[-1] = 1
        return Ports(vector=out)

    @classmethod
    def simulate(cls, clean: Clean, rng: np.random.Generator, budget: float, given: Any = None) -> tuple[Self | None, Truth]:
        """The key that the pitches of `clean["notes"]` go best with."""
        return cls.model_construct(name=key_of(clean["notes"])), {}

    @classmethod
    def control(cls, options: Mapping[str, Any]) -> dict[str, Any]:
        return {"tool": "label", "schema": cls.model_json_schema(), "classes": list(KEYS)}
