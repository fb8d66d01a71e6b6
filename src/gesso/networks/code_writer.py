"""A transformer over the codes of a picture that reads words: one code after another with a cache, or all at once."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from gesso.networks.attention import attention
from gesso.networks.attention import causal as triangle
from gesso.networks.text_encoder import TextEncoder
from gesso.ports import Ports
from gesso.shapes import TokenMask, TokenValues


@dataclass
class WriterMemory:
    """What `step` keeps: for each block the keys and values so far [b heads n d], and those of the words with their mask."""

    words: TokenValues
    mask: TokenMask
    kept: list[tuple[Tensor, Tensor]] = field(default_factory=list)
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
        self.blocks = nn.ModuleList(WriterBlock(width, heads) for _ in range(depth))
        self.norm, self.leave = nn.LayerNorm(width), nn.Linear(width, num)
        nn.init.normal_(self.leave.weight, std=0.02)

    @property
    def mask(self) -> int:
        return self.num

    def forward(self, ids: Tensor, ports: Ports) -> Tensor:
        seen = torch.cat([torch.full_like(ids[:, :1], self.mask), ids[:, :-1]], 1) if self.causal else ids
        words, mask = self.read(ports)
        x = self.embed(seen) + self.place[: seen.shape[1]]
        for block in self.blocks:
            x, _ = block(x, words, mask, causal=self.causal)
        logits: Tensor = self.leave(self.norm(x))
        return logits

    def read(self, ports: Ports) -> tuple[TokenValues, TokenMask]:
        assert ports.tokens is not None
        told = self.text(ports.tokens).tokens
        return self.words(told.values), told.mask

    def begin(self, ports: Ports, rows: int) -> WriterMemory:
        """A memory before the first code."""
        words, mask = self.read(ports)
        if len(words) != rows:
            raise ValueError(f"the words are of {len(words)} rows, not {rows}")
        return WriterMemory(words, mask)

    def step(self, memory: WriterMemory, ids: Tensor | None) -> Tensor:
        """Logits [b num] of the next code, after the one before it, int64 [b] (None: it is the first)."""
        rows = len(memory.words)
        last = torch.full((rows,), self.mask, device=memory.words.device) if ids is None else ids
        x = (self.embed(last) + self.place[memory.length])[:, None]
        kept = []
        for number, block in enumerate(self.blocks):
            x, now = block(x, memory.words, memory.mask, memory.kept[number] if memory.kept else None)
            kept.append(now)
        memory.kept, memory.length = kept, memory.length + 1
        logits: Tensor = self.leave(self.norm(x))[:, 0]
        return logits


class WriterBlock(nn.Module):
    """Self-attention, cross-attention to words and a perceptron, each after a layer normalisation."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2, self.norm3 = (nn.LayerNorm(width) for _ in range(3))
        self.qkv, self.write = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.ask, self.look, self.hear = nn.Linear(width, width), nn.Linear(width, 2 * width), nn.Linear(width, width)
        self.feed = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(
        self, x: TokenValues, words: Tensor, mask: Tensor, kept: tuple[Tensor, Tensor] | None = None, *, causal: bool = False
    ) -> tuple[TokenValues, tuple[Tensor, Tensor]]:
        """The tokens, and the keys and values of all so far. Words are [b m d], of which `mask` [b m] are there. With `kept`, x is what
        comes after those."""
        q, k, v = (self._split(part) for part in self.qkv(self.norm1(x)).chunk(3, 2))
        if kept is not None:
            k, v = torch.cat([kept[0], k], 2), torch.cat([kept[1], v], 2)
        seen = triangle(x.shape[1], x.device) if causal else None
        x = x + self.write(_merged(attention(q, k, v, seen, written_out=self.training)))
        read, said = (self._split(part) for part in self.look(words).chunk(2, 2))
        asked = self._split(self.ask(self.norm2(x)))
        x = x + self.hear(_merged(attention(asked, read, said, mask[:, None, None], written_out=self.training)))
        return x + self.feed(self.norm3(x)), (k, v)

    def _split(self, x: Tensor) -> Tensor:
        return x.unflatten(2, (self.heads, -1)).transpose(1, 2)


def _merged(x: Tensor) -> Tensor:
    return x.transpose(1, 2).flatten(2)
