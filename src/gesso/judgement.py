"""Judgement, what a critic says of a batch of pictures."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Judgement:
    """A critic's logits, one tensor [b …] a scale; optionally logits of classes [b k] and features [b c h w] of its layers."""

    logits: tuple[Tensor, ...]
    classes: Tensor | None = None
    features: tuple[Tensor, ...] = ()


def per_item(values: Tensor) -> Tensor:
    """The mean of each item's values, [b …] -> float32 [b]."""
    return values.float().flatten(1).mean(1)
