"""Characters put together from LPC's layers, in several colours of hair or of clothes.

"val" has garments and hair styles that "train" has not.

A sheet is a table of 64 × 64 cells in 13 columns, transparent around the layer; row 8 to 11 hold a walk seen from the back, from the left,
from the front and from the right. In training each character comes in one colour only.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from gesso.errors import GessoError

CELL = 64
ROWS, COLUMNS = (9, 10, 11), (0, 3, 6)
COLOURS = ("black", "blonde", "blue", "gray", "green", "redhead")
DYES = ("brown", "maroon", "teal", "white")  # of clothes
LAYERS = ("hair", "torso")  # those whose colours may be the looks
BODIES = ("light", "dark", "dark2", "tanned", "tanned2")
NUM_CHARACTERS = {"train": 3000, "dev": 20, "val": 40}
SHEETS_KEPT = 256  # cut cells in memory, of about 150 kB a sheet


class Characters(NamedTuple):
    """Pictures uint8 [n 64 64 3] on white, the number of each one's colour, the colours, and the number of each character."""

    pixels: np.ndarray
    labels: np.ndarray
    classes: tuple[str, ...]
    groups: np.ndarray
    licence: str = "CC BY-SA 3.0 or GPL 3, authors in AUTHORS.txt"


class Figure(NamedTuple):
    """The layers of one character: what lies below the coloured one, that one in each colour, and what lies above it."""

    below: list[Path]
    coloured: list[Path]
    above: list[Path]


Draw = Callable[[np.random.Generator], Figure]


def layers_at(place: Path) -> tuple[Path, str] | None:
    """The folder of LPC's layers and the coloured one, if `place` is such a folder ("hair") or its folder of one of LAYERS; else None."""
    for folder, layer in ((place, "hair"), (place.resolve().parent, place.resolve().name)):
        if layer in LAYERS and (folder / "hair").is_dir() and (folder / "body").is_dir():
            return folder, layer
    return None


def characters(place: Path, split: str, layer: str = "hair") -> Characters:
    """The characters of a split: for training each in one colour, else each in all. GessoError where layers are missing.

    `layer` is the one whose colours are the classes: "hair", or "torso", clothes.
    """
    classes, draw = (COLOURS, _by_hair(place, split)) if layer == "hair" else (DYES, _by_clothes(place, split))
    rng = np.random.default_rng({"train": 0, "dev": 1, "val": 2}[split])
    pixels, labels, groups = [], [], []
    for number in range(NUM_CHARACTERS[split]):
        below, coloured, above = draw(rng)
        cell = int(rng.integers(len(ROWS) * len(COLUMNS)))
        label = int(rng.integers(len(classes)))
        for colour in (label,) if split == "train" else range(len(classes)):
            pixels.append(_put_together([*below, coloured[colour], *above], cell))
            labels.append(colour)
            groups.append(number)
    return Characters(np.stack(pixels), np.array(labels), classes, np.array(groups))


def _by_hair(place: Path, split: str) -> Draw:
    hair = _hair(place, split, ("female", "male"))

    def draw(rng: np.random.Generator) -> Figure:
        style = hair[int(rng.integers(len(hair)))]
        below = _dressed(place, style.parent.name, split, rng)
        return Figure(below, [style / f"{colour}.png" for colour in COLOURS], [])

    return draw


def _by_clothes(place: Path, split: str) -> Draw:
    garments = [(body, one) for body in ("female", "male") for one in _dyed(place, body, split)]
    if not garments:
        raise GessoError(f"has no garment in {', '.join(DYES)}", where=place / "torso")
    hair = {body: _hair(place, split, (body,)) for body, _ in garments}

    def draw(rng: np.random.Generator) -> Figure:
        body, dyed = garments[int(rng.integers(len(garments)))]
        below = [_body(place, body, rng), _chosen(_legs(place, body, split), rng, place, body)]
        style = hair[body][int(rng.integers(len(hair[body])))]
        return Figure(below, dyed, [style / f"{COLOURS[int(rng.integers(len(COLOURS)))]}.png"])

    return draw


def _hair(place: Path, split: str, bodies: Sequence[str]) -> list[Path]:
    found = [one for body in bodies for one in _parted(sorted((place / "hair" / body).glob("*/")), split)]
    if not found:
        raise GessoError("has no hair in folders of styles", where=place / "hair")
    return found


def _dyed(place: Path, body: str, split: str) -> list[list[Path]]:
    """The garments of a split that come in all of DYES, each as its files in that order.

    Of several for a body a fifth, at least one, is held out for "val", by the hash of their names; a body with one has none there.
    """
    kinds: dict[str, list[Path]] = {}
    for file in sorted((place / "torso").glob(f"**/{body}/{DYES[0]}_*.png")):
        files = [file.with_name(file.name.replace(DYES[0], dye, 1)) for dye in DYES]
        if all(one.is_file() for one in files):
            kinds[file.stem.removeprefix(f"{DYES[0]}_")] = files
    names = sorted(kinds, key=lambda name: hashlib.sha256(f"{body}/{name}".encode()).hexdigest())
    num_held = -(-len(names) // 5) if len(names) > 1 else 0
    return [kinds[name] for name in (names[:num_held] if split == "val" else names[num_held:])]


def _parted(files: Sequence[Path], split: str) -> list[Path]:
    """The layers of a split: a fifth of them is held out for "val", by the hash of their names."""
    held = [int(hashlib.sha256(f"{one.parent.name}/{one.stem}".encode()).hexdigest(), 16) % 5 == 0 for one in files]
    chosen = [one for one, is_held in zip(files, held, strict=True) if is_held == (split == "val")]
    return chosen or list(files)


def _dressed(place: Path, body: str, split: str, rng: np.random.Generator) -> list[Path]:
    """The layers below the hair: a body, legs and a garment above them."""
    tops = sorted({*(place / "torso").glob(f"*/{body}/*.png"), *(place / "torso" / "shirts").glob(f"*/{body}/*.png")})
    if body == "female":
        tops += sorted([*(place / "torso" / "dress_female").glob("*.png"), *(place / "torso").glob("robes_female*/*.png")])
    drawn = [_body(place, body, rng)]
    return drawn + [_chosen(one, rng, place, body) for one in (_legs(place, body, split), _parted(tops, split))]


def _body(place: Path, body: str, rng: np.random.Generator) -> Path:
    return place / "body" / body / f"{BODIES[int(rng.integers(len(BODIES)))]}.png"


def _legs(place: Path, body: str, split: str) -> list[Path]:
    return _parted(sorted((place / "legs").glob(f"*/{body}/*.png")), split)


def _chosen(layers: Sequence[Path], rng: np.random.Generator, place: Path, body: str) -> Path:
    if not layers:
        raise GessoError(f"has no garments for a {body} body", where=place)
    return layers[int(rng.integers(len(layers)))]


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
