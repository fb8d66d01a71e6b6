"""A transformer over patches with a noisy picture, a time and the ports of conditions as inputs."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gesso.networks.attention import attention
from gesso.networks.unet import SpanEmbedding, checked_port, sinusoids
from gesso.ports import Ports, PortSizes, Tokens
from gesso.shapes import Images, Times, TokenMask, TokenValues, Vectors


class DiT(nn.Module):
    """Diffusion transformer with adaLN-Zero blocks (Peebles and Xie 2023, section 3.2), called as `UNet` is.

    `patch` × `patch` pixels are a token of `width`; positions are fixed sines and cosines in two dimensions. Time, span and vector port
    scale and shift within blocks. Gates and the last layer start at zero, so that each block starts as the identity. The spatial port is
    concatenated to the input. Where the card has tokens, blocks read them by cross-attention, whose last layer starts at zero.
    """

    def __init__(
        self, channels: int, ports: PortSizes, width: int = 192, depth: int = 6, num_heads: int = 3, patch: int = 2, spans: bool = False
    ) -> None:
        super().__init__()
        self.width, self.patch = width, patch
        self.num_spatial, self.num_vector = ports.spatial, ports.vector
        self.time = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width))
        self.given = nn.Linear(ports.vector, width) if ports.vector else None
        self.span = SpanEmbedding(width, width) if spans else None
        self.enter = nn.Linear((channels + ports.spatial) * patch**2, width)
        reads = bool(ports.token or ports.vocabulary)
        self.words = TokenReader(ports, width) if reads else None
        self.blocks = nn.ModuleList(TransformerBlock(width, num_heads, reads) for _ in range(depth))
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.turn, self.leave = nn.Linear(width, 2 * width), nn.Linear(width, channels * patch**2)
        for layer in (self.turn, self.leave):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, x: Images, t: Times, ports: Ports, span: Times | None = None) -> Images:
        """`span` [b] is that to another time; None is 0, which is also all that a network without `spans` knows."""
        embedded = self.time(sinusoids(t, self.width))
        if self.given is not None:
            embedded = embedded + self.given(checked_port(ports.vector, "vector", self.num_vector))
        if self.span is not None:
            embedded = embedded + self.span(torch.zeros_like(t) if span is None else span)
        if self.num_spatial:
            x = torch.cat([x, checked_port(ports.spatial, "spatial", self.num_spatial)], 1)
        height, width = x.shape[-2] // self.patch, x.shape[-1] // self.patch
        h = self.enter(F.pixel_unshuffle(x, self.patch).flatten(2).transpose(1, 2))
        h = h + grid_positions(height, width, self.width, x.device)
        words = self.words(ports.tokens, len(x)) if self.words is not None else None
        for block in self.blocks:
            h = block(h, embedded, words)
        shift, scale = self.turn(F.silu(embedded))[:, None].chunk(2, -1)
        made = self.leave(self.norm(h) * (1 + scale) + shift)
        return F.pixel_shuffle(made.transpose(1, 2).unflatten(2, (height, width)), self.patch)


class TransformerBlock(nn.Module):
    """Self-attention, cross-attention to words if it `reads` them, and a perceptron, each normalised and gated (adaLN-Zero)."""

    def __init__(self, width: int, num_heads: int, reads: bool) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.norm1, self.norm2 = (nn.LayerNorm(width, elementwise_affine=False, eps=1e-6) for _ in range(2))
        self.read, self.write = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.grow, self.shrink = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.turn = nn.Linear(width, 6 * width)
        nn.init.zeros_(self.turn.weight)
        nn.init.zeros_(self.turn.bias)
        if reads:
            self.norm = nn.LayerNorm(width)
            self.ask, self.look, self.hear = nn.Linear(width, width), nn.Linear(width, 2 * width), nn.Linear(width, width)
            nn.init.zeros_(self.hear.weight)

    def forward(self, h: TokenValues, embedded: Vectors, words: tuple[Tensor, Tensor] | None) -> TokenValues:
        shift1, scale1, gate1, shift2, scale2, gate2 = self.turn(F.silu(embedded))[:, None].chunk(6, -1)
        query, key, value = self.read(self.norm1(h) * (1 + scale1) + shift1).chunk(3, -1)
        h = h + gate1 * self.write(attend(query, key, value, self.num_heads, None, self.training))
        if words is not None:
            values, mask = words
            key, value = self.look(values).chunk(2, -1)
            h = h + self.hear(attend(self.ask(self.norm(h)), key, value, self.num_heads, mask, self.training))
        inner = F.gelu(self.grow(self.norm2(h) * (1 + scale2) + shift2), approximate="tanh")
        return h + gate2 * self.shrink(inner)


class TokenReader(nn.Module):
    """The tokens of a port at the network's width: values by a linear layer, ids by an embedding; and one of its own before them, which
    is there where no word is."""

    def __init__(self, ports: PortSizes, width: int) -> None:
        super().__init__()
        self.values = nn.Linear(ports.token, width) if ports.token else None
        self.ids = nn.Embedding(ports.vocabulary, width) if ports.vocabulary else None
        self.silence = nn.Parameter(torch.randn(1, 1, width) * 0.02)

    def forward(self, tokens: Tokens | None, num: int) -> tuple[TokenValues, TokenMask]:
        """Tokens [num n d], of each item, and bool [num n], those present."""
        own, there = self.silence.expand(num, -1, -1), torch.ones(num, 1, dtype=torch.bool, device=self.silence.device)
        if tokens is None:
            return own, there
        if tokens.ids is not None and self.ids is not None:
            found = self.ids(tokens.ids) + sinusoids(torch.arange(tokens.ids.shape[1], device=own.device) / 1000, own.shape[-1])
        elif self.values is not None:
            found = self.values(tokens.values)
        else:
            raise ValueError("this network was built for tokens with ids, and these have none")
        return torch.cat([own, found.to(own.dtype)], 1), torch.cat([there, tokens.mask], 1)


def attend(query: Tensor, key: Tensor, value: Tensor, num_heads: int, mask: Tensor | None, differentiable: bool) -> Tensor:
    """`attention` of query [b n d] to key and value [b m d] in several heads; `mask` [b m] is true for those that are there."""
    query, key, value = (one.unflatten(-1, (num_heads, -1)).transpose(1, 2) for one in (query, key, value))
    there = None if mask is None else mask[:, None, None]
    return attention(query, key, value, there, written_out=differentiable).transpose(1, 2).flatten(2)


def grid_positions(height: int, width: int, num: int, device: torch.device | None = None) -> Tensor:
    """Positions [h·w num] of a grid: half of the numbers are sines and cosines of the row, half of the column (Dosovitskiy 2021, D.4)."""
    rows, columns = (sinusoids(torch.arange(n, device=device) / 1000, num // 2) for n in (height, width))
    return torch.cat([rows.repeat_interleave(width, 0), columns.repeat(height, 1)], 1)


__all__ = ["DiT", "attend", "grid_positions"]
