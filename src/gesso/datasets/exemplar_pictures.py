"""Drawings to colour after an exemplar: pairs of line and colour, and of each a warped copy of its colours with the way back known.

The copy is turned, scaled, mirrored and bent at random, as Lee 2020 ("reference-based sketch image colorization") makes exemplars. In
training, the colours of the picture and of its exemplar are changed together, so that only the exemplar tells them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gesso.datasets.paired_pictures import PairedPictures, paired_pictures, to_images

GRID = 4  # pixels of a picture in one place of the correspondence
NUM_WAVES = 3
WHO = re.compile(r"\b(man|woman|person|men|women|people|boy|girl|mr|mrs|mx)\b")


@dataclass(frozen=True)
class Warp:
    """A smooth map of the plane: places p in [-1, 1]² of the copy -> places A·p + t + Σ a·sin(k·p + φ) of the original."""

    matrix: np.ndarray  # [2 2]
    shift: np.ndarray  # [2]
    heights: np.ndarray  # [waves 2]
    waves: np.ndarray  # [waves 2]
    phases: np.ndarray  # [waves]

    def _bent(self, places: np.ndarray) -> np.ndarray:
        return self.shift + np.sin(places @ self.waves.T + self.phases) @ self.heights

    def there(self, places: np.ndarray) -> np.ndarray:
        """Places [… 2] of the original for those of the copy."""
        return places @ self.matrix.T + self._bent(places)

    def back(self, places: np.ndarray, rounds: int = 12) -> np.ndarray:
        """Places [… 2] of the copy for those of the original, by fixed-point iteration."""
        inverse = np.linalg.inv(self.matrix).T
        found = (places - self.shift) @ inverse
        for _ in range(rounds):
            found = (places - self._bent(found)) @ inverse
        return found


def random_warp(rng: np.random.Generator) -> Warp:
    """A turn of up to 30°, a scale of 0.8 to 1.25, a shift, a mirror image half the time, and waves."""
    angle, scale = rng.uniform(-np.pi / 6, np.pi / 6), np.exp(rng.uniform(-0.22, 0.22))
    matrix = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    if rng.random() < 0.5:
        matrix[:, 0] *= -1
    return Warp(
        matrix,
        rng.uniform(-0.12, 0.12, 2),
        rng.uniform(-0.06, 0.06, (NUM_WAVES, 2)),
        rng.uniform(-3.5, 3.5, (NUM_WAVES, 2)),
        rng.uniform(0, 2 * np.pi, NUM_WAVES),
    )


@dataclass(frozen=True)
class ExemplarPictures:
    """Pairs as `PairedPictures` holds them, a little larger than `side`; with `jitter` they are cut, mirrored and recoloured at random."""

    pairs: PairedPictures
    jitter: bool = True

    @property
    def name(self) -> str:
        return f"{self.pairs.name}, with exemplars"

    @property
    def licence(self) -> str:
        return self.pairs.licence

    @property
    def left_out(self) -> Mapping[str, str]:
        return self.pairs.left_out

    @property
    def content(self) -> str:
        return self.pairs.content

    def __len__(self) -> int:
        return len(self.pairs)

    def item(self, index: int, rng: np.random.Generator) -> Mapping[str, Any]:
        """`picture` (the drawing), `target` and `exemplar` uint8 [side side 3], and `places` float32 [n n 2].

        `places` are those of the exemplar in [-1, 1] (x, y) at which each part of the drawing, GRID pixels wide, is found.
        """
        given, colours = self.pairs.given[index], self.pairs.target[index]
        if self.jitter and rng.random() < 0.5:
            given, colours = given[:, ::-1], colours[:, ::-1]
        if self.jitter and rng.random() < 0.7:
            colours = recoloured(colours, rng)
        side, spare = self.pairs.side, len(given) - self.pairs.side
        top, left = rng.integers(0, spare + 1, 2) if self.jitter else (spare // 2, spare // 2)
        warp = random_warp(rng)
        exemplar = sampled(colours, warp.there(centres(side)) * side / len(given))
        origin = (np.array([left, top]) - spare / 2) * 2 / side  # of the cut, from the middle of the page
        places = warp.back(centres(side // GRID) + origin)
        cut = (slice(top, top + side), slice(left, left + side))
        parts = {"picture": given[cut], "target": colours[cut]}
        return {**{name: np.ascontiguousarray(one) for name, one in parts.items()}, "exemplar": exemplar, "places": places}

    def stack(self, items: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """`picture`, `target` and `exemplar` float [b 3 side side] in [-1, 1], and `places` float [b n n 2]."""
        import torch

        pictures = {name: to_images([item[name] for item in items]) for name in ("picture", "target", "exemplar")}
        return {**pictures, "places": torch.from_numpy(np.stack([item["places"] for item in items])).float()}


def exemplar_pictures(folder: Path | None, split: str, side: int) -> ExemplarPictures:
    """Pairs from what `paired_pictures` reads, with their exemplars."""
    return ExemplarPictures(paired_pictures(folder, split, side), jitter=split == "train")


def centres(num: int) -> np.ndarray:
    """The centres (x, y) of num × num parts of [-1, 1]², float64 [num num 2]."""
    at = (np.arange(num) + 0.5) * 2 / num - 1
    return np.stack(np.meshgrid(at, at), -1)


def sampled(picture: np.ndarray, places: np.ndarray) -> np.ndarray:
    """The colours uint8 [h w 3] of a picture at places [h w 2] in [-1, 1] of it, white outside."""
    from scipy.ndimage import map_coordinates

    size = np.array(picture.shape[1::-1])
    x, y = np.moveaxis((places + 1) / 2 * size - 0.5, -1, 0)
    planes = [map_coordinates(picture[..., c].astype(np.float32), (y, x), order=1, cval=255.0) for c in range(3)]
    return np.stack(planes, -1).round().astype(np.uint8)


def recoloured(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A picture uint8 [h w 3] whose channels are exchanged and bent; black and white stay."""
    order, powers = rng.permutation(3), np.exp(rng.uniform(-0.7, 0.7, 3))
    table = (255 * (np.arange(256)[:, None] / 255) ** powers).round().astype(np.uint8)
    return np.stack([table[picture[..., c], n] for n, c in enumerate(order)], -1)


def relatives(folder: Path, limit: int = 0) -> list[tuple[int, int]]:
    """Pairs of held-out drawings of a table that have the same annotation but for who does it, by their numbers in the split "val"."""
    import pandas as pd
    from pyarrow import parquet

    file = folder / "val.parquet"
    if not file.is_file() or not {"annotation", "flag"} <= set(parquet.read_schema(file).names):
        return []
    table = pd.read_parquet(file, columns=["annotation", "flag"])
    names = [WHO.sub("*", str(one).lower()) for one in table["annotation"][~table["flag"].astype(bool)]]
    found = [(a, b) for a, one in enumerate(names) if "*" in one for b, other in enumerate(names) if one == other and a != b]
    return found[:limit] if limit else found
