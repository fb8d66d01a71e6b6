"""The dataset: examples by index, clean, with an augmentation drawn from a given generator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np

ORDER = 1_000_000_009  # the word after (seed, epoch) that no item's key (seed, step, place in its batch) has


class Dataset(Protocol):
    """Random access to clean examples.

    `item(index, rng)` is a mapping of numpy arrays and plain values, augmented by `rng` if the dataset augments;
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
