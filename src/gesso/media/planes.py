"""One frame of a film as planes of luma and chroma, as codecs hold it, and its planes at another size."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from gesso.media.bicubic import sampled

if TYPE_CHECKING:
    from scipy import sparse

LEFT, CENTRE = "left", "centre"  # where a chroma sample lies between its two columns of luma


@dataclass(frozen=True)
class Planes:
    """`luma` [h w] and `chroma`, Cb and Cr [⌈h/down⌉ ⌈w/across⌉], or none for grey: uint8, or uint16 where `bits` is more than 8.

    Chroma lies between two rows of luma, and on the left of its two columns (`site` "left", as MPEG-2 and later have it) or between.
    """

    luma: np.ndarray
    chroma: tuple[np.ndarray, np.ndarray] | None
    bits: int = 8
    down: int = 2
    across: int = 2
    site: str = LEFT

    @property
    def peak(self) -> int:
        return (1 << self.bits) - 1


def chroma_at(planes: Planes, scale: int, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Both chroma planes of 4:2:0 with luma of `size` (height, width), `scale` times as large: by bicubic; grey where there is none."""
    h, w = (-(-n // 2) for n in size)
    if planes.chroma is None:
        neutral = np.full((h, w), 1 << (planes.bits - 1), planes.luma.dtype)
        return neutral, neutral.copy()
    rows = _matrix(planes.chroma[0].shape[0], h, scale, planes.down, 0.5)
    columns = _matrix(planes.chroma[0].shape[1], w, scale, planes.across, 0.0 if planes.site == LEFT else 0.5)
    made = []
    for plane in planes.chroma:
        across = (columns @ plane.T.astype(np.float32)).T  # rows first would move twice as much
        made.append(as_levels(rows @ np.ascontiguousarray(across), planes.bits))
    return made[0], made[1]


def as_levels(values: np.ndarray, bits: int) -> np.ndarray:
    """Rounded and clipped to what `bits` hold: uint8 or uint16."""
    return np.clip(values + 0.5, 0, (1 << bits) - 1).astype(np.uint8 if bits == 8 else np.uint16)


@lru_cache(maxsize=16)
def _matrix(num: int, new: int, scale: int, step: int, offset: float) -> sparse.csr_array:
    """The `new` samples of 4:2:0, two columns of the larger luma apart, from `num` samples that are `step` columns apart.

    `offset` 0: samples lie on the left column of their pair; 0.5: between them. One column of luma is `scale` larger ones.
    """
    larger = 2 * np.arange(new) + offset
    at = (larger + 0.5) / scale - 0.5
    start = 0.0 if step == 1 else offset
    return sampled(num, (at - start) / step, min(1.0, scale * step / 2))
