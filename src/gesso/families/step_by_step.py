"""Step by step: an autoregressive model of sequences whose every step holds one class a voice; what is given is never drawn."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gesso.families.family import Batch, Inputs, Loss, Networks, Output, Phase
from gesso.ports import Ports

EVERY = 16  # steps between previews
Allowed = Callable[[int, int, Sequence[int], Sequence[int]], np.ndarray]
Rules = Callable[[Inputs, np.ndarray, np.ndarray, Any], Allowed]


@dataclass(frozen=True)
class StepByStep:
    """Maximum likelihood, and ancestral sampling under rules: classes that they forbid are never drawn.

    The network is called `network(x, ports, start)` for the logits [b v t p] of `clean[clean]` int64 [b v t], of which `clean["length"]`
    steps are real and which begins at step `clean["start"]` of its piece; places that `network.given(ports)` shows do not count. It
    samples through `begin`, `step`, `decide` and `tell` (see `gesso.networks.voice_transformer`). `rules(inputs, given, known, settings)`
    is called once for a sample, with the classes int [v t] that are given where `known` bool [v t]; what it returns says
    `(step, voice, now, before) -> bool [p]`, which classes a voice may take beside the classes `now` (-1: open) and `before`, those of
    the last step.
    """

    role: str = "composer"
    clean: str = "notes"
    rules: Rules | None = None

    def phases(self, step: int) -> Sequence[Phase]:
        return (Phase("likelihood", (self.role,)),)

    def prepare(self, networks: Networks, dataset: Any, rng: torch.Generator) -> nn.Module:
        return nn.Module()

    def loss(self, phase: Phase, networks: Networks, batch: Batch, state: nn.Module, step: int, rng: torch.Generator) -> Loss:
        network: Any = networks[self.role]
        x, length = batch.clean[self.clean], batch.clean["length"]
        logits = network(x, batch.ports, batch.clean["start"])
        _, given = network.given(batch.ports)
        free = (torch.arange(x.shape[2], device=x.device) < length[:, None])[:, None] & ~given
        surprise = F.cross_entropy(logits.permute(0, 3, 1, 2).float(), x, reduction="none") * free
        # Per item and place of the whole grid, so that an item with little to learn weighs little.
        return Loss(surprise.mean((1, 2)), {"nats": (surprise.sum() / free.sum().clamp(min=1)).detach()})

    def propose(self, networks: Networks, batch: Batch, rng: torch.Generator) -> None:
        return None

    @torch.no_grad()
    def sample(self, networks: Networks, inputs: Inputs, rng: torch.Generator, settings: Any) -> Iterator[Output]:
        """Yield `clean` int64 [1 v t]; previews hold the steps so far. The last output has `surprise` float [1 v t] too: -log p of what was
        drawn, in nats at temperature 1, before guidance and rules; 0 where it was given.

        `settings` has `temperature`, what `rules` reads, and may have `guidance_scale`: scores are then null + scale (given - null), where
        null lacks what the vector port holds, such as a key. The random numbers of a step and voice depend on the seed alone, so that
        what is given elsewhere changes no more than it must.
        """
        before = torch.get_num_threads()
        torch.set_num_threads(1)  # products of one row are too small to share: threads would wait for each other at each of thousands
        try:
            yield from self._sample(networks[self.role], inputs, rng.initial_seed(), settings)
        finally:
            torch.set_num_threads(before)

    def _sample(self, network: Any, inputs: Inputs, seed: int, settings: Any) -> Iterator[Output]:
        device = next(network.parameters()).device
        scale = float(getattr(settings, "guidance_scale", 1.0))
        _, voices, num = inputs.shape
        given, known = network.given(inputs.ports.map(lambda value: value.to(device)))
        given, known = given[0].cpu().numpy(), known[0].cpu().numpy()
        ports = guided_rows(inputs, scale).map(lambda value: value.to(device))
        allowed = None if self.rules is None else self.rules(inputs, given, known, settings)
        chance = torch.Generator().manual_seed(seed)
        noise = -torch.empty(num, voices, network.pitches).exponential_(generator=chance).log()  # Gumbel's
        made, surprise = np.zeros((voices, num), np.int64), torch.zeros(1, voices, num)
        memory = network.begin(ports, num)
        rows = len(memory.view)
        last: list[int] | None = None
        for step in range(num):
            state = network.step(memory, None if last is None else torch.tensor([last] * rows, device=device))
            now = np.where(known[:, step], given[:, step], -1)
            for voice in network.order:
                if not known[voice, step]:
                    both = network.decide(state, memory, voice).cpu()
                    logits = both[0]
                    scores = logits if rows == 1 else both[1] + scale * (logits - both[1])
                    scores = scores / max(settings.temperature, 1e-3) + noise[step, voice]
                    if allowed is not None:
                        before = now * 0 - 1 if last is None else last
                        scores[torch.from_numpy(~allowed(step, voice, now.tolist(), list(before)))] = -torch.inf
                    now[voice] = int(scores.argmax())
                    surprise[0, voice, step] = logits.logsumexp(0) - logits[now[voice]]
                state = network.tell(state, memory, voice, torch.tensor([int(now[voice])] * rows, device=device))
            made[:, step] = now
            last = now.tolist()
            if (step + 1) % EVERY == 0 and step + 1 < num:
                yield Output({self.clean: tensor(made[:, : step + 1])}, final=False, step=step + 1, num_steps=num)
        yield Output({self.clean: tensor(made), "surprise": surprise}, step=num, num_steps=num)


def guided_rows(inputs: Inputs, scale: float) -> Ports:
    """The ports of one item, and of the same without its vector as a second row, where guidance needs it."""
    vector, null = inputs.ports.vector, inputs.null.vector
    if scale == 1 or vector is None or null is None or torch.equal(vector, null):
        return inputs.ports
    rows = inputs.ports.map(lambda value: value.expand(2, *value.shape[1:]))
    return replace(rows, vector=torch.cat([vector, null]))


def tensor(made: np.ndarray) -> Tensor:
    return torch.from_numpy(made.copy())[None]
