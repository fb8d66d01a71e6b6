"""Attention (Vaswani 2017, equation 1) in one place."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor


def attention(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None, *, written_out: bool) -> Tensor:
    """query [b heads n d], key and value [b heads m d] -> [b heads n d]; `mask`, bool, says what is seen and spreads to [b heads n m].

    `written_out`: by two products and a softmax. Torch's fused one has no forward derivative, and of some tens of tokens it is several
    times as slow backward on a CPU; it is the faster one without gradients.
    """
    if not written_out:
        return F.scaled_dot_product_attention(query, key, value, mask)
    logits = query @ key.transpose(-1, -2) * query.shape[-1] ** -0.5
    logits = logits if mask is None else logits.masked_fill(~mask, -math.inf)
    return torch.softmax(logits, -1).to(value.dtype) @ value


def causal_mask(num: int, device: torch.device | None = None) -> Tensor:
    """bool [num num]: each sees itself and those before it."""
    return torch.ones(num, num, dtype=torch.bool, device=device).tril()
