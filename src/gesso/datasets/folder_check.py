"""A look at a folder of pictures before a training: how many there are, what cannot be read, what occurs twice, how they are divided."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from gesso.datasets.dataset import describe_left_out
from gesso.datasets.picture_files import files_of, pictures_in, splits
from gesso.errors import GessoError
from gesso.media.file import read_bytes
from gesso.media.picture import read_picture, to_white

PARTS = ("train", "dev", "val")
MOST = 2000  # pictures that are opened; of larger folders every so many
NEAR = 0.985  # the correlation of two pictures' 16 × 16 means from which they look alike
PLAIN = 2.0  # a deviation of those means, of 255, below which a picture has nothing to compare
FEW, SMALL_SET = 50, 1000
SMALLEST = 64  # pixels
UNEVEN = 10  # times as many pictures in the largest class as in the smallest


@dataclass(frozen=True)
class FolderCheck:
    """What was found; sizes are (width, height). `duplicates` are equal files, `near` pairs that look alike, each by name."""

    num: int
    num_opened: int
    sizes: Sequence[tuple[int, int]]
    left_out: Mapping[str, str] = field(default_factory=dict)
    duplicates: Sequence[tuple[str, str]] = ()
    near: Sequence[tuple[str, str]] = ()
    classes: Mapping[str, int] = field(default_factory=dict)
    parts: Mapping[str, int] = field(default_factory=dict)

    def to_json(self) -> dict[str, object]:
        return {
            "num": self.num,
            "opened": self.num_opened,
            "smallest": min(self.sizes, key=min, default=None),
            "largest": max(self.sizes, key=max, default=None),
            "left_out": dict(self.left_out),
            "duplicates": [list(pair) for pair in self.duplicates],
            "near": [list(pair) for pair in self.near],
            "classes": dict(self.classes),
            "splits": dict(self.parts),
            "advice": list(self.advice()),
        }

    def sentences(self) -> list[str]:
        """The findings as sentences, then the advice."""
        told = [f"{self.num} pictures" + (f", {self.num_opened} of them looked at" if self.num_opened < self.num else "")]
        if self.sizes:
            shapes = Counter("wide" if w > h else "high" if h > w else "square" for w, h in self.sizes)
            low, high = min(self.sizes, key=min), max(self.sizes, key=max)
            told.append(f"{low[0]}×{low[1]} to {high[0]}×{high[1]}; " + ", ".join(f"{n} {name}" for name, n in shapes.most_common()))
        told.append("used as " + ", ".join(f"{n} {name}" for name, n in self.parts.items()))
        if self.classes:
            told.append("classes: " + ", ".join(f"{name} {n}" for name, n in list(self.classes.items())[:20]))
        return told + self.advice()

    def advice(self) -> list[str]:
        """What to do about the folder, one sentence each; empty where nothing is wrong."""
        told = []
        if self.left_out:
            told.append(f"cannot be read and is left out: {describe_left_out(self.left_out)}")
        if self.duplicates:
            first, second = self.duplicates[0]
            told.append(f"{len(self.duplicates)} files are copies of another, such as {second} of {first}: remove them")
        if self.near:
            told.append(
                f"{len(self.near)} pairs look alike, such as {self.near[0][0]} and {self.near[0][1]}: "
                "one may be held out while the other is learned, so figures would be too good"
            )
        if self.num < FEW:
            told.append(f"{self.num} pictures are few: 300 are good, and --begin shipped, where a recipe has weights, needs fewer")
        elif self.num < SMALL_SET:
            told.append(
                "fewer than 1,000 pictures are learned by heart in a long training: prefer augmentation or --begin shipped, and stop early"
            )
        if self.sizes and min(min(size) for size in self.sizes) < SMALLEST:
            told.append(
                f"the smallest is {'×'.join(map(str, min(self.sizes, key=min)))}: pictures below {SMALLEST} pixels are enlarged and blurred"
            )
        if self.classes and max(self.classes.values()) > UNEVEN * max(1, min(self.classes.values())):
            low, high = min(self.classes, key=self.classes.__getitem__), max(self.classes, key=self.classes.__getitem__)
            told.append(f"classes are uneven: {high} has {self.classes[high]}, {low} has {self.classes[low]}")
        return told


def check_folder(folder: Path) -> FolderCheck | None:
    """Look at the pictures in a folder, or in its subfolders, each a class (`train` and `test` are splits); None where there are none."""
    groups = {one.name: pictures_in(one) for one in sorted(folder.iterdir()) if one.is_dir() and one.name[0] != "."}
    groups = {name: files for name, files in groups.items() if files}
    files = [*pictures_in(folder), *(file for group in groups.values() for file in group)]
    if not files:
        return None
    every = -(-len(files) // MOST)
    opened = _Opened()
    for file in files[::every]:
        opened.look_at(file, file.relative_to(folder).as_posix())
    if set(groups) <= {"train", "test"} and "train" in groups:
        parts, groups = Counter({part: len(files_of(folder, part)) for part in PARTS}), {}
    else:
        parts = Counter(part for group in (pictures_in(folder), *groups.values()) for part in splits(group).values())
    return FolderCheck(
        len(files),
        len(files[::every]),
        opened.sizes,
        opened.left_out,
        opened.duplicates,
        opened.near(),
        {name: len(group) for name, group in groups.items()},
        {part: parts[part] for part in PARTS},
    )


class _Opened:
    """The pictures looked at so far."""

    def __init__(self) -> None:
        self.sizes: list[tuple[int, int]] = []
        self.left_out: dict[str, str] = {}
        self.duplicates: list[tuple[str, str]] = []
        self._by_hash: dict[str, str] = {}
        self._names: list[str] = []
        self._means: list[np.ndarray] = []

    def look_at(self, file: Path, name: str) -> None:
        try:
            data = read_bytes(file, where=file.name)
            first = self._by_hash.setdefault(hashlib.sha256(data).hexdigest(), name)
            if first != name:
                self.duplicates.append((first, name))
                return
            picture = to_white(read_picture(data, where=file.name))
        except GessoError as error:
            self.left_out[name] = error.what
            return
        self.sizes.append((picture.shape[1], picture.shape[0]))
        means = np.asarray(Image.fromarray(picture).resize((16, 16), Image.Resampling.BOX), np.float32).ravel()
        if means.std() >= PLAIN:
            self._names.append(name)
            self._means.append((means - means.mean()) / np.linalg.norm(means - means.mean()))

    def near(self) -> list[tuple[str, str]]:
        """Pairs whose means on a grid of 16 × 16 are correlated, of one folder: pictures in different ones may be a pair to learn from."""
        if len(self._means) < 2:
            return []
        means, folders = np.stack(self._means), np.array([name.rpartition("/")[0] for name in self._names])
        alike = (means @ means.T >= NEAR) & (folders[:, None] == folders[None])
        return [(self._names[i], self._names[j]) for i, j in zip(*np.nonzero(np.triu(alike, 1)), strict=True)]
