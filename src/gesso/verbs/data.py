"""Data by name: which folders of examples are here, which recipe takes which, and how a folder of one's own is laid out."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gesso import recipes
from gesso.card import Words
from gesso.datasets.folder_check import FolderCheck, check_folder
from gesso.errors import GessoError
from gesso.storage.home import data_home

VARIABLE = "GESSO_DATA"
MOST_FILES = 100_000  # counted in one folder


@dataclass(frozen=True)
class DataFolder:
    """A folder of examples: its name for --data, its path, its number of files, and the recipes that take it."""

    name: str
    path: Path
    num_files: int
    recipes: tuple[str, ...]


@dataclass(frozen=True)
class Layout:
    """What a recipe takes: files of which patterns a folder holds, in words; "" where the recipe makes its own examples."""

    recipe: str
    patterns: tuple[str, ...]
    words: Words


def places() -> list[Path]:
    """The folders in which names are looked up: those of GESSO_DATA, then `data` in the user's folder for programs' data."""
    named = [Path(one) for one in os.environ.get(VARIABLE, "").split(os.pathsep) if one]
    return [*named, data_home() / "data"]


def find_data(given: Path | str | None) -> Path | None:
    """A folder or file of examples by its path, or by its name in one of `places`; GessoError where it is neither."""
    if given is None or Path(given).exists():
        return None if given is None else Path(given)
    name = str(given)
    if not {"/", "\\", os.sep} & set(name):
        for place in places():
            if (place / name).exists():
                return place / name
    here = ", ".join(one.name for one in folders())
    raise GessoError(
        "there is no such file or folder",
        where=given,
        fix=f"a path, or one of {here}" if here else f"a path, or a name in {VARIABLE}: gesso data",
    )


def check(folder: Path | str) -> FolderCheck:
    """Look at a folder of pictures before a training; GessoError where it holds none."""
    place = find_data(folder)
    assert place is not None
    found = check_folder(place) if place.is_dir() else None
    if found is None:
        raise GessoError("holds no picture files", where=place, fix="a folder of pictures; tables are checked when they are read")
    return found


def folders() -> Iterator[DataFolder]:
    """The folders of examples that are here."""
    layouts = list(taken())
    for place in places():
        for path in sorted(place.iterdir()) if place.is_dir() else ():
            if path.is_dir() and not path.name.startswith("."):
                fits = tuple(one.recipe for one in layouts if holds(path, one.patterns))
                yield DataFolder(path.name, path, _num_files(path), fits)


def taken() -> Iterator[Layout]:
    """What each recipe takes with --data."""
    for name in recipes.names():
        recipe = recipes.find(name)
        if recipe.layout:
            yield Layout(name, recipe.data_files, recipe.layout)


def holds(folder: Path, patterns: tuple[str, ...]) -> bool:
    """Whether a folder holds the files of one of the patterns.

    A pattern is a file's, "*.png", or those of several that are needed together, "a.gz+b.gz"; a table's may name columns that it
    has, "train.parquet:image,label".
    """
    return any(all(_holds(folder, part) for part in pattern.split("+")) for pattern in patterns)


def _holds(folder: Path, part: str) -> bool:
    files, _, columns = part.partition(":")
    found = next(folder.glob(files), None)
    return found is not None and (not columns or set(columns.split(",")) <= _columns(found))


def _columns(table: Path) -> set[str]:
    """The columns of a parquet file; none where it cannot be read, or pyarrow is not installed."""
    try:
        from pyarrow import ArrowException
        from pyarrow.parquet import read_schema
    except ImportError:
        return set()
    try:
        return set(read_schema(table).names)
    except (ArrowException, OSError):
        return set()


def _num_files(folder: Path) -> int:
    number = 0
    for _, _, names in os.walk(folder):
        number += len(names)
        if number >= MOST_FILES:
            break
    return number
