"""Pictures at one small size, for generators of whole pictures: a folder of files with a class for each subfolder, a table, or made-up."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from gesso.datasets.cifar import PATTERNS, Patterns, cifar, is_cifar, stack_items
from gesso.datasets.dataset import Dataset, describe_left_out
from gesso.datasets.digits import IMAGES
from gesso.datasets.picture_files import MIN_PICTURES, pictures_in, splits
from gesso.datasets.picture_table import picture_rows, table_in
from gesso.datasets.stacked_digits import stacked_digits
from gesso.errors import GessoError
from gesso.media.file import read_bytes
from gesso.media.picture import middle_square, read_picture, to_white

ONE_CLASS = ""


class SmallPictures:
    """Pictures uint8 [n side side 3] with class numbers; `mirror` flips them at random."""

    def __init__(
        self,
        pixels: np.ndarray,
        labels: np.ndarray,
        classes: tuple[str, ...],
        *,
        name: str,
        licence: str = "as their owner says",
        mirror: bool = False,
        left_out: Mapping[str, str] | None = None,
        content: str = "",
    ) -> None:
        self.pixels, self.labels, self.classes = pixels, labels, classes
        self.name, self.licence, self.mirror, self.content = name, licence, mirror, content
        self.left_out = left_out or {}

    def __len__(self) -> int:
        return len(self.pixels)

    def item(self, index: int, rng: np.random.Generator) -> Mapping[str, Any]:
        """`picture` uint8 [side side 3] and `label`."""
        picture = self.pixels[index]
        mirrored = self.mirror and rng.random() < 0.5
        return {"picture": np.ascontiguousarray(picture[:, ::-1]) if mirrored else picture, "label": int(self.labels[index])}

    def stack(self, items: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """`image` float [b 3 side side] in [-1, 1] and `label` int64 [b]."""
        return stack_items(items)


def small_pictures(folder: Path | None, split: str, side: int) -> Dataset:
    """Whole pictures of `split` at side × side: of a folder of files or its table, CIFAR-10's, MNIST's digits stacked, or made up.

    Stacked digits come at 32 × 32 only. GessoError where a folder holds too few pictures.
    """
    if folder is None:
        patterns = Patterns(500, first=0 if split == "train" else 500)
        return patterns if side == 32 else _resized(patterns, side)
    place = Path(folder)
    if not place.is_dir():
        raise GessoError("there is no such folder", where=place, fix="a folder of pictures")
    if side == 32 and is_cifar(place):
        return cifar(place, split, shift=0)  # a generator would learn the repeated edges of shifted pictures
    if side == 32 and any((one / IMAGES).is_file() for one in (place, place / "mnist10k")):
        return stacked_digits(place, split)
    table = table_in(place)
    return from_files(place, split, side) if table is None else from_table(table, split, side)


def labelled_pictures(folder: Path | None, split: str, side: int) -> Dataset:
    """`small_pictures` of at least two classes, whose names are the attribute `classes`. GessoError where they have none."""
    found = small_pictures(folder, split, side)
    classes: Sequence[str] = getattr(found, "classes", ())
    if len(classes) < 2:
        raise GessoError("its pictures have no classes", where=folder, fix="a subfolder for each class, named as it, with its pictures")
    if split == "train" and isinstance(found, SmallPictures):
        counts = np.bincount(found.labels, minlength=len(classes))
        if not counts.all():
            what = f"no picture of the class {classes[int(counts.argmin())]!r} is left for training"
            raise GessoError(what, where=folder, fix="at least 3 pictures a class (50 are good)")
    return found


def _resized(patterns: Patterns, side: int) -> SmallPictures:
    items = [patterns.item(index, np.random.default_rng(0)) for index in range(len(patterns))]
    pixels, labels = np.stack([square(item["picture"], side) for item in items]), np.array([item["label"] for item in items])
    return SmallPictures(pixels, labels, PATTERNS, name=patterns.name, licence=patterns.licence)


def from_files(place: Path, split: str, side: int) -> SmallPictures:
    """The picture files of a folder at side × side, of each the middle square; "val" is about a tenth of them.

    Files that cannot be read are named in `left_out`; GessoError where fewer than 8 are left. Each subfolder is a class.
    """
    classes = sorted(one.name for one in place.iterdir() if one.is_dir() and pictures_in(one)) or [ONE_CLASS]
    pixels: list[np.ndarray] = []
    labels: list[int] = []
    left_out: dict[str, str] = {}
    content = hashlib.sha256()
    for number, name in enumerate(classes):
        for file in (one for one, part in splits(pictures_in(place / name)).items() if part == split):
            try:
                data = read_bytes(file, where=file.name)
                pixels.append(square(to_white(read_picture(data, where=file.name)), side))
            except GessoError as error:
                left_out[file.name] = error.what
                continue
            labels.append(number)
            content.update(repr((name, file.name, hashlib.sha256(data).hexdigest())).encode())
    return _enough(pixels, labels, split, classes, left_out, where=place, content=content.hexdigest())


def from_table(table: Path, split: str, side: int) -> SmallPictures:
    """The pictures of a parquet table (`picture_table`) on white at side × side. GessoError where fewer than 8 can be read."""
    rows = picture_rows(table, split)
    classes = list(rows.names)
    pixels: list[np.ndarray] = []
    labels: list[int] = []
    left_out: dict[str, str] = {}
    content = hashlib.sha256()
    for number, (data, name) in enumerate(zip(rows.pictures, rows.classes, strict=True)):
        if name not in classes:
            left_out[f"row {number}"] = f"its class {name!r} has no training picture"
            continue
        try:
            pixels.append(square(to_white(read_picture(data, where=f"{rows.file}, row {number}")), side))
        except GessoError as error:
            left_out[f"row {number}"] = error.what
            continue
        labels.append(classes.index(name))
        content.update(repr((name, hashlib.sha256(data).hexdigest())).encode())
    where = table.resolve().parent
    return _enough(pixels, labels, split, classes, left_out, where=where, licence=rows.licence, content=content.hexdigest())


def _enough(
    pixels: list[np.ndarray],
    labels: list[int],
    split: str,
    classes: Sequence[str],
    left_out: Mapping[str, str],
    *,
    where: Path,
    licence: str = "as their owner says",
    content: str,
) -> SmallPictures:
    if len(pixels) < (MIN_PICTURES if split == "train" else 1):
        what = f"{len(pixels)} pictures for {split!r} can be read" + (f"; not {describe_left_out(left_out)}" if left_out else "")
        raise GessoError(what, where=where, fix=f"at least {MIN_PICTURES} pictures (300 are good)")
    mirror = split == "train"
    named = {"name": where.resolve().name, "licence": licence, "content": content}
    return SmallPictures(np.stack(pixels), np.array(labels), tuple(classes), mirror=mirror, left_out=left_out, **named)


def square(picture: np.ndarray, side: int) -> np.ndarray:
    """The middle square of a picture uint8 [h w 3] at side × side."""
    left, top, right, bottom = middle_square(picture.shape[:2])
    cut = Image.fromarray(picture[top:bottom, left:right])
    return np.asarray(cut.resize((side, side), Image.Resampling.LANCZOS if right - left > side else Image.Resampling.BICUBIC))
