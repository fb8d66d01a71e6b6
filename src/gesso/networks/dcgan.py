"""DCGAN's networks: strided convolutions and batch normalisation only (Radford 2016, section 3); the critic also without it."""

from __future__ import annotations

import torch
from torch import nn

from gesso.judgement import Judgement
from gesso.networks.twice_conv import TwiceConv2d
from gesso.ports import Ports
from gesso.shapes import Images, Vectors

START = 4  # pixels a side before the first doubling


class DCGANGenerator(nn.Module):
    """Latent [b latent] -> picture [b c side side] in [-1, 1]; transposed convolutions, tanh at the end."""

    def __init__(self, channels: int, side: int, width: int, latent: int) -> None:
        super().__init__()
        doublings = (side // START).bit_length() - 1
        widths = [width * 2**n for n in reversed(range(doublings))]
        layers: list[nn.Module] = [
            nn.ConvTranspose2d(latent, widths[0], START, bias=False),
            nn.BatchNorm2d(widths[0]),
            nn.ReLU(inplace=True),
        ]
        for wide_in, wide in zip(widths, widths[1:], strict=False):
            layers += [nn.ConvTranspose2d(wide_in, wide, 4, 2, 1, bias=False), nn.BatchNorm2d(wide), nn.ReLU(inplace=True)]
        self.layers = nn.Sequential(*layers, nn.ConvTranspose2d(widths[-1], channels, 4, 2, 1))
        self.apply(_near_zero)

    def forward(self, latent: Vectors, ports: Ports, truncation: float = 1.0) -> Images:
        return torch.tanh(self.layers(latent[:, :, None, None] * truncation))


class DCGANCritic(nn.Module):
    """Picture [b c side side] -> logits [b 1]. Without `norm` a logit depends on its own picture alone, as penalties on slopes need."""

    def __init__(self, channels: int, side: int, width: int, norm: bool = True) -> None:
        super().__init__()
        halvings = (side // START).bit_length() - 1
        widths = [width * 2**n for n in range(halvings)]
        conv = nn.Conv2d if norm else TwiceConv2d
        layers: list[nn.Module] = [conv(channels, widths[0], 4, 2, 1), nn.LeakyReLU(0.2, inplace=True)]
        for wide_in, wide in zip(widths, widths[1:], strict=False):
            norms = [nn.BatchNorm2d(wide)] if norm else []
            layers += [conv(wide_in, wide, 4, 2, 1, bias=not norm), *norms, nn.LeakyReLU(0.2, inplace=True)]
        self.layers = nn.Sequential(*layers)
        self.leave = nn.Conv2d(widths[-1], 1, START)
        if norm:
            self.apply(_near_zero)

    def forward(self, picture: Images, ports: Ports) -> Judgement:
        return Judgement((self.leave(self.layers(picture)).flatten(1),))


def _near_zero(module: nn.Module) -> None:
    """Weights from N(0, 0.02), as in section 3.1 of the paper; scales of normalisation from N(1, 0.02)."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(module.weight, 0.0, 0.02)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)
