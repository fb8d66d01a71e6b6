"""Whole pictures from a parquet table: one column of encoded pictures, and where there is one, a column of classes.

A table val.parquet beside train.parquet holds the held-out pictures. Without it, and for "dev", rows are held out by a hash of their
cluster (near-equal pictures) or of their picture, so that they stay held out when rows are added.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gesso.datasets.picture_files import DEV_EVERY, VAL_EVERY
from gesso.errors import GessoError, MissingExtra

PICTURE_COLUMNS = ("image", "color", "flat", "picture")
CLASS_COLUMNS = ("label", "group", "class")
USUAL_COLUMNS = (*PICTURE_COLUMNS, *CLASS_COLUMNS, "cluster", "flag", "licence")
MOST_BYTES = 2 << 30


@dataclass(frozen=True)
class PictureRows:
    """Encoded pictures of one split, the class name of each (empty without classes), the file they come from and their licence.

    `names` are the classes of all training pictures, sorted.
    """

    pictures: Sequence[bytes]
    classes: Sequence[str]
    names: Sequence[str]
    file: Path
    licence: str


def table_in(folder: Path) -> Path | None:
    """The table of training pictures in a folder: train.parquet, or its only parquet file."""
    tables = sorted(folder.glob("*.parquet"))
    return next((one for one in tables if one.name == "train.parquet"), tables[0] if len(tables) == 1 else None)


def picture_rows(table: Path, split: str) -> PictureRows:
    """The pictures of a split of the table at `table`. GessoError where it has no column of pictures."""
    apart = table.with_name("val.parquet")
    given = table.name == "train.parquet" and apart.is_file()
    file = apart if given and split == "val" else table
    columns = read_columns(file)
    name = next((one for one in PICTURE_COLUMNS if one in columns), None)
    if name is None:
        what = f"has columns {', '.join(sorted(columns))[:160]}"
        raise GessoError(
            what, where=file, fix=f"a column of encoded pictures, named {', '.join(PICTURE_COLUMNS[:-1])} or {PICTURE_COLUMNS[-1]}"
        )
    pictures = [cell["bytes"] if isinstance(cell, dict) else cell for cell in columns[name]]
    bad = next((i for i, cell in enumerate(pictures) if not isinstance(cell, bytes)), None)
    if bad is not None:
        raise GessoError("is not a picture's bytes", where=f"{file}, row {bad}, column {name}")
    keys = columns.get("cluster") or pictures
    flags = columns.get("flag") or [False] * len(pictures)
    mine = [i for i, key in enumerate(keys) if not flags[i] and ((given and split == "val") or part_of(key, given) == split)]
    kind = next((one for one in CLASS_COLUMNS if one in columns), None)
    classes = [str(columns[kind][i]) for i in mine] if kind else [""] * len(mine)
    all_rows = read_columns(table, CLASS_COLUMNS) if file != table else columns
    names = sorted({str(one) for one in all_rows.get(kind or "", ())}) or [""]
    licences = sorted({str(columns["licence"][i]) for i in mine}) if "licence" in columns else ["as the table says"]
    return PictureRows([pictures[i] for i in mine], classes, names, file, ", ".join(licences))


def part_of(key: Any, val_given: bool) -> str:
    """The split of a row by its cluster or picture; with a table of its own for "val", the others are "train" and "dev"."""
    number = int(hashlib.sha256(key if isinstance(key, bytes) else str(key).encode()).hexdigest(), 16)
    if number % VAL_EVERY == 0 and not val_given:
        return "val"
    return "dev" if number // VAL_EVERY % DEV_EVERY == 0 else "train"


def read_columns(file: Path, wanted: Sequence[str] = USUAL_COLUMNS) -> dict[str, list[Any]]:
    """The wanted columns of a parquet table; where it has none of them, its columns' names without rows. GessoError for a broken file."""
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise MissingExtra("pyarrow", "data", purpose="reading a parquet table") from None
    try:
        table = parquet.ParquetFile(file)
        facts = table.metadata
        if sum(facts.row_group(i).total_byte_size for i in range(facts.num_row_groups)) > MOST_BYTES:
            raise GessoError("would unpack to more than 2 GB", where=file, fix="a smaller table")
        found = set(table.schema_arrow.names)
        columns = [name for name in table.schema_arrow.names if name in wanted] or sorted(found)[:1]
        rows: dict[str, list[Any]] = table.read(columns=columns).to_pydict()
    except (pyarrow.ArrowException, OSError, MemoryError) as error:
        raise GessoError(f"cannot be read as parquet: {str(error).splitlines()[0][:120]}", where=file, fix="a parquet table") from None
    return rows if set(rows) & set(wanted) else {name: [] for name in sorted(found)}
