"""Detection of divergence in the step in which it happens, and of examples that would cause it."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any

from gesso.errors import GessoError
from gesso.families.family import Batch

NUM_RECENT = 101
MIN_RECENT = 20  # losses needed before the median is used
MAX_JUMP = 1e3
MAX_SKIPPED = 20  # steps of a run that broken examples may cost
MIN_MEDIAN = 1e-3  # losses may reach zero, so smaller medians count as this


class Diverged(Exception):
    """The training diverged, so this step must not be taken; the message says why."""


class DivergenceGuard:
    """Detects divergence: NaN or infinity in a loss or gradient, or a loss above 1000 times the running median of its phase."""

    def __init__(self) -> None:
        self.recent: dict[str, deque[float]] = {}

    def check(self, phase: str, loss: float, norm: float) -> None:
        """Raise Diverged, or add the loss to the recent losses. `norm` is the length of the gradient."""
        if not math.isfinite(loss):
            raise Diverged(f"the loss of {phase!r} is {loss}")
        if not math.isfinite(norm):
            raise Diverged(f"the gradient of {phase!r} is {norm}")
        recent = self.recent.setdefault(phase, deque(maxlen=NUM_RECENT))
        if len(recent) >= MIN_RECENT:
            median = sorted(recent)[len(recent) // 2]
            if abs(loss) > MAX_JUMP * max(median, MIN_MEDIAN):
                raise Diverged(f"the loss of {phase!r} leapt to {loss:.4g} from about {median:.4g}")
        recent.append(abs(loss))

    def to_json(self) -> dict[str, list[float]]:
        return {phase: list(values) for phase, values in self.recent.items()}

    def restore(self, values: Mapping[str, list[float]]) -> None:
        self.recent = {phase: deque(numbers, maxlen=NUM_RECENT) for phase, numbers in values.items()}


def broken_examples(batch: Batch) -> str | None:
    """Which examples of a batch hold NaN or infinity, and in what, in words; None where all numbers are finite."""
    for name, value in batch.clean.items():
        if value.is_floating_point() and not bool(value.isfinite().all()):
            bad = (~value.isfinite()).reshape(len(value), -1).any(1).to(batch.index.device)
            numbers = ", ".join(map(str, batch.index[bad].tolist()))
            return f"{name!r} holds NaN or infinity in example {numbers}"
    return None


def check_skipped(lines: Iterable[Mapping[str, Any]], broken: str, *, where: str) -> None:
    """GessoError where a log tells of MAX_SKIPPED steps that were left out; `broken` is what is wrong with one more."""
    if sum(line.get("event") == "skipped" for line in lines) >= MAX_SKIPPED:
        what = f"{broken}, and {MAX_SKIPPED} steps before had such examples"
        raise GessoError(what, where=where, fix="mend or remove those examples; the last state is kept in checkpoints/")
