"""Radiance fields: density and colour of points in a box, by hash tables (Müller 2022) or by a plain network (Mildenhall 2020)."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gesso.networks.hash_grid import HashGrid

MAX_LOG_DENSITY = 12.0  # exp of it makes any step opaque, and stays finite in float32


class InstantNGP(nn.Module):
    """A hash grid, a density network and a colour network of one and two hidden layers (Müller 2022, section 5.4).

    Points are [n 3] in [0, 1], the box's coordinates; directions are unit vectors [n 3]. The logarithm of the density is the first
    of the density network's outputs; the density is per unit of the world. Direction enters as 16 spherical harmonics.
    """

    def __init__(self, grid: HashGrid, width: int = 64, num_hidden: int = 15) -> None:
        super().__init__()
        self.grid = grid
        self.trunk = nn.Sequential(nn.Linear(grid.num_outputs, width), nn.ReLU(), nn.Linear(width, 1 + num_hidden))
        self.head = nn.Sequential(nn.Linear(num_hidden + 16, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 3))
        self.num_bands = grid.num_levels

    def density(self, x: Tensor, bands: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Density [n] and the features [n c] that `colour` reads. `bands` [num_bands] in [0, 1] fades frequencies in."""
        out = self.trunk(self.grid(x, bands))
        return exp_density(out[:, 0]), out[:, 1:]

    def colour(self, features: Tensor, direction: Tensor) -> Tensor:
        """Colour [n 3] in [0, 1]."""
        return torch.sigmoid(self.head(torch.cat([features, spherical_harmonics(direction)], 1)))


class NeRF(nn.Module):
    """The paper's network (Mildenhall 2020, section 5.1 and figure 7): positional encoding, eight layers with a skip, direction at the end.

    Points, directions and densities are as in InstantNGP. `width` and `depth` are the paper's 256 and 8. `skip` is the layer that
    sees the encoded point again.
    """

    def __init__(self, width: int = 256, depth: int = 8, num_bands: int = 10, num_direction_bands: int = 4) -> None:
        super().__init__()
        self.num_bands, self.num_direction_bands, self.skip = num_bands, num_direction_bands, depth // 2
        num_in = 3 + 6 * num_bands
        sizes = [num_in] + [width + (num_in if layer == self.skip else 0) for layer in range(1, depth)]
        self.layers = nn.ModuleList(nn.Linear(size, width) for size in sizes)
        self.to_density, self.to_features = nn.Linear(width, 1), nn.Linear(width, width)
        self.head = nn.Sequential(nn.Linear(width + 3 + 6 * num_direction_bands, width // 2), nn.ReLU(), nn.Linear(width // 2, 3))

    def density(self, x: Tensor, bands: Tensor | None = None) -> tuple[Tensor, Tensor]:
        encoded = positional_encoding(2 * x - 1, self.num_bands, bands)
        h = encoded
        for number, layer in enumerate(self.layers):
            h = F.relu(layer(torch.cat([encoded, h], 1) if number == self.skip and number else h))
        return exp_density(self.to_density(h)[:, 0]), self.to_features(h)

    def colour(self, features: Tensor, direction: Tensor) -> Tensor:
        return torch.sigmoid(self.head(torch.cat([features, positional_encoding(direction, self.num_direction_bands)], 1)))


def exp_density(log_density: Tensor) -> Tensor:
    """exp, whose value is finite and whose gradient is bounded for large inputs (Müller 2022, appendix)."""
    density: Tensor = _TruncatedExp.apply(log_density)
    return density


class _TruncatedExp(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        y = x.clamp(max=MAX_LOG_DENSITY).exp()
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> Tensor:
        (y,) = ctx.saved_tensors
        return slopes[0] * y


def positional_encoding(x: Tensor, num_bands: int, weight: Tensor | None = None) -> Tensor:
    """x, then sin and cos of 2^k·π·x for k below `num_bands` (Mildenhall 2020, equation 4), each band scaled by `weight` [num_bands]."""
    if not num_bands:
        return x
    angles = x[:, None] * (torch.pi * 2.0 ** torch.arange(num_bands, device=x.device))[:, None]  # [n bands 3]
    waves = torch.stack([angles.sin(), angles.cos()], 2)
    if weight is not None:
        waves = waves * weight[:, None, None]
    return torch.cat([x, waves.flatten(1)], 1)


def spherical_harmonics(direction: Tensor) -> Tensor:
    """The 16 real spherical harmonics up to degree 3 of unit vectors [n 3]."""
    x, y, z = direction.unbind(1)
    xx, yy, zz = x * x, y * y, z * z
    parts = (
        torch.full_like(x, 0.28209479),
        -0.48860251 * y, 0.48860251 * z, -0.48860251 * x,
        1.0925484 * x * y, -1.0925484 * y * z, 0.31539157 * (3 * zz - 1), -1.0925484 * x * z, 0.54627421 * (xx - yy),
        -0.59004359 * y * (3 * xx - yy), 2.8906114 * x * y * z, -0.45704580 * y * (5 * zz - 1), 0.37317633 * z * (5 * zz - 3),
        -0.45704580 * x * (5 * zz - 1), 1.4453057 * z * (xx - yy), -0.59004359 * x * (xx - 3 * yy),
    )  # fmt: skip
    return torch.stack(parts, 1)
