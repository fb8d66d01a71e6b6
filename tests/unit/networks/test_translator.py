"""Translators take any size; residual networks begin as they should; a mode count is exact."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from gesso.metrics.modes import mode_count
from gesso.metrics.translated import figures
from gesso.networks.dcgan import DCGANCritic, DCGANGenerator
from gesso.networks.residual_gan import ResidualCritic, ResidualGenerator
from gesso.networks.translator import ResidualTranslator, SkipTranslator
from gesso.ports import Ports


@pytest.mark.parametrize("network", [SkipTranslator(4, 3, (8, 16, 16)), ResidualTranslator(4, 3, 8, 1)], ids=["skip", "residual"])
@pytest.mark.parametrize("size", [(32, 32), (37, 50), (17, 64)])
def test_a_picture_of_any_size_keeps_its_size(network, size):
    out = network.eval()(torch.randn(2, 4, *size))
    assert out.shape == (2, 3, *size) and out.abs().max() <= 1


def test_generators_and_critics_fit_each_other():
    z, none = torch.randn(4, 16), Ports()
    for generator, critic in (
        (DCGANGenerator(3, 32, 8, 16), DCGANCritic(3, 32, 8)),
        (DCGANGenerator(3, 32, 8, 16), DCGANCritic(3, 32, 8, norm=False)),
        (ResidualGenerator(3, (16, 16, 8), 16, patch=2), ResidualCritic(3, (16, 16, 8), patch=2)),
    ):
        picture = generator(z, none)
        assert picture.shape == (4, 3, 32, 32) and critic(picture, none).logits[0].shape == (4, 1)


def test_a_class_reaches_generator_and_critic():
    generator, critic = ResidualGenerator(3, (16, 8), 16, given=4, patch=2), ResidualCritic(3, (16, 8), given=4, patch=2, classes=3)
    z, one, two = torch.randn(2, 16), Ports(vector=torch.eye(4)[:2]), Ports(vector=torch.eye(4)[2:])
    picture = generator(z, one)
    assert not torch.allclose(picture, generator(z, two))
    judged, other = critic(picture, one), critic(picture, two)
    assert not torch.allclose(judged.logits[0], other.logits[0]) and judged.classes.shape == (2, 3)


def test_modes_and_divergence():
    assert mode_count(np.arange(1000)) == {"modes": 1000, "KL": pytest.approx(0.0)}
    assert mode_count(np.zeros(50, int)) == {"modes": 1, "KL": pytest.approx(np.log(1000))}


def test_figures_of_a_translation():
    assert figures(np.zeros((4, 4, 3), np.uint8), np.full((4, 4, 3), 255, np.uint8)) == {"psnr": pytest.approx(0.0), "l1": 255.0}
