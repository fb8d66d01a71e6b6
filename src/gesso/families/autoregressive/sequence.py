"""Code after code: maximum likelihood, and sampling with a cache of keys and values (Ramesh 2021, "DALL-E", section 2.2)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gesso.families.autoregressive.choosing import guided_ports, guided_scores, gumbel, item_rngs, narrowed
from gesso.families.family import Batch, Inputs, Loss, Networks, Output, Phase

PREVIEWS = 8  # of a sample
Allowed = Callable[[Inputs, Any], Tensor | None]  # (inputs, settings) -> bool [b n codes], what each place may hold; None is anything


@dataclass(frozen=True)
class Autoregressive:
    """The codes of pictures `clean`, of a frozen `codec`, in the order of reading.

    The network of `role` is called `network(ids [b n], ports)` for logits [b n codes], of which those at a place depend on the codes
    before it alone; it samples through `begin(ports, rows)` and `step(memory, ids [b] or None)`. Settings: `temperature`, `top_p`,
    `guidance_scale`.
    """

    role: str = "writer"
    codec: str = "codec"
    clean: str = "image"
    allowed: Allowed | None = None

    def phases(self, step: int) -> Sequence[Phase]:
        return (Phase("write", (self.role,)),)

    def prepare(self, networks: Networks, dataset: Any, rng: torch.Generator) -> nn.Module:
        return nn.Module()

    def propose(self, networks: Networks, batch: Batch, rng: torch.Generator) -> None:
        return None

    def codes(self, networks: Networks, batch: Batch) -> Tensor:
        """The codes of a batch's pictures, int64 [b n]."""
        codec: Any = networks[self.codec]
        with torch.no_grad():
            ids: Tensor = codec.encode(batch.clean[self.clean]).ids.flatten(1)
        return ids

    def loss(self, phase: Phase, networks: Networks, batch: Batch, state: nn.Module, step: int, rng: torch.Generator) -> Loss:
        ids = self.codes(networks, batch)
        logits = networks[self.role](ids, batch.ports).float()
        surprise = F.cross_entropy(logits.transpose(1, 2), ids, reduction="none").mean(1)
        return Loss(surprise, {"bits_a_code": surprise.mean().detach() / math.log(2)})

    @torch.no_grad()
    def sample(self, networks: Networks, inputs: Inputs, rng: torch.Generator, settings: Any) -> Iterator[Output]:
        """Yield the picture so far, now and then, and at the end, with the tap `codes`; what is not written yet is the first code."""
        network: Any = networks[self.role]
        codec: Any = networks[self.codec]
        num, (height, width) = inputs.shape[0], network.grid
        device = network.place.device
        inputs = inputs.to(device)
        rngs = item_rngs(rng.initial_seed(), inputs.items)
        allowed = None if self.allowed is None else self.allowed(inputs, settings)
        ports = guided_ports(inputs, settings.guidance_scale)
        memory = network.begin(ports, num * (1 if settings.guidance_scale == 1 else 2))
        ids = torch.zeros(num, height * width, dtype=torch.int64, device=device)
        last: Tensor | None = None
        every = max(1, height * width // PREVIEWS)
        for place in range(height * width):
            logits = network.step(memory, last)
            scores = guided_scores(logits, num, settings.guidance_scale)
            may = None if allowed is None else allowed[:, place]
            scores = narrowed(scores, settings.temperature, settings.top_p, may)
            ids[:, place] = (scores + gumbel(rngs, scores.shape[-1]).to(device)).argmax(-1)
            last = ids[:, place].repeat(len(logits) // num)
            done = place + 1
            if inputs.previews and done % every == 0 and done < height * width:
                shown = codec.decode(codec.bottleneck.look_up(ids.view(num, height, width)))
                yield Output({self.clean: shown.float()}, final=False, step=done, num_steps=height * width)
        codes = ids.view(num, height, width)
        made = codec.decode(codec.bottleneck.look_up(codes))
        yield Output({self.clean: made.float()}, taps={"codes": codes}, step=height * width, num_steps=height * width)
