"""CIE Lab (D65, 2 degrees) of tensors, and the colours that photographs can have: bins of its a and b."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from gesso.shapes import Images, Maps

WHITE = (0.95047, 1.0, 1.08883)
TO_XYZ = ((0.4124564, 0.3575761, 0.1804375), (0.2126729, 0.7151522, 0.0721750), (0.0193339, 0.1191920, 0.9503041))  # IEC 61966-2-1
KNEE = 6 / 29
BISECTIONS, MARGIN = 8, 1e-3
GRID = 10  # the side of a bin, as in Zhang 2016


def to_lab(picture: Images) -> Maps:
    """sRGB [b 3 h w] in [-1, 1] as L* in [0, 100], a* and b*, float32 [b 3 h w]."""
    value = (picture.float() + 1) / 2
    linear = torch.where(value > 0.04045, ((value + 0.055) / 1.055).clamp_min(0) ** 2.4, value / 12.92)
    xyz = _turned(linear, torch.tensor(TO_XYZ)) / torch.tensor(WHITE, device=picture.device)[:, None, None]
    f = torch.where(xyz > KNEE**3, xyz.clamp_min(1e-9) ** (1 / 3), xyz / (3 * KNEE**2) + 4 / 29)
    x, y, z = f.unbind(1)
    return torch.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], 1)


def to_picture(lab: Maps) -> Images:
    """L*, a* and b* [b 3 h w] as sRGB in [-1, 1]; colours that sRGB does not have are clipped."""
    linear = _linear(lab).clamp(0, 1)
    value = torch.where(linear > 0.0031308, 1.055 * linear.clamp_min(1e-9) ** (1 / 2.4) - 0.055, 12.92 * linear)
    return value.clamp(0, 1) * 2 - 1


def fitted(lab: Maps) -> Maps:
    """Colours [b 3 h w] with as much of their chroma as sRGB has at their lightness, by bisection: clipping would change L*."""
    lightness, chroma = lab[:, :1].float(), lab[:, 1:].float()
    low, high = torch.zeros_like(lightness), torch.ones_like(lightness)
    if (fits := _in_gamut(lab)).all():
        return lab
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        inside = _in_gamut(torch.cat([lightness, chroma * middle], 1))
        low, high = torch.where(inside, middle, low), torch.where(inside, high, middle)
    return torch.cat([lightness, chroma * torch.where(fits, 1, low)], 1)


def _in_gamut(lab: Maps) -> Tensor:
    linear = _linear(lab)
    return ((linear > -MARGIN) & (linear < 1 + MARGIN)).all(1, keepdim=True)


def lab_planes(picture: np.ndarray) -> np.ndarray:
    """L*, a* and b* of a picture uint8 [h w 3], float32 [3 h w]."""
    from gesso.media.tensor import to_tensor

    found: np.ndarray = to_lab(to_tensor(picture)[None])[0].numpy()
    return found


@lru_cache(maxsize=1)
def chroma_bins() -> Tensor:
    """The (a*, b*) of all bins of a grid of 10 that a colour of sRGB rounds to, float32 [261 2].

    Zhang 2016 counts 313, with a margin about the gamut.
    """
    steps = torch.arange(0, 256, 3) / 127.5 - 1
    every = torch.cartesian_prod(steps, steps, steps).T.reshape(1, 3, -1, 1)
    return torch.unique((to_lab(every)[0, 1:, :, 0].T / GRID).round(), dim=0) * GRID


def _linear(lab: Maps) -> Maps:
    """L*, a* and b* as linear sRGB, which may lie outside [0, 1]."""
    lightness, a, b = lab.float().unbind(1)
    y = (lightness + 16) / 116
    f = torch.stack([y + a / 500, y, y - b / 200], 1)
    xyz = torch.where(f > KNEE, f**3, 3 * KNEE**2 * (f - 4 / 29)) * torch.tensor(WHITE, device=lab.device)[:, None, None]
    return _turned(xyz, torch.linalg.inv(torch.tensor(TO_XYZ)))


def _turned(maps: Maps, matrix: Tensor) -> Maps:
    return torch.einsum("ij,bjhw->bihw", matrix.to(maps.device), maps)
