"""CIFAR-10 from parquet files, and ten synthetic patterns of the same size for tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gesso.errors import GessoError, MissingExtra
from gesso.media.budget import Budget
from gesso.media.picture import read_picture, to_white

SIZE = (32, 32)
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
PATTERNS = ("rows", "columns", "diagonals", "checks", "disc", "ring", "square", "cross", "grain", "fade")
SMALL = Budget(max_bytes=1 << 20, max_pixels=2**16)
MOST_BYTES = 2 << 30
SHIFT = 4  # pixels that a picture is moved by at most, to teach a classifier
DEV_EVERY = 25  # every 25th picture of the training file is held out for samples during training


class Cifar:
    """Encoded pictures (JPEG or PNG) with their classes, decoded on first use; `sway` mirrors them and shifts them by `shift` at most."""

    name, licence, classes = "CIFAR-10", "as CIFAR-10 (research)", CLASSES

    def __init__(self, pictures: Sequence[bytes], labels: np.ndarray, *, source: str, sway: bool = False, shift: int = SHIFT) -> None:
        self.pictures, self.labels, self.source, self.sway, self.shift = pictures, labels, source, sway, shift
        self._pixels = np.zeros((len(pictures), *SIZE, 3), np.uint8)
        self._seen = np.zeros(len(pictures), bool)

    def __len__(self) -> int:
        return len(self.pictures)

    def item(self, index: int, rng: np.random.Generator) -> Mapping[str, Any]:
        """`picture` uint8 [32 32 3] and `label`."""
        if not self._seen[index]:
            self._pixels[index] = self._decoded(index)
            self._seen[index] = True
        picture = self._pixels[index]
        return {"picture": shifted(picture, rng, self.shift) if self.sway else picture, "label": int(self.labels[index])}

    def _decoded(self, index: int) -> np.ndarray:
        where = f"{self.source}, picture {index}"
        picture = to_white(read_picture(self.pictures[index], where=where, budget=SMALL))
        if picture.shape[:2] != SIZE:
            raise GessoError(f"is {picture.shape[1]} × {picture.shape[0]}", where=where, fix="32 × 32, as CIFAR-10's are")
        return picture

    def stack(self, items: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """`image` float [b 3 32 32] in [-1, 1] and `label` int64 [b]."""
        return stack_items(items)


class Patterns:
    """Ten synthetic patterns in random colours, drawn from their index, for training without data."""

    name, licence, classes = "made-up patterns", "Apache-2.0", PATTERNS

    def __init__(self, num: int, *, first: int = 0) -> None:
        self.num, self.first = num, first

    def __len__(self) -> int:
        return self.num

    def item(self, index: int, rng: np.random.Generator) -> Mapping[str, Any]:
        label = index % len(PATTERNS)
        return {"picture": draw_pattern(PATTERNS[label], np.random.default_rng([self.first + index, 5])), "label": label}

    def stack(self, items: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        return stack_items(items)


def cifar(folder: Path | None, split: str, *, sway: bool = True, shift: int = SHIFT) -> Cifar:
    """CIFAR-10's "train", "dev" (every 25th of the training file) or "val", from the parquet files in `folder` or its cifar10/."""
    if folder is None:
        raise GessoError(
            "this trains on CIFAR-10", where="--data", fix="the folder with its train.parquet and val.parquet (columns image and label)"
        )
    place = Path(folder) / "cifar10" if (Path(folder) / "cifar10").is_dir() else Path(folder)
    path = place / ("val.parquet" if split == "val" else "train.parquet")
    pictures, labels = read_parquet(path)
    if split != "val":
        mine = np.flatnonzero((np.arange(len(labels)) % DEV_EVERY == DEV_EVERY - 1) == (split == "dev"))
        pictures, labels = [pictures[i] for i in mine], labels[mine]
    return Cifar(pictures, labels, source=str(path), sway=sway and split == "train", shift=shift)


def is_cifar(folder: Path) -> bool:
    """Whether `cifar` would find its tables in a folder: both columns in train.parquet, or a subfolder cifar10."""
    if (folder / "cifar10" / "train.parquet").is_file():
        return True
    try:
        from pyarrow import ArrowException, parquet

        return {"image", "label"} <= set(parquet.read_schema(folder / "train.parquet").names)
    except (ImportError, OSError, ArrowException):
        return False


def read_parquet(path: Path) -> tuple[list[bytes], np.ndarray]:
    """Read encoded pictures and class numbers from the columns `image` (bytes, or a struct with bytes) and `label` (name or number)."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise MissingExtra("pyarrow", "data", purpose="reading parquet") from None
    if not path.is_file():
        raise GessoError("there is no such file", where=path, fix="CIFAR-10 as train.parquet and val.parquet")
    try:
        file = pyarrow.parquet.ParquetFile(path)
        facts = file.metadata
        if sum(facts.row_group(i).total_byte_size for i in range(facts.num_row_groups)) > MOST_BYTES:
            raise GessoError("would unpack to more than 2 GB", where=path, fix="a smaller file")
        table = file.read(columns=["image", "label"]).to_pydict()
    except (pyarrow.ArrowException, OSError, MemoryError) as error:
        raise GessoError(
            f"cannot be read as parquet: {str(error).splitlines()[0][:120]}", where=path, fix="CIFAR-10 with the columns image and label"
        ) from error
    absent = {"image", "label"} - set(table)
    if absent or not table["label"]:
        raise GessoError(
            f"has no column {sorted(absent)[0]!r}" if absent else "holds no rows", where=path, fix="the columns image and label"
        )
    pictures = [cell["bytes"] if isinstance(cell, Mapping) and "bytes" in cell else cell for cell in table["image"]]
    bad = next((i for i, cell in enumerate(pictures) if not isinstance(cell, bytes)), None)
    if bad is not None:
        raise GessoError("is not a picture's bytes", where=f"{path}, row {bad}, column image")
    return pictures, np.array([_class_of(cell, f"{path}, row {i}, column label") for i, cell in enumerate(table["label"])])


def _class_of(cell: Any, where: str) -> int:
    if cell in CLASSES:
        return CLASSES.index(cell)
    if isinstance(cell, int) and 0 <= cell < len(CLASSES):
        return cell
    raise GessoError(f"{str(cell)[:40]!r} is not a class", where=where, fix="0 to 9, or one of " + ", ".join(CLASSES))


def stack_items(items: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """`image` float [b 3 h w] in [-1, 1] and `label` int64 [b]."""
    import torch

    pixels = torch.from_numpy(np.stack([item["picture"] for item in items])).permute(0, 3, 1, 2)
    return {"image": pixels.float() / 127.5 - 1, "label": torch.tensor([item["label"] for item in items])}


def shifted(picture: np.ndarray, rng: np.random.Generator, most: int = SHIFT) -> np.ndarray:
    """Mirror the picture half the time and shift it by up to `most` pixels; its edge is repeated."""
    h, w = picture.shape[:2]
    padded = np.pad(picture, ((most, most), (most, most), (0, 0)), mode="edge")
    top, left = rng.integers(0, 2 * most + 1, 2)
    cut = padded[top : top + h, left : left + w]
    return np.ascontiguousarray(cut[:, ::-1] if rng.random() < 0.5 else cut)


def draw_pattern(pattern: str, rng: np.random.Generator) -> np.ndarray:
    """Draw one of PATTERNS, uint8 [32 32 3], in two random colours at a random size and position."""
    ys, xs = np.mgrid[: SIZE[0], : SIZE[1]].astype(np.float64)
    period, shift = rng.uniform(4, 8), rng.uniform(0, 8, 2)
    y, x, radius = ys - rng.uniform(12, 20), xs - rng.uniform(12, 20), rng.uniform(6, 11)
    far = np.hypot(y, x)
    where = {
        "rows": np.sin(2 * np.pi * (ys + shift[0]) / period) > 0,
        "columns": np.sin(2 * np.pi * (xs + shift[0]) / period) > 0,
        "diagonals": np.sin(2 * np.pi * (xs + ys + shift[0]) / period) > 0,
        "checks": (np.floor((xs + shift[0]) / period) + np.floor((ys + shift[1]) / period)) % 2 == 0,
        "disc": far < radius,
        "ring": abs(far - radius) < 2,
        "square": np.maximum(abs(y), abs(x)) < radius,
        "cross": np.minimum(abs(y), abs(x)) < 2.5,
        "grain": rng.random(SIZE) < 0.5,
        "fade": rng.random(SIZE) < xs / SIZE[1],
    }[pattern]
    dark, light = rng.uniform(0, 110, 3), rng.uniform(145, 255, 3)
    return np.where(where[..., None], light, dark).astype(np.uint8)
