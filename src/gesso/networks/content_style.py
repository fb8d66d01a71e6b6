"""MUNIT's networks, small: what a picture shows as a map of codes, how it looks as a vector, and a decoder of both (Huang 2018).

Deviations: there are two readers of contents, of drawings and of coloured pictures, but one of styles; the decoder normalises adaptively at
every size, and so that thin lines survive its last layer also sees full size.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gesso.networks.stargan import PATCH, StyledBlock, features_of, halving
from gesso.networks.translator import InstanceBlock, padded
from gesso.shapes import Images, Maps, Vectors

QUARTER = 4  # contents are at 1/4 of the size


class CodeReader(nn.Module):
    """Contents of drawings (`drawing`) and of coloured pictures (`coloured`), and styles of the latter (`style`).

    Pictures are [b 3 h w]; contents [b 2·width h/4 w/4], whose instances are normalised so that they hold no colours; styles [b style].
    """

    def __init__(self, width: int, style: int) -> None:
        super().__init__()
        self.of_drawing, self.of_coloured = _content(width), _content(width)
        self.layers = halving(3, (width, 2 * width, 2 * width))
        self.leave = nn.Linear(2 * width, style)

    def drawing(self, picture: Images) -> Maps:
        content: Maps = self.of_drawing(padded(picture, QUARTER))
        return content

    def coloured(self, picture: Images) -> Maps:
        content: Maps = self.of_coloured(padded(picture, QUARTER))
        return content

    def style(self, picture: Images, there: Tensor) -> Vectors:
        """The style of the part of a picture in which `there` [b 1 h w] is 1."""
        seen = features_of(self.layers, picture).float()
        inside = F.adaptive_avg_pool2d(there.float(), (seen.shape[-2], seen.shape[-1]))
        mean = (seen * inside).sum((2, 3)) / inside.sum((2, 3)).clamp_min(1e-4)
        style: Vectors = self.leave(mean)
        return style


class CodeDecoder(nn.Module):
    """Contents [b 2·width h w] and styles [b style] -> pictures [b 3 4h 4w] in [-1, 1]."""

    def __init__(self, width: int, style: int) -> None:
        super().__init__()
        wide = 2 * width
        self.mapping = nn.Sequential(nn.Linear(style, 4 * style), nn.ReLU(), nn.Linear(4 * style, 4 * style), nn.ReLU())
        self.blocks = nn.ModuleList([StyledBlock(wide, wide, 4 * style), StyledBlock(wide, wide, 4 * style)])
        self.at_half = StyledBlock(wide, width, 4 * style)
        self.at_whole = nn.Conv2d(width, 16, 3, padding=1)
        self.leave = nn.Conv2d(16, 3, 3, padding=1)

    def forward(self, content: Maps, style: Vectors) -> Images:
        given, x = self.mapping(style), content
        for block in self.blocks:
            x = x + block(x, given)
        x = self.at_half(F.interpolate(x, scale_factor=2, mode="nearest"), given)
        x = F.leaky_relu(self.at_whole(F.interpolate(x, scale_factor=2, mode="nearest")), 0.2)
        return torch.tanh(self.leave(x))


def _content(width: int) -> nn.Sequential:
    wide = 2 * width
    return nn.Sequential(
        nn.PixelUnshuffle(PATCH),
        nn.Conv2d(3 * PATCH**2, width, 3, padding=1),
        nn.InstanceNorm2d(width, affine=True),
        nn.ReLU(inplace=True),
        nn.Conv2d(width, wide, 4, 2, 1),
        nn.InstanceNorm2d(wide, affine=True),
        nn.ReLU(inplace=True),
        InstanceBlock(wide),
        InstanceBlock(wide),
    )
