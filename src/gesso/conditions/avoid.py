"""The kind "avoid": not this colour here. Points in pieces that shall have another colour than the one that is named."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np

from gesso.conditions.condition import Clean, Truth
from gesso.conditions.hints import Hints
from gesso.conditions.strokes import gestures_of
from gesso.person import Person
from gesso.ports import Frame, Ports, PortSizes


class Avoid(Hints):
    """Points and strokes as of hints, whose colour is the one that their pieces shall not have. Only rules read them, no network."""

    kind: ClassVar[str] = "avoid"

    @classmethod
    def sizes(cls, options: Mapping[str, Any]) -> PortSizes:
        return PortSizes()

    @classmethod
    def encode(cls, values: Sequence[Self | None], frame: Frame) -> Ports:
        return Ports()

    @classmethod
    def simulate(cls, clean: Clean, rng: np.random.Generator, budget: float, given: Any = None) -> tuple[Self | None, Truth]:
        """Nothing: what someone does not want is not in an example."""
        return None, {}

    @classmethod
    def given_by(
        cls, person: Person, clean: Clean, rng: np.random.Generator, given: Any = None, before: Self | None = None, turns: int = 1
    ) -> tuple[Self | None, Truth]:
        """Nothing, as in `simulate`."""
        return None, {}

    @classmethod
    def control(cls, options: Mapping[str, Any]) -> dict[str, Any]:
        """A brush whose colour is the one that is shown where it is set down."""
        return {"tool": "brush", "schema": cls.model_json_schema(), "colour": "shown"} | gestures_of(options, "piece")
