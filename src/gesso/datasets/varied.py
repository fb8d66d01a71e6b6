"""Another dataset's pictures, moved, mirrored and with a square cut out, so that a classifier learns what does not depend on these."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gesso.datasets.dataset import Dataset


class Varied:
    """`dataset` with its pictures moved by up to `shift` pixels, edges reflected, mirrored half the time, and a square of `hole` pixels
    grey (cut-out, DeVries 2017; 0: none)."""

    def __init__(self, dataset: Dataset, *, shift: int, hole: int = 0) -> None:
        self.dataset, self.shift, self.hole = dataset, shift, hole
        self.name, self.licence = dataset.name, dataset.licence
        self.classes: Sequence[str] = getattr(dataset, "classes", ())
        self.left_out: Mapping[str, str] = getattr(dataset, "left_out", {})

    def __len__(self) -> int:
        return len(self.dataset)

    def item(self, index: int, rng: np.random.Generator) -> Mapping[str, Any]:
        item = self.dataset.item(index, rng)
        picture = moved(item["picture"], rng, self.shift)
        return {**item, "picture": with_hole(picture, rng, self.hole) if self.hole else picture}

    def stack(self, items: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        return self.dataset.stack(items)


def moved(picture: np.ndarray, rng: np.random.Generator, most: int) -> np.ndarray:
    """A picture moved by up to `most` pixels each way, which is at most its side; its edges are reflected. Mirrored half the time."""
    rows, columns = (_reflected(side, int(by)) for side, by in zip(picture.shape, rng.integers(-most, most + 1, 2), strict=False))
    return picture[rows[:, None], columns[::-1] if rng.random() < 0.5 else columns]


def with_hole(picture: np.ndarray, rng: np.random.Generator, hole: int) -> np.ndarray:
    """A copy of a picture whose square of `hole` pixels around a random pixel is grey."""
    y, x = (int(rng.integers(side)) - hole // 2 for side in picture.shape[:2])
    changed = picture.copy()
    changed[max(0, y) : max(0, y + hole), max(0, x) : max(0, x + hole)] = 128
    return changed


def _reflected(side: int, by: int) -> np.ndarray:
    """The places 0 to `side` moved by `by`, reflected at both ends."""
    places = np.abs(np.arange(side) + by)
    return np.asarray(side - 1 - np.abs(side - 1 - places))
