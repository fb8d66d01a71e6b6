"""A block of a transformer that writes: it attends to what is written so far, with a cache, and to what it is told."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gesso.networks.attention import attention, causal_mask

Cache = tuple[Tensor, Tensor]  # keys and values [b heads n d]


class DecoderBlock(nn.Module):
    """Attention among pieces, attention to what is told, and a feed-forward part, each after a layer normalisation (Vaswani 2017).

    `causal`: a piece attends to itself and those before it alone.
    """

    def __init__(self, width: int, heads: int, *, causal: bool = True) -> None:
        super().__init__()
        self.heads, self.causal = heads, causal
        self.before, self.qkv, self.mix = nn.LayerNorm(width), nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.asking, self.ask = nn.LayerNorm(width), nn.Linear(width, width)
        self.seen, self.told = nn.Linear(width, 2 * width), nn.Linear(width, width)
        self.feed = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def looked_at(self, tokens: Tensor) -> Cache:
        """Keys and values of what is told [b m d]."""
        key, value = (self._split(part) for part in self.seen(tokens).chunk(2, 2))
        return key, value

    def forward(self, x: Tensor, looked: Cache, said: Cache | None = None, there: Tensor | None = None) -> tuple[Tensor, Cache]:
        """x [b n d] from the start, or its newest column after what was `said`; the keys and values so far are returned with it.

        `there` [b m] bool: which of what is told is there; None is all.
        """
        q, k, v = (self._split(part) for part in self.qkv(self.before(x)).chunk(3, 2))
        if said is not None:
            k, v = torch.cat([said[0], k], 2), torch.cat([said[1], v], 2)
        seen = causal_mask(x.shape[1], x.device) if self.causal and said is None else None
        x = x + self.mix(_joined(attention(q, k, v, seen, written_out=self.training)))
        asked = self._split(self.ask(self.asking(x)))
        mask = None if there is None else there[:, None, None]
        x = x + self.told(_joined(attention(asked, *looked, mask, written_out=self.training)))
        return x + self.feed(x), (k, v)

    def _split(self, x: Tensor) -> Tensor:
        return x.unflatten(2, (self.heads, -1)).transpose(1, 2)


def _joined(x: Tensor) -> Tensor:
    return x.transpose(1, 2).flatten(2)
