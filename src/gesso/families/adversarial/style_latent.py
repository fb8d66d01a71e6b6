"""StyleGAN2's way from latents to pictures: mapping, style mixing, truncation, and handles found in the weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from gesso.errors import GessoError
from gesso.families.adversarial.game import MEMORY, Turn
from gesso.families.adversarial.penalties import path_lengths
from gesso.families.family import Batch, Inputs, Networks, Output, item_noise

MANY_NOISES = 1_000_003  # apart from the latent's seed, so that noise and latent are independent


@dataclass(frozen=True)
class StyleLatent:
    """`play` and `show` of the roles `mapping` and `synthesis`, for latents of `size` numbers.

    In training two latents share the layers at a random crossing, with probability `mixing` (Karras 2019, section 3.1). Settings of
    samples: `truncation`, `mix_seed` (-1: none) and `mix_from`, the layer from which the second latent counts. The condition
    `handles` moves w along the directions of the synthesis network's styles; `place` is a w for each layer instead of the seed's.
    """

    size: int
    mixing: float = 0.9
    clean: str = "image"
    handles: str = "handles"
    place: str = "place"

    def play(self, networks: Networks, batch: Batch, rng: torch.Generator) -> Mapping[str, Tensor]:
        mapping: Any = networks["mapping"]
        synthesis: Any = networks["synthesis"]
        one, two = (mapping(batch.normal(rng, self.size), batch.ports) for _ in range(2))
        where, mixed = batch.uniform(rng), batch.uniform(rng) < self.mixing
        layers = synthesis.num_layers
        crossing = torch.where(mixed, 1 + (where * (layers - 1)).floor(), torch.full_like(where, layers))
        first = torch.arange(layers, device=where.device)[None] < crossing[:, None]
        ws = torch.where(first[:, :, None], one[:, None], two[:, None])
        noise = [batch.normal(rng, 1, size, size) for size in synthesis.sizes]
        return {"real": batch.clean[self.clean], "fake": synthesis(ws, noise), "ws": ws}

    def show(self, networks: Networks, inputs: Inputs, rng: torch.Generator, settings: Any) -> Iterator[Output]:
        synthesis: Any = networks["synthesis"]
        seed = rng.initial_seed()
        ws = self.start(networks, inputs, seed, settings)
        if settings.mix_seed >= 0:
            other = self._w(networks, inputs, settings.mix_seed, settings)[:, None]
            late = torch.arange(synthesis.num_layers, device=ws.device) >= settings.mix_from
            ws = torch.where(late[None, :, None], other, ws)
        amounts = inputs.ports.by_slot[self.handles].vector if self.handles in inputs.ports.by_slot else None
        if amounts is not None:
            axes = directions(synthesis, amounts.shape[1] - 1)
            ws = ws + (amounts[:, :-1] @ axes)[:, None]
        made = synthesis(ws, self.noise(synthesis, inputs, seed))
        yield Output({self.clean: made.float()}, taps={"w": ws})

    def start(self, networks: Networks, inputs: Inputs, seed: int, settings: Any) -> Tensor:
        """w for each layer [b layers width]: the place that is given, else the seed's."""
        synthesis: Any = networks["synthesis"]
        ws = self._w(networks, inputs, seed, settings)[:, None].expand(-1, synthesis.num_layers, -1)
        given = inputs.ports.by_slot[self.place].tokens if self.place in inputs.ports.by_slot else None
        if given is None:
            return ws
        if given.values.shape[2] != ws.shape[2] or given.values.shape[1] not in (1, ws.shape[1]):
            what = "a place of {} layers of {} numbers is of another model".format(*given.values.shape[1:])
            raise GessoError(what, where=self.place, fix="{} layers of {} numbers; fit one for these weights".format(*ws.shape[1:]))
        return torch.where(given.mask[:, :1, None], given.values.to(ws), ws)

    def noise(self, synthesis: Any, inputs: Inputs, seed: int) -> list[Tensor]:
        """The noise of each layer [b 1 h w], which does not depend on the latent's."""
        device, num = synthesis.start.device, inputs.shape[0]
        seeds = [(size, seed + MANY_NOISES * (n + 1)) for n, size in enumerate(synthesis.sizes)]
        return [item_noise((num, 1, size, size), own, inputs.items).to(device) for size, own in seeds]

    def _w(self, networks: Networks, inputs: Inputs, seed: int, settings: Any) -> Tensor:
        mapping: Any = networks["mapping"]
        z = item_noise((inputs.shape[0], self.size), seed, inputs.items).to(mapping.mean.device)
        return torch.lerp(mapping.mean, mapping(z, inputs.ports).float(), settings.truncation)


def path_length(turn: Turn) -> Tensor:
    """How far the change of pictures by styles is from its running mean, squared, [b] (Karras 2020, equation 4)."""
    fake, ws = turn.pictures["fake"], turn.pictures["ws"]
    lengths = path_lengths(fake, ws, turn.batch.normal(turn.rng, *fake.shape[1:]))
    mean = turn.state.path
    with torch.no_grad():
        mean.lerp_(lengths.mean().to(mean), MEMORY)
    return (lengths - mean) ** 2


@torch.no_grad()
def directions(synthesis: Any, num: int) -> Tensor:
    """The `num` directions of w that change styles most, unit vectors [num width], the strongest first (Shen and Zhou 2021).

    They are the eigenvectors of AᵀA, where A stacks the layers that turn w into styles; of each, the largest entry is positive.
    """
    stacked = torch.cat(style_weights(synthesis))
    _, vectors = torch.linalg.eigh(stacked.T.double() @ stacked.double())
    axes = vectors.T.flip(0)[:num].to(stacked)
    largest = axes.gather(1, axes.abs().argmax(1, keepdim=True))
    return axes * largest.sign()


def style_weights(synthesis: Any) -> list[Tensor]:
    """The matrices [channels width] of all layers that turn w into styles."""
    return [layer.conv.style.weight for layer in synthesis.layers]
