"""Pictures in several looks, such as tones of skin, colours of hair or styles of drawing: each look is a domain, with a name.

Sources, by what a folder holds: a table of drawings with the column skintone; LPC's layers of characters, whose looks are colours of hair,
or their folder `torso`, with colours of clothes; else a subfolder for each look. Which pictures show the same thing in another look is
known of the first two; it is for measuring, and examples for training never have two of one group.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from gesso.datasets.coloured import on_paper
from gesso.datasets.lpc_characters import characters, layers_at
from gesso.datasets.paired_pictures import BORDER, encoded_on_paper, parts, to_images
from gesso.datasets.small_pictures import from_files
from gesso.errors import GessoError, MissingExtra

TONES = {"": "no tone", "1": "light", "2": "medium-light", "3": "medium", "4": "medium-dark", "5": "dark"}
MADE_UP = {"train": (0, 40), "dev": (40, 8), "val": (48, 12)}  # first group and number of groups
MADE_UP_COLOURS = {"red": (214, 58, 50), "green": (66, 160, 71), "blue": (45, 88, 190)}


@dataclass(frozen=True)
class LookPictures:
    """Pictures uint8 [n s s 3] with numbers of their looks [n], named by `classes`, and of their groups [n].

    Pictures of one group show the same thing in different looks. With `jitter`, examples are random parts of `side` pixels, mirrored
    half the time.
    """

    name: str
    licence: str
    pixels: np.ndarray
    labels: np.ndarray
    classes: tuple[str, ...]
    groups: np.ndarray
    side: int
    jitter: bool = True
    left_out: Mapping[str, str] = field(default_factory=dict)
    content: str = ""

    def __len__(self) -> int:
        return len(self.pixels)

    @property
    def knows_variants(self) -> bool:
        """Whether some group has pictures in several looks."""
        return len(np.unique(self.groups)) < len(self)

    def item(self, index: int, rng: np.random.Generator) -> Mapping[str, Any]:
        """`picture` and the number of its look, `source`; another look, `target`, and two pictures of it, `exemplar` and `another`."""
        target = int((self.labels[index] + rng.integers(len(self.classes))) % len(self.classes))  # any look, its own among them
        there = np.flatnonzero((self.labels == target) & (self.groups != self.groups[index]))
        shown = [index, *(int(one) for one in rng.choice(there, 2))]
        cut = [parts([self.pixels[one]], self.side, rng if self.jitter else None)[0] for one in shown]
        return {"picture": cut[0], "exemplar": cut[1], "another": cut[2], "source": int(self.labels[index]), "target": target}

    def stack(self, items: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """The three pictures float [b 3 side side] in [-1, 1], and `source` int64 [b]."""
        import torch

        pictures = {name: to_images([item[name] for item in items]) for name in ("picture", "exemplar", "another")}
        return {**pictures, "source": torch.tensor([item["source"] for item in items])}


def look_pictures(folder: Path | None, split: str, side: int) -> LookPictures:
    """The pictures of `split` ("train", "val" or "dev"), a little larger than `side`; made up where there is no folder.

    GessoError where a folder holds fewer than two looks, or too few pictures of one.
    """
    if folder is None:
        return _made_up(split, side)
    place = Path(folder)
    if (place / "train.parquet").is_file():
        return _tones(place / ("val.parquet" if split == "val" else "train.parquet"), split, side)
    if (layers := layers_at(place)) is not None:
        found = characters(layers[0], split, layers[1])
        pixels = np.stack([on_paper(one, side + BORDER) for one in found.pixels])
        name = f"{layers[0].resolve().name}, {layers[1]}"
        return LookPictures(name, found.licence, pixels, *found[1:4], side, split == "train")
    return _own(place, split, side)


def _own(place: Path, split: str, side: int) -> LookPictures:
    found = from_files(place, split, side + BORDER)
    counts = np.bincount(found.labels, minlength=len(found.classes))
    if len(counts) < 2 or counts.min() < 2:
        what = f"{len(counts)} looks with {counts.min()} to {counts.max()} pictures for {split!r}"
        raise GessoError(what, where=place, fix="a subfolder for each look, at least two, with 30 pictures or more in each")
    groups = np.arange(len(found))  # nothing is known of who belongs together
    return LookPictures(
        found.name, found.licence, found.pixels, found.labels, found.classes, groups, side, split == "train", found.left_out, found.content
    )


def _tones(file: Path, split: str, side: int) -> LookPictures:
    """Drawings of one person, or of parts of one, in six tones of skin; those that come in all of them."""
    try:
        import pandas as pd
        from pyarrow import parquet
    except ImportError:
        raise MissingExtra("pandas", "data", purpose="reading a parquet table") from None
    needed = {"skintone", "base", "cluster", "color"}
    if not needed <= set(parquet.read_schema(file).names):
        raise GessoError("the table has no tones", where=file, fix=f"columns {', '.join(sorted(needed))}")
    table = pd.read_parquet(file, columns=sorted(needed))
    table = table[table["skintone"].isin(list(TONES))]
    whole = table.groupby("base")["skintone"].transform("nunique") == len(TONES)
    table = table[whole].sort_values(["base", "skintone"])
    if split != "val":
        held = table["base"].map(lambda base: int(hashlib.sha256(base.encode()).hexdigest(), 16) % 16 == 0)
        table = table[held if split == "dev" else ~held]
    if not len(table):
        raise GessoError(f"has no drawings in all tones for {split!r}", where=file)
    pixels = np.stack([encoded_on_paper(data, side + BORDER) for data in table["color"]])
    labels = table["skintone"].map({tone: n for n, tone in enumerate(TONES)}).to_numpy(np.int64)
    _, groups = np.unique(table["base"].to_numpy(str), return_inverse=True)
    name = f"{file.parent.name}, tones of skin"
    return LookPictures(name, "CC BY-SA 4.0", pixels, labels, tuple(TONES.values()), groups, side, split == "train")


def _made_up(split: str, side: int) -> LookPictures:
    """Drawings of shapes, of which one kind is filled in the look's colour, and others in colours that do not change."""
    first, num = MADE_UP[split]
    size = side + BORDER
    pixels = [_shapes(first + group, colour, size) for group in range(num) for colour in MADE_UP_COLOURS.values()]
    labels = np.tile(np.arange(len(MADE_UP_COLOURS)), num)
    groups = np.repeat(np.arange(num), len(MADE_UP_COLOURS))
    return LookPictures("made-up shapes", "Apache-2.0", np.stack(pixels), labels, tuple(MADE_UP_COLOURS), groups, side, split == "train")


def _shapes(number: int, colour: tuple[int, int, int], size: int) -> np.ndarray:
    rng = np.random.default_rng([number, 31])
    page = Image.new("RGB", (size * 2, size * 2), "white")
    draw = ImageDraw.Draw(page)
    for kind in rng.permutation(6) % 3:
        x, y, r = *rng.uniform(0.2, 1.8, 2) * size, rng.uniform(0.2, 0.5) * size
        box = (x - r, y - r, x + r, y + r)
        grey = (int(rng.integers(60, 220)),) * 3
        (draw.ellipse if kind == 0 else draw.rectangle)(box, fill=colour if kind == 0 else grey, outline="black", width=size // 16)
    return np.asarray(page.resize((size, size), Image.Resampling.BOX))
