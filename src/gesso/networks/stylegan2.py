"""StyleGAN2's networks: mapping, modulated synthesis with noise and skips, residual critic (Karras 2020, "Analyzing and Improving").

Everything is scaled at run time by 1/√fan-in ("equalised learning rate", Karras 2018, section 4.1), so that all layers learn at one
rate. Doubling and halving use the filter [1, 3, 3, 1], which for doubling is bilinear interpolation.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gesso.judgement import Judgement
from gesso.ports import Ports
from gesso.shapes import Images, Maps, Vectors

START = 4  # pixels a side of the first maps
GAIN = math.sqrt(2)  # keeps the variance after a leaky ReLU
Noise = Sequence[Tensor] | None  # maps [b 1 h w] for each layer


class EqualLinear(nn.Module):
    """A linear layer scaled by 1/√fan-in at run time; `speed` multiplies its learning rate."""

    def __init__(self, wide_in: int, wide: int, *, bias: float = 0.0, speed: float = 1.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(wide, wide_in) / speed)
        self.bias = nn.Parameter(torch.full((wide,), bias / speed))
        self.scale, self.speed = speed / math.sqrt(wide_in), speed

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight * self.scale, self.bias * self.speed)


class EqualConv(nn.Module):
    """A convolution scaled by 1/√fan-in at run time, and its output by `gain`, with the weights, as that costs less than with maps."""

    def __init__(self, wide_in: int, wide: int, kernel: int, *, bias: bool = True, gain: float = 1.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(wide, wide_in, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(wide)) if bias else None
        self.scale, self.gain = gain / math.sqrt(wide_in * kernel**2), gain

    def forward(self, x: Maps) -> Maps:
        bias = self.bias if self.bias is None or self.gain == 1 else self.bias * self.gain
        return F.conv2d(x, self.weight * self.scale, bias, padding=self.weight.shape[-1] // 2)


class MappingNetwork(nn.Module):
    """Latent z [b latent], and the vector port where there is one, -> w [b width]; eight layers at a hundredth of the rate."""

    def __init__(self, latent: int, width: int, given: int = 0, depth: int = 8) -> None:
        super().__init__()
        self.given = EqualLinear(given, latent) if given else None
        sizes = [latent * (2 if given else 1)] + [width] * depth
        self.layers = nn.ModuleList(EqualLinear(a, b, speed=0.01) for a, b in zip(sizes, sizes[1:], strict=False))
        self.register_buffer("mean", torch.zeros(width))  # the running mean of w, towards which truncation goes

    mean: Tensor

    def forward(self, z: Tensor, ports: Ports) -> Tensor:
        x = unit(z.float())
        if self.given is not None:
            x = torch.cat([x, unit(self.given(ports.vector).float())], 1)
        for layer in self.layers:
            x = leaky(layer(x))
        if self.training:
            with torch.no_grad():
                self.mean.lerp_(x.detach().float().mean(0), 0.005)
        return x


class ModulatedConv(nn.Module):
    """A convolution whose input channels the style scales and whose output channels are scaled back to unit variance (section 2.2).

    y = gain · d · conv(s · x), with d = 1/√Σ(s · weight)²: the paper's equations 1 and 3 without a kernel for each item.
    """

    def __init__(self, wide_in: int, wide: int, kernel: int, width: int, *, demodulate: bool = True, gain: float = 1.0) -> None:
        super().__init__()
        self.gain = gain
        self.style = EqualLinear(width, wide_in, bias=1.0)
        self.weight = nn.Parameter(torch.randn(wide, wide_in, kernel, kernel))
        self.scale, self.demodulate = 1 / math.sqrt(wide_in * kernel**2), demodulate

    def forward(self, x: Maps, style: Vectors) -> Maps:
        """`style` [b wide_in] scales the input's channels."""
        weight = self.weight * self.scale
        x = F.conv2d(x * style[:, :, None, None], weight, padding=weight.shape[-1] // 2)
        if not self.demodulate:
            return x
        squares = weight.float().square().sum((2, 3))
        factor = self.gain * torch.rsqrt(style.float().square() @ squares.T + 1e-8)
        return x * factor[:, :, None, None].to(x.dtype)


class StyledLayer(nn.Module):
    """Modulated convolution, noise of one learned strength, bias, leaky ReLU."""

    def __init__(self, wide_in: int, wide: int, width: int) -> None:
        super().__init__()
        self.conv = ModulatedConv(wide_in, wide, 3, width, gain=GAIN)
        self.strength = nn.Parameter(torch.zeros(()))
        self.bias = nn.Parameter(torch.zeros(wide))

    def forward(self, x: Maps, style: Vectors, noise: Tensor | None) -> Maps:
        x = self.conv(x, style)
        if noise is not None:
            x = x + (self.strength * GAIN * noise).to(x.dtype)
        return F.leaky_relu(x + (self.bias * GAIN).to(x.dtype)[:, None, None], 0.2)


class Synthesis(nn.Module):
    """w, one for all layers [b width] or one for each [b layers width], -> picture [b c side side]; pictures of all sizes are added.

    `widths` are the channels at 4×4, 8×8, …; the last size is the picture's. `styles` and `from_styles` are its two halves: all channels'
    styles together are the style space S (Wu 2021, "StyleSpace").
    """

    def __init__(self, channels: int, widths: Sequence[int], width: int) -> None:
        super().__init__()
        self.start = nn.Parameter(torch.randn(1, widths[0], START, START))
        self.layers, self.leave = nn.ModuleList([StyledLayer(widths[0], widths[0], width)]), nn.ModuleList()
        for before, wide in zip(widths, widths[1:], strict=False):
            self.layers += [StyledLayer(before, wide, width), StyledLayer(wide, wide, width)]
        for wide in widths:
            self.leave.append(ModulatedConv(wide, channels, 1, width, demodulate=False))
        self.sizes = tuple(START * 2 ** ((number + 1) // 2) for number in range(len(self.layers)))

    @property
    def num_layers(self) -> int:
        return len(self.layers)

    @property
    def modulated(self) -> list[ModulatedConv]:
        """The convolutions that styles modulate, in the order of `styles`: the layers', and after each even one's that which shows it."""
        found: list[ModulatedConv] = []
        for number, layer in enumerate(self.layers):
            found += [layer.conv, self.leave[number // 2]] if number % 2 == 0 else [layer.conv]  # type: ignore[list-item]
        return found

    def styles(self, w: Tensor) -> list[Tensor]:
        """The style [b channels] of each of `modulated`."""
        ws = w[:, None].expand(-1, self.num_layers, -1) if w.ndim == 2 else w
        numbers = [number for number in range(self.num_layers) for _ in range(2 - number % 2)]
        return [conv.style(ws[:, number]) for conv, number in zip(self.modulated, numbers, strict=True)]

    def from_styles(self, styles: Sequence[Tensor], noise: Noise = None) -> Images:
        x, picture = self.start.expand(len(styles[0]), -1, -1, -1), None
        given = iter(styles)
        for number, layer in enumerate(self.layers):
            if number % 2 == 1:
                x = doubled(x)
            x = layer(x, next(given), None if noise is None else noise[number])
            if number % 2 == 0:
                shown = self.leave[number // 2](x, next(given))
                picture = shown if picture is None else doubled(picture) + shown
        assert picture is not None
        return picture

    def forward(self, w: Tensor, noise: Noise = None) -> Images:
        return self.from_styles(self.styles(w), noise)


class StyleCritic(nn.Module):
    """Picture [b c side side] -> logits [b 1]: residual halvings, then the deviation within groups of a batch as one more channel.

    With a vector port of width `given`, the logit is the projection of its embedding on the features (Miyato and Koyama 2018).
    """

    def __init__(self, channels: int, widths: Sequence[int], given: int = 0, group: int = 4) -> None:
        super().__init__()
        narrow = tuple(reversed(widths))
        self.enter, self.group = EqualConv(channels, narrow[0], 1, gain=GAIN), group
        self.blocks = nn.ModuleList(CriticBlock(a, b) for a, b in zip(narrow, narrow[1:], strict=False))
        self.last = EqualConv(narrow[-1] + 1, narrow[-1], 3, gain=GAIN)
        self.flat = EqualLinear(narrow[-1] * START**2, narrow[-1])
        self.leave = EqualLinear(narrow[-1], 1)
        self.project = EqualLinear(given, narrow[-1]) if given else None

    def forward(self, picture: Images, ports: Ports) -> Judgement:
        x = F.leaky_relu(self.enter(picture), 0.2)
        for block in self.blocks:
            x = block(x)
        x = F.leaky_relu(self.last(torch.cat([x, group_deviation(x, self.group)], 1)), 0.2)
        features = leaky(self.flat(x.flatten(1)))
        logit = self.leave(features)
        if self.project is not None:
            logit = logit + (features * unit(self.project(ports.vector))).sum(1, keepdim=True) / math.sqrt(features.shape[1])
        return Judgement((logit,), features=(features,))


class CriticBlock(nn.Module):
    """Two convolutions, a halving and a skip, together of unit variance: (inner + skip)/√2."""

    def __init__(self, wide_in: int, wide: int) -> None:
        super().__init__()
        self.conv1, self.conv2 = EqualConv(wide_in, wide_in, 3, gain=GAIN), EqualConv(wide_in, wide, 3)
        self.skip = EqualConv(wide_in, wide, 1, bias=False, gain=1 / GAIN)

    def forward(self, x: Maps) -> Maps:
        inner = F.leaky_relu(self.conv2(halved(F.leaky_relu(self.conv1(x), 0.2))), 0.2)
        return inner + self.skip(halved(x))


def group_deviation(x: Maps, size: int) -> Maps:
    """The mean standard deviation within groups of `size` items, as one map [b 1 h w] (Karras 2018, section 3)."""
    b, _, h, w = x.shape
    size = math.gcd(b, size)
    groups = x.float().view(size, b // size, *x.shape[1:])
    deviation = (groups.var(0, unbiased=False) + 1e-8).sqrt().mean((1, 2, 3))
    return deviation.repeat(size)[:, None, None, None].expand(b, 1, h, w).to(x.dtype)


def leaky(x: Tensor) -> Tensor:
    return F.leaky_relu(x, 0.2) * GAIN


def unit(x: Vectors) -> Vectors:
    """Vectors of mean square 1."""
    return x * torch.rsqrt(x.square().mean(1, keepdim=True) + 1e-8)


def doubled(x: Maps) -> Maps:
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


def halved(x: Maps) -> Maps:
    """Maps at half the size, by the filter [1, 3, 3, 1] = [1, 1] * [1, 1] * [1, 1]; borders are repeated."""
    x = F.avg_pool2d(F.avg_pool2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), 2, 1), 2, 1)
    return F.avg_pool2d(x, 2)
