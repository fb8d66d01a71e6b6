"""SPAN: super-resolution of luma by convolutions with parameter-free attention (Wan 2024, "Swift Parameter-free Attention Network")."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gesso.networks.subpixel import Bicubic, Upscaler
from gesso.shapes import Maps


class SPAB(nn.Module):
    """Three 3×3 convolutions and attention without parameters: (conv(x) + x) · (sigmoid(conv(x)) + 0.5) (section 3.2, equations 3 to 5).

    Deviation: the paper's factor is sigmoid - 0.5, which is near 0 where a training begins, so that a block passes nothing on. One
    more of it, and the block begins as the identity.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.second, self.third = (nn.Conv2d(width, width, 3, padding=1) for _ in range(3))

    def forward(self, x: Maps) -> tuple[Maps, Maps]:
        """The block's output, and its first inner map, which the network joins at its end."""
        inner = self.first(x)
        out = self.third(F.silu(self.second(F.silu(inner))))
        return (out + x) * (torch.sigmoid(out) + 0.5), inner


class SPAN(Upscaler):
    """SPAN for several scales: one body of `depth` blocks, one 3×3 head for each scale.

    Deviations: one channel of luma; plain 3×3 convolutions in training too, where the paper trains triples that it folds; the
    bicubic enlargement is added.
    """

    def __init__(self, width: int = 32, depth: int = 6, *, scales: tuple[int, ...] = (2, 3, 4)) -> None:
        super().__init__(scales, reach=1 + 3 * depth + 1 + 1)
        self.enter = nn.Conv2d(1, width, 3, padding=1)
        self.blocks = nn.ModuleList(SPAB(width) for _ in range(depth))
        self.leave = nn.Conv2d(width, width, 3, padding=1)
        self.join = nn.Conv2d(4 * width, width, 1)
        self.heads = nn.ModuleDict({str(scale): nn.Conv2d(width, scale * scale, 3, padding=1) for scale in scales})
        self.skip = Bicubic(scales)
        for head in self.heads.values():
            nn.init.normal_(head.weight, std=1e-3)  # type: ignore[arg-type]
            nn.init.zeros_(head.bias)  # type: ignore[arg-type]

    def features(self, x: Maps) -> Maps:
        start = self.enter(x - 0.5)
        outs: list[Tensor] = []
        last_inner, at = start, start
        for block in self.blocks:
            at, last_inner = block(at)
            outs.append(at)
        return self.join(torch.cat([start, self.leave(at), outs[0], last_inner], 1))

    def forward(self, x: Maps, scale: int) -> Maps:
        inner = self.heads[str(scale)](self.features(x))
        return F.pixel_shuffle(self.skip(x, scale) + inner.float(), scale)
