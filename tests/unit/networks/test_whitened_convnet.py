"""The fixed first layer whitens, convolutions begin as the identity, and the maps decide the logits."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from gesso.datasets.cifar import Patterns
from gesso.networks.whitened_convnet import WhitenedConvNet, dirac_conv
from gesso.networks.whitening import Whitening


@pytest.fixture(scope="module")
def pictures():
    patterns = Patterns(200)
    noise = 0.1 * torch.randn(200, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    return patterns.stack([patterns.item(i, np.random.default_rng(i)) for i in range(200)])["image"] + noise


def test_whitened_patches_are_uncorrelated_with_unit_variance(pictures):
    stem = Whitening(3)
    stem.begin(pictures)
    white = F.conv2d(pictures - stem.mean[:, None, None], stem.whiten).transpose(0, 1).flatten(1)
    assert white.mean(1).abs().max() < 0.1
    covariance = torch.cov(white)
    assert (covariance - torch.eye(12)).abs().max() < 0.15  # the floor of the variances shrinks the weakest


def test_the_first_layer_gives_both_signs_and_learns_only_its_bias(pictures):
    stem = Whitening(3)
    stem.begin(pictures)
    made = stem.whitened(pictures[:2])
    assert made.shape == (2, 24, 31, 31)
    signed = made[:, :12] - made[:, 12:]  # gelu(x) - gelu(-x) is x
    assert torch.allclose(signed, F.conv2d(pictures[:2] - stem.mean[:, None, None], stem.whiten), atol=1e-4)
    assert [name for name, _ in stem.named_parameters()] == ["whiten_bias"]


def test_convolutions_begin_as_the_identity():
    conv, x = dirac_conv(4, 6), torch.randn(1, 4, 5, 5)
    assert torch.equal(conv(x)[:, :4], x)


@pytest.mark.parametrize("side", [32, 48])
def test_the_maps_decide_the_logits_at_any_size(pictures, side):
    net = WhitenedConvNet(3, (8, 12, 16), 5).eval()
    net.begin(pictures)
    x = F.interpolate(pictures[:3], size=side)
    maps = net.maps(x)
    assert maps.shape[:2] == (3, 12) and net(x).shape == (3, 5)
    assert torch.equal(net.logits_of(maps), net(x))
