"""Flow matching: learn the velocity from noise to data along straight lines, and integrate it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from gesso.errors import GessoError
from gesso.families.family import Batch, Inputs, Loss, Networks, Output, Phase, item_noise
from gesso.ports import Ports
from gesso.shapes import Samples, Times


@dataclass(frozen=True)
class Flow:
    """Conditional flow matching with the linear path (Lipman 2022, equation 23 with no floor; Liu 2022).

    x_t = (1 - t) x_0 + t x_1 with x_0 noise and x_1 data, so t = 1 is data and the velocity to learn is x_1 - x_0. Times are
    logit-normal (Esser 2024, section 3.1) for a part `1 - uniform` of the batch and uniform for the rest, so that the ends are
    learned too. The network is called `network(x, t [b], ports)`. Guidance (Ho and Salimans 2022) needs conditions that training
    sometimes dropped (a slot's `drop`).
    """

    role: str = "velocity"
    clean: str = "image"
    mean: float = 0.0
    deviation: float = 1.0
    uniform: float = 0.3

    def phases(self, step: int) -> Sequence[Phase]:
        return (Phase("flow", (self.role,)),)

    def prepare(self, networks: Networks, dataset: Any, rng: torch.Generator) -> nn.Module:
        return nn.Module()

    def times(self, batch: Batch, rng: torch.Generator) -> Times:
        """Training times [b] in (0, 1)."""
        normal = torch.sigmoid(self.mean + self.deviation * batch.normal(rng))
        flat = batch.uniform(rng)
        return torch.where(batch.uniform(rng) < self.uniform, flat, normal)

    def loss(self, phase: Phase, networks: Networks, batch: Batch, state: nn.Module, step: int, rng: torch.Generator) -> Loss:
        x_clean = batch.clean[self.clean]
        noise = batch.normal(rng, *x_clean.shape[1:])
        t = self.times(batch, rng)
        x_noisy = interpolate(noise, x_clean, t)
        velocity = networks[self.role](x_noisy, t, batch.ports)
        value = (velocity.float() - (x_clean - noise)).square().mean(tuple(range(1, x_clean.ndim)))
        return Loss(value, {"velocity_error": value.mean().detach()})

    def propose(self, networks: Networks, batch: Batch, rng: torch.Generator) -> None:
        return None

    def sample(self, networks: Networks, inputs: Inputs, rng: torch.Generator, settings: Any) -> Iterator[Output]:
        """Sample data [b …] of any rank from noise. Yields a preview of the predicted end after every step but the last.

        `settings` has `num_steps`, `guidance_scale` and `solver` ("euler": one evaluation per step, "heun": two except in the last).
        """
        network = networks[self.role]
        device = next(network.parameters()).device
        ports, null = inputs.ports.map(lambda v: v.to(device)), inputs.null.map(lambda v: v.to(device))
        x = item_noise(inputs.shape, rng.initial_seed(), inputs.items).to(device)
        solver = {"euler": euler, "heun": heun}.get(settings.solver)
        if solver is None:
            raise GessoError(f"there is no solver {settings.solver!r}", where="solver", fix="euler or heun")

        def velocity(x: Samples, t: Times) -> Samples:
            return guided(network, x, t, ports, null, settings.guidance_scale)

        num = settings.num_steps
        for step in range(num):
            t, t_next = (torch.full((len(x),), k / num, device=device) for k in (step, step + 1))
            v = velocity(x, t)
            preview = x + (1 - t[0]) * v
            # The last step is an Euler step (Karras 2022, algorithm 1), because there is no noise left at t = 1.
            x = solver(velocity, x, v, t, t_next) if step < num - 1 else euler(velocity, x, v, t, t_next)
            if step < num - 1:
                yield Output({self.clean: preview}, final=False, step=step + 1, num_steps=num)
        yield Output({self.clean: x}, step=num, num_steps=num)


def beside(t: Times, x: Tensor) -> Tensor:
    """One number per item, shaped to multiply `x` [b …] of any rank."""
    return t.view(-1, *[1] * (x.ndim - 1))


def interpolate(noise: Samples, x_clean: Samples, t: Times) -> Samples:
    """The point at time t on the straight line from noise to data."""
    return torch.lerp(noise, x_clean, beside(t, x_clean))


def guided(network: nn.Module, x: Samples, t: Times, ports: Ports, null: Ports, scale: float) -> Samples:
    """The velocity with guidance, null + scale (given - null): 0 ignores the conditions, 1 is no guidance, more strengthens them."""
    if scale == 1:
        return network(x, t, ports).float()
    if scale == 0:
        return network(x, t, null).float()
    given, without = network(x, t, ports).float(), network(x, t, null).float()
    return without + scale * (given - without)


def euler(velocity: Any, x: Samples, v: Samples, t: Times, t_next: Times) -> Samples:
    """One first-order step; v is the velocity at (x, t)."""
    return x + beside(t_next - t, x) * v


def heun(velocity: Any, x: Samples, v: Samples, t: Times, t_next: Times) -> Samples:
    """One second-order step, with the mean of the velocities at both ends (Karras 2022, algorithm 1, on a straight path)."""
    span = beside(t_next - t, x)
    return x + span * (v + velocity(x + span * v, t_next)) / 2
