"""Luma and chroma by ITU-R BT.601 in studio range, equal to Matlab's rgb2ycbcr: Y is 16 to 235, Cb and Cr are 16 to 240."""

from __future__ import annotations

import numpy as np

TO_YCBCR = np.array([[65.481, 128.553, 24.966], [-37.797, -74.203, 112.0], [112.0, -93.786, -18.214]], np.float32) / 255
OFFSET = np.array([16, 128, 128], np.float32)
TO_RGB = np.linalg.inv(TO_YCBCR.astype(np.float64)).astype(np.float32)


def luma(rgb: np.ndarray) -> np.ndarray:
    """Y float32 [h w] of RGB [h w 3] or grey [h w], values 0 to 255; not rounded."""
    if rgb.ndim == 2:
        return rgb.astype(np.float32) * (TO_YCBCR[0].sum()) + OFFSET[0]
    return rgb.astype(np.float32) @ TO_YCBCR[0] + OFFSET[0]


def ycbcr(rgb: np.ndarray) -> np.ndarray:
    """Y, Cb and Cr float32 [h w 3] of RGB [h w 3], values 0 to 255; not rounded."""
    return rgb.astype(np.float32) @ TO_YCBCR.T + OFFSET


def rgb(planes: np.ndarray) -> np.ndarray:
    """RGB float32 [h w 3] of Y, Cb and Cr [h w 3]; neither rounded nor clipped."""
    return (planes.astype(np.float32) - OFFSET) @ TO_RGB.T
