"""Characters put together from LPC's layers, in several colours of hair; "val" has garments and hair styles that "train" has not.

A sheet is a table of 64 × 64 cells in 13 columns, transparent around the layer; row 8 to 11 hold a walk seen from the back, from the left,
from the front and from the right. In training each character comes in one colour only.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from gesso.errors import GessoError

CELL = 64
ROWS, COLUMNS = (9, 10, 11), (0, 3, 6)
COLOURS = ("black", "blonde", "blue", "gray", "green", "redhead")
BODIES = ("light", "dark", "dark2", "tanned", "tanned2")
NUM_CHARACTERS = {"train": 3000, "dev": 20, "val": 40}
SHEETS_KEPT = 256  # cut cells in memory, of about 150 kB a sheet


class Characters(NamedTuple):
    """Pictures uint8 [n 64 64 3] on white, the number of each one's colour of hair, the colours, and the number of each character."""

    pixels: np.ndarray
    labels: np.ndarray
    classes: tuple[str, ...]
    groups: np.ndarray
    licence: str = "CC BY-SA 3.0 or GPL 3, authors in AUTHORS.txt"


def characters(place: Path, split: str) -> Characters:
    """The characters of a split: for training each in one colour, else each in all. GessoError where layers are missing."""
    hair = [one for body in ("female", "male") for one in _parted(sorted((place / "hair" / body).glob("*/")), split)]
    if not hair:
        raise GessoError("has no hair in folders of styles", where=place / "hair")
    rng = np.random.default_rng({"train": 0, "dev": 1, "val": 2}[split])
    pixels, labels, groups = [], [], []
    for number in range(NUM_CHARACTERS[split]):
        style = hair[int(rng.integers(len(hair)))]
        below = _dressed(place, style.parent.name, split, rng)
        cell = int(rng.integers(len(ROWS) * len(COLUMNS)))
        label = int(rng.integers(len(COLOURS)))
        for colour in (label,) if split == "train" else range(len(COLOURS)):
            pixels.append(_put_together([*below, style / f"{COLOURS[colour]}.png"], cell))
            labels.append(colour)
            groups.append(number)
    return Characters(np.stack(pixels), np.array(labels), COLOURS, np.array(groups))


def _parted(files: Sequence[Path], split: str) -> list[Path]:
    """The layers of a split: a fifth of them is held out for "val", by the hash of their names."""
    held = [int(hashlib.sha256(f"{one.parent.name}/{one.stem}".encode()).hexdigest(), 16) % 5 == 0 for one in files]
    chosen = [one for one, is_held in zip(files, held, strict=True) if is_held == (split == "val")]
    return chosen or list(files)


def _dressed(place: Path, body: str, split: str, rng: np.random.Generator) -> list[Path]:
    """The layers below the hair: a body, legs and a garment above them."""
    legs = sorted((place / "legs").glob(f"*/{body}/*.png"))
    tops = sorted({*(place / "torso").glob(f"*/{body}/*.png"), *(place / "torso" / "shirts").glob(f"*/{body}/*.png")})
    if body == "female":
        tops += sorted([*(place / "torso" / "dress_female").glob("*.png"), *(place / "torso").glob("robes_female*/*.png")])
    drawn = [place / "body" / body / f"{BODIES[int(rng.integers(len(BODIES)))]}.png"]
    for layers in (_parted(legs, split), _parted(tops, split)):
        if not layers:
            raise GessoError(f"has no garments for a {body} body", where=place)
        drawn.append(layers[int(rng.integers(len(layers)))])
    return drawn


def _put_together(files: Sequence[Path], cell: int) -> np.ndarray:
    page = Image.new("RGBA", (CELL, CELL), "white")
    for file in files:
        page.alpha_composite(Image.fromarray(_cells(file)[cell]))
    return np.asarray(page.convert("RGB"))


@lru_cache(maxsize=SHEETS_KEPT)
def _cells(file: Path) -> np.ndarray:
    """The cells in use of one sheet, uint8 [n 64 64 4]."""
    try:
        sheet = Image.open(file).convert("RGBA")
    except OSError as error:
        raise GessoError(f"cannot be read: {error}", where=file) from None
    boxes = [(CELL * column, CELL * row, CELL * (column + 1), CELL * (row + 1)) for row in ROWS for column in COLUMNS]
    return np.stack([np.asarray(sheet.crop(box)) for box in boxes])
