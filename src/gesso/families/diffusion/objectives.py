"""What a network learns to say of a noisy picture, and what its answer means.

    FlowMatching   the velocity x₁ - ε                 Lipman 2022, equation 23; Liu 2022
    Epsilon        the noise ε                         Ho 2020, equation 14 (L_simple)
    Velocity       v = α ε - σ x₁ at α² + σ² = 1       Salimans and Ho 2022, section 4
    Edm            a mix, scaled to unit variance      Karras 2022, table 1

Each gives (t, x_t, target, weight) to training, and to samplers the same `Guess`, so that any sampler works with any of them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol, runtime_checkable

import torch

from gesso.families.diffusion.paths import EXPLODING, STRAIGHT, Guess, Path, beside
from gesso.families.diffusion.schedules import LinearBeta, LogNormal, Schedule
from gesso.families.family import Batch
from gesso.shapes import Samples, Times

Called = Any  # (x, t [b]) -> what the network says, like x


class Lesson(NamedTuple):
    """A training example: the noisy `x` at level `t` [b], what the network shall say of it, and the `weight` [b] of its error."""

    t: Times
    x: Samples
    target: Samples
    weight: Times


@runtime_checkable
class DenoisingObjective(Protocol):
    """`predicts` names what the network says. `levels` are those of a sampler, from noise to data, one more than its steps."""

    path: Path
    predicts: str

    def times(self, batch: Batch, rng: torch.Generator) -> Times: ...

    def levels(self, num: int) -> list[float]: ...

    def lesson(self, clean: Samples, noise: Samples, t: Times) -> Lesson: ...

    def asked(self, call: Called, x: Samples, t: Times) -> Samples:
        """What the network says of x at level t, given to it as it learned to see it."""
        ...

    def guess(self, said: Samples, x: Samples, t: Times) -> Guess: ...


@dataclass(frozen=True)
class FlowMatching(DenoisingObjective):
    """The network says dx/dt. Times are logit-normal (Esser 2024, section 3.1) for a part `1 - uniform` of the batch, and uniform for
    the rest, so that the ends are learned too."""

    mean: float = 0.0
    deviation: float = 1.0
    uniform: float = 0.3
    path = STRAIGHT
    predicts = "velocity"

    def times(self, batch: Batch, rng: torch.Generator) -> Times:
        normal = torch.sigmoid(self.mean + self.deviation * batch.normal(rng))
        flat = batch.uniform(rng)
        return torch.where(batch.uniform(rng) < self.uniform, flat, normal)

    def levels(self, num: int) -> list[float]:
        return [k / num for k in range(num + 1)]

    def lesson(self, clean: Samples, noise: Samples, t: Times) -> Lesson:
        return Lesson(t, torch.lerp(noise, clean, beside(t, clean)), clean - noise, torch.ones_like(t))

    def asked(self, call: Called, x: Samples, t: Times) -> Samples:
        return call(x, t)

    def guess(self, said: Samples, x: Samples, t: Times) -> Guess:
        t = beside(t, x)
        return Guess(x + (1 - t) * said, x - t * said, said)


class Preconditioned(DenoisingObjective):
    """D(x; σ) = c_skip x + c_out F(c_in x; σ) on the exploding path (Karras 2022, equation 7); F is the network.

    F learns (x₁ - c_skip x) / c_out, so an error of F counts the same at every σ: the loss of D has the weight 1 / c_out².
    Where `limit` is not 0, the data lie within ±limit, and so does what samplers expect (Ho 2020, section 3.3).
    """

    path = EXPLODING
    schedule: Schedule
    limit: float

    def scales(self, sigma: Times) -> tuple[Times, Times, Times]:
        """(c_skip, c_out, c_in)."""
        raise NotImplementedError

    def times(self, batch: Batch, rng: torch.Generator) -> Times:
        return self.schedule.drawn(batch, rng)

    def levels(self, num: int) -> list[float]:
        return self.schedule.falling(num)

    def lesson(self, clean: Samples, noise: Samples, t: Times) -> Lesson:
        x = clean + beside(t, clean) * noise
        skip, out, _ = (beside(scale, x) for scale in self.scales(t))
        return Lesson(t, x, (clean - skip * x) / out, torch.ones_like(t))

    def asked(self, call: Called, x: Samples, t: Times) -> Samples:
        _, _, scale = self.scales(t)
        return call(beside(scale, x) * x, self.schedule.clock(t))

    def guess(self, said: Samples, x: Samples, t: Times) -> Guess:
        skip, out, _ = (beside(scale, x) for scale in self.scales(t))
        clean = skip * x + out * said
        clean = clean.clamp(-self.limit, self.limit) if self.limit else clean
        noise = (x - clean) / beside(t, x)
        return Guess(clean, noise, noise)


@dataclass(frozen=True)
class Epsilon(Preconditioned):
    """DDPM: the network says ε, so x₁ is x - σ ε."""

    schedule: Schedule = field(default_factory=LinearBeta)
    limit: float = 0.0
    predicts = "noise"

    def scales(self, sigma: Times) -> tuple[Times, Times, Times]:
        return torch.ones_like(sigma), -sigma, (1 + sigma**2).rsqrt()


@dataclass(frozen=True)
class Velocity(Preconditioned):
    """With α = 1/√(1 + σ²) the network says v = α (ε - σ x₁)."""

    schedule: Schedule = field(default_factory=LinearBeta)
    limit: float = 0.0
    predicts = "v"

    def scales(self, sigma: Times) -> tuple[Times, Times, Times]:
        return 1 / (1 + sigma**2), -sigma * (1 + sigma**2).rsqrt(), (1 + sigma**2).rsqrt()


@dataclass(frozen=True)
class Edm(Preconditioned):
    """Inputs and targets of unit variance for data of the standard deviation `spread`."""

    schedule: Schedule = field(default_factory=LogNormal)
    limit: float = 0.0
    spread: float = 0.5
    predicts = "mix"

    def scales(self, sigma: Times) -> tuple[Times, Times, Times]:
        var = self.spread**2
        return var / (sigma**2 + var), sigma * self.spread * (sigma**2 + var).rsqrt(), (sigma**2 + var).rsqrt()
