"""A recipe's card: its conditions, outputs, settings and texts. Flags, API fields and the studio's tools are generated from it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated, Any, Literal, NamedTuple, Self, get_args, get_origin

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic.fields import FieldInfo

from gesso.conditions.condition import Condition
from gesso.errors import GessoError, as_gesso_error
from gesso.media.medium import define
from gesso.number import StrictNumbers
from gesso.ports import PortSizes

Words = Mapping[str, str]  # by language: "en", "ko"
NOTE = "note."


class Wording(NamedTuple):
    """The title and the help text of one named thing, by language."""

    title: Words
    help: Words


def wordbook(text: str) -> dict[str, Wording]:
    """Parse titles and help texts by name from lines of `name | English | Korean | help in English | help in Korean`.

    A name is a condition, a setting, a setting's value as `setting.value`, or `note.` and the name of a note that the recipe's
    `finish` may return. A number with bounds may have texts for both ends and its default; with texts at both ends the studio
    shows a dial. The help columns are optional. Raises GessoError for any other line.
    """
    book: dict[str, Wording] = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        name, *words = (cell.strip() for cell in line.split("|"))
        if len(words) not in (2, 4) or not all(words) or name in book:
            raise GessoError("is name | English | Korean, or that and both helps, each name once", where=f"words: {line[:60]}")
        title, help = words[:2], words[2:]
        book[name] = Wording(dict(zip(("en", "ko"), title, strict=True)), dict(zip(("en", "ko"), help, strict=False)))
    return book


class Slot(BaseModel):
    """A named condition of a card: the name is the flag, the JSON key and the tool."""

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    kind: type[Condition]
    title: Words = {}
    help: Words = {}
    required: bool = False
    network: bool = True  # False: only the recipe's rules read it; it is not encoded into ports
    fit: bool = False  # True: only `fit` reads it, such as the picture to find a latent for; networks are not built for it
    stays: bool = False  # True: the input stays visible in the output, such as a drawn line or a protected part
    drop: float = Field(default=0.0, ge=0, le=1)  # share of training examples that omit it
    options: Mapping[str, Any] = {}
    source: str = ""  # the key of the clean example that simulated users read; "" is the kind's own
    facts: Mapping[str, str] = {}  # {option: the name of the fact about the data that gives its value}
    when: str = ""  # the name of a fact: of weights of which it is not true, this condition is left out

    def with_words(self, wording: Wording | None) -> Slot:
        """Return this slot with title and help from a wordbook, unless it has its own."""
        return (
            self if wording is None else self.model_copy(update={"title": self.title or wording.title, "help": self.help or wording.help})
        )

    def read(self, given: Any) -> Condition:
        """Parse a value from user input. Every failure of the kind's parser becomes a GessoError that names this condition."""
        with named_errors(self.name, self.kind):
            return self.kind.read(given, where=self.name, options=self.options)

    def control(self) -> dict[str, Any]:
        """What the studio draws for it; where options that only the data tell are not known yet, a form of its value."""
        known = all(option in self.options for option in self.facts)
        return self.kind.control(self.options) if known else {"tool": "form", "schema": self.kind.model_json_schema()}

    def from_json(self, value: Any) -> Condition:
        """Parse a value from its own JSON, as requests store it."""
        with named_errors(self.name, self.kind):
            return self.kind.model_validate(value).fit(self.options, where=self.name)


class Out(BaseModel):
    """A named output and its medium ("picture", "notes", "label", …), or an instance of a medium that the recipe brings.

    `role` tells the studio how to use the output. "follows": a picture [h w], nonzero where the result follows an input that was given
    elsewhere; the studio shows new such regions and offers to keep or undo them.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    medium: Annotated[str, BeforeValidator(define)]
    help: Words
    role: Literal["", "follows"] = ""


# For a setting's `json_schema_extra`: the verb that it is for. The studio shows those of other verbs not beside a picture.
FIT: dict[str, Any] = {"verb": "fit"}
FILM: dict[str, Any] = {"verb": "film"}


class Settings(StrictNumbers):
    """Settings of a generation. Recipes add fields, which become flags, API fields and sliders."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Card(BaseModel):
    """The description of a recipe that people, the command line, the API and the studio read."""

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    title: Words
    summary: Words
    conditions: tuple[Slot, ...]
    outputs: tuple[Out, ...]
    settings: type[Settings] = Settings
    words: Mapping[str, Wording] = {}  # a `wordbook` with the titles and help texts of the names above
    paper: str = ""
    licence: str = ""
    data: str = ""
    limits: Words = {}
    one_of: tuple[tuple[str, ...], ...] = ()  # groups of conditions, of each of which exactly one must be given
    numbers: tuple[str, ...] = ()  # measured results, each with its command
    example: str = ""  # a command line that works
    incomplete: bool = False  # True: of a request that is not whole yet, where what is required may still be missing

    @model_validator(mode="after")
    def _apply_words(self) -> Self:
        """Give conditions the wordbook's texts where they have none; refuse texts for unknown names."""
        values = {f"{name}.{value_name(one)}" for name, info in self.settings.model_fields.items() for one in _choices(info)}
        idle = set(self.words) - {one.name for one in self.conditions} - set(self.settings.model_fields) - values
        idle = {name for name in idle if not name.startswith(NOTE)}
        if idle:
            raise GessoError(f"{self.name} has words for unknown names: {', '.join(sorted(idle))}", where="words")
        known = {one.name for one in self.conditions}
        strange = sorted({name for group in self.one_of for name in group if name not in known})
        if strange:
            raise GessoError(f"{self.name} names unknown conditions in one_of: {', '.join(strange)}", where="one_of")
        worded = [one.with_words(self.words.get(one.name)) for one in self.conditions]
        object.__setattr__(self, "conditions", tuple(worded))  # the card is frozen from here on
        return self

    def note(self, name: str) -> Words:
        """The text of a note by language; the note's name in English where the wordbook has no text."""
        wording = self.words.get(NOTE + name)
        return wording.title if wording else {"en": name}

    def setting_words(self, name: str) -> dict[str, Any]:
        """A setting's texts: {"title", "help": by language, "choices": {value's name: by language}}, without empty entries."""
        info, wording = self.settings.model_fields[name], self.words.get(name)
        help = wording.help if wording and wording.help else {"en": info.description} if info.description else {}
        choices = {one: book.title for one in map(value_name, _choices(info)) if (book := self.words.get(f"{name}.{one}"))}
        parts = {"title": wording.title if wording else {}, "help": help, "choices": choices}
        return {key: value for key, value in parts.items() if value}

    def settings_schema(self) -> dict[str, Any]:
        """The JSON schema of the settings; each field has its `words`, and its English help as `description`."""
        schema = self.settings.model_json_schema()
        for name, field in schema.get("properties", {}).items():
            field["words"] = words = self.setting_words(name)
            if help := words.get("help", {}).get("en"):
                field["description"] = help
        return schema

    def with_facts(self, facts: Mapping[str, Any]) -> Card:
        """This card with the options and the conditions that facts about the data or the weights give. GessoError for a missing fact."""
        missing = sorted({fact for s in self.conditions for fact in s.facts.values() if fact not in facts})
        if missing:
            raise GessoError(f"the weights do not say {', '.join(missing)}", where=self.name, fix="train them again, or give others")
        filled = (
            s.model_copy(update={"options": {**s.options, **{option: facts[fact] for option, fact in s.facts.items()}}})
            for s in self.conditions
            if not s.when or facts.get(s.when)
        )
        return self.model_copy(update={"conditions": tuple(filled)})

    def for_generating(self) -> Card:
        """This card without the conditions that only a fit reads."""
        kept = tuple(slot for slot in self.conditions if not slot.fit)
        return self if len(kept) == len(self.conditions) else self.model_copy(update={"conditions": kept})

    def for_parts(self) -> Card:
        """This card for a request that is not whole yet: nothing is required, and of each group in `one_of` at most one is given."""
        return self.model_copy(update={"incomplete": True})

    def _check_groups(self, values: Collection[str]) -> None:
        """GessoError where not exactly one condition of a group is given."""
        for group in self.one_of:
            given = [name for name in group if name in values]
            if len(given) > 1 or not (given or self.incomplete):
                what = f"{' and '.join(given)} exclude each other" if given else f"{self.name} needs one of {', '.join(group)}"
                raise GessoError(what, where=(given or group)[0], fix=f"give exactly one of {', '.join(group)}")

    def slot(self, name: str) -> Slot:
        for slot in self.conditions:
            if slot.name == name:
                return slot
        known = ", ".join(s.name for s in self.conditions)
        raise GessoError(f"{self.name} has no condition {name!r}", where=name, fix=f"one of {known}")

    def port_sizes(self) -> PortSizes:
        """The widths of the joined ports that a network of this card receives."""
        return sum((s.kind.sizes(s.options) for s in self.conditions if s.network and not s.fit), PortSizes())

    def read(self, given: Mapping[str, Any]) -> dict[str, Condition]:
        """Parse the conditions' values from user input by name. GessoError for unknown names, missing required ones and invalid values."""
        values: dict[str, Condition] = {}
        for name, value in given.items():
            slot = self.slot(name)
            if value is None:
                continue
            several = value if slot.kind.repeatable and isinstance(value, (list, tuple)) else [value]
            for one in several:
                new = one if isinstance(one, slot.kind) else slot.read(one)
                with named_errors(name, slot.kind):  # the merged value may exceed the kind's limits
                    values[name] = values[name].merge(new) if name in values else new
        missing = [s.name for s in self.conditions if s.required and s.name not in values]
        if missing and not self.incomplete:
            raise GessoError(f"{self.name} needs {' and '.join(missing)}", where=missing[0], fix=self.example or None)
        self._check_groups(values)
        page = next((v.page for s in self.conditions if (v := values.get(s.name)) is not None and v.page), None)
        for name, value in values.items():
            value.check(page, where=name)
        return {s.name: values[s.name] for s in self.conditions if s.name in values}


def value_name(value: Any) -> str:
    """The name of a setting's value in wordbooks, in JSON and on the page: "1" for 1.0."""
    return f"{value:g}" if isinstance(value, float) else str(value)


def _choices(info: FieldInfo) -> tuple[Any, ...]:
    """The values of a Literal; for a number, the ends of its range and its default."""
    if get_origin(info.annotation) is Literal:
        return get_args(info.annotation)
    if info.annotation not in (int, float):
        return ()
    ends = [getattr(one, end) for one in info.metadata for end in ("ge", "le") if getattr(one, end, None) is not None]
    return tuple(dict.fromkeys([*ends, *([] if info.is_required() else [info.default])]))


@contextmanager
def named_errors(name: str, kind: type[Condition]) -> Iterator[None]:
    """Convert any exception that a kind's parser raises for malformed input into a GessoError."""
    try:
        yield
    except GessoError:
        raise
    except ValidationError as error:
        wrong = as_gesso_error(error)
        raise GessoError(wrong.what, where=f"{name}.{wrong.where}", fix=wrong.fix) from None
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError) as error:
        raise GessoError(f"is not a valid {kind.kind} ({type(error).__name__}: {error})", where=name) from error
