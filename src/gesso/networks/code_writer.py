"""A transformer over the codes of a picture that reads words: one code after another with a cache, or all at once."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from gesso.networks.decoder_block import Cache, DecoderBlock
from gesso.networks.text_encoder import TextEncoder
from gesso.ports import Ports
from gesso.shapes import TokenMask


@dataclass
class WriterMemory:
    """What `step` keeps: which words are there [b m], and for each block the keys and values of the words and of the codes so far."""

    there: TokenMask
    looked: list[Cache]
    said: list[Cache | None]
    length: int = 0


class CodeWriter(nn.Module):
    """ids int64 [b n] of `num` codes on a grid (h, w), and ports with the tokens of a text, which `text` encodes -> logits [b n num].

    `causal`: logits at a place depend on the codes before it, and `step` gives the same with a cache. Otherwise they depend on all, and
    `mask` is the id of a code that is not known. Blocks normalise first, and read words by cross-attention.
    """

    place: nn.Parameter

    def __init__(
        self, num: int, grid: tuple[int, int], text: TextEncoder, width: int, depth: int, heads: int, *, causal: bool = True
    ) -> None:
        super().__init__()
        self.num, self.grid, self.causal, self.text = num, grid, causal, text
        self.embed = nn.Embedding(num + 1, width)  # the last stands for "not known", and begins a sequence
        nn.init.normal_(self.embed.weight, std=0.02)
        self.place = nn.Parameter(torch.randn(grid[0] * grid[1], width) * 0.02)
        self.words = nn.Linear(text.width, width)
        self.blocks = nn.ModuleList(DecoderBlock(width, heads, causal=causal) for _ in range(depth))
        self.norm, self.leave = nn.LayerNorm(width), nn.Linear(width, num)
        nn.init.normal_(self.leave.weight, std=0.02)

    @property
    def mask(self) -> int:
        return self.num

    def forward(self, ids: Tensor, ports: Ports) -> Tensor:
        seen = torch.cat([torch.full_like(ids[:, :1], self.mask), ids[:, :-1]], 1) if self.causal else ids
        memory = self.begin(ports, len(ids))
        x = self.embed(seen) + self.place[: seen.shape[1]]
        for block, looked in zip(self.blocks, memory.looked, strict=True):
            x, _ = block(x, looked, None, memory.there)
        logits: Tensor = self.leave(self.norm(x))
        return logits

    def begin(self, ports: Ports, rows: int) -> WriterMemory:
        """A memory before the first code, in which the words are read."""
        assert ports.tokens is not None
        told = self.text(ports.tokens).tokens
        if len(told.values) != rows:
            raise ValueError(f"the words are of {len(told.values)} rows, not {rows}")
        words = self.words(told.values)
        return WriterMemory(told.mask, [block.looked_at(words) for block in self.blocks], [None] * len(self.blocks))  # type: ignore[operator]

    def step(self, memory: WriterMemory, ids: Tensor | None) -> Tensor:
        """Logits [b num] of the next code, after the one before it, int64 [b] (None: it is the first)."""
        rows = len(memory.there)
        last = torch.full((rows,), self.mask, device=memory.there.device) if ids is None else ids
        x = (self.embed(last) + self.place[memory.length])[:, None]
        for n, block in enumerate(self.blocks):
            x, memory.said[n] = block(x, memory.looked[n], memory.said[n], memory.there)
        memory.length += 1
        logits: Tensor = self.leave(self.norm(x))[:, 0]
        return logits
