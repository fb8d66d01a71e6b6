"""From noise to data: x = α(t) x₁ + σ(t) ε with data x₁, noise ε and a level t. On both paths here α and σ are linear in t.

    STRAIGHT    x = t x₁ + (1 - t) ε, t from 0 to 1               Liu 2022; Lipman 2022, equation 23 with no floor
    EXPLODING   x = x₁ + t ε, t = σ from the largest down to 0    Karras 2022, equation 1 with s = 1

A variance-preserving path is an exploding one whose points are scaled by √(1 + σ²) (Karras 2022, table 1), so there is none here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor

from gesso.shapes import Samples, Times


class Guess(NamedTuple):
    """What a network knows of a point x at level t: the expected data, the expected noise, and dx/dt of the probability flow.

    The score is -noise / σ(t).
    """

    clean: Samples
    noise: Samples
    rate: Samples


@dataclass(frozen=True)
class Path:
    """α(t) = a + b t and σ(t) = c + d t; dx/dt is b clean + d noise."""

    a: float
    b: float
    c: float
    d: float

    def alpha(self, t: float) -> float:
        return self.a + self.b * t

    def sigma(self, t: float) -> float:
        return self.c + self.d * t

    def progress(self, t: float) -> float:
        """How much of the way is done, α / (α + σ): from about 0 for noise to 1 for data, the same on every path."""
        return self.alpha(t) / (self.alpha(t) + self.sigma(t))


STRAIGHT = Path(0, 1, 1, -1)
EXPLODING = Path(1, 0, 0, 1)


def beside(t: Times, x: Tensor) -> Tensor:
    """One number per item, shaped to multiply `x` [b …] of any rank."""
    return t.view(-1, *[1] * (x.ndim - 1))
