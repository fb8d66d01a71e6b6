"""Pictures with captions: tables, a folder of files with a text for each, or made-up shapes.

A table has a column of encoded pictures, one of texts (`annotation`, `caption`, `text` or `name`) and may have `tags`. A folder of
files has NAME.txt beside a picture, or metadata.csv or captions.csv with the columns file_name and text. A folder of such folders is
all of them together. Held out are, as in `picture_table` and `picture_files`, val.parquet or a share by hash. Captions in more languages
come from Unicode's names of emoji (`emoji_names`), where a folder `cldr` lies beside or inside.
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from gesso.datasets.captioned_shapes import CaptionedShapes
from gesso.datasets.cifar import stack_items
from gesso.datasets.dataset import Dataset, describe_left_out
from gesso.datasets.emoji_names import EmojiNames, emoji_names
from gesso.datasets.picture_files import MIN_PICTURES, files_of, pictures_in
from gesso.datasets.picture_table import PICTURE_COLUMNS, part_of, read_columns, table_in
from gesso.errors import GessoError
from gesso.media.file import read_bytes
from gesso.media.picture import read_picture, to_white
from gesso.media.subwords import plain_words

TEXT_COLUMNS = ("annotation", "caption", "text", "name")
LISTS = ("metadata.csv", "captions.csv")
MAX_TEXT = 400  # letters of a caption
MAX_TAGS = 40
MOST_OF_ONE = 4  # pictures with the same text count together as this many
SCALE, SHIFT, TINT = (0.8, 1.1), 0.08, 0.06
# A mirrored picture shows something else where a caption has one of these.
SIDED = frozenset(
    "left right leftwards rightwards leftward rightward east west clockwise counterclockwise anticlockwise clock o flag letter letters "
    "number numbers keycap sign button symbol logo text word mirrored reversed arrow "
    "왼쪽 오른쪽 좌 우 시 시계 기 깃발 글자 숫자 버튼 화살표".split()
)


@dataclass(frozen=True)
class Captioned:
    """One picture's file content or path, and what is known of it: `captions` (text, tags), the first one the table's own, and the
    `languages` of the others, "" where it is not known.
    """

    picture: bytes | Path
    where: str
    captions: tuple[tuple[str, tuple[str, ...]], ...]
    group: str = ""
    emoji: str = ""
    languages: tuple[str, ...] = ()


class CaptionedPictures:
    """Pictures uint8 [n side side 3] on white with `rows`; `sway` moves, scales, tints and (where words allow) mirrors them."""

    def __init__(
        self,
        pixels: np.ndarray,
        rows: Sequence[Captioned],
        *,
        name: str,
        licence: str,
        content: str,
        sway: bool,
        left_out: Mapping[str, str],
    ) -> None:
        self.pixels, self.rows, self.name, self.licence, self.content = pixels, rows, name, licence, content
        self.sway, self.left_out = sway, left_out
        same = Counter(row.captions[0][0] for row in rows)
        self.weights = np.array([min(1.0, MOST_OF_ONE / same[row.captions[0][0]]) for row in rows])

    def __len__(self) -> int:
        return len(self.rows)

    def texts(self) -> Iterator[str]:
        """Every caption and tag, each once, in order."""
        yield from sorted({one for row in self.rows for text, tags in row.captions for one in (text, *tags) if one})

    def item(self, index: int, rng: np.random.Generator) -> Mapping[str, Any]:
        """`picture` uint8 [side side 3], `captions` ((text, tags), …), the `languages` of those after the first, and `group`."""
        row = self.rows[index]
        picture = swayed(self.pixels[index], row, rng) if self.sway else self.pixels[index]
        return {"picture": picture, "captions": row.captions, "languages": row.languages, "group": row.group}

    def stack(self, items: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """`image` float [b 3 side side] in [-1, 1]."""
        return {"image": stack_items([{**item, "label": 0} for item in items])["image"]}


def captioned_pictures(folder: Path | None, split: str, side: int) -> Dataset:
    """The captioned pictures of `split` ("train", "dev" or "val") at side × side; without a folder, made-up shapes.

    GessoError where a folder holds no pictures with captions.
    """
    if folder is None:
        return CaptionedShapes(500, side, first={"train": 0, "dev": 500}.get(split, 1000))
    place = Path(folder)
    if not place.is_dir():
        raise GessoError("there is no such folder", where=place, fix="a folder of pictures with captions")
    sources = [place] if _has_captions(place) else [one for one in sorted(place.iterdir()) if one.is_dir() and _has_captions(one)]
    rows: list[Captioned] = []
    licences: list[str] = []
    for source in sources:
        table = table_in(source)
        found, licence = _from_table(table, split) if table is not None else (_from_files(source, split), "as their owner says")
        rows += found
        licences.append(licence)
    if not sources:
        fix = f"NAME.txt beside each picture, {LISTS[0]} with file_name and text, or a table with a column {TEXT_COLUMNS[0]}"
        raise GessoError("holds no pictures with captions", where=place, fix=fix)
    names = next((one for one in (place / "cldr", place.parent / "cldr") if one.is_dir()), None)
    told = emoji_names(names) if names is not None else None
    name = " + ".join(one.resolve().name for one in sources)
    return _read(rows if told is None else [_with_names(row, told) for row in rows], split, side, place, name, licences)


def swayed(picture: np.ndarray, row: Captioned, rng: np.random.Generator) -> np.ndarray:
    """The picture moved, scaled and slightly tinted, mirrored half the time unless its words have a side; what comes in is white."""
    side = len(picture)
    scale = rng.uniform(*SCALE)
    dx, dy = rng.uniform(-SHIFT, SHIFT, 2) * side
    flip = -1.0 if rng.random() < 0.5 and not _is_sided(row) else 1.0
    middle = side / 2
    matrix = (flip / scale, 0, middle - flip * (middle + dx) / scale, 0, 1 / scale, middle - (middle + dy) / scale)
    moved = Image.fromarray(picture).transform((side, side), Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR, fillcolor="white")
    tint = 1 + rng.uniform(-TINT, TINT, 3)
    return np.clip(255 - (255 - np.asarray(moved, np.float32)) * tint, 0, 255).astype(np.uint8)


def fitted(picture: np.ndarray, side: int) -> np.ndarray:
    """The whole picture uint8 [h w 3] in the middle of a white square of side × side."""
    h, w = picture.shape[:2]
    scale = side / max(h, w)
    size = max(1, round(w * scale)), max(1, round(h * scale))
    page = np.full((side, side, 3), 255, np.uint8)
    top, left = (side - size[1]) // 2, (side - size[0]) // 2
    drawn = Image.fromarray(picture).resize(size, Image.Resampling.BOX if scale < 1 else Image.Resampling.BICUBIC)
    page[top : top + size[1], left : left + size[0]] = np.asarray(drawn)
    return page


def _is_sided(row: Captioned) -> bool:
    return any(word in SIDED for text, _ in row.captions for word in plain_words(text))


def _has_captions(place: Path) -> bool:
    table = table_in(place)
    if table is not None:
        try:
            from pyarrow import ArrowException, parquet

            names = set(parquet.read_schema(table).names)
        except (ImportError, OSError, ArrowException):
            return False
        return bool(names & set(TEXT_COLUMNS)) and bool(names & set(PICTURE_COLUMNS))
    return any((place / one).is_file() for one in LISTS) or any(one.with_suffix(".txt").is_file() for one in pictures_in(place))


def _from_table(table: Path, split: str) -> tuple[list[Captioned], str]:
    """The rows of a split, and their licence."""
    apart = table.with_name("val.parquet")
    given = table.name == "train.parquet" and apart.is_file()
    file = apart if given and split == "val" else table
    columns = read_columns(file, (*PICTURE_COLUMNS, *TEXT_COLUMNS, "tags", "group", "cluster", "hexcode", "licence"))
    picture = next(one for one in PICTURE_COLUMNS if one in columns)
    text = next(one for one in TEXT_COLUMNS if one in columns)
    cells = [cell["bytes"] if isinstance(cell, dict) else cell for cell in columns[picture]]
    keys = columns.get("cluster") or cells
    rows = []
    for i, (cell, key) in enumerate(zip(cells, keys, strict=True)):
        if not (isinstance(cell, bytes) and isinstance(columns[text][i], str)):
            raise GessoError("is not a picture's bytes with a text", where=f"{file}, row {i}", fix=f"the columns {picture} and {text}")
        if not (given and split == "val") and part_of(key, given) != split:
            continue
        tags = str(columns["tags"][i] or "") if "tags" in columns else ""
        group = str(columns["group"][i] or "") if "group" in columns else ""
        emoji = str(columns["hexcode"][i] or "") if "hexcode" in columns else ""
        rows.append(Captioned(cell, f"{file}, row {i}", (_caption(columns[text][i], tags.split(",")),), group, emoji))
    licence = ", ".join(sorted(map(str, set(columns["licence"])))) if "licence" in columns else "as the table says"
    return rows, licence


def _from_files(place: Path, split: str) -> list[Captioned]:
    """The pictures of a folder that have a caption; a list comes before texts beside the pictures."""
    listed = next((place / one for one in LISTS if (place / one).is_file()), None)
    told = {} if listed is None else _listed(listed)
    rows = []
    for file in files_of(place, split):
        beside = file.with_suffix(".txt")
        text = told.get(file.name) or (beside.read_bytes()[: 16 * MAX_TEXT].decode("utf-8", "replace") if beside.is_file() else "")
        captions = tuple(_caption(line, ()) for line in text.splitlines() if line.strip())
        if captions:
            rows.append(Captioned(file, file.name, captions, languages=("",) * (len(captions) - 1)))
    return rows


def _listed(file: Path) -> dict[str, str]:
    """Texts by file name; several of one file are lines."""
    try:
        lines = list(csv.DictReader(io.StringIO(read_bytes(file).decode("utf-8-sig"), newline="")))
    except (UnicodeDecodeError, csv.Error) as error:
        raise GessoError(f"cannot be read: {error}", where=file, fix="UTF-8 text with the columns file_name and text") from None
    if lines and not {"file_name", "text"} <= set(lines[0]):
        raise GessoError(f"has columns {', '.join(map(str, lines[0]))[:120]}", where=file, fix="the columns file_name and text")
    told: dict[str, list[str]] = {}
    for line in lines:
        told.setdefault(str(line["file_name"]), []).append(" ".join(str(line["text"] or "").split()))
    return {name: "\n".join(texts) for name, texts in told.items()}


def _caption(text: str, tags: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    named = dict.fromkeys(one.strip()[:MAX_TEXT] for one in tags if one.strip())
    return " ".join(text.split())[:MAX_TEXT], tuple(named)[:MAX_TAGS]


def _with_names(row: Captioned, names: EmojiNames) -> Captioned:
    """The row with the names that Unicode gives its emoji, found by its code points or else by its English text."""
    text, tags = row.captions[0]
    found = names.of(row.emoji, text)
    if not found:
        return row
    english = _caption(text, [*tags, *(found["en"][1] if "en" in found else ())])
    others = sorted(set(found) - {"en"})
    return replace(row, captions=(english, *(_caption(*found[one]) for one in others)), languages=tuple(others))


def _read(rows: Sequence[Captioned], split: str, side: int, place: Path, name: str, licences: Sequence[str]) -> CaptionedPictures:
    pixels: list[np.ndarray] = []
    kept: list[Captioned] = []
    left_out: dict[str, str] = {}
    content = hashlib.sha256()
    for row in rows:
        try:
            data = row.picture if isinstance(row.picture, bytes) else read_bytes(row.picture, where=row.where)
            pixels.append(fitted(to_white(read_picture(data, where=row.where)), side))
        except GessoError as error:
            left_out[row.where] = error.what
            continue
        kept.append(replace(row, picture=b""))
        content.update(repr((row.captions, hashlib.sha256(data).hexdigest())).encode())
    if len(kept) < (MIN_PICTURES if split == "train" else 1):
        what = f"{len(kept)} captioned pictures for {split!r} can be read" + (f"; not {describe_left_out(left_out)}" if left_out else "")
        raise GessoError(what, where=place, fix=f"at least {MIN_PICTURES} pictures with captions (1,000 are good)")
    licence = ", ".join(dict.fromkeys(licences))
    return CaptionedPictures(
        np.stack(pixels), kept, name=name, licence=licence, content=content.hexdigest(), sway=split == "train", left_out=left_out
    )
