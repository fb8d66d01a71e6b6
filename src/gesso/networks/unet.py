"""A small U-Net with a noisy picture, a time and the ports of conditions as inputs."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gesso.networks.attention import attention
from gesso.ports import Ports, PortSizes
from gesso.shapes import Images, Maps, Times, Vectors


class UNet(nn.Module):
    """U-Net (Ronneberger 2015) with residual blocks; time and vector port enter by scale and shift (Dhariwal and Nichol 2021).

    `widths` are the channels at each resolution, each half of the one before; `depths` are the numbers of blocks there, both on the
    way down and up. The spatial port is concatenated to the input; self-attention is at the lowest resolution. `patch` × `patch`
    pixels are folded into channels at the start and unfolded at the end, which is faster with similar quality. With `spans` it also
    takes a second time, the span to another time on the path, whose embedding starts at zero.
    """

    def __init__(
        self,
        channels: int,
        ports: PortSizes,
        widths: Sequence[int] = (32, 64, 96),
        depths: Sequence[int] = (1, 1, 1),
        embedding: int = 128,
        patch: int = 1,
        spans: bool = False,
    ) -> None:
        super().__init__()
        self.embedding, self.patch = embedding, patch
        self.num_spatial, self.num_vector = ports.spatial, ports.vector
        self.time = nn.Sequential(nn.Linear(embedding, embedding), nn.SiLU(), nn.Linear(embedding, embedding))
        self.given = nn.Linear(ports.vector, embedding) if ports.vector else None
        self.span = SpanEmbedding(embedding, embedding) if spans else None
        self.enter = nn.Conv2d((channels + ports.spatial) * patch**2, widths[0], 3, padding=1)

        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        before = widths[0]
        for width, depth in zip(widths, depths, strict=True):
            self.down.append(ConditionedBlocks(ConditionedBlock(before if i == 0 else width, width, embedding) for i in range(depth)))
            before = width
        self.shrink = nn.ModuleList(nn.Conv2d(width, width, 3, stride=2, padding=1) for width in widths[:-1])
        self.middle = nn.ModuleList(
            [ConditionedBlock(before, before, embedding), Attention(before), ConditionedBlock(before, before, embedding)]
        )
        for width, depth in zip(reversed(widths), reversed(depths), strict=True):
            self.up.append(ConditionedBlocks(ConditionedBlock(before + width if i == 0 else width, width, embedding) for i in range(depth)))
            before = width
        last = nn.Conv2d(widths[0], channels * patch**2, 3, padding=1)
        nn.init.zeros_(last.weight)
        self.leave = nn.Sequential(PixelNorm(widths[0]), nn.SiLU(), last)

    def forward(self, x: Images, t: Times, ports: Ports, span: Times | None = None) -> Images:
        """`span` [b] is that to another time; None is 0, which is also all that a network without `spans` knows."""
        embedded = self.time(sinusoids(t, self.embedding))
        if self.span is not None:
            embedded = embedded + self.span(torch.zeros_like(t) if span is None else span)
        if self.given is not None:
            embedded = embedded + self.given(checked_port(ports.vector, "vector", self.num_vector))
        if self.num_spatial:
            x = torch.cat([x, checked_port(ports.spatial, "spatial", self.num_spatial)], 1)
        h = self.enter(F.pixel_unshuffle(x, self.patch))
        skips = []
        for level, blocks in enumerate(self.down):
            h = self.shrink[level - 1](h) if level else h
            h = blocks(h, embedded)
            skips.append(h)
        first, attention, second = self.middle
        h = second(attention(first(h, embedded)), embedded)
        for blocks, skip in zip(self.up, reversed(skips), strict=True):
            if skip.shape[-2:] != h.shape[-2:]:
                h = F.interpolate(h, size=skip.shape[-2:], mode="nearest")
            h = blocks(torch.cat([h, skip], 1), embedded)
        return F.pixel_shuffle(self.leave(h), self.patch)


class ConditionedBlock(nn.Module):
    """Two convolutions and a skip. The embedding scales and shifts between them; the second convolution starts at zero."""

    def __init__(self, num_in: int, num_out: int, embedding: int) -> None:
        super().__init__()
        self.norm1, self.conv1 = PixelNorm(num_in), nn.Conv2d(num_in, num_out, 3, padding=1)
        self.norm2, self.conv2 = PixelNorm(num_out), nn.Conv2d(num_out, num_out, 3, padding=1)
        self.turn = nn.Linear(embedding, 2 * num_out)
        self.skip = nn.Conv2d(num_in, num_out, 1) if num_in != num_out else nn.Identity()
        nn.init.zeros_(self.conv2.weight)

    def forward(self, x: Maps, embedded: Vectors) -> Maps:
        scale, shift = self.turn(F.silu(embedded))[:, :, None, None].chunk(2, 1)
        h = self.conv1(F.silu(self.norm1(x)))
        h = self.conv2(F.silu(self.norm2(h) * (1 + scale) + shift))
        return self.skip(x) + h


class ConditionedBlocks(nn.ModuleList):
    """A sequence of blocks that all get the embedding."""

    def forward(self, x: Maps, embedded: Vectors) -> Maps:
        for block in self:
            x = block(x, embedded)
        return x


class PixelNorm(nn.LayerNorm):
    """Layer normalisation over the channels of each pixel, as in ConvNeXt (Liu 2022): local, and fast with channels last in memory."""

    def forward(self, x: Maps) -> Maps:
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class Attention(nn.Module):
    """Self-attention over positions (Vaswani 2017), added to its input; its last layer starts at zero."""

    def __init__(self, width: int, num_heads: int = 4) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.norm, self.read, self.write = PixelNorm(width), nn.Conv2d(width, 3 * width, 1), nn.Conv2d(width, width, 1)
        nn.init.zeros_(self.write.weight)

    def forward(self, x: Maps) -> Maps:
        b, c, h, w = x.shape
        parts = self.read(self.norm(x)).reshape(b, 3, self.num_heads, c // self.num_heads, h * w)
        query, key, value = parts.transpose(-1, -2).unbind(1)
        mixed = attention(query, key, value, written_out=self.training)
        return x + self.write(mixed.transpose(-1, -2).reshape(b, c, h, w))


class SpanEmbedding(nn.Module):
    """The embedding of the span between two times [b] -> [b d], added to that of the time. Its last layer starts at zero."""

    def __init__(self, num: int, width: int) -> None:
        super().__init__()
        last = nn.Linear(width, width)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.num, self.layers = num, nn.Sequential(nn.Linear(num, width), nn.SiLU(), last)

    def forward(self, span: Times) -> Vectors:
        embedded: Vectors = self.layers(sinusoids(span, self.num))
        return embedded


def sinusoids(t: Times, num: int) -> Vectors:
    """Encode times in [0, 1] as cosines and sines of `num` / 2 wavelengths (Vaswani 2017, section 3.5, with t in thousandths)."""
    rates = torch.exp(-math.log(1e4) * torch.arange(num // 2, device=t.device, dtype=torch.float32) / (num // 2))
    angles = 1000 * t.float()[:, None] * rates
    return torch.cat([angles.cos(), angles.sin()], 1)


def checked_port(port: Tensor | None, name: str, num: int) -> Tensor:
    """The port; ValueError where it is not as wide as the network was built for."""
    if port is None or port.shape[1] != num:
        raise ValueError(f"this network was built for a {name} port {num} wide, not {None if port is None else port.shape[1]}")
    return port


__all__ = ["Attention", "ConditionedBlock", "PixelNorm", "SpanEmbedding", "UNet", "checked_port", "sinusoids"]
