"""Generators from picture to picture: pix2pix's U-Net and CycleGAN's residual network."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gesso.shapes import Images, Maps


class SkipTranslator(nn.Module):
    """Maps [b d h w] -> picture [b c h w] in [-1, 1]: a U-Net of strided convolutions with instance normalisation (Isola 2017, 6.1.1).

    `widths` are the channels after each halving. Deviations: nearest neighbours and 3×3 convolutions on the way up, which leave no
    checkerboard; no dropout, so an output depends on its input alone. Sides that do not halve evenly are mirrored up and cut again.
    """

    def __init__(self, num_in: int, channels: int = 3, widths: Sequence[int] = (32, 64, 128, 256)) -> None:
        super().__init__()
        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        before = num_in
        for level, width in enumerate(widths):
            norm = nn.Identity() if level in (0, len(widths) - 1) else nn.InstanceNorm2d(width, affine=True)
            self.down.append(nn.Sequential(nn.Conv2d(before, width, 4, 2, 1), norm))
            before = width
        for below, width in zip(reversed(widths), (*reversed(widths[:-1]), widths[0]), strict=True):
            wide_in = below if below == before and not len(self.up) else 2 * below
            self.up.append(nn.Sequential(nn.Conv2d(wide_in, width, 3, padding=1), nn.InstanceNorm2d(width, affine=True)))
        self.leave = nn.Conv2d(widths[0] + num_in, channels, 3, padding=1)

    def forward(self, given: Maps) -> Images:
        h, w = given.shape[-2:]
        x = padded(given, 2 ** len(self.down))
        skips = [x]
        for level in self.down:
            x = F.leaky_relu(level(x), 0.2)
            skips.append(x)
        skips.pop()
        for level in self.up:
            x = F.relu(level(F.interpolate(x, scale_factor=2, mode="nearest")))
            x = torch.cat([x, skips.pop()], 1)
        return torch.tanh(self.leave(x))[..., :h, :w]


class ResidualTranslator(nn.Module):
    """Picture [b d h w] -> picture [b c h w] in [-1, 1]: two halvings, residual blocks, two doublings (Johnson 2016; Zhu 2017, 7.2).

    Borders are mirrored, and all norms are of instances. Deviation: nearest neighbours and 3×3 convolutions on the way up.
    """

    def __init__(self, num_in: int, channels: int = 3, width: int = 32, num_blocks: int = 6) -> None:
        super().__init__()
        wide = 4 * width
        self.layers = nn.Sequential(
            *_normed(num_in, width, 7),
            *_normed(width, 2 * width, 3, stride=2),
            *_normed(2 * width, wide, 3, stride=2),
            *(InstanceBlock(wide) for _ in range(num_blocks)),
            nn.Upsample(scale_factor=2),
            *_normed(wide, 2 * width, 3),
            nn.Upsample(scale_factor=2),
            *_normed(2 * width, width, 3),
            nn.Conv2d(width, channels, 7, padding=3, padding_mode="reflect"),
        )

    def forward(self, given: Maps) -> Images:
        h, w = given.shape[-2:]
        return torch.tanh(self.layers(padded(given, 4)))[..., :h, :w]


class InstanceBlock(nn.Module):
    """x + norm(conv(relu(norm(conv(x))))) with mirrored borders."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(*_normed(width, width, 3), *_normed(width, width, 3)[:2])

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)


def _normed(wide_in: int, wide: int, kernel: int, stride: int = 1) -> list[nn.Module]:
    conv = nn.Conv2d(wide_in, wide, kernel, stride, kernel // 2, padding_mode="reflect", bias=False)
    return [conv, nn.InstanceNorm2d(wide, affine=True), nn.ReLU(inplace=True)]


def padded(x: Tensor, multiple: int) -> Tensor:
    """Maps whose bottom and right are repeated until both sides are multiples of `multiple`."""
    h, w = x.shape[-2:]
    return F.pad(x, (0, -w % multiple, 0, -h % multiple), mode="replicate") if h % multiple or w % multiple else x
