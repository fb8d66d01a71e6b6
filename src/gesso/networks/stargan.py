"""StarGAN v2's networks, small: mapping and style encoder with a head for each domain, a generator that styles steer, a critic (Choi 2020).

A domain is chosen by numbers [b k], one for each domain: 1 for the one that is meant. Deviations: the generator answers with a colour and
a share for each pixel, and lays the one over its input by the other, so what no domain changes is passed on as it is. Both are the sum of
what a U-Net makes at half the size and of what the style makes of the pixel's own colour, so one colour becomes one colour.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gesso.judgement import Judgement
from gesso.networks.translator import padded
from gesso.networks.twice_conv import TwiceConv2d
from gesso.ports import Ports
from gesso.shapes import Images, Maps, Vectors

SLOPE = 0.2
PATCH = 2  # pixels a side that are read and made at once, for speed


class DomainMapping(nn.Module):
    """Latent [b latent] and a domain [b k] -> style [b width]: shared layers, and a last one for each domain."""

    def __init__(self, latent: int, width: int, domains: int, hidden: int = 128) -> None:
        super().__init__()
        sizes = (latent, hidden, hidden, hidden)
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in zip(sizes, sizes[1:], strict=False))
        self.leave = nn.Linear(hidden, width * domains)
        nn.init.normal_(self.leave.bias)  # domains differ from the start

    def forward(self, latent: Tensor, domain: Tensor) -> Vectors:
        x = latent
        for layer in self.layers:
            x = F.relu(layer(x))
        return chosen(self.leave(x), domain)


class StyleEncoder(nn.Module):
    """Picture [b c h w] and its domain [b k] -> style [b width], from the mean of the last maps."""

    def __init__(self, channels: int, widths: Sequence[int], width: int, domains: int) -> None:
        super().__init__()
        self.layers = halving(channels, widths)
        self.leave = nn.Linear(widths[-1], width * domains)
        nn.init.normal_(self.leave.bias)

    def forward(self, picture: Images, domain: Tensor) -> Vectors:
        return chosen(self.leave(features_of(self.layers, picture).float().mean((2, 3))), domain)


class DomainCritic(nn.Module):
    """Picture [b c h w] -> logits [b 1 h' w'] of patches, from the head of the domain in the vector port of the condition `slot`.

    Beside them logits of the domains [b k] (Choi 2018).
    """

    def __init__(self, channels: int, widths: Sequence[int], domains: int, slot: str) -> None:
        super().__init__()
        self.layers = halving(channels, widths, TwiceConv2d)
        self.leave = nn.Conv2d(widths[-1], domains, 1)
        self.classify = nn.Linear(widths[-1], domains)
        self.domains, self.slot = domains, slot

    def forward(self, picture: Images, ports: Ports) -> Judgement:
        domain = ports.by_slot[self.slot].vector
        assert domain is not None
        seen = features_of(self.layers, picture)
        logits = self.leave(seen) * domain[:, : self.domains, None, None].to(seen)
        return Judgement((logits.sum(1, keepdim=True),), self.classify(seen.mean((2, 3))))


class StyledTranslator(nn.Module):
    """Picture [b c h w] and style [b width] -> picture of the same size: a U-Net whose way up is normalised and scaled by the style.

    `widths` are the channels at 1/2, 1/4, … of the size. Norms on the way down are of instances; on the way up, adaptive ones.
    """

    def __init__(self, channels: int, widths: Sequence[int], width: int) -> None:
        super().__init__()
        self.enter = nn.Conv2d(channels * PATCH**2, widths[0], 3, padding=1)
        self.down = nn.ModuleList(nn.Conv2d(a, b, 4, 2, 1) for a, b in zip(widths, widths[1:], strict=False))
        self.norms = nn.ModuleList(nn.InstanceNorm2d(b, affine=True) for b in widths[1:])
        self.middle = StyledBlock(widths[-1], widths[-1], width)
        ways = zip(reversed(widths), list(reversed(widths))[1:], strict=False)
        self.up = nn.ModuleList(StyledBlock(below + wide, wide, width) for below, wide in ways)
        self.leave = nn.Conv2d(widths[0] + channels * PATCH**2, channels + 1, 3, padding=1)
        self.palette = StyledPalette(channels, channels + 1, width)
        with torch.no_grad():
            self.leave.weight[:channels] = 0  # what is made begins as a change of colours
        self.channels = channels

    def forward(self, picture: Images, style: Vectors) -> Images:
        return self.changed(picture, style)[0]

    def changed(self, picture: Images, style: Vectors) -> tuple[Images, Tensor]:
        """The picture, and the share of what was made in each of its pixels [b 1 h w]."""
        h, w = picture.shape[-2:]
        whole = padded(picture, PATCH * 2 ** len(self.down))
        pixels = F.pixel_unshuffle(whole, PATCH)
        x = F.leaky_relu(self.enter(pixels), SLOPE)
        skips = []
        for conv, norm in zip(self.down, self.norms, strict=True):
            skips.append(x)
            x = F.leaky_relu(norm(conv(x)), SLOPE)
        x = self.middle(x, style)
        for block in self.up:
            x = block(torch.cat([F.interpolate(x, scale_factor=2, mode="nearest"), skips.pop()], 1), style)
        made = self.leave(torch.cat([x, pixels], 1)).float()
        made = F.interpolate(made, scale_factor=PATCH, mode="bilinear", align_corners=False) + self.palette(whole, style).float()
        colour, share = torch.tanh(made[:, : self.channels]), torch.sigmoid(made[:, self.channels :])
        return torch.lerp(whole.float(), colour, share)[..., :h, :w], share[..., :h, :w]


class StyledPalette(nn.Module):
    """Pixels [b c h w] and style [b width] -> values [b d h w] of each pixel alone: what becomes of a colour."""

    def __init__(self, channels: int, out: int, width: int, hidden: int = 32) -> None:
        super().__init__()
        self.enter, self.inner = nn.Conv2d(channels, hidden, 1), nn.Conv2d(hidden, hidden, 1)
        self.style, self.leave = nn.Linear(width, 4 * hidden), nn.Conv2d(hidden, out, 1)

    def forward(self, pixels: Images, style: Vectors) -> Maps:
        gamma, beta, gamma2, beta2 = self.style(style)[:, :, None, None].chunk(4, 1)
        x = F.leaky_relu((1 + gamma) * self.enter(pixels) + beta, SLOPE)
        x = F.leaky_relu((1 + gamma2) * self.inner(x) + beta2, SLOPE)
        values: Maps = self.leave(x)
        return values


class StyledBlock(nn.Module):
    """Two convolutions with adaptive instance normalisation: (1 + γ) · norm(x) + β, of which the style decides γ and β (Huang 2017)."""

    def __init__(self, wide_in: int, wide: int, width: int) -> None:
        super().__init__()
        self.convs = nn.ModuleList([nn.Conv2d(wide_in, wide, 3, padding=1), nn.Conv2d(wide, wide, 3, padding=1)])
        self.norm = nn.InstanceNorm2d(wide)
        self.style = nn.Linear(width, 4 * wide)

    def forward(self, x: Maps, style: Vectors) -> Maps:
        scales = self.style(style)[:, :, None, None].chunk(4, 1)
        for conv, gamma, beta in zip(self.convs, scales[::2], scales[1::2], strict=True):
            x = F.leaky_relu((1 + gamma) * self.norm(conv(x)) + beta, SLOPE)
        return x


def chosen(values: Tensor, domain: Tensor) -> Vectors:
    """Of k vectors side by side [b k·d] the one of the domain [b k], as float32 [b d]."""
    apart = values.float().view(len(values), domain.shape[1], -1)
    return (apart * domain.float()[:, :, None]).sum(1)


def halving(channels: int, widths: Sequence[int], make: type[nn.Conv2d] = nn.Conv2d) -> nn.ModuleList:
    """Convolutions to 1/2, 1/4, … of the size, with He's initial weights and without normalisation."""
    layers = [make(channels * PATCH**2, widths[0], 3, padding=1)]
    layers += [make(a, b, 4, 2, 1) for a, b in zip(widths, widths[1:], strict=False)]
    for layer in layers:
        nn.init.kaiming_normal_(layer.weight, SLOPE)
        nn.init.constant_(layer.bias, 0.0)  # type: ignore[arg-type]
    return nn.ModuleList(layers)


def features_of(layers: nn.ModuleList, picture: Images) -> Maps:
    """What `halving` layers see in a picture [b c h w], whose sides are repeated up to what halves evenly."""
    x = F.pixel_unshuffle(padded(picture, PATCH * 2 ** (len(layers) - 1)), PATCH)
    for layer in layers:
        x = F.leaky_relu(layer(x), SLOPE)
    return x
