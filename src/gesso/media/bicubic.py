"""Bicubic resizing with antialiasing, equal to Matlab's imresize, by which super-resolution is published."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

SUPPORT = 4.0  # the width of the kernel in source pixels


def cubic(x: np.ndarray) -> np.ndarray:
    """Keys' cubic convolution kernel with a = -0.5 (Keys 1981, equation 4)."""
    x = np.abs(x)
    near = 1.5 * x**3 - 2.5 * x**2 + 1
    far = -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    return np.where(x <= 1, near, np.where(x < 2, far, 0.0))


@lru_cache(maxsize=64)
def taps(num: int, new: int) -> tuple[np.ndarray, np.ndarray]:
    """For resizing `num` samples to `new`: source indices and weights, both [new taps], the same number of taps for each sample.

    Where the result is smaller the kernel is widened by the ratio, so that nothing aliases. The border is mirrored, edge included.
    """
    scale = new / num
    stretch = min(scale, 1.0)
    width = SUPPORT / stretch
    centre = (np.arange(new) + 0.5) / scale - 0.5
    first = np.floor(centre - width / 2).astype(np.int64)
    index = first[:, None] + np.arange(int(np.ceil(width)) + 2)
    weight = cubic((centre[:, None] - index) * stretch)
    weight /= weight.sum(1, keepdims=True)
    used = (weight != 0).any(0)
    index = index[:, used] % (2 * num)
    return np.minimum(index, 2 * num - 1 - index), weight[:, used]


def resized(picture: np.ndarray, height: int, width: int, rows: tuple[int, int] | None = None) -> np.ndarray:
    """float32 [h w] or [h w c] as float32 [height width …], neither rounded nor clipped; `rows` (first, end) are the part wanted."""
    index, weight = taps(picture.shape[0], height)
    first, end = rows or (0, height)
    index, weight = index[first:end], weight[first:end]
    low = int(index.min())
    part = picture[low : int(index.max()) + 1].astype(np.float32)
    across = np.moveaxis(_along(np.moveaxis(part, 1, 0), *taps(picture.shape[1], width)), 0, 1)
    return _along(across, index - low, weight)


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


def _along(picture: np.ndarray, index: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """The weighted sums over the first axis."""
    weight = weight.astype(np.float32).reshape(*weight.shape, *[1] * (picture.ndim - 1))
    out = picture[index[:, 0]] * weight[:, 0]
    for tap in range(1, index.shape[1]):
        out += picture[index[:, tap]] * weight[:, tap]
    return out
