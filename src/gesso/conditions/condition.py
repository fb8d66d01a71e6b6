"""The condition: what a user can give, declared once.

One class is one kind. A value of it is frozen and losslessly JSON; the class says how the value is read from a flag, an
API field or a Python object, what it is to a network, what a person would have given in training, how a later edit
meets an earlier one, and what the studio draws for it.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, ClassVar, Self

import numpy as np
from pydantic import BaseModel, ConfigDict

from gesso.number import Exact
from gesso.ports import Frame, Ports, PortSizes

PLAIN = (str, int, float, bool, type(None))
Clean = Mapping[str, Any]  # one example, as its dataset gives it
Truth = dict[str, Any]  # what only the simulator knows


class Condition(Exact):
    """A frozen value that a user gave; equal to another of its class with the same contents, arrays by their values."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        return self.fingerprint() == other.fingerprint() if type(other) is type(self) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.fingerprint())

    kind: ClassVar[str]
    notation: ClassVar[str] = ""  # how a value is written on the command line
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

    def shown(self) -> Self | None:
        """What `encode` tells networks of: all, unless a kind keeps something between the person and the rules; None is nothing."""
        return self

    def fingerprint(self) -> str:
        """A hash of what the value holds, made anew each time: somebody may have written into an array."""
        return fingerprint(self)

    @classmethod
    def control(cls, options: Mapping[str, Any]) -> dict[str, Any]:
        """What the studio draws: {"tool": its name, "schema": JSON schema of a value, and the options it needs}."""
        return {"tool": cls.kind, "schema": cls.model_json_schema()}


def fingerprint(value: Any) -> str:
    """A hash of nested values: models by class and fields, arrays by dtype, shape and values, the rest by its repr."""
    hashed = hashlib.blake2b(digest_size=16)
    for part in _parts(value):
        hashed.update(len(part).to_bytes(8, "little"))
        hashed.update(part)
    return hashed.hexdigest()


def _parts(value: Any) -> Iterator[bytes | memoryview]:
    """What tells a value from others, piece by piece; each container says how much follows."""
    if isinstance(value, np.ndarray) and not value.dtype.hasobject:
        yield f"array {value.dtype.str} {value.shape}".encode()
        yield np.ascontiguousarray(value).reshape(-1).view(np.uint8).data
    elif isinstance(value, BaseModel):
        yield from _parts_of(value)
    elif isinstance(value, Mapping):
        yield f"mapping {len(value)}".encode()
        for key, inner in sorted(value.items(), key=lambda item: repr(item[0])):
            yield repr(key).encode("utf-8", "backslashreplace")
            yield from _parts(inner)
    elif isinstance(value, (list, tuple)) and not all(type(one) in PLAIN for one in value):
        yield f"sequence {len(value)}".encode()
        for one in value:
            yield from _parts(one)
    else:
        plain = value.item() if isinstance(value, np.generic) else tuple(value) if isinstance(value, list) else value
        yield f"plain {plain!r}".encode("utf-8", "backslashreplace")


def _parts_of(model: BaseModel) -> Iterator[bytes | memoryview]:
    """A model's; in one word where nobody can have changed it since it was last asked, as a mark among hundreds."""
    if model.model_config.get("frozen") and not isinstance(model, Condition):
        with contextlib.suppress(TypeError):  # it holds what has no hash, such as a list
            yield _in_one(model)
            return
    names = list(type(model).model_fields)
    yield f"model {type(model).__module__}.{type(model).__qualname__} {names}".encode()
    for name in names:
        yield from _parts(getattr(model, name, None))


@lru_cache(maxsize=8192)
def _in_one(model: BaseModel) -> bytes:
    return f"{type(model).__module__}.{type(model).__qualname__} {model!r}".encode("utf-8", "backslashreplace")
