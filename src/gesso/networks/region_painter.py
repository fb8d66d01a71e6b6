"""A U-Net that looks at a drawing, and a transformer over its regions that says which colour each takes."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gesso.networks.residual import Block
from gesso.ports import Ports, PortSizes, Tokens

GEOMETRY = 10  # numbers that say where a region lies and how large it is
UNSEEN = -1e4
MOST_SEEN = 16  # windows and their mirror images: a few hundred kilobytes each


@dataclass
class RegionField:
    """`by_region` [b n k+m]: how well each colour suits each region; `regions` [b h w]; `colours` [b k+m 3] in [-1, 1]: k of a palette,
    then m of the tokens."""

    by_region: Tensor
    regions: Tensor
    colours: Tensor
    num_palette: int

    @cached_property
    def share(self) -> Tensor:
        """Each region's shares of the colours, [b n k+m], which sum to 1."""
        return torch.softmax(self.by_region.float(), -1)

    def painted(self, values: Tensor) -> Tensor:
        """What each region has, [b n c], at its pixels: [b c h w]."""
        b, h, w = self.regions.shape
        at = self.regions.view(b, 1, -1).expand(-1, values.shape[2], -1)
        return values.transpose(1, 2).gather(2, at).view(b, -1, h, w)

    def mean(self, temperature: float = 1.0) -> Tensor:
        """The annealed mean colour [b 3 h w] in [-1, 1] (Zhang 2016, eq. 5, over whole colours instead of ab bins)."""
        share = torch.softmax(self.by_region.float() / temperature, -1)
        return self.painted(torch.bmm(share, self.colours.float()))


class Attend(nn.Module):
    """A pre-norm transformer block (Vaswani 2017; Xiong 2020) over a set [b n d]; `absent` [b 1 1 n] is added to what is asked of each."""

    def __init__(self, wide: int, heads: int, drop: float) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(wide), nn.LayerNorm(wide)
        self.ask, self.give = nn.Linear(wide, 3 * wide), nn.Linear(wide, wide)
        self.think = nn.Sequential(nn.Linear(wide, 3 * wide), nn.GELU(), nn.Linear(3 * wide, wide), nn.Dropout(drop))

    def forward(self, x: Tensor, absent: Tensor) -> Tensor:
        b, n, d = x.shape
        q, k, v = self.ask(self.norm1(x)).view(b, n, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        # torch's own attention takes six times as long backward for sets as small as these
        share = torch.softmax(q @ k.transpose(2, 3) / q.shape[3] ** 0.5 + absent, -1).to(v.dtype)
        x = x + self.give((share @ v).transpose(1, 2).reshape(b, n, d))
        return x + self.think(self.norm2(x))


class Seen:
    """What a painter saw of a few drawings lately: while somebody gives hints, the drawing is looked at once."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[Any, ...], tuple[Tensor, Tensor]] = OrderedDict()
        self._lock = threading.Lock()

    def __deepcopy__(self, memo: Any) -> Seen:
        return Seen()

    def __reduce__(self) -> tuple[type[Seen], tuple[()]]:
        return Seen, ()

    def get(self, painter: RegionPainter, spatial: Tensor, regions: Tensor) -> tuple[Tensor, Tensor]:
        if torch.is_grad_enabled() or spatial.device.type != "cpu":
            return painter.see(spatial, regions)
        told = hashlib.blake2b(spatial.detach().contiguous().numpy().data, digest_size=16)
        told.update(regions.contiguous().numpy().data)
        modes = torch.is_inference_mode_enabled(), torch.is_autocast_enabled("cpu"), torch.get_num_threads()
        versions = tuple(0 if p.is_inference() else p._version for p in painter.parameters())
        key = told.digest(), tuple(spatial.shape), modes, hash(versions)
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        seen = painter.see(spatial, regions)
        with self._lock:
            self._kept[key] = seen
            while len(self._kept) > MOST_SEEN:
                self._kept.popitem(last=False)
        return seen


class RegionPainter(nn.Module):
    """spatial [b c h w], regions [b 1 h w] and tokens with places -> RegionField.

    The U-Net sees the spatial port alone, at half resolution (pixel-unshuffle), so that what it sees of a drawing stays while hints
    come and go. Its features are averaged over each region; a transformer over the regions is told of the tokens that lie in them.
    A region points to a token (Vinyals 2015) by the product of its query with the key of the token's region: a token's colour is
    copied exactly, and regions that look alike are found by what they are.
    """

    palette: Tensor

    def __init__(
        self,
        sizes: PortSizes,
        palette: Tensor,
        *,
        widths: tuple[int, int, int] = (64, 128, 192),
        depth: tuple[int, int, int] = (1, 2, 2),
        wide: int = 192,
        layers: int = 4,
        query: int = 48,
        drop: float = 0.1,
    ) -> None:
        super().__init__()
        self.num_palette = len(palette)
        self.register_buffer("palette", palette.float() / 127.5 - 1)
        fine, half, deep = widths
        self.stem = nn.Conv2d(sizes.spatial * 4, fine, 3, padding=1)
        self.near = nn.Sequential(*[Block(fine, fine) for _ in range(depth[0])])
        self.to_mid = nn.Conv2d(fine, half, 2, stride=2)
        self.mid = nn.Sequential(*[Block(half, half) for _ in range(depth[1])])
        self.to_far = nn.Conv2d(half, deep, 2, stride=2)
        self.far = nn.Sequential(*[Block(deep, deep, drop) for _ in range(2 * depth[2])])
        self.grow = nn.Conv2d(deep, half, 1)
        self.again = nn.Sequential(Block(2 * half, half), *[Block(half, half) for _ in range(depth[1] - 1)])
        self.norm_fine, self.norm_half, self.norm_deep = (nn.GroupNorm(8, w) for w in widths)
        self.meet = nn.Linear(fine + half + deep + GEOMETRY, wide)
        self.hinted = nn.Sequential(nn.Linear(sizes.token + 1, wide), nn.GELU(), nn.Linear(wide, wide))
        self.page = nn.Linear(deep, wide)
        self.blocks = nn.ModuleList([Attend(wide, max(1, wide // 32), drop) for _ in range(layers)])
        self.norm = nn.LayerNorm(wide)
        self.head = nn.Linear(wide, self.num_palette)
        self._seen = Seen()
        self.query, self.key, self.bias = nn.Linear(wide, query), nn.Linear(wide, query), nn.Parameter(torch.zeros(1))

    def look(self, spatial: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Features at 1/2, 1/4 and 1/8 of the size of [b c h w], h and w multiples of 8."""
        fine = self.near(self.stem(F.pixel_unshuffle(spatial, 2)))
        half = self.mid(self.to_mid(fine))
        deep = self.far(self.to_far(half))
        half = self.again(torch.cat([F.interpolate(self.grow(deep), scale_factor=2.0, mode="nearest"), half], 1))
        return F.relu(self.norm_fine(fine)), F.relu(self.norm_half(half)), F.relu(self.norm_deep(deep))

    def see(self, spatial: Tensor, regions: Tensor) -> tuple[Tensor, Tensor]:
        """Each region of a drawing before anybody has said anything, [b n wide], after the page as a whole, and which exist, bool [b n]."""
        h, w = spatial.shape[-2:]
        padded = F.pad(spatial, (0, -w % 8, 0, -h % 8), mode="replicate") if h % 8 or w % 8 else spatial
        levels = self.look(padded)
        size, num = tuple(levels[0].shape[-2:]), int(regions.max()) + 1
        cells = _cells(regions, size, num)
        area = cells.sum(2, keepdim=True)
        seen = torch.cat([_mean(cells, area, F.interpolate(level, size=size, mode="nearest")) for level in levels], 2)
        x = self.meet(torch.cat([seen, _geometry(regions[:, 0], num, area).to(seen.dtype)], 2))
        return torch.cat([self.page(levels[2].mean((2, 3)))[:, None], x], 1), area[:, :, 0] > 0

    def forward(self, ports: Ports) -> RegionField:
        spatial, regions, tokens = ports.spatial, ports.regions, ports.tokens
        assert spatial is not None and regions is not None
        seen, there = self.see(spatial, regions) if self.training else self._seen.get(self, spatial, regions)
        lies = None if tokens is None else _lies(tokens, regions.flatten(1), there.shape[1])
        x = seen if lies is None or tokens is None else seen + F.pad(self._told(lies, tokens), (0, 0, 1, 0))
        absent = torch.where(F.pad(there, (1, 0), value=True), 0.0, UNSEEN)[:, None, None]
        for block in self.blocks:
            x = block(x, absent)
        x = self.norm(x[:, 1:])
        colours, suits = self.palette.expand(len(x), -1, -1), self.head(x).float()
        if lies is not None and tokens is not None:
            keys = torch.bmm(lies, self.key(x).float())
            points = torch.bmm(self.query(x).float(), keys.transpose(1, 2)) / keys.shape[2] ** 0.5 + self.bias
            known = tokens.mask & (lies.sum(2) > 0)
            suits = torch.cat([suits, points.masked_fill(~known[:, None], UNSEEN)], 2)
            colours = torch.cat([colours, tokens.values.float()], 1)
        return RegionField(suits, regions[:, 0], colours, self.num_palette)

    def _told(self, lies: Tensor, tokens: Tokens) -> Tensor:
        """What the tokens in each region say, [b n wide]; nothing where none lies."""
        said = self.hinted(F.pad(tokens.values, (0, 1), value=1.0))
        share = lies * tokens.mask[:, :, None]
        weight = share.sum(1)[..., None]
        return torch.bmm(share.transpose(1, 2).to(said.dtype), said) / weight.clamp(min=1.0).to(said.dtype)


def _cells(regions: Tensor, size: tuple[int, ...], num: int) -> Tensor:
    """How many pixels of each region lie in each 2 x 2 cell, [b num cells]."""
    b, _, h, w = regions.shape
    ys, xs = torch.arange(h, device=regions.device) // 2, torch.arange(w, device=regions.device) // 2
    at = (ys[:, None] * size[1] + xs).flatten()
    count = size[0] * size[1]
    cells = torch.zeros(b, num * count, device=regions.device)
    cells.scatter_add_(1, regions.flatten(1) * count + at, torch.ones((), device=regions.device).expand(b, h * w))
    return cells.view(b, num, count)


def _mean(cells: Tensor, area: Tensor, features: Tensor) -> Tensor:
    """Features [b c h w] averaged over each region, [b num c]."""
    flat = features.flatten(2).transpose(1, 2)
    return torch.bmm((cells / area.clamp(min=1)).to(flat.dtype), flat)


def _geometry(regions: Tensor, num: int, area: Tensor) -> Tensor:
    """Where each region of [b h w] lies: size, middle, extent, how much of the page's border it holds, [b num GEOMETRY]."""
    b, h, w = regions.shape
    side = max(h, w)
    ys = ((torch.arange(h, device=regions.device) + 0.5) / side * 2 - h / side).view(h, 1).expand(h, w)
    xs = ((torch.arange(w, device=regions.device) + 0.5) / side * 2 - w / side).expand(h, w)
    edge = torch.zeros(h, w, device=regions.device)
    edge[0], edge[-1], edge[:, 0], edge[:, -1] = 1, 1, 1, 1
    facts = torch.stack([xs, ys, xs * xs, ys * ys, xs * ys, edge]).flatten(1)
    sums = torch.zeros(b, 6, num, device=regions.device)
    sums.scatter_add_(2, regions.view(b, 1, -1).expand(-1, 6, -1), facts.expand(b, -1, -1))
    x, y, xx, yy, xy, border = (sums / area.transpose(1, 2).clamp(min=1)).unbind(1)
    of_page = sums[:, 5] / edge.sum()
    wide, high = (xx - x * x).clamp(min=0).sqrt(), (yy - y * y).clamp(min=0).sqrt()
    size = area[:, :, 0] / (h * w)
    filled = size / (wide * high + 1e-3)
    return torch.stack([x, y, wide, high, xy - x * y, border, of_page, (size + 1e-4).log() / 4, filled.clamp(max=8) / 4, size], 2)


def _lies(tokens: Tokens, regions: Tensor, num: int) -> Tensor | None:
    """Which share of each token's place is in which region, [b m num]; zero where a token has no place."""
    if tokens.places is None:
        return None
    places = tokens.places.float().flatten(2)
    lies = torch.zeros(*places.shape[:2], num, device=places.device)
    lies.scatter_add_(2, regions[:, None].expand(-1, places.shape[1], -1), places)
    return lies / places.sum(2, keepdim=True).clamp(min=1e-3)
