"""Which noise levels σ a network learns, and through which a sampler goes. s is the time of the paper, from 0 (data) to 1 (noise).

    LinearBeta   β rises linearly: Ho 2020, section 4, as the limit of many steps (Song 2021, equation 33)
    Cosine       ᾱ is a squared cosine: Nichol and Dhariwal 2021, equation 17
    LogNormal    ln σ is normal in training; ρ = 7 in sampling: Karras 2022, table 1 and equation 5

σ is the noise beside data of scale 1: √((1 - ᾱ) / ᾱ) in DDPM's symbols.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from gesso.families.family import Batch
from gesso.shapes import Times

FIRST = 1e-3  # the least s that is learned: the first of DDPM's 1,000 steps
MOST_NOISE = 0.0066  # the least α: that of LinearBeta at s = 1. Beyond it a cosine has only noise


@runtime_checkable
class Schedule(Protocol):
    """The σ [b] `drawn` for a training batch; those of a sampler, `falling` to 0; and the `clock`, the time that the network is told: about
    [0, 1] with 1 for data."""

    def drawn(self, batch: Batch, rng: torch.Generator) -> Times: ...

    def falling(self, num: int) -> list[float]: ...

    def clock(self, sigma: Times) -> Times: ...


class OfTime(Schedule):
    """A schedule that is a function of s, which training draws uniformly and sampling divides into equal steps."""

    def sigma_of(self, s: Tensor) -> Tensor:
        raise NotImplementedError

    def drawn(self, batch: Batch, rng: torch.Generator) -> Times:
        return self.sigma_of(FIRST + (1 - FIRST) * batch.uniform(rng))

    def falling(self, num: int) -> list[float]:
        return self.sigma_of(torch.linspace(1, 0, num + 1, dtype=torch.float64)).tolist()


@dataclass(frozen=True)
class LinearBeta(OfTime):
    """-ln ᾱ(s) = s β₀ + s² (β₁ - β₀) / 2."""

    least: float = 0.1
    most: float = 20.0

    def sigma_of(self, s: Tensor) -> Tensor:
        return (s * self.least + s**2 * (self.most - self.least) / 2).expm1().sqrt()

    def clock(self, sigma: Times) -> Times:
        grown, half = torch.log1p(sigma**2), (self.most - self.least) / 2
        return 1 - ((self.least**2 + 4 * half * grown).sqrt() - self.least) / (2 * half)


@dataclass(frozen=True)
class Cosine(OfTime):
    """ᾱ(s) = f(s) / f(0) with f(s) = cos²(π/2 · (s + offset) / (1 + offset)), up to the s at which hardly any data are left."""

    offset: float = 0.008

    @property
    def _start(self) -> float:
        return math.cos(math.pi / 2 * self.offset / (1 + self.offset))

    @property
    def _end(self) -> float:
        return math.acos(MOST_NOISE * self._start) * 2 / math.pi * (1 + self.offset) - self.offset

    def sigma_of(self, s: Tensor) -> Tensor:
        alpha = torch.cos(math.pi / 2 * (s * self._end + self.offset) / (1 + self.offset)) / self._start
        return (1 / alpha**2 - 1).clamp_min(0).sqrt()

    def clock(self, sigma: Times) -> Times:
        angle = torch.acos(self._start / (1 + sigma**2).sqrt())
        return 1 - (angle * 2 / math.pi * (1 + self.offset) - self.offset) / self._end


@dataclass(frozen=True)
class LogNormal(Schedule):
    """ln σ ~ N(mean, deviation²) in training; σᵢ = (σ_max^{1/ρ} + i/(N-1) (σ_min^{1/ρ} - σ_max^{1/ρ}))^ρ and then 0 in sampling."""

    mean: float = -1.2
    deviation: float = 1.2
    least: float = 0.002
    most: float = 80.0
    rho: float = 7.0

    def drawn(self, batch: Batch, rng: torch.Generator) -> Times:
        return (self.mean + self.deviation * batch.normal(rng)).exp()

    def falling(self, num: int) -> list[float]:
        top, low = self.most ** (1 / self.rho), self.least ** (1 / self.rho)
        return [(top + k / max(1, num - 1) * (low - top)) ** self.rho for k in range(num)] + [0.0]

    def clock(self, sigma: Times) -> Times:
        return -sigma.log() / 4  # Karras's c_noise, turned round so that more is cleaner
