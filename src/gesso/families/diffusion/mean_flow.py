"""MeanFlow: the network says the mean velocity between two times, so that one long step does the work of many (Geng 2025).

With data at t = 1 and r ≥ t the mean velocity is u(z, t, r) = 1/(r - t) ∫ₜʳ v dτ. Two ways to learn it, whose targets have no gradient:

    u = v + (r - t) du/dt,   du/dt = v ∂u/∂z + ∂u/∂t                  Geng 2025, equation 6, with time turned round; `ratio` 0
    u = α v + (1 - α) u(z + δ v, t + δ, r),   δ = α (r - t)           the same with a step δ for the derivative (Zhang 2025, "AlphaFlow")

The network is called `network(x, t, ports, r - t)`, so the tangent of the derivative is (v, 1, -1).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from gesso.families.diffusion.denoise import Diffusion
from gesso.families.diffusion.guidance import guided, scale_at
from gesso.families.diffusion.paths import Guess, beside
from gesso.families.diffusion.samplers import euler
from gesso.families.family import Batch, Inputs, Loss, Networks, Phase
from gesso.ports import Ports
from gesso.shapes import Samples, Times

MeanVelocity = Callable[[Tensor, Tensor, Tensor], Tensor]  # (z, t [b], r - t [b]) -> u, like z


@dataclass(frozen=True)
class MeanFlow(Diffusion):
    """Flow matching (r = t) for a part of each batch, MeanFlow for the `share` of it that has r > t.

    ratio: α above. 0 takes the derivative, which networks bear whose embedding of times is smooth; one that tells 1,000 steps apart makes
    it a thousand times as large as the velocity. Above 0, v is what the network says of (z, t), without the noise of one example.
    Items with r > t have the weight 1 / (error + floor)^power, without gradient (Geng 2025, equation 22). The others have 1: their targets
    are noisy, and weights that follow the noise would lead away from its mean. `power` is 0 here: with 0.5 and 1 agreement with itself
    outweighed the data, and the velocity was lost. The sampler is "euler" with the mean velocity of a step.
    """

    sampler: str = "euler"
    share: float = 0.5
    ratio: float = 0.125
    power: float = 0.0
    floor: float = 1e-3

    def loss(self, phase: Phase, networks: Networks, batch: Batch, state: nn.Module, step: int, rng: torch.Generator) -> Loss:
        clean, network = batch.clean[self.clean], networks[self.role]
        noise = batch.normal(rng, *clean.shape[1:])
        one, other = self.objective.times(batch, rng), self.objective.times(batch, rng)
        apart = batch.uniform(rng) < self.share
        t = torch.where(apart, torch.minimum(one, other), one)
        span = torch.where(apart, (one - other).abs(), torch.zeros_like(one))
        _, z, v, _ = self.objective.lesson(clean, noise, t)
        said = network(z, t, batch.ports, span).float()  # before the target, whose weights autocast would keep without gradients
        target = v.clone()
        if apart.any():
            call = partial(_called, network, batch.ports.map(lambda value: value[apart]))
            target[apart] = target_of(call, z[apart], v[apart], t[apart], span[apart], self.ratio)
        error = (said - target).square().mean(tuple(range(1, clean.ndim)))
        weight = torch.where(apart, (error.detach() + self.floor) ** -self.power, torch.ones_like(error))
        return Loss(weight * error, {"mean_error": _mean_where(error, apart), "velocity_error": _mean_where(error, ~apart)})

    def guess_at(self, network: nn.Module, inputs: Inputs, settings: Any, x: Samples, t: Times, s: Times) -> Guess:
        """The guess at (x, t) whose rate is the mean velocity up to s for Euler steps, and the velocity at t for the other samplers."""
        scale = scale_at(settings, self.objective.path.progress(float(t[0])))
        span = s - t if self.chosen(settings) is euler else torch.zeros_like(t)
        said = guided(network, x, t, inputs.ports, inputs.null, scale, span)
        return self.objective.guess(said, x, t)


@torch.no_grad()
def target_of(u: MeanVelocity, z: Samples, v: Samples, t: Times, span: Times, ratio: float = 0.0) -> Samples:
    """What u(z, t, span) shall be: by the derivative along (v, 1, -1), or with a `ratio` by a step of that part of the span, in which v
    is u's own velocity."""
    if ratio:
        own, step = u(z, t, torch.zeros_like(span)), ratio * span
        return ratio * own + (1 - ratio) * u(z + beside(step, z) * own, t + step, span - step)
    with torch.autocast(z.device.type, enabled=False):  # a slope in bfloat16 is coarse, and torch has not all of them
        slope = torch.func.jvp(u, (z, t, span), (v, torch.ones_like(t), -torch.ones_like(span)))[1]
    return v + beside(span, z) * slope


def _called(network: nn.Module, ports: Ports, z: Tensor, t: Tensor, span: Tensor) -> Tensor:
    said: Tensor = network(z, t, ports, span).float()
    return said


def _mean_where(error: Tensor, chosen: Tensor) -> Tensor:
    """The mean over the chosen items; 0 where there are none."""
    return (error.detach() * chosen).sum() / chosen.sum().clamp_min(1)


__all__ = ["MeanFlow", "target_of"]
