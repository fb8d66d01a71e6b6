"""Flow matching: learn the velocity from noise to data along straight lines, and integrate it. A configuration of `diffusion`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import torch
from torch import nn

from gesso.errors import GessoError
from gesso.families.diffusion.denoise import Diffusion
from gesso.families.diffusion.objectives import FlowMatching
from gesso.families.family import Batch, Inputs, Loss, Networks, Output, Phase

SOLVERS = ("euler", "heun")


@dataclass(frozen=True)
class Flow:
    """Conditional flow matching with the linear path (`diffusion.FlowMatching`), whose network is called `network(x, t [b], ports)`.

    Settings are `num_steps`, `guidance_scale` and `solver` ("euler": one evaluation per step, "heun": two except in the last).
    """

    role: str = "velocity"
    clean: str = "image"
    mean: float = 0.0
    deviation: float = 1.0
    uniform: float = 0.3

    @property
    def kit(self) -> Diffusion:
        return Diffusion(FlowMatching(self.mean, self.deviation, self.uniform), self.role, self.clean)

    def phases(self, step: int) -> Sequence[Phase]:
        return (Phase("flow", (self.role,)),)

    def prepare(self, networks: Networks, dataset: Any, rng: torch.Generator) -> nn.Module:
        return self.kit.prepare(networks, dataset, rng)

    def loss(self, phase: Phase, networks: Networks, batch: Batch, state: nn.Module, step: int, rng: torch.Generator) -> Loss:
        return self.kit.loss(phase, networks, batch, state, step, rng)

    def propose(self, networks: Networks, batch: Batch, rng: torch.Generator) -> None:
        return None

    def sample(self, networks: Networks, inputs: Inputs, rng: torch.Generator, settings: Any) -> Iterator[Output]:
        """Sample data [b …] of any rank from noise. Yields a preview of the predicted end after every step but the last."""
        if settings.solver not in SOLVERS:
            raise GessoError(f"there is no solver {settings.solver!r}", where="solver", fix=" or ".join(SOLVERS))
        chosen = SimpleNamespace(sampler=settings.solver, num_steps=settings.num_steps, guidance_scale=settings.guidance_scale)
        yield from self.kit.sample(networks, inputs, rng, chosen)
