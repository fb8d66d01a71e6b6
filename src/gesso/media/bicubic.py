"""Bicubic resizing with antialiasing, equal to Matlab's imresize, by which super-resolution is published."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from scipy import sparse

SUPPORT = 4.0  # the width of the kernel in source pixels


def cubic(x: np.ndarray) -> np.ndarray:
    """Keys' cubic convolution kernel with a = -0.5 (Keys 1981, equation 4)."""
    x = np.abs(x)
    near = 1.5 * x**3 - 2.5 * x**2 + 1
    far = -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    return np.where(x <= 1, near, np.where(x < 2, far, 0.0))


@lru_cache(maxsize=64)
def matrix(num: int, new: int) -> sparse.csr_array:
    """Resizing of `num` samples to `new` as a matrix float32 [new num]."""
    return sampled(num, (np.arange(new) + 0.5) * num / new - 0.5, min(new / num, 1.0))


def sampled(num: int, at: np.ndarray, stretch: float = 1.0) -> sparse.csr_array:
    """The matrix float32 [len(at) num] that reads `num` samples at the places `at`, in samples from the first one's centre.

    `stretch` below 1 widens the kernel by its inverse, so that nothing aliases. The border is mirrored, edge included.
    """
    from scipy import sparse  # it takes a while, and naming a medium must not

    width = SUPPORT / stretch
    first = np.floor(at - width / 2).astype(np.int64)
    index = first[:, None] + np.arange(int(np.ceil(width)) + 2)
    weight = cubic((at[:, None] - index) * stretch)
    weight /= weight.sum(1, keepdims=True)
    index = index % (2 * num)
    index = np.minimum(index, 2 * num - 1 - index)
    used = weight != 0
    rows = np.repeat(np.arange(len(at)), used.sum(1))
    return sparse.csr_array((weight[used].astype(np.float32), (rows, index[used])), shape=(len(at), num))


def resized(picture: np.ndarray, height: int, width: int, rows: tuple[int, int] | None = None) -> np.ndarray:
    """float32 [h w] or [h w c] as float32 [height width …], neither rounded nor clipped; `rows` (first, end) are the part wanted."""
    down = matrix(picture.shape[0], height)[slice(*(rows or (0, height)))]
    low, high = int(down.indices.min()), int(down.indices.max()) + 1
    part = np.moveaxis(picture[low:high].astype(np.float32), 1, 0)
    across = np.moveaxis(_product(matrix(picture.shape[1], width), part), 0, 1)
    return _product(down[:, low:high], across)


def scaled(picture: np.ndarray, scale: float) -> np.ndarray:
    """As `resized`, by a factor; the size is rounded up as imresize rounds it."""
    return resized(picture, int(np.ceil(picture.shape[0] * scale)), int(np.ceil(picture.shape[1] * scale)))


def rounded(picture: np.ndarray) -> np.ndarray:
    """To uint8: clipped, and halves rounded up."""
    return np.floor(np.clip(picture, 0, 255) + 0.5).astype(np.uint8)


@lru_cache(maxsize=8)
def phases(scale: int) -> np.ndarray:
    """Enlargement by a whole factor as a convolution: float32 [scale² 5 5], one kernel for each pixel of a block, row by row."""
    one = np.zeros((scale, 5))
    for phase in range(scale):
        centre = (phase + 0.5) / scale - 0.5
        one[phase] = cubic(centre - np.arange(-2, 3))
    return np.einsum("ai,bj->abij", one, one).reshape(scale * scale, 5, 5).astype(np.float32)


def _product(weights: sparse.csr_array, picture: np.ndarray) -> np.ndarray:
    """The weighted sums over the first axis."""
    flat = np.ascontiguousarray(picture).reshape(picture.shape[0], -1)
    return np.asarray(weights @ flat).reshape(weights.shape[0], *picture.shape[1:])
