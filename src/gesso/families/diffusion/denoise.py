"""Diffusion: a network learns to say what is data and what is noise in a noisy picture, and samplers follow it from noise to data."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from gesso.errors import GessoError
from gesso.families.diffusion.guidance import guided, scale_at
from gesso.families.diffusion.objectives import DenoisingObjective, FlowMatching
from gesso.families.diffusion.paths import Guess
from gesso.families.diffusion.samplers import Sampler, ddim, ddpm, dpm, euler, heun, walk
from gesso.families.family import Batch, Inputs, ItemNoise, Loss, Networks, Output, Phase
from gesso.ports import Ports
from gesso.shapes import Samples, Times

SAMPLERS: dict[str, Callable[[Any], Sampler]] = {
    "euler": lambda settings: euler,
    "heun": lambda settings: heun,
    "ddpm": lambda settings: ddpm,
    "ddim": lambda settings: partial(ddim, eta=getattr(settings, "eta", 0.0)),
    "dpm": lambda settings: dpm,
}
AUTO = "auto"  # the sampler that suits the objective


@dataclass(frozen=True)
class Diffusion:
    """The network is called `network(x, t [b], ports)` and says what the objective asks; the data are `clean` of any rank.

    `sampler` is the one of the setting "auto". Settings: `sampler`, `num_steps`, `guidance_scale`, and optionally `eta` (of "ddim"),
    `guidance_from` and `guidance_to`.
    """

    objective: DenoisingObjective = field(default_factory=FlowMatching)
    role: str = "denoiser"
    clean: str = "image"
    sampler: str = "dpm"

    def phases(self, step: int) -> Sequence[Phase]:
        return (Phase("denoise", (self.role,)),)

    def prepare(self, networks: Networks, dataset: Any, rng: torch.Generator) -> nn.Module:
        return nn.Module()

    def loss(self, phase: Phase, networks: Networks, batch: Batch, state: nn.Module, step: int, rng: torch.Generator) -> Loss:
        clean, objective = batch.clean[self.clean], self.objective
        noise = batch.normal(rng, *clean.shape[1:])
        lesson = objective.lesson(clean, noise, objective.times(batch, rng))
        ports, weight = self.taught(batch.ports)
        said = objective.asked(lambda x, t: networks[self.role](x, t, ports), lesson.x, lesson.t)
        error, places = (said.float() - lesson.target).square(), tuple(range(1, clean.ndim))
        value = error.mean(places) if weight is None else (error * weight).mean(places) / weight.mean(places)
        return Loss(lesson.weight * value, {f"{objective.predicts}_error": value.mean().detach()})

    def taught(self, ports: Ports) -> tuple[Ports, Tensor | None]:
        """The ports that the network gets in training, and how much the error of each place counts (None: all alike)."""
        return ports, None

    def propose(self, networks: Networks, batch: Batch, rng: torch.Generator) -> None:
        return None

    def sample(self, networks: Networks, inputs: Inputs, rng: torch.Generator, settings: Any) -> Iterator[Output]:
        """Sample data from noise. Yields a preview of the expected data after every step but the last."""
        num = self.num_looks(settings)
        for step, (x, guess) in enumerate(self.walked(networks[self.role], inputs, rng, settings), 1):
            final = step == num
            yield Output({self.clean: x if final else guess.clean}, final=final, step=step, num_steps=num)

    def num_looks(self, settings: Any) -> int:
        """How many steps a sample takes."""
        num: int = settings.num_steps
        return num

    def walked(self, network: nn.Module, inputs: Inputs, rng: torch.Generator, settings: Any) -> Iterator[tuple[Samples, Guess]]:
        """The steps of a sample."""
        device = next(network.parameters()).device
        inputs, noise = inputs.to(device), ItemNoise(inputs.shape, rng.initial_seed(), inputs.items)
        look, levels = partial(self.guess_at, network, inputs, settings), self.objective.levels(settings.num_steps)
        return walk(self.chosen(settings), look, self.objective.path, levels, lambda: noise().to(device))

    def chosen(self, settings: Any) -> Sampler:
        """The sampler of the settings; GessoError where there is none of that name."""
        name = self.sampler if settings.sampler == AUTO else settings.sampler
        if name not in SAMPLERS:
            raise GessoError(f"there is no sampler {name!r}", where="sampler", fix="one of " + ", ".join((AUTO, *SAMPLERS)))
        return SAMPLERS[name](settings)

    def guess_at(self, network: nn.Module, inputs: Inputs, settings: Any, x: Samples, t: Times, s: Times) -> Guess:
        """The guess at (x, t) with guidance, on the way to s."""
        scale = scale_at(settings, self.objective.path.progress(float(t[0])))
        said = self.objective.asked(lambda x, t: guided(network, x, t, inputs.ports, inputs.null, scale), x, t)
        return self.objective.guess(said, x, t)
