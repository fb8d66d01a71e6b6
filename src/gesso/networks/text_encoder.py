"""Text encoders: the ids of a text's pieces to embedded tokens and one vector.

Every text encoder is called `encoder(tokens: Tokens) -> Ports` and gives both ports: `tokens` with values [b n width] for attention, and
`vector` [b out]. So a recipe may use the one trained here or `Sentences`, which wraps any other model of texts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gesso.media.subwords import BYTES, subwords
from gesso.networks.attention import attention
from gesso.ports import Ports, Tokens


class TextEncoder(nn.Module):
    """A transformer without a causal mask (Vaswani 2017; norms first), and a linear map of the states' mean over the text.

    `vocabulary` is the number of ids and `length` the most of a text; `dropout` is of the embeddings. No text, where the mask has
    nothing, has learned outputs too.
    """

    def __init__(self, vocabulary: int, length: int, width: int, depth: int, heads: int, out: int, dropout: float = 0.1) -> None:
        super().__init__()
        self.width, self.out = width, out
        self.embed = nn.Embedding(vocabulary, width)
        self.place = nn.Parameter(torch.randn(length, width) * 0.02)
        nn.init.normal_(self.embed.weight, std=0.05)
        self.drop = nn.Dropout(dropout)
        self.blocks = nn.ModuleList(TextBlock(width, heads) for _ in range(depth))
        self.norm = nn.LayerNorm(width)
        self.project = nn.Linear(width, out)

    def forward(self, tokens: Tokens) -> Ports:
        """Tokens with `ids` to Ports: `tokens` with values [b n width], of which the first is always present, and `vector` [b out]."""
        assert tokens.ids is not None
        present = tokens.mask.clone()
        present[:, 0] = True
        # What is padding in every row is not computed, except in an export, whose shapes are fixed.
        num = present.shape[1] if torch.compiler.is_compiling() else int(present.sum(1).max())
        mask = present[:, :num]
        x = self.drop(self.embed(tokens.ids[:, :num]) + self.place[:num])
        for block in self.blocks:
            x = block(x, mask)
        x = self.norm(x)
        weight = mask[..., None].to(x.dtype)
        vector = self.project((x * weight).sum(1) / weight.sum(1))
        values = F.pad(x * weight, (0, 0, 0, present.shape[1] - num))
        return Ports(vector=vector, tokens=replace(tokens, values=values, mask=present, ids=None))


class TextBlock(nn.Module):
    """Attention among the tokens that are present and a feed-forward part, each after a layer normalisation."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.before, self.qkv, self.mix = nn.LayerNorm(width), nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.feed = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """x [b n d], mask [b n]."""
        q, k, v = (part.unflatten(2, (self.heads, -1)).transpose(1, 2) for part in self.qkv(self.before(x)).chunk(3, 2))
        mixed = attention(q, k, v, mask[:, None, None], written_out=self.training)
        x = x + self.mix(mixed.transpose(1, 2).flatten(2))
        return x + self.feed(x)


class Sentences(nn.Module):
    """Another model of texts in the place of a text encoder: `embed(texts)` gives [n out], numbers or a tensor.

    The ids are those of the vocabulary "bytes" (`gesso.media.subwords`), so it reads the text as it was given; no text is "". Its
    vector is also its only token.
    """

    def __init__(self, embed: Callable[[Sequence[str]], Any], out: int) -> None:
        super().__init__()
        self.embed, self.width, self.out = embed, out, out
        self.place = nn.Buffer(torch.zeros(()), persistent=False)  # where the outputs go

    def forward(self, tokens: Tokens) -> Ports:
        assert tokens.ids is not None
        read = subwords(BYTES)
        texts = [read.decode(row) for row in tokens.ids.tolist()]
        with torch.no_grad():
            vector = torch.as_tensor(self.embed(texts), dtype=torch.float32, device=self.place.device)
        if vector.shape != (len(texts), self.out):
            raise ValueError(f"the model of texts gives {tuple(vector.shape)} for {len(texts)} texts, not {(len(texts), self.out)}")
        mask = torch.ones(len(texts), 1, dtype=torch.bool, device=vector.device)
        return Ports(vector=vector, tokens=Tokens(vector[:, None], mask))
