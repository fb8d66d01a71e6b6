"""The condition: what a user can give, declared once.

One class is one kind. A value of it is frozen and losslessly JSON; the class says how the value is read from a flag, an
API field or a Python object, what it is to a network, what a person would have given in training, how a later edit
meets an earlier one, and what the studio draws for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
from pydantic import BaseModel, ConfigDict

from gesso.ports import Frame, Ports, PortSizes

Clean = Mapping[str, Any]  # one example, as its dataset gives it
Truth = dict[str, Any]  # what only the simulator knows


class Condition(BaseModel):
    """A frozen value that a user gave."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    kind: ClassVar[str]
    repeatable: ClassVar[bool] = False  # may its flag be given more than once; the values are then merged in order

    @classmethod
    def read(cls, given: Any, *, where: str, options: Mapping[str, Any]) -> Self:
        """A value from what came in (a Python object, a flag's text, JSON); GessoError naming `where` if it can't be one."""
        raise NotImplementedError

    @classmethod
    def sizes(cls, options: Mapping[str, Any]) -> PortSizes:
        """How wide its ports are."""
        raise NotImplementedError

    @classmethod
    def encode(cls, values: Sequence[Self | None], frame: Frame) -> Ports:
        """A batch of values as ports, without parameters; None is null: absent, as in drop-out and guidance."""
        raise NotImplementedError

    @classmethod
    def simulate(cls, clean: Clean, rng: np.random.Generator, budget: float, given: Any = None) -> tuple[Self | None, Truth]:
        """What a person would have given for this example, with a person's noise.

        `budget` in [0, 1] is how much effort they spend (0 may give None); `given` is the current output, where there is
        one: people correct what is wrong.
        """
        raise NotImplementedError

    @classmethod
    def null(cls, frame: Frame, num: int = 1) -> Ports:
        return cls.encode([None] * num, frame)

    def merge(self, edit: Self) -> Self:
        """This value after a later edit; the later wins where they meet."""
        return edit

    def check(self, page: tuple[int, int] | None, *, where: str) -> None:
        """Raise GessoError if the value does not fit a page of (height, width)."""

    def fit(self, options: Mapping[str, Any], *, where: str) -> Self:
        """This value, read from its own JSON, as the slot's options ask for it; GessoError where it can't be."""
        return self

    @property
    def page(self) -> tuple[int, int] | None:
        """(height, width), if this value is a page on which places are counted."""
        return None

    @classmethod
    def control(cls, options: Mapping[str, Any]) -> dict[str, Any]:
        """What the studio draws: {"tool": its name, "schema": JSON schema of a value, and the options it needs}."""
        return {"tool": cls.kind, "schema": cls.model_json_schema()}
