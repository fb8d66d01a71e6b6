"""Pairs for super-resolution: a part of a picture, and the same part made smaller as the published protocol makes it smaller."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from gesso.datasets.dataset import describe_left_out
from gesso.datasets.dead_leaves import dead_leaves
from gesso.datasets.picture_files import files_of
from gesso.errors import GessoError
from gesso.media.bicubic import rounded, scaled
from gesso.media.file import read_bytes
from gesso.media.luma import luma
from gesso.media.picture import read_picture, to_white

SHRUNK = (1.0, 0.8, 0.6)  # pictures are also learned from smaller, as in Dong 2016, section 4.1
MADE_UP = {"train": (0, 200), "dev": (200, 12), "val": (212, 24)}  # first index and number of made-up pictures


class Source:
    """One picture uint8 [h w 3] at one size; its small versions are made when first needed."""

    def __init__(self, picture: np.ndarray) -> None:
        self.picture = picture
        self._small: dict[int, np.ndarray] = {}

    @cached_property
    def luma(self) -> np.ndarray:
        """Y uint8 [h w]: the published protocol rounds it."""
        return rounded(luma(self.picture))

    def small(self, scale: int) -> np.ndarray:
        """uint8 [h//scale w//scale 3], as a file would hold it."""
        if scale not in self._small:
            h, w = self.picture.shape[:2]
            self._small[scale] = rounded(scaled(self.picture[: h - h % scale, : w - w % scale], 1 / scale))
        return self._small[scale]


@dataclass(frozen=True)
class Pairs:
    """Pairs cut at random from pictures. `side` is the small part's side in pixels, of which `margin` at each side have no target.

    One batch has one scale, chosen from `scales`. Sources of one picture, at several sizes, lie in one list.
    """

    name: str
    licence: str
    sources: Sequence[Sequence[Source]]
    scales: tuple[int, ...]
    side: int
    margin: int
    augment: bool = True
    left_out: Mapping[str, str] = ()  # type: ignore[assignment]
    content: str = ""

    def __len__(self) -> int:
        return len(self.sources)

    def for_batch(self, rng: np.random.Generator) -> Pairs:
        return self if len(self.scales) == 1 else replace(self, scales=(int(rng.choice(self.scales)),))

    def item(self, index: int, rng: np.random.Generator) -> Mapping[str, Any]:
        """`picture` uint8 [side side 3], `high` uint8 [scale·(side - 2·margin) …], luma of the part inside the margin, and `scale`."""
        scale, sizes = self.scales[0], self.sources[index]
        source = sizes[int(rng.integers(len(sizes))) if self.augment else 0]
        small = source.small(scale)
        top, left = (int(rng.integers(n - self.side + 1)) if self.augment else (n - self.side) // 2 for n in small.shape[:2])
        low = small[top : top + self.side, left : left + self.side]
        y, x, inner = (top + self.margin) * scale, (left + self.margin) * scale, (self.side - 2 * self.margin) * scale
        high = source.luma[y : y + inner, x : x + inner]
        if self.augment:
            turns, mirrored = int(rng.integers(4)), rng.random() < 0.5
            low, high = (np.rot90(one, turns) for one in (low, high))
            if mirrored:
                low, high = low[:, ::-1], high[:, ::-1]
        return {"picture": np.ascontiguousarray(low), "high": np.ascontiguousarray(high), "scale": scale}

    def stack(self, items: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """`high` float [b 1 h w] in [0, 1] and `scale` int64 [b]."""
        import torch

        high = torch.from_numpy(np.stack([one["high"] for one in items]))[:, None]
        return {"high": high.float() / 255, "scale": torch.tensor([one["scale"] for one in items])}


def pairs(folder: Path | None, split: str, *, scales: Sequence[int], side: int, margin: int) -> Pairs:
    """The pairs of a folder's pictures ("train", "dev" or "val"), or of made-up pictures where there is no folder.

    A folder with the subfolders train and test has its own split; else about a tenth of its pictures are "val". GessoError where
    none of the pictures is large enough; files that cannot be read, or are too small, are named in `left_out`.
    """
    shape = {"scales": tuple(scales), "side": side, "margin": margin, "augment": split == "train"}
    if folder is None:
        first, num = MADE_UP[split]
        made = [[Source(dead_leaves(first + i))] for i in range(num)]
        return Pairs("made-up pictures (dead leaves)", "Apache-2.0", made, **shape)  # type: ignore[arg-type]
    least = max(scales) * side
    found: list[list[Source]] = []
    left_out: dict[str, str] = {}
    content = hashlib.sha256()
    for file in files_of(Path(folder), split):
        try:
            data = read_bytes(file, where=file.name)
            picture = to_white(read_picture(data, where=file.name))
        except GessoError as error:
            left_out[file.name] = error.what
            continue
        if min(picture.shape[:2]) < least:
            left_out[file.name] = f"is smaller than {least} pixels"
            continue
        content.update(repr((file.name, hashlib.sha256(data).hexdigest())).encode())
        found.append([Source(one) for one in _sizes(picture, least, split)])
    if not found:
        reasons = f": {describe_left_out(left_out)}" if left_out else ""
        raise GessoError(f"holds no pictures to learn from{reasons}", where=folder, fix=f"photographs of at least {least} pixels a side")
    name = Path(folder).resolve().name
    return Pairs(name, "as their owner says", found, **shape, left_out=left_out, content=content.hexdigest())  # type: ignore[arg-type]


def _sizes(picture: np.ndarray, least: int, split: str) -> list[np.ndarray]:
    """The picture, and for training also its smaller versions, where they are large enough."""
    shrunk = [one for one in SHRUNK[1:] if split == "train" and min(picture.shape[:2]) * one >= least]
    return [picture, *(rounded(scaled(picture, one)) for one in shrunk)]
