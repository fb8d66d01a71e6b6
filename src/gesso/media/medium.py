"""Medium: what a kind of output is as a value, as files, as a thumbnail, and which module of the studio shows it.

A medium is a file of this folder that defines `MEDIUM`, under the name that cards use in `Out.medium`. Media are found, not listed.
Installed packages offer more under the entry point `gesso.media` (a module with `MEDIUM`), and a card may give an instance as
`Out.medium` (`define`). An output whose medium is none of these is a plain value: it goes into JSON.
"""

from __future__ import annotations

import importlib.util
import os
import pkgutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from gesso.errors import GessoError
from gesso.media.budget import DEFAULT, Budget
from gesso.media.density import Dpi
from gesso.media.file import printable, write_atomic

if TYPE_CHECKING:
    import numpy as np

SIDECAR = ".gesso.json"  # added to the name of a file that cannot hold its own record
OTHER_TYPES = {".json": "application/json", ".c2pa": "application/c2pa", ".safetensors": "application/octet-stream"}


@dataclass(frozen=True)
class Carried:
    """What a file carries beside its content: the `record`'s JSON and the `parameters` that other programs show; None in a clean copy."""

    record: str | None = None
    parameters: str | None = None
    dpi: Dpi | None = None
    options: Mapping[str, Any] = field(default_factory=dict)  # of the medium's writer, such as a film's frame rate


class Writer(Protocol):
    """Writes one file in parts. Nothing of it is complete before `close`; `abandon` removes or closes what there is, after an error."""

    def append(self, chunk: Any) -> None: ...

    def close(self) -> None: ...

    def abandon(self) -> None: ...


class Medium:
    """A kind of output. The class itself is the medium of plain values."""

    name: ClassVar[str] = "value"
    endings: ClassVar[Mapping[str, str]] = {}  # {".png": "image/png"}: the files that it is written to, the usual one first
    inputs: ClassVar[frozenset[str]] = frozenset()  # the endings of files that `decode` reads
    viewer: ClassVar[str] = "value"  # how the studio shows it: the page lists which of its viewers has this name
    sidecar: ClassVar[bool] = False  # True: the record lies in a file beside, because the format has no place for it
    on_request: ClassVar[bool] = False  # True: a server encodes its files when they are asked for, and stores none
    streamed: ClassVar[bool] = False  # True: files may be larger than the memory, and `record_at` reads them in place
    digested: ClassVar[bool] = True  # False: the hash in a record is not that of what `decode` returns
    exact: ClassVar[bool] = True  # False: files lose some of the value, so `decode` gives another one than `content`
    usual: ClassVar[bool] = False  # True: offered before others where a client accepts several
    budget: ClassVar[Budget] = DEFAULT  # the limits of one file

    def of(self, value: Any) -> Any:
        """A network's tensor, of one item or [1 …], as this medium's value; anything else unchanged."""
        return value

    def check(self, value: Any, *, where: str, recipe: str) -> None:
        """Raise GessoError where a recipe's value is not this medium's."""

    def is_value(self, value: Any) -> bool:
        """Whether this medium's files and thumbnails can be made of the value."""
        return True

    def page(self, value: Any) -> tuple[int, ...]:
        """The (height, width) of a value that is a page of pixels, for its resolution."""
        return tuple(getattr(value, "shape", ())[:2])

    def in_json(self, value: Any) -> Any:
        """The value inside a result's JSON. NotImplemented: as a plain value."""
        return NotImplemented

    def encode(self, value: Any, ending: str, carried: Carried) -> bytes:
        """A whole file. Raises GessoError for a value that cannot be written."""
        raise GessoError(f"{self.name} is not written as {ending}", where="--out", fix="save it as .json")

    def writer(self, path: Path, carried: Carried) -> Writer:
        """A writer of a file at `path`, whose ending is one of `endings`."""
        return WholeFile(self, path, carried)

    def carries(self, data: bytes) -> str:
        """The name of the file format that these first bytes begin, if it is this medium's and can hold a record; else ""."""
        return ""

    def record_in(self, data: bytes, *, where: str) -> str | None:
        """The record's text in a file; None where there is none, GessoError where the file is damaged."""
        return None

    def record_at(self, path: Path) -> str | None:
        """As `record_in`, for a file on the disk of a `streamed` medium."""
        raise NotImplementedError(self.name)

    def decode(self, data: bytes, *, where: str, budget: Budget | None = None) -> Any:
        """The value in a file from an untrusted source, within the budget. Servers call it in a process with limits."""
        raise GessoError(f"{self.name} cannot be read from a file", where=where)

    def content(self, value: Any) -> Any:
        """What `decode` gives for a file that holds the value."""
        return value

    def thumb(self, value: Any) -> np.ndarray | None:
        """A uint8 picture of the value, of any size; None where there is nothing to look at."""
        return None


class WholeFile:
    """The writer of a medium whose files are encoded as a whole: it takes one chunk, and `close` writes it atomically."""

    def __init__(self, medium: Medium, path: Path, carried: Carried) -> None:
        self._medium, self._path, self._carried = medium, path, carried
        self._chunks: list[Any] = []

    def append(self, chunk: Any) -> None:
        self._chunks.append(chunk)

    def close(self) -> None:
        if len(self._chunks) != 1:
            raise GessoError(f"{self._path.suffix} holds one {self._medium.name}, not {len(self._chunks)}", where=printable(self._path))
        data = self._medium.encode(self._chunks[0], self._path.suffix.lower(), self._carried)
        if self._medium.sidecar and self._carried.record is not None:
            write_atomic(sidecar_of(self._path), self._carried.record.encode())
        write_atomic(self._path, data)

    def abandon(self) -> None:
        self._chunks.clear()


def sidecar_of(path: str | os.PathLike[str]) -> Path:
    """The path of the record beside a file."""
    return Path(os.fspath(path) + SIDECAR)


def medium(name: str) -> Medium:
    """The medium of an output by its name on the card."""
    return _own.get(name) or _found(name) or VALUE


def media() -> Iterator[Medium]:
    """All media: the usual one first, then by name."""
    every = {one.name: one for name in _names() if (one := _listed(name)) is not None} | _own
    return iter(sorted(every.values(), key=lambda one: (not one.usual, one.name)))


def define(given: Medium | str) -> str:
    """The name of a medium, which is added to those that are known if it is an instance.

    GessoError where another medium has its name or writes files of one of its endings.
    """
    if isinstance(given, str):
        return given
    known = _own.get(given.name) or _found(given.name)
    if known is not None and _label(known) != _label(given):
        raise GessoError(f"there is another medium {given.name!r}", where="medium", fix="choose another name")
    taken = next((one for one in media() if one.name != given.name and set(one.endings) & set(given.endings)), None)
    if taken is not None:
        shared = next(ending for ending in given.endings if ending in taken.endings)
        raise GessoError(f"{shared} files are of the medium {taken.name!r}", where="medium", fix="choose another ending")
    if known is None:
        _own[given.name] = given
    return given.name


def medium_of_file(path: object) -> Medium | None:
    """The first medium that is written to files of this name's ending."""
    ending = Path(str(path)).suffix.lower()
    return next((one for one in media() if ending in one.endings), None)


def budget_of(path: object) -> Budget:
    """The limits of a file by the ending of its name, before it is opened."""
    found = medium_of_file(path)
    return DEFAULT if found is None else found.budget


def endings_of(names: Iterable[str]) -> list[str]:
    """The endings of the files that outputs of these media are written to, the first medium's first."""
    return list(dict.fromkeys(ending for name in names for ending in medium(name).endings))


def content_type(ending: str) -> str:
    """The MIME type of a file by its ending (with the dot)."""
    found = next((one.endings[ending] for one in media() if ending in one.endings), None)
    return found or OTHER_TYPES.get(ending, "application/octet-stream")


def carrier(data: bytes) -> Medium | None:
    """The medium of a file that can hold a record, by its first bytes."""
    return next((one for one in media() if one.carries(data)), None)


@cache
def _names() -> list[str]:
    """The names under which a medium is found: files here whose text says `MEDIUM = `, so that no other is imported; installed ones."""
    here = [one.name for one in pkgutil.iter_modules([os.path.dirname(__file__)])]
    return [*(name for name in here if "\nMEDIUM = " in (_spec(name).loader.get_source(f"{__package__}.{name}") or "")), *_installed()]


@cache
def _installed() -> dict[str, EntryPoint]:
    return {one.name: one for one in entry_points(group="gesso.media")}


@cache
def _found(name: str) -> Medium | None:
    """The medium that a file of this folder or an installed package defines under this name."""
    if name.isidentifier() and _spec(name) is not None:
        module = import_module(f"{__package__}.{name}")
    elif name in _installed():
        try:
            module = _installed()[name].load()
        except Exception as error:
            raise GessoError(f"the medium {name!r} cannot be read: {type(error).__name__}: {error}", where="gesso.media") from error
    else:
        return None
    found = getattr(module, "MEDIUM", None)
    return found if isinstance(found, Medium) and found.name == name else None


def _spec(name: str) -> Any:
    return importlib.util.find_spec(f"{__package__}.{name}")


def _listed(name: str) -> Medium | None:
    """As `_found`, but None where a package is broken, which must not disable other media."""
    try:
        return _found(name)
    except GessoError:
        return None


def _label(one: Medium) -> tuple[str, str]:
    return type(one).__module__, type(one).__qualname__


VALUE = Medium()
_own: dict[str, Medium] = {}
