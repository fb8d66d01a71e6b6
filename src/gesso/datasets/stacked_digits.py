"""Stacked digits: three random digits as the channels of one picture, 1,000 kinds in all (Metz 2017, section 3.3.1; Lin 2018)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gesso.datasets.cifar import stack_items
from gesso.datasets.digits import Digits, digits

SIDE = 32  # pixels: digits of 28, with a black border
KINDS = 1000


class StackedDigits:
    """`num` pictures of three digits each. "train" draws them anew at each use; other splits draw them from their index."""

    def __init__(self, found: Digits, num: int, *, fresh: bool) -> None:
        self.digits, self.num, self.fresh = found, num, fresh
        self.name, self.licence = f"{found.name}, stacked by three", found.licence

    def __len__(self) -> int:
        return self.num

    @property
    def classes(self) -> tuple[str, ...]:
        """Not a field, as fields are hashed: a run that began before the classes had names resumes."""
        return tuple(f"{number:03}" for number in range(KINDS))

    def item(self, index: int, rng: np.random.Generator) -> Mapping[str, Any]:
        """`picture` uint8 [32 32 3], and `label`, the number that its digits write from the first channel on."""
        draws = rng if self.fresh else np.random.default_rng([index, 31])
        three = draws.integers(len(self.digits), size=3)
        picture = np.zeros((SIDE, SIDE, 3), np.uint8)
        picture[2:30, 2:30] = self.digits.pixels[three].transpose(1, 2, 0)
        return {"picture": picture, "label": int(self.digits.labels[three] @ (100, 10, 1))}

    def stack(self, items: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        return stack_items(items)


def stacked_digits(folder: Path | None, split: str, num: int = 25_600) -> StackedDigits:
    """Stacked digits of `split`. Neither split has a digit that `digit_classifier`, the judge, learned from."""
    return StackedDigits(digits(folder, split, "flow"), num, fresh=split == "train")
