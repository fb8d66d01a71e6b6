"""Handwritten digits: the 10,000 test pictures of MNIST if there is a folder with them, else scikit-learn's 1,797 small digits.

The pictures are divided between two systems and their splits by the index modulo 10:

    0 1 2 3   training of the classifier              4   validation of the classifier
    5 6 7 8   training of the flow                    9   validation of the flow

(The last digit of the index is used, because the first half of MNIST's test set is easier than the second.)
"""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import scipy

from gesso.errors import GessoError, MissingExtra
from gesso.media.file import read_bytes

SIZE = (28, 28)
CLASSES = tuple("0123456789")
PARTS = {("classifier", "train"): (0, 1, 2, 3), ("classifier", "val"): (4,), ("flow", "train"): (5, 6, 7, 8), ("flow", "val"): (9,)}
IMAGES, LABELS = "t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"
MOST_BYTES = 64 << 20


class Digits:
    """Digits, white on black, uint8 [28 28], with their class; with `sway` > 0, randomly rotated, scaled and shifted by `item`."""

    def __init__(self, pixels: np.ndarray, labels: np.ndarray, *, name: str, licence: str, sway: float = 0.0) -> None:
        self.pixels, self.labels, self.name, self.licence, self.sway = pixels, labels, name, licence, sway

    def __len__(self) -> int:
        return len(self.pixels)

    def item(self, index: int, rng: np.random.Generator) -> Mapping[str, Any]:
        picture = self.pixels[index]
        return {"picture": jittered(picture, rng, self.sway) if self.sway else picture, "label": int(self.labels[index])}

    def stack(self, items: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """`image` float [b 1 28 28] in [-1, 1] and `label` int64 [b]."""
        import torch

        pixels = torch.from_numpy(np.stack([item["picture"] for item in items])[:, None])
        return {"image": pixels.float() / 127.5 - 1, "label": torch.tensor([item["label"] for item in items])}


def digits(folder: Path | None, split: str, part: str, *, sway: float = 0.0) -> Digits:
    """The digits of one part ("classifier" or "flow") and split ("train", "val"; "dev" is "val").

    `folder` holds MNIST's two t10k files or a sub-folder `mnist10k` with them; None: scikit-learn's digits. GessoError if the
    files are missing or damaged.
    """
    pixels, labels, name, licence = read_mnist(folder) if folder else sklearn_digits()
    mine = np.isin(np.arange(len(pixels)) % 10, PARTS[part, "val" if split == "dev" else split])
    return Digits(pixels[mine], labels[mine], name=name, licence=licence, sway=sway if split == "train" else 0.0)


def read_mnist(folder: Path) -> tuple[np.ndarray, np.ndarray, str, str]:
    """Pixels [n 28 28], labels [n], name and licence of MNIST's test files."""
    place = next((p for p in (Path(folder), Path(folder) / "mnist10k") if (p / IMAGES).is_file()), None)
    if place is None:
        raise GessoError(
            f"holds no {IMAGES}", where=folder, fix="the folder with MNIST's t10k files, or leave --data out for scikit-learn's digits"
        )
    pixels, labels = read_idx(place / IMAGES), read_idx(place / LABELS)
    if pixels.ndim != 3 or pixels.shape[1:] != SIZE or labels.shape != pixels.shape[:1] or not len(labels) or labels.max() > 9:
        raise GessoError(
            f"pictures {list(pixels.shape)} and labels {list(labels.shape)} are not MNIST's",
            where=place,
            fix="download the two t10k files again",
        )
    return pixels, labels.astype(np.int64), "MNIST, its 10,000 test pictures", "as MNIST (research)"


def read_idx(path: Path) -> np.ndarray:
    """Read a gzipped IDX file of uint8; GessoError if it is damaged."""
    packed = read_bytes(path, MOST_BYTES)
    try:
        data = gzip.GzipFile(fileobj=io.BytesIO(packed)).read(MOST_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise GessoError("is not a complete gzip file", where=path, fix="download it again") from error
    if len(data) < 4 or data[:3] != b"\0\0\x08" or not 1 <= data[3] <= 4 or len(data) < 4 + 4 * data[3]:
        raise GessoError("is not an IDX file of bytes", where=path, fix="download it again")
    shape = tuple(int.from_bytes(data[4 + 4 * i : 8 + 4 * i], "big") for i in range(data[3]))
    values = np.frombuffer(data, np.uint8, offset=4 + 4 * len(shape))
    if len(values) != np.prod(shape, dtype=object):
        raise GessoError(f"holds {len(values)} values where its header says {list(shape)}", where=path, fix="download it again")
    return values.reshape(shape)


def sklearn_digits() -> tuple[np.ndarray, np.ndarray, str, str]:
    """scikit-learn's 8×8 digits, scaled to 20×20 in the middle of 28×28 like MNIST's."""
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        raise MissingExtra("scikit-learn", "data", purpose="its bundled set of digits") from None
    from PIL import Image

    small, labels = load_digits(return_X_y=True)
    pixels = np.zeros((len(small), *SIZE), np.uint8)
    for out, flat in zip(pixels, small, strict=True):
        drawn = Image.fromarray((flat.reshape(8, 8) * (255 / 16)).astype(np.uint8))
        out[4:24, 4:24] = np.asarray(drawn.resize((20, 20), Image.Resampling.BICUBIC))
    return pixels, labels.astype(np.int64), "scikit-learn's bundled digits (UCI optical recognition, test part)", "CC BY 4.0"


def jittered(picture: np.ndarray, rng: np.random.Generator, amount: float) -> np.ndarray:
    """Rotate by up to 15°, shear and scale by up to 15 % and shift by up to 2.5 pixels, each times `amount`."""
    angle, shear = rng.uniform(-1, 1, 2) * amount * (np.pi / 12, 0.15)
    scale = 1 + rng.uniform(-0.15, 0.15, 2) * amount
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) @ np.array([[1, shear], [0, 1]]) / scale
    middle = (np.array(picture.shape) - 1) / 2
    moved = middle + rng.uniform(-2.5, 2.5, 2) * amount
    return scipy.ndimage.affine_transform(picture, turn, offset=middle - turn @ moved, order=1)
