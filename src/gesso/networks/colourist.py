"""A network that looks at a grey photograph and at points of colour, and says something of each place's colour."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from gesso.networks.residual import ResidualBlock
from gesso.networks.translator import padded
from gesso.networks.unet import Attention
from gesso.shapes import Maps


class Colourist(nn.Module):
    """Maps [b `num_in` h w] -> maps [b `num_out` h/2 w/2]: a U-Net of residual blocks on patches of 2 × 2.

    `widths` are the channels at 1/2, 1/4, … of the size (multiples of 8), and `depths` the blocks there. Places attend to each other at
    the lowest resolution, where a point of colour can speak to similar places far away. Sides that do not divide are padded and cut.
    """

    def __init__(self, num_in: int, num_out: int, widths: Sequence[int], depths: Sequence[int]) -> None:
        super().__init__()
        self.enter = nn.Conv2d(4 * num_in, widths[0], 3, padding=1)
        self.down = nn.ModuleList(_blocks(width, depth) for width, depth in zip(widths, depths, strict=True))
        self.smaller = nn.ModuleList(nn.Conv2d(a, b, 2, stride=2) for a, b in zip(widths, widths[1:], strict=False))
        self.middle = Attention(widths[-1])
        self.join = nn.ModuleList(nn.Conv2d(a + b, a, 1) for a, b in zip(widths[-2::-1], widths[:0:-1], strict=True))
        self.up = nn.ModuleList(_blocks(width, depth) for width, depth in zip(widths[-2::-1], depths[-2::-1], strict=True))
        self.leave = nn.Conv2d(widths[0], num_out, 1)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)  # type: ignore[arg-type]

    def forward(self, given: Maps) -> Maps:
        h, w = given.shape[-2:]
        x = self.enter(F.pixel_unshuffle(padded(given, 2 ** len(self.down)), 2))
        kept: list[Any] = []
        for level, blocks in enumerate(self.down):
            x = blocks(x)
            if level < len(self.smaller):
                kept.append(x)
                x = self.smaller[level](x)
        x = self.middle(x)
        for one, blocks in zip(self.join, self.up, strict=True):
            x = blocks(one(torch.cat([F.interpolate(x, scale_factor=2, mode="nearest"), kept.pop()], 1)))
        made: Maps = self.leave(F.relu(x))
        return made[..., : -(-h // 2), : -(-w // 2)]


def _blocks(width: int, depth: int) -> nn.Sequential:
    return nn.Sequential(*(ResidualBlock(width, width) for _ in range(depth)))
