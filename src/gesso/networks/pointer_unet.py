"""A U-Net that says, for each pixel, which colour it takes: one of a palette, or one of the colours it was pointed to."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gesso.ports import Ports, PortSizes


@dataclass
class ColourField:
    """`logits` [b k+n h w]: how well a colour suits a pixel; `colours` [b k+n 3] in [-1, 1]: k of the palette, then n of the tokens.

    It is kept as it leaves the network, the four pixels of every 2 x 2 side by side, so that who learns from it may
    look at one in four (`thin`) and pay for that one alone.
    """

    quads: Tensor  # [b k+query 4 h/2 w/2], rounded up: the palette's logits, then, where there are keys, what a pixel asks of tokens
    keys: Tensor | None  # [b n query]
    bias: Tensor
    mask: Tensor | None  # bool [b n]
    colours: Tensor
    num_palette: int
    size: tuple[int, int]

    @cached_property
    def logits(self) -> Tensor:
        h, w = self.size
        return self._point(F.pixel_shuffle(self.quads.flatten(1, 2), 2)[..., :h, :w])

    def thin(self, dy: int, dx: int) -> Tensor:
        """The logits of the pixels [dy::2, dx::2] alone."""
        h, w = self.size
        return self._point(self.quads[:, :, 2 * dy + dx, : (h - dy + 1) // 2, : (w - dx + 1) // 2])

    def _point(self, field: Tensor) -> Tensor:
        if self.keys is None or self.mask is None:
            return field.float()
        palette, ask = field.float().split([self.num_palette, field.shape[1] - self.num_palette], 1)
        points = torch.bmm(self.keys, ask.flatten(2)).unflatten(2, ask.shape[2:]) / ask.shape[1] ** 0.5 + self.bias
        return torch.cat([palette, points.masked_fill(~self.mask[:, :, None, None], -1e4)], 1)

    def mean(self, temperature: float = 1.0) -> Tensor:
        """The annealed mean colour [b 3 h w] in [-1, 1] (Zhang 2016, eq. 5, over whole colours instead of ab bins)."""
        share = torch.softmax(self.logits.float() / temperature, 1)
        return torch.einsum("bkhw,bkc->bchw", share, self.colours.float())


class Block(nn.Module):
    """Group norm, 3x3 convolution, ReLU, 3x3 convolution, and a skip; one norm only, since on a CPU norms cost as much as convolutions."""

    def __init__(self, wide_in: int, wide: int, drop: float = 0.0) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(8, wide_in)
        self.conv1, self.conv2 = nn.Conv2d(wide_in, wide, 3, padding=1), nn.Conv2d(wide, wide, 3, padding=1)
        self.skip = nn.Conv2d(wide_in, wide, 1) if wide_in != wide else nn.Identity()
        self.drop = nn.Dropout2d(drop) if drop else nn.Identity()
        nn.init.zeros_(self.conv2.weight)
        nn.init.zeros_(self.conv2.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        return self.skip(x) + self.conv2(self.drop(F.relu(self.conv1(self.norm(x)), inplace=True)))


class PointerUNet(nn.Module):
    """spatial [b c h w] and tokens -> ColourField at the same h, w (any; padded to a multiple of 8 inside).

    Works at half resolution (pixel-unshuffle). A token's key is the mean of the decoder's features over the pixels it
    covers; a pixel takes its colour in proportion to exp(query . key): a pointer, so any colour can be copied exactly.
    """

    palette: Tensor

    def __init__(
        self,
        sizes: PortSizes,
        palette: Tensor,
        *,
        widths: tuple[int, ...] = (64, 128, 160),
        depth: tuple[int, ...] = (1, 2, 2),
        query: int = 16,
        drop: float = 0.1,
    ) -> None:
        super().__init__()
        self.num_palette, self.query = len(palette), query
        self.register_buffer("palette", palette.float() / 127.5 - 1)
        self.stem = nn.Conv2d(sizes.spatial * 4, widths[0], 3, padding=1)
        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        self.shrink, self.grow = nn.ModuleList(), nn.ModuleList()
        for i, (wide, num) in enumerate(zip(widths, depth, strict=True)):
            last = i == len(widths) - 1
            self.down.append(nn.Sequential(*[Block(wide, wide, drop if last else 0) for _ in range(num)]))
            self.up.append(
                nn.Sequential(Block(wide if last else 2 * wide, wide, drop if last else 0), *[Block(wide, wide) for _ in range(num - 1)])
            )
            if not last:
                self.shrink.append(nn.Conv2d(wide, widths[i + 1], 2, stride=2))
                self.grow.append(nn.Conv2d(widths[i + 1], wide, 1))
        deep = widths[-1]
        first, second = nn.Linear(deep, deep), nn.Linear(deep, 2 * deep)
        nn.init.zeros_(second.weight)
        nn.init.zeros_(second.bias)
        self.glance = nn.Sequential(first, nn.SiLU(), second)
        self.norm = nn.GroupNorm(8, widths[0])
        self.head = nn.Conv2d(widths[0], (self.num_palette + 2 * query) * 4, 1)
        self.bias = nn.Parameter(torch.zeros(1))

    def features(self, spatial: Tensor) -> Tensor:
        """[b c h w] with h, w multiples of 8 -> [b palette+2*query 4 h/2 w/2], four pixels side by side."""
        x = self.stem(F.pixel_unshuffle(spatial, 2))
        kept = []
        for i, level in enumerate(self.down):
            x = level(x)
            if i < len(self.shrink):
                kept.append(x)
                x = self.shrink[i](x)
        scale, shift = self.glance(x.mean((2, 3)))[:, :, None, None].chunk(2, 1)
        x = x * (1 + scale) + shift
        for i in reversed(range(len(self.up))):
            if i < len(self.grow):
                x = torch.cat([F.interpolate(self.grow[i](x), scale_factor=2.0, mode="nearest"), kept[i]], 1)
            x = self.up[i](x)
        return self.head(F.relu(self.norm(x))).unflatten(1, (-1, 4))

    def forward(self, ports: Ports) -> ColourField:
        spatial = ports.spatial
        assert spatial is not None
        h, w = spatial.shape[-2:]
        if h % 8 or w % 8:
            spatial = F.pad(spatial, (0, -w % 8, 0, -h % 8), mode="replicate")
        out = self.features(spatial)
        quads, answer = out.split([self.num_palette + self.query, self.query], 1)
        colours, tokens = self.palette.expand(len(out), -1, -1), ports.tokens
        if tokens is None or tokens.places is None:
            return ColourField(quads[:, : self.num_palette], None, self.bias, None, colours, self.num_palette, (h, w))
        places = tokens.places.float().flatten(2)
        covered = F.pixel_shuffle(answer.flatten(1, 2), 2)[..., :h, :w].float().flatten(2)
        keys = torch.bmm(places, covered.transpose(1, 2)) / places.sum(2, keepdim=True).clamp(min=1e-3)
        colours = torch.cat([colours, tokens.values.float()], 1)
        return ColourField(quads, keys, self.bias, tokens.mask, colours, self.num_palette, (h, w))
