"""Simulated people: how sure a hand is, what it does first and when it stops. Declared once, for every kind of condition.

A person is a handful of numbers, and knows no condition. What they mean is said by each kind of condition itself (`Condition.given_by`).
The library has a few people; others come from a TOML or JSON file, or from an installed package under the entry point `gesso.people`.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from importlib.metadata import entry_points
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, ValidationError

from gesso.errors import GessoError, as_gesso_error
from gesso.media.file import parse_json, read_bytes
from gesso.number import StrictNumbers, Whole

MAX_BYTES = 1 << 20
GROUP = "gesso.people"
OWN = "own"  # among the people of a training: the conditions' own simulated users
Share = Annotated[float, Field(ge=0, le=1)]


class Person(StrictNumbers):
    """How someone steers. Lengths are shares of the page's longer side, colours are levels of 0 to 255.

    aim: where in a piece they click: 0 anywhere up to its edge, 1 only in its middle.
    wobble: the standard deviation of their hand.  pen: the radius of their pen.
    strokes: the share of marks that are strokes, and not dots.  length: a stroke's length, as a share of the piece's.
    off_colour: how far a colour is from the one they want (standard deviation of each channel).  miss: the share of marks beside the piece.
    order: what they put right first: the "worst" piece, the "largest" that is wrong, or "any" that is.
    a_look: how many marks they make before they look again.  content: the error, in levels, that no longer bothers them.
    patience: after how many actions they stop.  undo: how often they undo what made it worse.
    effort: the `budget` of kinds that simulate a user by it.  wants_other: in how many examples of a training they want other colours.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[a-z][a-z0-9_-]{0,39}$")
    about: Mapping[Literal["en", "ko"], str] = {}
    aim: Share = 0.6
    wobble: float = Field(default=0.006, ge=0, le=0.2)
    pen: float = Field(default=0.02, gt=0, le=0.2)
    strokes: Share = 0.3
    length: float = Field(default=0.5, ge=0, le=2)
    off_colour: float = Field(default=4, ge=0, le=100)
    miss: Share = 0.02
    order: Literal["worst", "largest", "any"] = "worst"
    a_look: Whole = Field(default=1, ge=1, le=20)
    content: float = Field(default=16, ge=0, le=255)
    patience: Whole = Field(default=10, ge=1, le=100)
    undo: Share = 0.5
    effort: Share = 0.7
    wants_other: Share = 0.45


LIBRARY: Mapping[str, Person] = {
    person.name: person
    for person in (
        Person(
            name="novice",
            about={
                "en": "clicks anywhere in a piece that is wrong, and seldom undoes",
                "ko": "틀린 곳이면 아무 데나 찍고, 되돌리기는 잘 쓰지 않습니다",
            },
            aim=0.3, wobble=0.012, pen=0.03, strokes=0.5, off_colour=8, miss=0.06,
            order="any", content=24, undo=0.3, effort=0.5,
        ),
        Person(
            name="expert",
            about={
                "en": "the worst piece first, in its middle, and undoes what did not help",
                "ko": "가장 틀린 곳의 가운데부터 고치고, 도움이 안 되면 되돌립니다",
            },
            aim=0.8, wobble=0.003, pen=0.015, strokes=0.15, off_colour=2, miss=0.005,
            content=12, undo=0.9, effort=1,
        ),
        Person(
            name="sloppy",
            about={"en": "long strokes that leave the piece, and a colour that is only near", "ko": "선을 넘는 긴 획, 대충 비슷한 색"},
            aim=0, wobble=0.03, pen=0.035, strokes=0.8, length=1, off_colour=14, miss=0.15,
            order="largest", content=30, undo=0.2,
        ),
        Person(
            name="exact",
            about={
                "en": "a dot in the middle of the worst piece, in exactly the right colour",
                "ko": "가장 틀린 곳 한가운데에 정확한 색으로 점 하나",
            },
            aim=1, wobble=0, pen=0.01, strokes=0, off_colour=0, miss=0,
            content=6, undo=1, effort=1,
        ),
        Person(
            name="patient",
            about={"en": "goes on until nearly nothing is wrong", "ko": "틀린 곳이 거의 없을 때까지 계속합니다"},
            content=6, patience=20, undo=0.8, effort=0.9,
        ),
        Person(
            name="hasty",
            about={"en": "three marks between looks, and soon content", "ko": "세 번 찍고 한 번 보며, 금방 만족합니다"},
            aim=0.3, wobble=0.015, pen=0.03, off_colour=6, miss=0.08, a_look=3,
            content=40, patience=4, undo=0.1, effort=0.3,
        ),
    )
}  # fmt: skip


def people(given: str | Path | Person | Iterable[Any] | None = None) -> tuple[Person, ...]:
    """The people that are named: of the library, of a TOML or JSON file, of an installed package. None: all of the library.

    `given` is a Person, a name, a file's path, several with commas between, or a list of any of these. GessoError for what is none of
    them, and where two people share a name.
    """
    if given is None:
        return tuple(LIBRARY.values())
    if isinstance(given, (str, Path)):
        parts: list[Any] = [part.strip() for part in str(given).split(",")]
        found = [one for part in parts if part for one in _named(part)]
    elif isinstance(given, Person):
        found = [given]
    elif isinstance(given, Iterable):
        found = [one for part in given for one in people(part)]
    else:
        raise GessoError(f"is a {type(given).__name__}, not people", where="--people", fix="names, or the path of a file")
    names = [one.name for one in found]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise GessoError(f"there are two people called {twice!r}", where="--people", fix="give each a name of its own")
    if not found:
        raise GessoError("there is no name in it", where="--people", fix="one or more of " + ", ".join(known()))
    return tuple(found)


def trainers(given: Any) -> tuple[Person | None, ...]:
    """The people who give the conditions in a training, as `people` reads them; "own" is None, the conditions' own simulated users.

    None: no person is named, and only the conditions' own simulate.
    """
    if given is None:
        return ()
    several = isinstance(given, Iterable) and not isinstance(given, (str, Person))
    parts = list(given) if several else [part.strip() for part in given.split(",")] if isinstance(given, str) else [given]
    others = [part for part in parts if part != OWN]
    found: tuple[Person | None, ...] = people(others) if others or OWN not in parts else ()
    return (*found, *([None] if OWN in parts else []))


def known() -> list[str]:
    """The names of the library's people and of those that installed packages offer."""
    return sorted({*LIBRARY, *(entry.name for entry in entry_points(group=GROUP))})


def _named(text: str) -> list[Person]:
    if text.lower().endswith((".toml", ".json")):
        return from_file(Path(text))
    if text in LIBRARY:
        return [LIBRARY[text]]
    offered = [entry for entry in entry_points(group=GROUP) if entry.name == text]
    if not offered:
        fix = "one of " + ", ".join(known()) + ", or a .toml or .json file that declares one"
        raise GessoError(f"there is no person {text!r}", where="--people", fix=fix)
    try:
        loaded = offered[0].load()
    except Exception as error:
        raise GessoError(f"could not be loaded: {type(error).__name__}: {error}", where=f"{GROUP}: {text}") from error
    return [loaded if isinstance(loaded, Person) else read_person(loaded, where=f"{GROUP}: {text}")]


def from_file(path: Path) -> list[Person]:
    """The people of a file: one as a table of its fields, or several under the key `people`."""
    data = read_bytes(path, MAX_BYTES, where=str(path))
    try:
        text = data.decode("utf-8")
        told = parse_json(text, where=str(path)) if path.suffix.lower() == ".json" else tomllib.loads(text)
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise GessoError(f"cannot be read: {error}", where=path, fix='name = "me", aim = 0.4, …') from None
    several = told.get("people") if isinstance(told, Mapping) and "people" in told else [told]
    if not isinstance(several, list) or not several or (isinstance(told, Mapping) and "people" in told and len(told) > 1):
        raise GessoError("people is a list of tables, and stands alone", where=path, fix='[[people]]\nname = "me"')
    return [read_person(one, where=str(path)) for one in several]


def read_person(given: Any, *, where: str) -> Person:
    """A person from a mapping of its fields; GessoError that names the wrong field."""
    if not isinstance(given, Mapping):
        raise GessoError(f"a person is a table of fields, not {type(given).__name__}", where=where, fix='name = "me", aim = 0.4')
    if unknown := [str(name) for name in given if name not in Person.model_fields]:
        fields = ", ".join(Person.model_fields)
        raise GessoError(f"a person has no {unknown[0]!r}", where=where, fix=f"one of {fields}")
    try:
        return Person.model_validate(dict(given))
    except ValidationError as error:
        wrong = as_gesso_error(error)
        raise GessoError(wrong.what, where=f"{where}: {wrong.where}", fix=wrong.fix) from None
