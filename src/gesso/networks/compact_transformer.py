"""A transformer small enough to learn to classify pictures from scratch: convolutions make its tokens, attention pools them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gesso.networks.whitening import Whitening
from gesso.shapes import Images, Maps, Vectors


class CompactTransformer(Whitening):
    """CCT (Hassani 2021, "Escaping the Big Data Paradigm with Compact Transformers"), with normalised convolutions.

    The input is [b `channels` side side] in [-1, 1]. Behind a fixed layer that whitens patches each 3×3 convolution, to `stem`
    channels each and the last to the tokens' width, halves the picture. `depth` layers of attention with `num_heads` heads and a hidden
    layer of twice the width, each behind a layer norm, see learned positions. The classes are read from the mean of all tokens by
    learned weights, in place of a class token.
    """

    def __init__(self, channels: int, side: int, num_classes: int, *, stem: Sequence[int], depth: int, num_heads: int) -> None:
        super().__init__(channels)
        width, self.grid = stem[-1], (side - 1) >> len(stem)
        ends = (self.num_whitened, *stem)
        self.convs = nn.ModuleList(nn.Conv2d(a, b, 3, padding=1, bias=False) for a, b in zip(ends, stem, strict=False))
        self.conv_norms = nn.ModuleList(nn.BatchNorm2d(num) for num in stem)
        self.places = nn.Parameter(0.02 * torch.randn(1, self.grid**2, width))
        self.layers = nn.ModuleList(EncoderLayer(width, num_heads) for _ in range(depth))
        self.norm = nn.LayerNorm(width)
        self.pool = nn.Linear(width, 1)
        self.head = nn.Linear(width, num_classes)
        for part in self.modules():
            if isinstance(part, nn.Linear):
                nn.init.trunc_normal_(part.weight, std=0.02)
                nn.init.zeros_(part.bias)

    def tokens(self, x: Images) -> Tensor:
        """The tokens [b n width] before the first layer, row by row."""
        h = self.whitened(x)
        for conv, norm in zip(self.convs, self.conv_norms, strict=True):
            h = F.gelu(norm(F.max_pool2d(conv(h), 2)))
        return h.flatten(2).transpose(1, 2) + self.places

    def maps(self, x: Images) -> Maps:
        """The tokens after the last layer, as a map in which evidence for a class is looked for."""
        h = self.tokens(x)
        for layer in self.layers:
            h = layer(h)
        return h.transpose(1, 2).unflatten(2, (self.grid, self.grid))

    def logits_of(self, maps: Maps) -> Vectors:
        """The logits [b num_classes] that follow from `maps`."""
        h = self.norm(maps.flatten(2).transpose(1, 2))
        return self.head((self.pool(h).softmax(1).transpose(1, 2) @ h)[:, 0])

    def forward(self, x: Images) -> Vectors:
        """Logits [b num_classes]."""
        return self.logits_of(self.maps(x))

    def attention(self, x: Images) -> Maps:
        """How much of the pooled token comes from each place, [b 1 h w], by attention rollout (Abnar and Zuidema 2020)."""
        h, routes = self.tokens(x), []
        layers: Any = self.layers
        for layer in layers:
            routes.append(layer.attention.routes(layer.norms[0](h)).mean(1))
            h = layer(h)
        share = self.pool(self.norm(h)).softmax(1).transpose(1, 2).float()
        for route in reversed(routes):
            share = (share + share @ route.float()) / 2  # half passes by on the residual
        return share.unflatten(2, (self.grid, self.grid))


class EncoderLayer(nn.Module):
    """Attention, then a hidden layer of twice the width, each added to what it reads behind a layer norm."""

    def __init__(self, width: int, num_heads: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))
        self.attention = SelfAttention(width, num_heads)
        self.hidden = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

    def forward(self, h: Tensor) -> Tensor:
        h = h + self.attention(self.norms[0](h))
        return h + self.hidden(self.norms[1](h))


class SelfAttention(nn.Module):
    """Attention of tokens [b n d] to each other in several heads."""

    def __init__(self, width: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.read, self.write = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, h: Tensor) -> Tensor:
        query, key, value = self._split(h)
        made = shares(query, key) @ value  # of few tokens this learns faster on a CPU than torch's fused attention
        return self.write(made.transpose(1, 2).flatten(2))

    def routes(self, h: Tensor) -> Tensor:
        """The share [b heads n n] of each token (last) in what each token reads."""
        query, key, _ = self._split(h)
        return shares(query, key)

    def _split(self, h: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values [b heads n d / heads]."""
        query, key, value = self.read(h).unflatten(2, (3, self.num_heads, -1)).permute(2, 0, 3, 1, 4)
        return query, key, value


def shares(query: Tensor, key: Tensor) -> Tensor:
    """Softmax of the scaled products of queries and keys, over the keys."""
    return ((query * query.shape[-1] ** -0.5) @ key.transpose(-2, -1)).softmax(-1)
