"""A generator and a critic of residual blocks without normalisation, after R3GAN (Huang 2024, section 4)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gesso.judgement import Judgement
from gesso.networks.twice_conv import TwiceConv2d
from gesso.ports import Ports
from gesso.shapes import Images, Vectors

START = 4  # pixels a side of the coarsest maps


class ResidualGenerator(nn.Module):
    """Latent [b latent], and the vector port where there is one, -> picture [b c side side]; residual, without normalisation.

    After Huang 2024 ("R3GAN"), section 4: no norm, leaky ReLU, resampling outside the blocks, and a last convolution of each block that
    starts at zero. Deviations: plain 3×3 convolutions in place of inverted bottlenecks with groups, and `patch` × `patch` pixels
    are made at once, both for speed on CPUs. `widths` are channels from 4×4 on, each at twice the resolution before.
    The latent, with the vector port of width `given` where there is one, also scales the channels of each level, as class-conditional
    batch normalisation does (Miyato and Koyama 2018, section 4) where there is no normalisation; the scales start at one.
    """

    def __init__(self, channels: int, widths: tuple[int, ...], latent: int, given: int = 0, depth: int = 1, patch: int = 1) -> None:
        super().__init__()
        self.patch, self.given = patch, nn.Linear(given, latent) if given else None
        known = latent * (2 if given else 1)
        self.enter = nn.Linear(known, widths[0])
        self.start = nn.Parameter(torch.randn(1, widths[0], START, START))
        self.levels = nn.ModuleList()
        for wide_in, wide in zip((widths[0], *widths), widths, strict=False):
            self.levels.append(nn.Sequential(_changed(wide_in, wide), *(PlainBlock(wide) for _ in range(depth))))
        self.leave = nn.Conv2d(widths[-1], channels * patch**2, 1)
        _same_in_patches(self.leave, channels)
        self.scales = nn.ModuleList(_from_zero(known, wide) for wide in widths)

    def forward(self, latent: Vectors, ports: Ports, truncation: float = 1.0) -> Images:
        """The latent's length does not count, so `truncation` shortens what is made of it."""
        z = F.normalize(latent.float(), dim=1) * (truncation * latent.shape[1] ** 0.5)
        if self.given is not None:
            z = torch.cat([z, self.given(ports.vector)], 1)
        x = self.start * self.enter(z)[:, :, None, None]
        for number, level in enumerate(self.levels):
            x = level(F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False) if number else x)
            x = x * (1 + self.scales[number](z))[:, :, None, None]
        return F.pixel_shuffle(self.leave(x), self.patch)


class ResidualCritic(nn.Module):
    """Picture [b c side side] -> logits [b 1], the mirror image of ResidualGenerator.

    With a vector port of width `given`, the logit adds its projection on the features (Miyato and Koyama 2018, equation 3); with
    `classes`, logits of classes too (Odena 2017).
    """

    def __init__(self, channels: int, widths: tuple[int, ...], given: int = 0, depth: int = 1, patch: int = 1, classes: int = 0) -> None:
        super().__init__()
        self.patch, narrow = patch, tuple(reversed(widths))
        self.enter = TwiceConv2d(channels * patch**2, narrow[0], 1)
        self.levels = nn.ModuleList()
        for wide, wide_out in zip(narrow, (*narrow[1:], narrow[-1]), strict=False):
            self.levels.append(nn.Sequential(*(PlainBlock(wide) for _ in range(depth)), _changed(wide, wide_out)))
        self.gather = nn.Conv2d(narrow[-1], narrow[-1], START, groups=narrow[-1], bias=False)
        self.leave = nn.Linear(narrow[-1], 1)
        self.project = nn.Linear(given, narrow[-1], bias=False) if given else None
        self.classify = nn.Linear(narrow[-1], classes) if classes else None

    def forward(self, picture: Images, ports: Ports) -> Judgement:
        x = self.enter(F.pixel_unshuffle(picture, self.patch))
        for number, level in enumerate(self.levels):
            x = level(x)
            x = x if number == len(self.levels) - 1 else F.avg_pool2d(x, 2)
        features = (x * self.gather.weight[:, 0]).sum((2, 3))  # the convolution over whole maps; its second gradient is slow by groups
        logit = self.leave(features)
        if self.project is not None:
            logit = logit + (features * self.project(ports.vector)).sum(1, keepdim=True) / features.shape[1] ** 0.5
        return Judgement((logit,), None if self.classify is None else self.classify(features))


class PlainBlock(nn.Module):
    """x + conv(act(conv(act(x)))), whose last convolution starts at zero, so that depth is harmless without normalisation (Zhang 2019)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1, self.conv2 = TwiceConv2d(width, width, 3, padding=1), TwiceConv2d(width, width, 3, padding=1, bias=False)
        nn.init.zeros_(self.conv2.weight)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv2(F.leaky_relu(self.conv1(F.leaky_relu(x, 0.2)), 0.2))


@torch.no_grad()
def _same_in_patches(layer: nn.Conv2d, channels: int) -> None:
    """All pixels of a patch begin alike, so that there is no pattern of patches to unlearn (Aitken 2017, "ICNR")."""
    for values in (layer.weight, layer.bias):
        assert values is not None
        by_pixel = values.view(channels, -1, *values.shape[1:])
        by_pixel.copy_(by_pixel[:, :1].expand_as(by_pixel))


def _from_zero(num_in: int, num_out: int) -> nn.Linear:
    """A layer whose output is zero until it learns."""
    layer = nn.Linear(num_in, num_out)
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


def _changed(wide_in: int, wide: int) -> nn.Module:
    return TwiceConv2d(wide_in, wide, 1, bias=False) if wide_in != wide else nn.Identity()
