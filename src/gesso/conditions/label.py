"""The kind "label": a class by its name, such as a digit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np

from gesso.conditions.condition import Clean, Condition, Truth
from gesso.errors import GessoError
from gesso.person import Person
from gesso.ports import Frame, Ports, PortSizes


class Label(Condition):
    """One of the class names in the slot's option `classes`."""

    kind: ClassVar[str] = "label"
    reads: ClassVar[str] = "label"
    name: str

    @classmethod
    def read(cls, given: Any, *, where: str, options: Mapping[str, Any]) -> Self:
        """Parse a class name or the class's number from 0. A text that is a class name is read as a name, even if it is a number."""
        classes = class_names(options)
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
        return PortSizes(vector=len(class_names(options)) + 1)

    @classmethod
    def encode(cls, values: Sequence[Self | None], frame: Frame) -> Ports:
        """Encode as vector: one-hot over the classes, then 1 if there is a class."""
        import torch

        classes = class_names(frame.options)
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
        """The class of the example, whose number is `clean["label"]`."""
        return cls.model_construct(name=class_names(clean["slot"].options)[int(clean["label"])]), {}

    @classmethod
    def given_by(
        cls, person: Person, clean: Clean, rng: np.random.Generator, given: Any = None, before: Self | None = None, turns: int = 1
    ) -> tuple[Self | None, Truth]:
        """The class of the example, once; who misses it names another."""
        value, truth = super().given_by(person, clean, rng, given, before, turns)
        others = [name for name in class_names(clean["slot"].options) if value is not None and name != value.name]
        if others and rng.random() < person.miss:
            value = cls.model_construct(name=others[int(rng.integers(len(others)))])
        return value, truth

    @classmethod
    def control(cls, options: Mapping[str, Any]) -> dict[str, Any]:
        return {"tool": "label", "schema": cls.model_json_schema(), "classes": list(class_names(options))}


def class_names(options: Mapping[str, Any]) -> tuple[str, ...]:
    """The class names in a slot's options."""
    if not options.get("classes"):
        raise GessoError("the slot of a label has no classes", where="label", fix="give the slot options={'classes': (…)}")
    return tuple(options["classes"])
