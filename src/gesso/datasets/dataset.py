"""The dataset: examples by index, clean, with an augmentation drawn from a given generator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from gesso.media.file import shown

MOST_NAMED = 20  # files in one message
ORDER = 1_000_000_009  # the word after (seed, epoch) that no item's key (seed, step, place in its batch) has


class Dataset(Protocol):
    """Random access to clean examples.

    `item(index, rng)` is a mapping of numpy arrays and plain values, augmented by `rng` if the dataset augments;
    `left_out` {name: why}, if it has it, are files that it does without, and `content` a hash of what it was made of.
    `stack(items)` makes the tensors that a family's loss reads. `weight(index)`-free: `order(epoch_rng)` decides who is seen.
    """

    name: str
    licence: str

    def __len__(self) -> int: ...

    def item(self, index: int, rng: np.random.Generator) -> Mapping[str, Any]: ...

    def stack(self, items: Sequence[Mapping[str, Any]]) -> dict[str, Any]: ...


def order(num: int, epoch: int, seed: int, weights: np.ndarray | None = None) -> np.ndarray:
    """Which examples epoch `epoch` sees, in order: a permutation, or with `weights` a draw with replacement in proportion to them."""
    rng = np.random.default_rng([seed, epoch, ORDER])
    if weights is None:
        return rng.permutation(num)
    return rng.choice(num, num, p=weights / weights.sum())


def said_of(left_out: Mapping[str, str]) -> str:
    """Files that were left out, each with its reason; of many, the first."""
    told = [f"{shown(name)} ({why})" for name, why in left_out.items()]
    return "; ".join(told[:MOST_NAMED]) + (f"; and {len(told) - MOST_NAMED} more" if len(told) > MOST_NAMED else "")
