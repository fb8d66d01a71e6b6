"""Pairs of pictures: what is given, and what it shall become; cut and mirrored together.

Sources, by what a folder holds: subfolders `a` and `b` with the same names; pictures twice as wide as high, the left half given
(pix2pix's own layout, but from left to right); a table of drawings with the columns line and color, or line and flat; else
photographs, of which edges are given.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from gesso.datasets.coloured import on_paper
from gesso.datasets.dataset import describe_left_out
from gesso.datasets.picture_files import MIN_PICTURES, files_of
from gesso.datasets.small_pictures import square
from gesso.errors import GessoError, MissingExtra
from gesso.media.file import read_bytes
from gesso.media.picture import read_picture, to_white

BORDER = 8  # pixels: examples are kept this much larger than they are used, and cut at random (Isola 2017, 6.2, on smaller pictures)
MADE_UP = {"train": (0, 200), "dev": (200, 12), "val": (212, 24)}
Pair = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class PairedPictures:
    """Pairs uint8 [n s s 3], `given` and `target`; with `jitter`, a random part of `side` pixels and its mirror image."""

    name: str
    licence: str
    given: np.ndarray
    target: np.ndarray
    side: int
    jitter: bool = True
    left_out: Mapping[str, str] = field(default_factory=dict)
    content: str = ""

    def __len__(self) -> int:
        return len(self.given)

    def item(self, index: int, rng: np.random.Generator) -> Mapping[str, Any]:
        """`picture`, what is given, and `target`, both uint8 [side side 3]."""
        given, target = parts([self.given[index], self.target[index]], self.side, rng if self.jitter else None)
        return {"picture": given, "target": target}

    def stack(self, items: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """`target` float [b 3 side side] in [-1, 1]."""
        return {"target": to_images([item["target"] for item in items])}


def parts(pictures: Sequence[np.ndarray], side: int, rng: np.random.Generator | None) -> list[np.ndarray]:
    """The same part, `side` × `side`, of pictures of one size: at random and mirrored half the time, or without `rng` the middle."""
    spare = len(pictures[0]) - side
    top, left = (spare // 2, spare // 2) if rng is None else rng.integers(0, spare + 1, 2)
    mirrored = rng is not None and rng.random() < 0.5
    cut = [one[top : top + side, left : left + side] for one in pictures]
    return [np.ascontiguousarray(one[:, ::-1] if mirrored else one) for one in cut]


def to_images(pictures: Sequence[np.ndarray]) -> Any:
    """uint8 [h w 3] -> float [b 3 h w] in [-1, 1]."""
    import torch

    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float() / 127.5 - 1


def paired_pictures(folder: Path | None, split: str, side: int) -> PairedPictures:
    """The pairs of `split` ("train", "val", about a tenth, or "dev"), `side` pixels wide and high; made up where there is no folder.

    GessoError where a folder holds fewer than 8 pairs; files that cannot be read are named in `left_out`.
    """
    if folder is None:
        from gesso.datasets.dead_leaves import dead_leaves

        first, num = MADE_UP[split]
        shown = [square(dead_leaves(first + i), side + BORDER) for i in range(num)]
        return _pairs("made-up pictures (dead leaves)", "Apache-2.0", [(edges(one), one) for one in shown], side, split)
    place = Path(folder)
    if (place / "train.parquet").is_file():
        return _from_table(place / ("val.parquet" if split == "val" else "train.parquet"), split, side)
    return _from_files(place, split, side)


def _from_files(place: Path, split: str, side: int) -> PairedPictures:
    if not place.is_dir():
        raise GessoError("there is no such folder", where=place, fix="a folder of pictures")
    files = files_of(place / "a" if (place / "a").is_dir() and (place / "b").is_dir() else place, split)
    pairs: list[Pair] = []
    left_out: dict[str, str] = {}
    content = hashlib.sha256()
    for file in files:
        try:
            pairs.append(_pair_of(file, place, side + BORDER, content))
        except GessoError as error:
            left_out[file.name] = error.what
    if len(pairs) < (MIN_PICTURES if split == "train" else 1):
        what = f"{len(pairs)} pairs for {split!r} can be read" + (f"; not {describe_left_out(left_out)}" if left_out else "")
        fix = f"at least {MIN_PICTURES} pairs: subfolders a and b with the same names, or both side by side in one file"
        raise GessoError(what, where=place, fix=fix)
    return _pairs(place.resolve().name, "as their owner says", pairs, side, split, left_out, content.hexdigest())


def _pair_of(file: Path, place: Path, size: int, content: Any) -> Pair:
    """The pair that starts with a file; what was read goes into the hash `content`."""
    picture = _read(file, content)
    if file.parent.name == "a" and file.parent.parent == place:
        other = place / "b" / file.name
        if not other.is_file():
            raise GessoError("has no picture of its name in b", where=file.name)
        return square(picture, size), square(_read(other, content), size)
    h, w = picture.shape[:2]
    if w == 2 * h:
        return square(picture[:, :h], size), square(picture[:, h:], size)
    shown = square(picture, size)
    return edges(shown), shown


def _read(file: Path, content: Any) -> np.ndarray:
    data = read_bytes(file, where=file.name)
    content.update(repr((file.name, hashlib.sha256(data).hexdigest())).encode())
    return to_white(read_picture(data, where=file.name))


def _from_table(file: Path, split: str, side: int) -> PairedPictures:
    try:
        import pandas as pd
        from pyarrow import parquet
    except ImportError:
        raise MissingExtra("pandas", "data", purpose="reading a parquet table") from None
    names = set(parquet.read_schema(file).names)
    colour = next((name for name in ("color", "flat") if name in names), None)
    if "line" not in names or colour is None:
        raise GessoError(
            f"the table has columns {', '.join(sorted(names))[:160]}", where=file, fix="columns line, and color or flat, as PNG"
        )
    known = [name for name in ("cluster", "flag") if name in names]
    table = pd.read_parquet(file, columns=["line", colour, *known])
    if "flag" in known:
        table = table[~table["flag"].astype(bool)]
    if split != "val":
        from gesso.datasets.drawing_table import held_out

        held = held_out(table) if "cluster" in known else np.arange(len(table)) % 16 == 15
        table = table[held if split == "dev" else ~held]
    pairs = [
        (encoded_on_paper(line, side + BORDER), encoded_on_paper(one, side + BORDER))
        for line, one in zip(table["line"], table[colour], strict=True)
    ]
    return _pairs(file.parent.name, "as the table says", pairs, side, split)


def encoded_on_paper(data: bytes, size: int) -> np.ndarray:
    """An encoded picture of a table on white, uint8 [size size 3]."""
    return on_paper(to_white(np.asarray(Image.open(io.BytesIO(data)).convert("RGBA"))), size)


def _pairs(
    name: str, licence: str, pairs: Sequence[Pair], side: int, split: str, left_out: Mapping[str, str] | None = None, content: str = ""
) -> PairedPictures:
    given, target = (np.stack(column) for column in zip(*pairs, strict=True))
    return PairedPictures(name, licence, given, target, side, split == "train", left_out or {}, content)


def edges(picture: np.ndarray) -> np.ndarray:
    """The edges of a picture uint8 [h w 3], black on white, uint8 [h w 3] (Canny 1986, as pix2pix's edges of photographs)."""
    from skimage.feature import canny

    grey = picture.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32) / 255
    return np.where(canny(grey, sigma=1.5)[..., None], 0, 255).astype(np.uint8).repeat(3, 2)
