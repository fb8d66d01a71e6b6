"""CaptionDecoder: the next piece of a text from those before it and from what is seen, whole texts at once or piece by piece."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gesso.networks.decoder_block import Cache, DecoderBlock


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
