"""Truncation shortens latents, also those that a generator normalises."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from gesso.families.adversarial.latent import Latent
from gesso.families.family import Inputs
from gesso.networks.dcgan import DCGANGenerator
from gesso.networks.residual_gan import ResidualGenerator
from gesso.ports import Ports


def generators() -> dict[str, nn.Module]:
    torch.manual_seed(0)
    made = {"residual": ResidualGenerator(3, (8, 8), 4), "dcgan": DCGANGenerator(3, 16, 4, 4).eval()}
    for network in made.values():
        for parameter in network.parameters():
            nn.init.normal_(parameter, 0, 0.3)
    return made


@pytest.mark.parametrize("kind", ["residual", "dcgan"])
def test_less_truncation_means_less_variety_and_none_is_one_picture(kind: str):
    network = generators()[kind]

    def made(seed: int, truncation: float) -> torch.Tensor:
        inputs = Inputs(Ports(), Ports(), (1, 3, 16, 16))
        settings: Any = SimpleNamespace(truncation=truncation)
        (output,) = Latent(4).show({"generator": network}, inputs, torch.Generator().manual_seed(seed), settings)
        return output.media["image"]

    with torch.no_grad():
        apart = [float((made(1, share) - made(2, share)).abs().mean()) for share in (1.0, 0.5, 0.0)]
        assert apart[0] > apart[1] > apart[2] == 0, apart
        plain = network(torch.randn(1, 4, generator=torch.Generator().manual_seed(3)), Ports())
        assert torch.equal(plain, network(torch.randn(1, 4, generator=torch.Generator().manual_seed(3)), Ports(), 1.0))
