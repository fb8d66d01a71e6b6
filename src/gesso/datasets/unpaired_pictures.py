"""Two sets of pictures without pairs. Where a folder holds pairs they are hidden: no pair has both its pictures in training."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from gesso.datasets.paired_pictures import BORDER, paired_pictures, parts, to_images
from gesso.datasets.small_pictures import from_files


@dataclass(frozen=True)
class UnpairedPictures:
    """Sets `a` and `b` uint8 [n s s 3]; to each picture of `a` one of `b` is drawn. With `jitter`, random parts and mirror images;
    without, the middles, and the pictures of `b` in their order."""

    name: str
    licence: str
    a: np.ndarray
    b: np.ndarray
    side: int
    jitter: bool = True
    left_out: Mapping[str, str] = field(default_factory=dict)
    content: str = ""

    def __len__(self) -> int:
        return len(self.a)

    def item(self, index: int, rng: np.random.Generator) -> Mapping[str, Any]:
        """`picture` and `a`, from the first set, and `b`, from the other, uint8 [side side 3]."""
        other = int(rng.integers(len(self.b))) if self.jitter else index % len(self.b)
        a, b = (parts([one], self.side, rng if self.jitter else None)[0] for one in (self.a[index], self.b[other]))
        return {"picture": a, "a": a, "b": b}

    def stack(self, items: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """`a` and `b` float [b 3 side side] in [-1, 1]."""
        return {name: to_images([item[name] for item in items]) for name in ("a", "b")}


def unpaired_pictures(folder: Path | None, split: str, side: int) -> UnpairedPictures:
    """The sets in the subfolders `a` and `b`; else pairs (`paired_pictures`), of which every second gives its given picture to `a`,
    and the others their targets to `b`."""
    place = None if folder is None else Path(folder)
    if place is not None and (place / "a").is_dir() and (place / "b").is_dir():
        a, b = (from_files(place / name, split, side + BORDER) for name in ("a", "b"))
        left_out = {f"{name}/{file}": why for name, one in (("a", a), ("b", b)) for file, why in one.left_out.items()}
        content = hashlib.sha256(f"{a.content} {b.content}".encode()).hexdigest()
        return UnpairedPictures(place.resolve().name, a.licence, a.pixels, b.pixels, side, split == "train", left_out, content)
    pairs = paired_pictures(place, split, side)
    sets = pairs.given[0::2], pairs.target[1::2]
    return UnpairedPictures(f"{pairs.name}, without pairs", pairs.licence, *sets, side, pairs.jitter, pairs.left_out, pairs.content)
