"""CaptionDecoder: the next piece of a text from those before it and from what is seen, whole texts at once or piece by piece."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Cache = tuple[Tensor, Tensor]  # keys and values [b h n d]


@dataclass
class TextMemory:
    """What `step` needs of earlier steps: by layer, the keys and values of what is seen and of the pieces so far."""

    about: Tensor
    seen: list[Cache]
    said: list[Cache | None] = field(default_factory=list)
    at: int = 0


class CaptionDecoder(nn.Module):
    """A causal transformer (Vaswani 2017, norms first) with attention to seen features; the embedding is the output's matrix too.

    `vocabulary` ids, texts of at most `length`; what is seen are [b m `context`] features; a vector [b `about`] is added to every piece.
    """

    def __init__(self, vocabulary: int, length: int, width: int, depth: int, heads: int, context: int, about: int, dropout: float) -> None:
        super().__init__()
        self.length = length
        self.embed = nn.Embedding(vocabulary, width)
        nn.init.normal_(self.embed.weight, std=width**-0.5)
        self.place = nn.Parameter(torch.randn(length, width) * 0.02)
        self.look, self.about = nn.Linear(context, width), nn.Linear(about, width)
        self.drop = nn.Dropout(dropout)
        self.blocks = nn.ModuleList(DecoderBlock(width, heads) for _ in range(depth))
        self.norm = nn.LayerNorm(width)
        self.bias = nn.Parameter(torch.zeros(vocabulary))

    def forward(self, ids: Tensor, seen: Tensor, about: Tensor) -> Tensor:
        """Logits [b n v] of the piece after each of ids [b n]."""
        memory = self.begin(seen, about)
        x = self.drop(self.embed(ids) + self.place[: ids.shape[1]] + memory.about[:, None])
        for block, looked in zip(self.blocks, memory.seen, strict=True):
            x, _ = block(x, looked, None)
        return self.logits(x)

    def begin(self, seen: Tensor, about: Tensor) -> TextMemory:
        """Look at what is seen; `step` then goes through the pieces."""
        tokens = self.look(seen)
        looked = [block.looked_at(tokens) for block in self.blocks]  # type: ignore[operator]
        return TextMemory(self.about(about), looked, [None] * len(self.blocks))

    def step(self, memory: TextMemory, ids: Tensor) -> Tensor:
        """Logits [b v] of the piece after ids [b], the newest piece of each text."""
        x = (self.embed(ids) + self.place[memory.at] + memory.about)[:, None]
        for n, block in enumerate(self.blocks):
            x, memory.said[n] = block(x, memory.seen[n], memory.said[n])
        memory.at += 1
        return self.logits(x)[:, 0]

    def logits(self, x: Tensor) -> Tensor:
        return F.linear(self.norm(x), self.embed.weight, self.bias)


class DecoderBlock(nn.Module):
    """Causal attention among pieces, attention to what is seen, and a feed-forward part, each after a layer normalisation."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.before, self.qkv, self.mix = nn.LayerNorm(width), nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.asking, self.ask = nn.LayerNorm(width), nn.Linear(width, width)
        self.seen, self.told = nn.Linear(width, 2 * width), nn.Linear(width, width)
        self.feed = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def looked_at(self, tokens: Tensor) -> Cache:
        """Keys and values of what is seen [b m d]."""
        key, value = (self._split(part) for part in self.seen(tokens).chunk(2, 2))
        return key, value

    def forward(self, x: Tensor, looked: Cache, said: Cache | None) -> tuple[Tensor, Cache]:
        """x [b n d] from the start, or its newest column after what was `said`; the keys and values so far are returned with it."""
        q, k, v = (self._split(part) for part in self.qkv(self.before(x)).chunk(3, 2))
        if said is not None:
            k, v = torch.cat([said[0], k], 2), torch.cat([said[1], v], 2)
        x = x + self.mix(self._joined(F.scaled_dot_product_attention(q, k, v, is_causal=said is None and x.shape[1] > 1)))
        asked = self._split(self.ask(self.asking(x)))
        x = x + self.told(self._joined(F.scaled_dot_product_attention(asked, *looked)))
        return x + self.feed(x), (k, v)

    def _split(self, x: Tensor) -> Tensor:
        return x.unflatten(2, (self.heads, -1)).transpose(1, 2)

    def _joined(self, x: Tensor) -> Tensor:
        return x.transpose(1, 2).flatten(2)
