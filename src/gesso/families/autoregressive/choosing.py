"""How a code is drawn from scores: temperature, the smallest set that holds a share of the probability, what may be drawn, guidance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

import torch
from torch import Tensor

from gesso.families.family import Inputs
from gesso.ports import Ports


def narrowed(logits: Tensor, temperature: float = 1.0, top_p: float = 1.0, allowed: Tensor | None = None) -> Tensor:
    """Log probabilities [… n] after temperature, without codes that are not `allowed` [… n], and with the likeliest alone that together
    have the probability `top_p` (nucleus sampling, Holtzman 2020); the others are -inf. Temperature 0 leaves the likeliest.
    """
    scores = logits.float()
    if allowed is not None:
        scores = scores.masked_fill(~allowed, -torch.inf)
    if temperature <= 0:
        best = torch.zeros_like(scores, dtype=torch.bool).scatter(-1, scores.argmax(-1, keepdim=True), True)
        return torch.where(best, 0.0, -torch.inf)
    scores = (scores / temperature).log_softmax(-1)
    if top_p < 1:
        ordered, order = scores.sort(-1, descending=True)
        before = ordered.exp().cumsum(-1) - ordered.exp()  # of the likelier ones: the first is always kept
        cut = torch.zeros_like(scores, dtype=torch.bool).scatter(-1, order, before >= top_p)
        scores = scores.masked_fill(cut, -torch.inf).log_softmax(-1)
    return scores


def gumbel(rngs: Sequence[torch.Generator], *shape: int) -> Tensor:
    """Gumbel noise [b *shape], of each item from its own generator: scores + noise are largest at a draw from their distribution."""
    return torch.stack([-torch.empty(*shape).exponential_(generator=rng).log() for rng in rngs])


def item_rngs(seed: int, items: Sequence[int]) -> list[torch.Generator]:
    """A generator for each item, so that what is drawn for it does not depend on its batch."""
    return [torch.Generator().manual_seed((seed * 1_000_003 + item * 7919 + 54321) % (2**63 - 1)) for item in items]


def guided_ports(inputs: Inputs, scale: float) -> Ports:
    """The ports of the items, and without conditions as many rows again where guidance needs them."""
    if scale == 1:
        return inputs.ports
    return _joined(inputs.ports, inputs.null)


def guided_scores(logits: Tensor, num: int, scale: float) -> Tensor:
    """null + scale (given - null) of rows [num …], or of [2 num …] (Ho and Salimans 2022, on logits)."""
    return logits if len(logits) == num else logits[num:] + scale * (logits[:num] - logits[num:])


def _joined(one: Any, other: Any) -> Any:
    """Ports with the rows of both."""
    if one is None or other is None:
        return None
    if isinstance(one, Tensor):
        return torch.cat([one, other])
    if isinstance(one, Mapping):
        return {name: _joined(value, other[name]) for name, value in one.items() if name in other}
    assert is_dataclass(one) and not isinstance(one, type)
    kind: Any = type(one)
    return kind(**{field.name: _joined(getattr(one, field.name), getattr(other, field.name)) for field in fields(one)})
