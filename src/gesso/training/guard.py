"""Divergence, noticed in the step in which it happens."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping

NUM_RECENT = 101
FEWEST = 20  # losses before a median means anything
LEAP = 1e3
SMALLEST = 1e-3  # a loss may reach zero; a leap is counted from here at least


class Diverged(Exception):
    """A step that must not be taken, and why."""


class Guard:
    """Recent losses of each phase: NaN or infinity in a loss or gradient, or a loss 1000 times the running median, is divergence."""

    def __init__(self) -> None:
        self.recent: dict[str, deque[float]] = {}

    def check(self, phase: str, loss: float, norm: float) -> None:
        """Raise Diverged, or remember the loss."""
        if not math.isfinite(loss):
            raise Diverged(f"the loss of {phase!r} is {loss}")
        if not math.isfinite(norm):
            raise Diverged(f"the gradient of {phase!r} is {norm}")
        recent = self.recent.setdefault(phase, deque(maxlen=NUM_RECENT))
        if len(recent) >= FEWEST:
            median = sorted(recent)[len(recent) // 2]
            if abs(loss) > LEAP * max(median, SMALLEST):
                raise Diverged(f"the loss of {phase!r} leapt to {loss:.4g} from about {median:.4g}")
        recent.append(abs(loss))

    def to_json(self) -> dict[str, list[float]]:
        return {phase: list(values) for phase, values in self.recent.items()}

    def restore(self, values: Mapping[str, list[float]]) -> None:
        self.recent = {phase: deque(numbers, maxlen=NUM_RECENT) for phase, numbers in values.items()}
