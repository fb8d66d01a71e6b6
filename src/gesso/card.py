"""What a recipe says of itself; the flags, the API's fields and the studio's tools are made from this."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gesso.conditions.condition import Condition
from gesso.errors import GessoError
from gesso.ports import PortSizes

Words = Mapping[str, str]  # by language: "en", "ko"


class Slot(BaseModel):
    """A named condition: the name is the flag, the JSON key and the tool."""

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    kind: type[Condition]
    help: Words
    required: bool = False
    network: bool = True  # False: hard rules alone read it, no port is made of it
    drop: float = Field(default=0.0, ge=0, le=1)  # how often training leaves it out
    options: Mapping[str, Any] = {}

    def read(self, given: Any) -> Condition:
        """A value from what came in; whatever the kind's own reading stumbles over is a GessoError that names this condition."""
        with named_errors(self.name, self.kind):
            return self.kind.read(given, where=self.name, options=self.options)

    def from_json(self, value: Any) -> Condition:
        """A value from the JSON of a value, as it is written into requests."""
        with named_errors(self.name, self.kind):
            return self.kind.model_validate(value).fit(self.options, where=self.name)


class Out(BaseModel):
    """A named output and its medium ("picture", "pieces", "label", …)."""

    model_config = ConfigDict(frozen=True)

    name: str
    medium: str
    help: Words


class Settings(BaseModel):
    """How to make it; recipes add their own fields, which become flags, API fields and sliders."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Card(BaseModel):
    """One page about a recipe, read by people, the command line, the API and the studio."""

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    title: Words
    summary: Words
    conditions: tuple[Slot, ...]
    outputs: tuple[Out, ...]
    settings: type[Settings] = Settings
    paper: str = ""
    licence: str = ""
    data: str = ""
    limits: Words = {}
    numbers: tuple[str, ...] = ()  # measured, each with its command
    example: str = ""  # a command line that shows it

    def slot(self, name: str) -> Slot:
        for slot in self.conditions:
            if slot.name == name:
                return slot
        known = ", ".join(s.name for s in self.conditions)
        raise GessoError(f"{self.name} has no condition {name!r}", where=name, fix=f"one of {known}")

    def port_sizes(self) -> PortSizes:
        """How wide a network's joined inputs are."""
        return sum((s.kind.sizes(s.options) for s in self.conditions if s.network), PortSizes())

    def read(self, given: Mapping[str, Any]) -> dict[str, Condition]:
        """Conditions' values from what came in by name; unknown names, missing required ones and misfits are GessoErrors."""
        values: dict[str, Condition] = {}
        for name, value in given.items():
            slot = self.slot(name)
            if value is None:
                continue
            several = value if slot.kind.repeatable and isinstance(value, (list, tuple)) else [value]
            for one in several:
                new = one if isinstance(one, slot.kind) else slot.read(one)
                with named_errors(name, slot.kind):  # together they may be more than the kind takes
                    values[name] = values[name].merge(new) if name in values else new
        missing = [s.name for s in self.conditions if s.required and s.name not in values]
        if missing:
            raise GessoError(f"{self.name} needs {' and '.join(missing)}", where=missing[0], fix=self.example or None)
        page = next((v.page for s in self.conditions if (v := values.get(s.name)) is not None and v.page), None)
        for name, value in values.items():
            value.check(page, where=name)
        return {s.name: values[s.name] for s in self.conditions if s.name in values}


@contextmanager
def named_errors(name: str, kind: type[Condition]) -> Iterator[None]:
    """Turn what a kind's reading raises for input that it took for granted into a GessoError."""
    try:
        yield
    except GessoError:
        raise
    except ValidationError as error:
        wrong = readable(error)
        raise GessoError(wrong.what, where=f"{name}.{wrong.where}") from None
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError) as error:
        raise GessoError(f"is no {kind.kind} ({type(error).__name__}: {error})", where=name) from error


def readable(error: ValidationError) -> GessoError:
    """A validation error as one sentence: the field, what is wrong, what was given."""
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"]) or "value"
    given = repr(first.get("input"))
    return GessoError(f"{first['msg'].removeprefix('Value error, ')}, not {given if len(given) < 60 else given[:57] + '…'}", where=where)
