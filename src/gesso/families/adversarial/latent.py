"""Games whose generator reads a latent: a picture from noise, and from what the ports say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from gesso.families.family import Batch, Inputs, Networks, Output, item_noise


@dataclass(frozen=True)
class Latent:
    """`play` and `show` of such a game: `size` numbers from a normal distribution, and the name of the real pictures in a batch.

    Settings with `truncation` shorten latents of samples by that factor (Brock 2019, section 3.1, without resampling); the generator is
    given it as `truncation`, since it may normalise latents.
    """

    size: int
    clean: str = "image"
    role: str = "generator"

    def play(self, networks: Networks, batch: Batch, rng: torch.Generator) -> Mapping[str, Tensor]:
        latent = batch.normal(rng, self.size)
        return {"real": batch.clean[self.clean], "fake": networks[self.role](latent, batch.ports), "latent": latent}

    def show(self, networks: Networks, inputs: Inputs, rng: torch.Generator, settings: Any) -> Iterator[Output]:
        latent = item_noise((inputs.shape[0], self.size), rng.initial_seed(), inputs.items)
        device = next(networks[self.role].parameters()).device
        shortened = {"truncation": settings.truncation} if getattr(settings, "truncation", 1.0) != 1.0 else {}
        made = networks[self.role](latent.to(device), inputs.ports, **shortened)
        yield Output({self.clean: made.float()})
