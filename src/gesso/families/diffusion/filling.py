"""Filling: a picture with a hole, of which the known part stays and the rest is sampled.

Two ways together: the network is trained with the known part beside the noise (Saharia 2022, "Palette"), and while it samples the
known part is put in at each noise level, with steps taken several times so that both sides agree (Lugmayr 2022, "RePaint",
algorithm 1). The second alone works with any objective and sampler, and with a network that never saw a hole.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from gesso.families.diffusion.denoise import Diffusion
from gesso.families.diffusion.paths import Guess
from gesso.families.diffusion.samplers import repeated, walk
from gesso.families.family import Inputs, ItemNoise, Networks, Output
from gesso.ports import Ports
from gesso.shapes import Images, Maps, Samples

OUTSIDE = 0.1  # weight of an error where the picture is known, which the network needs only to go on from


@dataclass(frozen=True)
class Filling(Diffusion):
    """The slots `picture` and `hole` become one spatial port for the network: the known pixels, 0 elsewhere, and where they are known.

    `sees`: the network takes that port; without it the known part is only put in while sampling. The setting `resampling` is how often
    each step is taken; 0 does not put the known part in.
    """

    picture: str = "picture"
    hole: str = "hole"
    sees: bool = True

    def taught(self, ports: Ports) -> tuple[Ports, Tensor]:
        pixels, mask = self.known(ports)
        return self.shown(ports, pixels, mask), (1 - mask) + OUTSIDE * mask

    def sample(self, networks: Networks, inputs: Inputs, rng: torch.Generator, settings: Any) -> Iterator[Output]:
        """Previews are drafts, since the picture is more than the window that is filled."""
        for output in super().sample(networks, inputs, rng, settings):
            yield replace(output, draft=not output.final)

    def num_looks(self, settings: Any) -> int:
        return settings.num_steps + max(0, settings.resampling - 1) * max(0, settings.num_steps - 2)

    def walked(self, network: nn.Module, inputs: Inputs, rng: torch.Generator, settings: Any) -> Iterator[tuple[Samples, Guess]]:
        device = next(network.parameters()).device
        inputs = inputs.to(device)
        pixels, mask = self.known(inputs.ports)
        ports, null = (self.shown(one, pixels, mask) for one in (inputs.ports, inputs.null))
        inputs = replace(inputs, ports=ports, null=null)
        noise = ItemNoise(inputs.shape, rng.initial_seed(), inputs.items)
        path, levels = self.objective.path, self.objective.levels(settings.num_steps)

        def draw() -> Tensor:
            return noise().to(device)

        def settle(x: Samples, level: float) -> Samples:
            return torch.where(mask > 0, path.alpha(level) * pixels + path.sigma(level) * draw(), x) if settings.resampling else x

        look = partial(self.guess_at, network, inputs, settings)
        return walk(self.chosen(settings), look, path, repeated(levels, max(1, settings.resampling)), draw, settle)

    def known(self, ports: Ports) -> tuple[Images, Maps]:
        """The known pixels [b c h w], 0 elsewhere, and where they are known [b 1 h w]."""
        given, hole = ports.by_slot[self.picture].spatial, ports.by_slot[self.hole].spatial
        assert given is not None and hole is not None
        mask = given[:, -1:] * (1 - hole)
        return given[:, :-1] * mask, mask

    def shown(self, ports: Ports, pixels: Images, mask: Maps) -> Ports:
        """The ports that the network gets: never what lies in the hole."""
        return replace(ports, spatial=torch.cat([pixels, mask], 1) if self.sees else None)
