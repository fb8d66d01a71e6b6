"""Flow matching: learn the velocity from noise to data along straight lines, and integrate it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from gesso.errors import GessoError
from gesso.families.family import Batch, Inputs, Loss, Networks, Output, Phase, item_noise
from gesso.ports import Ports
from gesso.shapes import Images, Times


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
        return (Phase("flow", self.role),)

    def prepare(self, networks: Networks, dataset: Any, rng: torch.Generator) -> nn.Module:
        return nn.Module()

    def times(self, num: int, rng: torch.Generator) -> Times:
        """Training times in (0, 1)."""
        normal = torch.sigmoid(self.mean + self.deviation * torch.randn(num, generator=rng))
        flat = torch.rand(num, generator=rng)
        return torch.where(torch.rand(num, generator=rng) < self.uniform, flat, normal)

    def loss(self, phase: Phase, networks: Networks, batch: Batch, state: nn.Module, step: int, rng: torch.Generator) -> Loss:
        x_clean = batch.clean[self.clean]
        noise = torch.randn(x_clean.shape, generator=rng).to(x_clean)
        t = self.times(len(x_clean), rng).to(x_clean.device)
        x_noisy = interpolate(noise, x_clean, t)
        velocity = networks[self.role](x_noisy, t, batch.ports)
        value = (velocity.float() - (x_clean - noise)).square().mean((1, 2, 3))
        return Loss(value, {"velocity_error": value.mean().detach()})

    def propose(self, networks: Networks, batch: Batch, rng: torch.Generator) -> None:
        return None

    def sample(self, networks: Networks, inputs: Inputs, rng: torch.Generator, settings: Any) -> Iterator[Output]:
        """Sample pictures [b c h w] from noise. Yields a preview of the predicted end after every step but the last.

        `settings` has `num_steps`, `guidance_scale` and `solver` ("euler": one evaluation per step, "heun": two except in the last).
        """
        network = networks[self.role]
        device = next(network.parameters()).device
        ports, null = inputs.ports.map(lambda v: v.to(device)), inputs.null.map(lambda v: v.to(device))
        x = item_noise(inputs.shape, rng.initial_seed(), inputs.items).to(device)
        solver = {"euler": euler, "heun": heun}.get(settings.solver)
        if solver is None:
            raise GessoError(f"there is no solver {settings.solver!r}", where="solver", fix="euler or heun")

        def velocity(x: Images, t: Times) -> Images:
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


def interpolate(noise: Images, x_clean: Images, t: Times) -> Images:
    """The point at time t on the straight line from noise to data."""
    return torch.lerp(noise, x_clean, t[:, None, None, None])


def guided(network: nn.Module, x: Images, t: Times, ports: Ports, null: Ports, scale: float) -> Images:
    """The velocity with guidance, null + scale (given - null): 0 ignores the conditions, 1 is no guidance, more strengthens them."""
    if scale == 1:
        return network(x, t, ports).float()
    if scale == 0:
        return network(x, t, null).float()
    given, without = network(x, t, ports).float(), network(x, t, null).float()
    return without + scale * (given - without)


def euler(velocity: Any, x: Images, v: Images, t: Times, t_next: Times) -> Images:
    """One first-order step; v is the velocity at (x, t)."""
    return x + (t_next - t)[:, None, None, None] * v


def heun(velocity: Any, x: Images, v: Images, t: Times, t_next: Times) -> Images:
    """One second-order step, with the mean of the velocities at both ends (Karras 2022, algorithm 1, on a straight path)."""
    span = (t_next - t)[:, None, None, None]
    return x + span * (v + velocity(x + span * v, t_next)) / 2
