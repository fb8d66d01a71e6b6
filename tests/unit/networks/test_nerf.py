"""Radiance fields: ranges, encodings, and an exponential that neither overflows nor loses its gradient."""

import math

import pytest
import torch

from gesso.networks.hash_grid import HashGrid
from gesso.networks.nerf import InstantNGP, NeRF, exp_density, positional_encoding, spherical_harmonics


@pytest.mark.parametrize("field", [InstantNGP(HashGrid(3, 10), 16), NeRF(16, 4, 3, 2)], ids=["hash", "paper"])
def test_densities_are_positive_and_colours_lie_in_their_range(field):
    direction = torch.nn.functional.normalize(torch.randn(50, 3), dim=1)
    density, features = field.density(torch.rand(50, 3))
    colour = field.colour(features, direction)
    assert density.shape == (50,) and bool((density > 0).all())
    assert colour.shape == (50, 3) and 0 <= float(colour.detach().min()) and float(colour.detach().max()) <= 1


def test_density_never_overflows_and_can_come_back_down():
    x = torch.tensor([-200.0, 0.0, 500.0], requires_grad=True)
    density = exp_density(x)
    density.sum().backward()
    assert bool(density.isfinite().all()) and bool(x.grad.isfinite().all())
    assert float(x.grad[2]) > 0


def test_spherical_harmonics_are_orthonormal():
    direction = torch.nn.functional.normalize(torch.randn(200_000, 3, generator=torch.Generator().manual_seed(0)), dim=1)
    values = spherical_harmonics(direction)
    products = 4 * math.pi * values.T @ values / len(direction)
    assert torch.allclose(products, torch.eye(16), atol=0.03)


def test_bands_fade_in():
    x = torch.rand(4, 3)
    whole, coarse = positional_encoding(x, 4), positional_encoding(x, 4, torch.tensor([1.0, 0.0, 0.0, 0.0]))
    assert whole.shape == coarse.shape == (4, 3 + 24)
    assert torch.equal(whole[:, :9], coarse[:, :9]) and bool((coarse[:, 9:] == 0).all())
