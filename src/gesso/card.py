"""What a recipe says of itself; the flags, the API's fields and the studio's tools are made from this."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal, NamedTuple, Self, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic.fields import FieldInfo

from gesso.conditions.condition import Condition
from gesso.errors import GessoError, readable
from gesso.number import Exact
from gesso.ports import PortSizes

Words = Mapping[str, str]  # by language: "en", "ko"
NOTE = "note."


class Said(NamedTuple):
    """What a thing is called, and what it is, by language."""

    title: Words
    help: Words


def wordbook(text: str) -> dict[str, Said]:
    """Words by name from lines of `name | English | Korean | help in English | help in Korean`.

    A name is a condition's, a setting's, a setting's value as `setting.value`, or `note.` and the name of a note that the
    recipe's finish may give. Of a number that has bounds, both ends and the default may have words: with words at both ends it is
    a dial. Help may be left out. GessoError where a line is none of these.
    """
    book: dict[str, Said] = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        name, *words = (cell.strip() for cell in line.split("|"))
        if len(words) not in (2, 4) or not all(words) or name in book:
            raise GessoError("is name | English | Korean, or that and both helps, each name once", where=f"words: {line[:60]}")
        title, help = words[:2], words[2:]
        book[name] = Said(dict(zip(("en", "ko"), title, strict=True)), dict(zip(("en", "ko"), help, strict=False)))
    return book


class Slot(BaseModel):
    """A named condition: the name is the flag, the JSON key and the tool."""

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    kind: type[Condition]
    title: Words = {}
    help: Words = {}
    required: bool = False
    network: bool = True  # False: hard rules alone read it, no port is made of it
    stays: bool = False  # what was given is still seen in what is made: a drawn line, a part that is kept
    drop: float = Field(default=0.0, ge=0, le=1)  # how often training leaves it out
    options: Mapping[str, Any] = {}

    def told(self, said: Said | None) -> Slot:
        """The same with the words of a book, where it brings none of its own."""
        return self if said is None else self.model_copy(update={"title": self.title or said.title, "help": self.help or said.help})

    def read(self, given: Any) -> Condition:
        """A value from what came in; whatever the kind's own reading stumbles over is a GessoError that names this condition."""
        with named_errors(self.name, self.kind):
            return self.kind.read(given, where=self.name, options=self.options)

    def from_json(self, value: Any) -> Condition:
        """A value from the JSON of a value, as it is written into requests."""
        with named_errors(self.name, self.kind):
            return self.kind.model_validate(value).fit(self.options, where=self.name)


class Out(BaseModel):
    """A named output and its medium ("picture", "pieces", "label", …).

    `role` is what the studio uses it for. "follows": a picture [h w], nonzero in pieces that took the colour of a mark placed elsewhere.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    medium: str
    help: Words
    role: Literal["", "follows"] = ""


class Settings(Exact):
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
    words: Mapping[str, Said] = {}  # a `wordbook`: titles and help of what is named above
    paper: str = ""
    licence: str = ""
    data: str = ""
    limits: Words = {}
    numbers: tuple[str, ...] = ()  # measured, each with its command
    example: str = ""  # a command line that shows it

    @model_validator(mode="after")
    def _worded(self) -> Self:
        """Conditions take their words from the book, where they bring none."""
        values = {f"{name}.{value_name(one)}" for name, info in self.settings.model_fields.items() for one in _choices(info)}
        idle = set(self.words) - {one.name for one in self.conditions} - set(self.settings.model_fields) - values
        idle = {name for name in idle if not name.startswith(NOTE)}
        if idle:
            raise GessoError(f"{self.name} has words for {', '.join(sorted(idle))}, which it does not have", where="words")
        told = [one.told(self.words.get(one.name)) for one in self.conditions]
        object.__setattr__(self, "conditions", tuple(told))  # the card is frozen from here on
        return self

    def note(self, name: str) -> Words:
        """What a note says, by language; its name where there are no words for it."""
        said = self.words.get(NOTE + name)
        return said.title if said else {"en": name}

    def setting_words(self, name: str) -> dict[str, Any]:
        """{"title", "help": by language, "choices": {value's name: by language}} of a setting, as far as there are words."""
        info, said = self.settings.model_fields[name], self.words.get(name)
        help = said.help if said and said.help else {"en": info.description} if info.description else {}
        choices = {one: book.title for one in map(value_name, _choices(info)) if (book := self.words.get(f"{name}.{one}"))}
        parts = {"title": said.title if said else {}, "help": help, "choices": choices}
        return {key: value for key, value in parts.items() if value}

    def settings_schema(self) -> dict[str, Any]:
        """The settings' JSON schema, each field with its `words` and its English help as description."""
        schema = self.settings.model_json_schema()
        for name, field in schema.get("properties", {}).items():
            field["words"] = words = self.setting_words(name)
            if help := words.get("help", {}).get("en"):
                field["description"] = help
        return schema

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


def value_name(value: Any) -> str:
    """What a setting's value is called in a wordbook, in JSON and on the page: 1 for 1.0."""
    return f"{value:g}" if isinstance(value, float) else str(value)


def _choices(info: FieldInfo) -> tuple[Any, ...]:
    """The values of a Literal; of a number the ends of its range, and what it is by default."""
    if get_origin(info.annotation) is Literal:
        return get_args(info.annotation)
    if info.annotation not in (int, float):
        return ()
    ends = [getattr(one, end) for one in info.metadata for end in ("ge", "le") if getattr(one, end, None) is not None]
    return tuple(dict.fromkeys([*ends, *([] if info.is_required() else [info.default])]))


@contextmanager
def named_errors(name: str, kind: type[Condition]) -> Iterator[None]:
    """Turn what a kind's reading raises for input that it took for granted into a GessoError."""
    try:
        yield
    except GessoError:
        raise
    except ValidationError as error:
        wrong = readable(error)
        raise GessoError(wrong.what, where=f"{name}.{wrong.where}", fix=wrong.fix) from None
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError) as error:
        raise GessoError(f"is no {kind.kind} ({type(error).__name__}: {error})", where=name) from error
