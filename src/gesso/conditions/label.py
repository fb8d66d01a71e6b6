"""A class by its name: which digit, which kind of thing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np

from gesso.conditions.condition import Clean, Condition, Truth
from gesso.errors import GessoError
from gesso.ports import Frame, Ports, PortSizes


class Label(Condition):
    """One of the names in the slot's option `classes` (a sequence of texts)."""

    kind: ClassVar[str] = "label"
    name: str

    @classmethod
    def read(cls, given: Any, *, where: str, options: Mapping[str, Any]) -> Self:
        """From a name, or a number of the class counted from 0 (a name that looks like a number is a name)."""
        classes = names(options)
        if isinstance(given, Mapping):
            given = given.get("name") if set(given) == {"name"} else None
        text = str(given).strip()
        if text in classes:
            return cls(name=text)
        if isinstance(given, (int, np.integer)) and not isinstance(given, bool) and 0 <= given < len(classes):
            return cls(name=classes[given])
        shown = text if len(text) <= 40 else text[:37] + "…"
        raise GessoError(f"there is no class {shown!r}", where=where, fix="one of " + ", ".join(classes))

    def fit(self, options: Mapping[str, Any], *, where: str) -> Self:
        return self.read(self.name, where=where, options=options)

    @classmethod
    def sizes(cls, options: Mapping[str, Any]) -> PortSizes:
        return PortSizes(vector=len(names(options)) + 1)

    @classmethod
    def encode(cls, values: Sequence[Self | None], frame: Frame) -> Ports:
        """vector: one-hot over the classes, then 1 where a class was given."""
        import torch

        classes = names(frame.options)
        out = torch.zeros(len(values), len(classes) + 1)
        for row, value in zip(out, values, strict=True):
            if value is None:
                continue
            if value.name not in classes:
                raise GessoError(f"there is no class {value.name!r}", where=cls.kind, fix="one of " + ", ".join(classes))
            row[classes.index(value.name)] = row[-1] = 1
        return Ports(vector=out)

    @classmethod
    def simulate(cls, clean: Clean, rng: np.random.Generator, budget: float, given: Any = None) -> tuple[Self | None, Truth]:
        """The class that the dataset says, `clean["label"]`, a number."""
        return cls.model_construct(name=names(clean["slot"].options)[int(clean["label"])]), {}

    @classmethod
    def control(cls, options: Mapping[str, Any]) -> dict[str, Any]:
        return {"tool": "label", "schema": cls.model_json_schema(), "classes": list(names(options))}


def names(options: Mapping[str, Any]) -> tuple[str, ...]:
    """The classes that a slot's options list."""
    if not options.get("classes"):
        raise GessoError("a label needs to know its classes", where="label", fix="give the slot options={'classes': (…)}")
    return tuple(options["classes"])
