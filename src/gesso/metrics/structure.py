"""Structural similarity of pictures, at one scale and at several (Wang 2004; Wang 2003, "Multi-scale structural similarity")."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import correlate1d
from skimage.metrics import structural_similarity

PEAK = 255.0
C2 = (0.03 * PEAK) ** 2
RADIUS, SIGMA = 5, 1.5  # of the window, 11 × 11
WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # of the scales, finest first
WINDOW = np.exp(-0.5 * (np.arange(-RADIUS, RADIUS + 1) / SIGMA) ** 2)
WINDOW /= WINDOW.sum()


def ssim(one: np.ndarray, other: np.ndarray) -> float:
    """Mean structural similarity of two pictures [h w] or [h w c] with values 0 to 255 of one size; of colours, the mean of channels.

    Only places whose 11 × 11 window lies inside count. ValueError for pictures of different sizes, or smaller than the window.
    """
    a, b = _planes(one, other)
    how = {"gaussian_weights": True, "sigma": SIGMA, "use_sample_covariance": False, "data_range": PEAK}
    return float(structural_similarity(a, b, channel_axis=0, **how))


def ms_ssim(one: np.ndarray, other: np.ndarray) -> float:
    """Structural similarity at up to five scales, each half the one before, weighted as published.

    Pictures below 176 pixels a side hold the window at fewer scales; the weights of those are scaled to add up to 1.
    """
    a, b = _planes(one, other)
    num = max(1, min(len(WEIGHTS), int(np.log2(min(a.shape[1:]) / len(WINDOW))) + 1))
    weights = np.array(WEIGHTS[:num]) / sum(WEIGHTS[:num])
    product = 1.0
    for weight in weights[:-1]:
        product *= max(0.0, _structure(a, b)) ** weight
        a, b = _halved(a), _halved(b)
    return float(product * max(0.0, ssim(a.transpose(1, 2, 0), b.transpose(1, 2, 0))) ** weights[-1])


def _planes(one: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both as float64 [c h w]."""
    if one.shape != other.shape or min(one.shape[:2]) < len(WINDOW):
        raise ValueError(f"pictures of {one.shape} and {other.shape} cannot be compared: one size, at least {len(WINDOW)} a side")
    a, b = (np.atleast_3d(picture).astype(np.float64).transpose(2, 0, 1) for picture in (one, other))
    return a, b


def _structure(a: np.ndarray, b: np.ndarray) -> float:
    """The mean comparison of contrast and structure, without brightness (Wang 2003, equation 7): scikit-image gives only the product."""
    values = []
    for x, y in zip(a, b, strict=True):
        mean_x, mean_y = _windowed(x), _windowed(y)
        spread = _windowed(x * x) - mean_x**2 + _windowed(y * y) - mean_y**2
        values.append(((2 * (_windowed(x * y) - mean_x * mean_y) + C2) / (spread + C2)).mean())
    return float(np.mean(values))


def _windowed(plane: np.ndarray) -> np.ndarray:
    """The window's weighted mean at each place where it lies inside."""
    blurred = correlate1d(correlate1d(plane, WINDOW, axis=0), WINDOW, axis=1)
    return blurred[RADIUS:-RADIUS, RADIUS:-RADIUS]


def _halved(planes: np.ndarray) -> np.ndarray:
    """Means of 2 × 2 pixels; an odd last row or column is left out."""
    c, h, w = planes.shape
    return planes[:, : h // 2 * 2, : w // 2 * 2].reshape(c, h // 2, 2, w // 2, 2).mean((2, 4))
