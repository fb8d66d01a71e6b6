"""A network that changes a picture towards wanted features, for feed-forward style transfer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch.nn.functional as F
from torch import nn

from gesso.shapes import Images, Maps, Vectors


class Restyler(nn.Module):
    """Picture [b 3 h w], maps of its levels and a code [b d] -> the change of the picture [b 3 h w].

    Level i holds maps [b `channels`[i] h/2^(i+1) w/2^(i+1)], `widths[i]` wide inside, with `blocks[i]` residual blocks. There is no
    normalisation (Huang 2017, 5: it would take a style's mean and deviation away again); the code scales and shifts each block
    instead. The finest level writes 2 × 2 pixels at once (Shi 2016), so that nothing is computed at full resolution.
    """

    def __init__(self, channels: Sequence[int], widths: Sequence[int], blocks: Sequence[int], code: int, wide_code: int = 128) -> None:
        super().__init__()
        self.enter = nn.ModuleList(nn.Conv2d(num, width, 1) for num, width in zip(channels, widths, strict=True))
        self.see = nn.Conv2d(3, widths[0], 6, stride=2, padding=2)
        self.blocks = nn.ModuleList(
            nn.ModuleList(ModulatedBlock(width, wide_code) for _ in range(num)) for width, num in zip(widths, blocks, strict=True)
        )
        self.up = nn.ModuleList(nn.Conv2d(coarse, fine, 3, padding=1) for fine, coarse in zip(widths[:-1], widths[1:], strict=True))
        self.leave = nn.Conv2d(widths[0], 12, 3, padding=1)
        self.read = nn.Sequential(nn.Linear(code, wide_code), nn.ReLU())
        nn.init.normal_(self.leave.weight, 0, 0.02)

    def forward(self, picture: Images, levels: Sequence[Maps], code: Vectors) -> Images:
        h, w = picture.shape[-2:]
        read = self.read(code)
        x = None
        for i in reversed(range(len(levels))):
            entered = self.enter[i](levels[i])
            x = entered if x is None else entered + F.interpolate(self.up[i](F.relu(x)), size=entered.shape[-2:], mode="nearest")
            if i == 0:
                x = x + self.see(picture)
            blocks: Any = self.blocks[i]
            for block in blocks:
                x = block(x, read)
        change = F.pixel_shuffle(self.leave(F.relu(x)), 2)  # type: ignore[arg-type]
        return F.pad(change, (0, w % 2, 0, h % 2), mode="replicate")


class ModulatedBlock(nn.Module):
    """x + conv(relu(scale · conv(relu(x)) + shift)), scale and shift from a code; at first it changes nothing."""

    def __init__(self, width: int, code: int) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(width, width, 3, padding=1), nn.Conv2d(width, width, 3, padding=1)
        self.modulate = nn.Linear(code, 2 * width)
        for zero in (self.second.weight, self.second.bias, self.modulate.weight, self.modulate.bias):
            nn.init.zeros_(zero)  # type: ignore[arg-type]

    def forward(self, x: Maps, code: Vectors) -> Maps:
        scale, shift = self.modulate(code)[:, :, None, None].chunk(2, 1)
        return x + self.second(F.relu(self.first(F.relu(x)) * (1 + scale) + shift))


def code_length(channels: Sequence[int]) -> int:
    """The length of a code with two means and two deviations of each of so many features a level."""
    return 4 * sum(channels)
