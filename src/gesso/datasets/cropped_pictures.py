"""Square parts of pictures of any size, for models that look at a part of a page."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from gesso.datasets.dataset import describe_left_out
from gesso.datasets.dead_leaves import dead_leaves
from gesso.datasets.paired_pictures import to_images
from gesso.datasets.picture_files import MIN_PICTURES
from gesso.datasets.picture_table import table_in
from gesso.datasets.small_pictures import from_table
from gesso.datasets.styled_pictures import MADE_UP, part, read_shrunk
from gesso.errors import GessoError


@dataclass
class CroppedPictures:
    """`pictures` uint8 [h w 3]; each example is a part of one at `side` × `side`: with `augment` a random one, else the middle."""

    name: str
    licence: str
    pictures: Sequence[np.ndarray]
    side: int
    augment: bool = True
    left_out: Mapping[str, str] = field(default_factory=dict)
    content: str = ""

    def __len__(self) -> int:
        return len(self.pictures)

    def item(self, index: int, rng: np.random.Generator) -> Mapping[str, Any]:
        """`picture` uint8 [side side 3]."""
        return {"picture": part(self.pictures[index], self.side, rng if self.augment else None)}

    def stack(self, items: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """`image` float [b 3 side side] in [-1, 1]."""
        return {"image": to_images([item["picture"] for item in items])}


def cropped_pictures(folder: Path | None, split: str, side: int) -> CroppedPictures:
    """Parts of the pictures of a folder, or whole pictures of its table; made-up ones without a folder.

    GessoError where fewer than 8 pictures can be read.
    """
    if folder is None:
        first, num = MADE_UP[split]
        made = [dead_leaves(first + i) for i in range(num)]
        return CroppedPictures("made-up pictures (dead leaves)", "Apache-2.0", made, side, split == "train")
    place = Path(folder)
    if not place.is_dir():
        raise GessoError("there is no such folder", where=place, fix="a folder of pictures")
    table = table_in(place)
    if table is not None:
        found = from_table(table, split, side)
        return CroppedPictures(found.name, found.licence, list(found.pixels), side, False, found.left_out, found.content)
    left_out: dict[str, str] = {}
    content = hashlib.sha256()
    pictures = read_shrunk(place, split, left_out, content)
    if len(pictures) < (MIN_PICTURES if split == "train" else 1):
        what = f"{len(pictures)} pictures for {split!r} can be read" + (f"; not {describe_left_out(left_out)}" if left_out else "")
        raise GessoError(what, where=place, fix=f"at least {MIN_PICTURES} pictures (300 are good)")
    return CroppedPictures(place.resolve().name, "as their owner says", pictures, side, split == "train", left_out, content.hexdigest())
