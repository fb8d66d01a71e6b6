"""Dataset, the protocol of training data: clean examples by index, augmented by a given random generator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from gesso.media.file import printable

MAX_NAMED = 20  # files in one message
ORDER = 1_000_000_009  # appended to (seed, epoch); larger than any index in a batch, so it differs from the keys of items


class Dataset(Protocol):
    """Random access to clean examples.

    `item(index, rng)` is a mapping of numpy arrays and plain values, augmented with `rng` if the dataset augments. `stack(items)`
    makes the tensors that a family's loss reads. Optional: `left_out` {name: why}, files that were skipped; `content`, a hash of
    the source; `weights`, the relative frequency of each example.
    """

    name: str
    licence: str

    def __len__(self) -> int: ...

    def item(self, index: int, rng: np.random.Generator) -> Mapping[str, Any]: ...

    def stack(self, items: Sequence[Mapping[str, Any]]) -> dict[str, Any]: ...


def order(num: int, epoch: int, seed: int, weights: np.ndarray | None = None) -> np.ndarray:
    """The indices of the examples of an epoch, in order: a permutation, or with `weights` a weighted draw with replacement."""
    rng = np.random.default_rng([seed, epoch, ORDER])
    if weights is None:
        return rng.permutation(num)
    return rng.choice(num, num, p=weights / weights.sum())


def describe_left_out(left_out: Mapping[str, str]) -> str:
    """The files that were left out, each with its reason, as a text; at most 20 are named."""
    files = [f"{printable(name)} ({why})" for name, why in left_out.items()]
    return "; ".join(files[:MAX_NAMED]) + (f"; and {len(files) - MAX_NAMED} more" if len(files) > MAX_NAMED else "")
