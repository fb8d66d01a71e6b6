"""A codec: pictures into small latents and back, through a Gaussian bottleneck or a codebook."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gesso.networks.unet import PixelNorm
from gesso.shapes import Images, Maps

COMMITMENT = 0.25  # weight of the encoder's part in a codebook's penalty (van den Oord 2017, equation 3)
MEMORY = 0.01  # share of the newest batch in the running size of latents


@dataclass(frozen=True)
class Coded:
    """Latents [b c h w], what they cost [b], and with a codebook the number of each place's code, int64 [b h w]."""

    latents: Maps
    penalty: Tensor
    ids: Tensor | None = None


class Gaussian(nn.Module):
    """Mean and log variance [b 2c h w] -> a sample; the penalty is the KL divergence from N(0, 1) (Kingma 2014, appendix B).

    `size` is the running standard deviation of the means: divided by it, latents have unit variance (Rombach 2022, appendix G).
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.wide_in = 2 * channels
        self.register_buffer("size", torch.ones(()))

    size: Tensor

    def forward(self, x: Maps, noise: Maps | None = None) -> Coded:
        mean, log_variance = x.float().chunk(2, 1)
        log_variance = log_variance.clamp(-30, 20)
        divergence = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance)
        if self.training:
            with torch.no_grad():
                self.size.lerp_(mean.std().to(self.size), MEMORY)
        latents = mean if noise is None else mean + (0.5 * log_variance).exp() * noise
        return Coded(latents, divergence.mean((1, 2, 3)))


class Codebook(nn.Module):
    """Maps [b c h w] -> the nearest of `num` codes at each place; gradients pass straight through (van den Oord 2017).

    Both are unit vectors of few numbers, so that nearly all codes are used (Yu 2022, "ViT-VQGAN", section 3.2).
    """

    def __init__(self, channels: int, num: int) -> None:
        super().__init__()
        self.wide_in = channels
        self.codes = nn.Parameter(F.normalize(torch.randn(num, channels), dim=1))

    def forward(self, x: Maps, noise: Maps | None = None) -> Coded:
        wanted = F.normalize(x.float(), dim=1)
        codes = F.normalize(self.codes.float(), dim=1)
        ids = torch.einsum("bchw,nc->bnhw", wanted.detach(), codes.detach()).argmax(1)
        found = codes[ids].permute(0, 3, 1, 2)
        penalty = (wanted.detach() - found).square() + COMMITMENT * (wanted - found.detach()).square()
        return Coded(wanted + (found - wanted).detach(), penalty.sum(1).mean((1, 2)), ids)

    def look_up(self, ids: Tensor) -> Maps:
        """The latents of codes int64 [b h w]."""
        return F.normalize(self.codes, dim=1)[ids].permute(0, 3, 1, 2)


class PictureCodec(nn.Module):
    """Picture [b 3 h w] in [-1, 1] <-> latents [b c h/f w/f], with f = 2^halvings; sides that f does not divide are padded.

    `widths` are the channels at half the size, a quarter …; pixels are folded 2 × 2 at the start (Esser 2021, without its attention).
    """

    def __init__(self, widths: Sequence[int], channels: int, depth: int = 2, num_codes: int = 0) -> None:
        super().__init__()
        self.factor = 2 ** len(widths)
        self.bottleneck: Gaussian | Codebook = Codebook(channels, num_codes) if num_codes else Gaussian(channels)
        down: list[nn.Module] = [nn.Conv2d(12, widths[0], 3, padding=1)]
        up: list[nn.Module] = [nn.Conv2d(channels, widths[-1], 3, padding=1)]
        for level, width in enumerate(widths):
            down += [nn.Conv2d(widths[level - 1], width, 3, stride=2, padding=1)] if level else []
            down += [CodecBlock(width) for _ in range(depth)]
        for level, width in reversed(list(enumerate(widths))):
            up += [CodecBlock(width) for _ in range(depth)]
            up += [nn.Upsample(scale_factor=2), nn.Conv2d(width, widths[level - 1], 3, padding=1)] if level else []
        down += [PixelNorm(widths[-1]), nn.SiLU(), nn.Conv2d(widths[-1], self.bottleneck.wide_in, 1)]
        up += [PixelNorm(widths[0]), nn.SiLU(), nn.Conv2d(widths[0], 12, 3, padding=1)]
        self.down, self.up = nn.Sequential(*down), nn.Sequential(*up)

    def encode(self, picture: Images, noise: Maps | None = None) -> Coded:
        """Latents of a picture. `noise` [b c h/f w/f], for training, makes a sample of what would else be the mean."""
        h, w = picture.shape[-2:]
        x = F.pad(picture, (0, -w % self.factor, 0, -h % self.factor), mode="replicate")
        coded: Coded = self.bottleneck(self.down(F.pixel_unshuffle(x, 2)), noise)
        return coded

    def decode(self, latents: Maps) -> Images:
        """The picture of latents, at f times their size."""
        made: Images = F.pixel_shuffle(self.up(latents), 2)
        return made

    def forward(self, picture: Images, noise: Maps | None = None) -> tuple[Images, Coded]:
        """The picture again, at its size, and what it was coded as."""
        coded = self.encode(picture, noise)
        return self.decode(coded.latents)[..., : picture.shape[-2], : picture.shape[-1]], coded


class CodecBlock(nn.Module):
    """x + conv(silu(norm(conv(silu(norm(x)))))); the second convolution starts at zero."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            PixelNorm(width), nn.SiLU(), nn.Conv2d(width, width, 3, padding=1),
            PixelNorm(width), nn.SiLU(), nn.Conv2d(width, width, 3, padding=1),
        )  # fmt: skip
        last = self.layers[-1]
        assert isinstance(last, nn.Conv2d)
        nn.init.zeros_(last.weight)

    def forward(self, x: Maps) -> Maps:
        made: Maps = x + self.layers(x)
        return made
