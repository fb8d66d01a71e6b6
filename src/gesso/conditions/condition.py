"""Condition, the parent class of every kind of user input.

One subclass is one kind. Its values are frozen and round-trip through JSON without loss. The class defines how a value is parsed
from a flag, an API field or a Python object, how it is encoded for networks, how a user is simulated in training, how a later
edit merges with an earlier one, and which control the studio shows.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, ClassVar, Self

import numpy as np
from pydantic import BaseModel, ConfigDict

from gesso.number import StrictNumbers
from gesso.person import Person
from gesso.ports import Frame, Ports, PortSizes

PLAIN = (str, int, float, bool, type(None))
Clean = Mapping[str, Any]  # one example of a dataset, before any simulated input
Truth = dict[str, Any]  # what the simulator knows and the network must not see


class Condition(StrictNumbers):
    """A frozen input of a user. Values of one class are equal if their contents are; arrays compare by their values."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        return self.fingerprint() == other.fingerprint() if type(other) is type(self) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.fingerprint())

    kind: ClassVar[str]
    notation: ClassVar[str] = ""  # the format of a value on the command line, for help texts
    reads: ClassVar[str] = ""  # the key of a clean example that `simulate` reads, where it is one; a slot's `source` names another
    repeatable: ClassVar[bool] = False  # True: the flag may be repeated, and the values are merged in order

    @classmethod
    def read(cls, given: Any, *, where: str, options: Mapping[str, Any]) -> Self:
        """Parse a value from a Python object, a flag's text or JSON; GessoError naming `where` if it is invalid."""
        raise NotImplementedError

    @classmethod
    def sizes(cls, options: Mapping[str, Any]) -> PortSizes:
        """The widths of this kind's ports."""
        raise NotImplementedError

    @classmethod
    def encode(cls, values: Sequence[Self | None], frame: Frame) -> Ports:
        """Encode a batch of values as ports, without learned parameters. None is an absent value, as in drop-out and guidance."""
        raise NotImplementedError

    @classmethod
    def simulate(cls, clean: Clean, rng: np.random.Generator, budget: float, given: Any = None) -> tuple[Self | None, Truth]:
        """Simulate what a user would give for this example, with a user's inaccuracy.

        `budget` in [0, 1] is the user's effort; 0 may return None. `given` is the model's current output, if there is one: the
        simulated user then corrects its errors.
        """
        raise NotImplementedError

    @classmethod
    def given_by(
        cls, person: Person, clean: Clean, rng: np.random.Generator, given: Any = None, before: Self | None = None, turns: int = 1
    ) -> tuple[Self | None, Truth]:
        """What a person gives next for this example, to be merged into `before`, what they gave so far; None: they have nothing to add.

        `given` is the output they look at, and `turns` how often they act. The truth is that of `simulate`; where a kind has a place on
        the page it also holds `meant`, bool [h w], where this shall have an effect, and `asked`, uint8 [h w 3], what it asks for there.
        Unless a kind says otherwise, a person gives it once, as `simulate` does with their effort.
        """
        return (None, {}) if before is not None or turns < 1 else cls.simulate(clean, rng, person.effort, given=given)

    @classmethod
    def null(cls, frame: Frame, num: int = 1) -> Ports:
        return cls.encode([None] * num, frame)

    def merge(self, edit: Self) -> Self:
        """Merge a later edit into this value. The edit wins where both apply."""
        return edit

    def with_branch(self, later: Self, base: Self | None) -> Self | None:
        """This value and one of another branch, which both changed `base`; where they do not agree, `later` wins. None: nothing is left.

        Marks of repeatable kinds are joined without this (`conditions.branches`).
        """
        return later

    def check(self, page: tuple[int, int] | None, *, where: str) -> None:
        """Raise GessoError if the value does not fit a page of (height, width) pixels."""

    def fit(self, options: Mapping[str, Any], *, where: str) -> Self:
        """Adapt this value, parsed from its own JSON, to the slot's options; GessoError if that is impossible."""
        return self

    @property
    def page(self) -> tuple[int, int] | None:
        """(height, width) in pixels if this value is a page to which positions refer, else None."""
        return None

    def for_networks(self) -> Self | None:
        """The part of this value that `encode` encodes; the rules read all of it. None: nothing is encoded."""
        return self

    def fingerprint(self) -> str:
        """A hash of the value's contents. It is computed on every call, because arrays may have been written to."""
        return fingerprint(self)

    @classmethod
    def control(cls, options: Mapping[str, Any]) -> dict[str, Any]:
        """The studio's control: {"tool": its name, "schema": JSON schema of a value, and the options it needs}."""
        return {"tool": cls.kind, "schema": cls.model_json_schema()}


def fingerprint(value: Any) -> str:
    """A hash of nested values: models by class and fields, arrays by dtype, shape and values, anything else by its repr."""
    hashed = hashlib.blake2b(digest_size=16)
    for part in _parts(value):
        hashed.update(len(part).to_bytes(8, "little"))
        hashed.update(part)
    return hashed.hexdigest()


def _parts(value: Any) -> Iterator[bytes | memoryview]:
    """The bytes to hash for a value. Each container starts with its length, so that different nestings differ."""
    if isinstance(value, np.ndarray) and not value.dtype.hasobject:
        yield f"array {value.dtype.str} {value.shape}".encode()
        yield np.ascontiguousarray(value).reshape(-1).view(np.uint8).data
    elif isinstance(value, BaseModel):
        yield from _model_parts(value)
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


def _model_parts(model: BaseModel) -> Iterator[bytes | memoryview]:
    """The bytes to hash for a model. Frozen models that hash, such as one of hundreds of hints, use a cached repr."""
    if model.model_config.get("frozen") and not isinstance(model, Condition):
        with contextlib.suppress(TypeError):  # a field is unhashable, such as a list
            yield _frozen_model_part(model)
            return
    names = list(type(model).model_fields)
    yield f"model {type(model).__module__}.{type(model).__qualname__} {names}".encode()
    for name in names:
        yield from _parts(getattr(model, name, None))


@lru_cache(maxsize=8192)
def _frozen_model_part(model: BaseModel) -> bytes:
    return f"{type(model).__module__}.{type(model).__qualname__} {model!r}".encode("utf-8", "backslashreplace")
