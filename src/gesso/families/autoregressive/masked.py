"""Many codes at once: the network learns to fill in masked codes, and a sample keeps the surest of each look (Chang 2022, "MaskGIT")."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gesso.families.autoregressive.choosing import guided_ports, guided_scores, gumbel, item_rngs, narrowed
from gesso.families.autoregressive.sequence import Autoregressive
from gesso.families.family import Batch, Inputs, Loss, Networks, Output, Phase


@dataclass(frozen=True)
class Masked(Autoregressive):
    """The network sees all codes that are not masked, `network.mask` elsewhere, and gives logits for every place (section 3).

    Settings: `num_steps`, and `temperature`, `top_p`, `guidance_scale` as for one code after another.
    """

    def loss(self, phase: Phase, networks: Networks, batch: Batch, state: nn.Module, step: int, rng: torch.Generator) -> Loss:
        network: Any = networks[self.role]
        ids = self.codes(networks, batch)
        share = torch.cos(0.5 * math.pi * batch.uniform(rng))  # of codes that are masked
        masked = batch.uniform(rng, ids.shape[1]).argsort(1).argsort(1) < (share[:, None] * ids.shape[1]).ceil().clamp_min(1)
        logits = network(torch.where(masked, network.mask, ids), batch.ports).float()
        surprise = F.cross_entropy(logits.transpose(1, 2), ids, reduction="none") * masked
        value = surprise.sum(1) / masked.sum(1)
        return Loss(value, {"bits_a_masked_code": value.mean().detach() / math.log(2)})

    @torch.no_grad()
    def sample(self, networks: Networks, inputs: Inputs, rng: torch.Generator, settings: Any) -> Iterator[Output]:
        """Yield the picture after each look; masked codes are shown as the network would draw them."""
        network: Any = networks[self.role]
        codec: Any = networks[self.codec]
        num, (height, width) = inputs.shape[0], network.grid
        device, length = network.place.device, height * width
        inputs = inputs.to(device)
        rngs = item_rngs(rng.initial_seed(), inputs.items)
        allowed = None if self.allowed is None else self.allowed(inputs, settings)
        ports = guided_ports(inputs, settings.guidance_scale)
        ids = torch.full((num, length), network.mask, device=device)
        steps = settings.num_steps
        for step in range(1, steps + 1):
            rows = ids if settings.guidance_scale == 1 else ids.repeat(2, 1)
            logits = guided_scores(network(rows, ports), num, settings.guidance_scale)
            scores = narrowed(logits, settings.temperature, settings.top_p, allowed)
            drawn = (scores + gumbel(rngs, *scores.shape[1:]).to(device)).argmax(-1)
            drawn = torch.where(ids == network.mask, drawn, ids)
            final = step == steps
            made = codec.decode(codec.bottleneck.look_up(drawn.view(num, height, width)))
            taps = {"codes": drawn.view(num, height, width)} if final else {}
            yield Output({self.clean: made.float()}, taps=taps, final=final, step=step, num_steps=steps)
            if not final:
                ids = self._keep(ids, drawn, scores, network.mask, step / steps, settings.temperature, rngs)

    def _keep(self, ids: Tensor, drawn: Tensor, scores: Tensor, mask: int, t: float, temperature: float, rngs: Any) -> Tensor:
        """The codes after a look: as many stay masked as the schedule cos(πt/2) says, those that it was least sure of."""
        sure = scores.gather(-1, drawn[..., None])[..., 0] + temperature * (1 - t) * gumbel(rngs, ids.shape[1]).to(scores)
        sure = sure.masked_fill(ids != mask, torch.inf)  # what was kept before stays
        left = int(ids.shape[1] * math.cos(0.5 * math.pi * t))
        lowest = sure.argsort(1)[:, :left]
        return drawn.scatter(1, lowest, mask)
