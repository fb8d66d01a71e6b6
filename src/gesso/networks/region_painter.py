"""A U-Net that encodes a drawing, and a transformer over its regions that chooses a colour for each region."""

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

from gesso.networks.residual import ResidualBlock
from gesso.ports import Ports, PortSizes, Tokens

GEOMETRY = 10  # numbers that describe a region's position and size
MASKED = -1e4
CACHE_SIZE = 16  # windows and their mirror images, a few hundred kilobytes each


@dataclass
class RegionField:
    """The colours of regions: `scores` [b n k+m], logits of each colour for each region; `regions` [b h w]; `colours` [b k+m 3] in
    [-1, 1], first the k of the palette, then the m of the tokens."""

    scores: Tensor
    regions: Tensor
    colours: Tensor
    num_palette: int

    @cached_property
    def share(self) -> Tensor:
        """The share of each colour in each region, [b n k+m]; the shares of a region sum to 1."""
        return torch.softmax(self.scores.float(), -1)

    def at_pixels(self, values: Tensor) -> Tensor:
        """Spread values per region [b n c] to the regions' pixels, [b c h w]."""
        b, h, w = self.regions.shape
        at = self.regions.view(b, 1, -1).expand(-1, values.shape[2], -1)
        return values.transpose(1, 2).gather(2, at).view(b, -1, h, w)

    def mean(self, temperature: float = 1.0) -> Tensor:
        """The annealed mean colour [b 3 h w] in [-1, 1] (Zhang 2016, eq. 5, over whole colours instead of ab bins)."""
        share = torch.softmax(self.scores.float() / temperature, -1)
        return self.at_pixels(torch.bmm(share, self.colours.float()))


class AttentionBlock(nn.Module):
    """A pre-norm transformer block (Vaswani 2017; Xiong 2020) over a set [b n d]; `absent` [b 1 1 n] is added to the attention logits."""

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


class FeatureCache:
    """A cache of the region features of recent drawings, so that a drawing is encoded once while the user adds hints."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[Any, ...], tuple[Tensor, Tensor]] = OrderedDict()
        self._lock = threading.Lock()

    def __deepcopy__(self, memo: Any) -> FeatureCache:
        return FeatureCache()

    def __reduce__(self) -> tuple[type[FeatureCache], tuple[()]]:
        return FeatureCache, ()

    def get(self, painter: RegionPainter, spatial: Tensor, regions: Tensor) -> tuple[Tensor, Tensor]:
        if torch.is_grad_enabled() or spatial.device.type != "cpu":
            return painter.region_features(spatial, regions)
        key_hash = hashlib.blake2b(spatial.detach().contiguous().numpy().data, digest_size=16)
        key_hash.update(regions.contiguous().numpy().data)
        modes = torch.is_inference_mode_enabled(), torch.is_autocast_enabled("cpu"), torch.get_num_threads()
        versions = tuple(0 if p.is_inference() else p._version for p in painter.parameters())
        key = key_hash.digest(), tuple(spatial.shape), modes, hash(versions)
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        features = painter.region_features(spatial, regions)
        with self._lock:
            self._kept[key] = features
            while len(self._kept) > CACHE_SIZE:
                self._kept.popitem(last=False)
        return features


class RegionPainter(nn.Module):
    """spatial [b c h w], regions [b 1 h w] and tokens with places -> RegionField.

    The U-Net encodes only the spatial port, at half resolution (pixel-unshuffle), so that its features do not depend on hints. They
    are averaged over each region. A transformer over the regions also gets the tokens that lie in each region. A region points to
    a token (Vinyals 2015) by the product of its query with the key of the token's region, so that a token's colour is copied exactly
    and similar regions can take it.
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
        self.near = nn.Sequential(*[ResidualBlock(fine, fine) for _ in range(depth[0])])
        self.to_mid = nn.Conv2d(fine, half, 2, stride=2)
        self.mid = nn.Sequential(*[ResidualBlock(half, half) for _ in range(depth[1])])
        self.to_far = nn.Conv2d(half, deep, 2, stride=2)
        self.far = nn.Sequential(*[ResidualBlock(deep, deep, drop) for _ in range(2 * depth[2])])
        self.grow = nn.Conv2d(deep, half, 1)
        self.again = nn.Sequential(ResidualBlock(2 * half, half), *[ResidualBlock(half, half) for _ in range(depth[1] - 1)])
        self.norm_fine, self.norm_half, self.norm_deep = (nn.GroupNorm(8, w) for w in widths)
        self.meet = nn.Linear(fine + half + deep + GEOMETRY, wide)
        self.hinted = nn.Sequential(nn.Linear(sizes.token + 1, wide), nn.GELU(), nn.Linear(wide, wide))
        self.page = nn.Linear(deep, wide)
        self.blocks = nn.ModuleList([AttentionBlock(wide, max(1, wide // 32), drop) for _ in range(layers)])
        self.norm = nn.LayerNorm(wide)
        self.head = nn.Linear(wide, self.num_palette)
        self._cache = FeatureCache()
        self.query, self.key, self.bias = nn.Linear(wide, query), nn.Linear(wide, query), nn.Parameter(torch.zeros(1))

    def image_features(self, spatial: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Features at 1/2, 1/4 and 1/8 of the size of [b c h w], h and w multiples of 8."""
        fine = self.near(self.stem(F.pixel_unshuffle(spatial, 2)))
        half = self.mid(self.to_mid(fine))
        deep = self.far(self.to_far(half))
        half = self.again(torch.cat([F.interpolate(self.grow(deep), scale_factor=2.0, mode="nearest"), half], 1))
        return F.relu(self.norm_fine(fine)), F.relu(self.norm_half(half)), F.relu(self.norm_deep(deep))

    def region_features(self, spatial: Tensor, regions: Tensor) -> tuple[Tensor, Tensor]:
        """Features of the whole page and then of each region, without hints, [b 1+n wide], and which regions exist, bool [b n]."""
        h, w = spatial.shape[-2:]
        padded = F.pad(spatial, (0, -w % 8, 0, -h % 8), mode="replicate") if h % 8 or w % 8 else spatial
        levels = self.image_features(padded)
        size, num = tuple(levels[0].shape[-2:]), int(regions.max()) + 1
        cells = _cells(regions, size, num)
        area = cells.sum(2, keepdim=True)
        features = torch.cat([_mean(cells, area, F.interpolate(level, size=size, mode="nearest")) for level in levels], 2)
        x = self.meet(torch.cat([features, _geometry(regions[:, 0], num, area).to(features.dtype)], 2))
        return torch.cat([self.page(levels[2].mean((2, 3)))[:, None], x], 1), area[:, :, 0] > 0

    def forward(self, ports: Ports) -> RegionField:
        spatial, regions, tokens = ports.spatial, ports.regions, ports.tokens
        assert spatial is not None and regions is not None
        features, exists = self.region_features(spatial, regions) if self.training else self._cache.get(self, spatial, regions)
        token_shares = None if tokens is None else _token_shares(tokens, regions.flatten(1), exists.shape[1])
        x = (
            features
            if token_shares is None or tokens is None
            else features + F.pad(self._token_features(token_shares, tokens), (0, 0, 1, 0))
        )
        absent = torch.where(F.pad(exists, (1, 0), value=True), 0.0, MASKED)[:, None, None]
        for block in self.blocks:
            x = block(x, absent)
        x = self.norm(x[:, 1:])
        colours, scores = self.palette.expand(len(x), -1, -1), self.head(x).float()
        if token_shares is not None and tokens is not None:
            keys = torch.bmm(token_shares, self.key(x).float())
            points = torch.bmm(self.query(x).float(), keys.transpose(1, 2)) / keys.shape[2] ** 0.5 + self.bias
            known = tokens.mask & (token_shares.sum(2) > 0)
            scores = torch.cat([scores, points.masked_fill(~known[:, None], MASKED)], 2)
            colours = torch.cat([colours, tokens.values.float()], 1)
        return RegionField(scores, regions[:, 0], colours, self.num_palette)

    def _token_features(self, token_shares: Tensor, tokens: Tokens) -> Tensor:
        """The mean embedding of the tokens in each region, [b n wide]; zero in regions without tokens."""
        said = self.hinted(F.pad(tokens.values, (0, 1), value=1.0))
        share = token_shares * tokens.mask[:, :, None]
        weight = share.sum(1)[..., None]
        return torch.bmm(share.transpose(1, 2).to(said.dtype), said) / weight.clamp(min=1.0).to(said.dtype)


def _cells(regions: Tensor, size: tuple[int, ...], num: int) -> Tensor:
    """The number of pixels of each region in each 2 x 2 cell, [b num cells]."""
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
    """The position, extent and size of each region of [b h w], and its share of the page's border, [b num GEOMETRY]."""
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


def _token_shares(tokens: Tokens, regions: Tensor, num: int) -> Tensor | None:
    """The share of each token's pixels in each region, [b m num]; zero for tokens without pixels."""
    if tokens.places is None:
        return None
    places = tokens.places.float().flatten(2)
    token_shares = torch.zeros(*places.shape[:2], num, device=places.device)
    token_shares.scatter_add_(2, regions[:, None].expand(-1, places.shape[1], -1), places)
    return token_shares / places.sum(2, keepdim=True).clamp(min=1e-3)
