"""Adversarial training: a generator and a critic (Goodfellow 2014, conditional as in Isola 2017).

The generator trains on `fidelity`, a likelihood or distance from the recipe, and from step `critic_from` also on the critic's
judgement. Critic and generator alternate; hinge loss.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gesso.families.family import Batch, Inputs, Loss, Networks, Output, Phase


class CriticStatistics(nn.Module):
    """Running means of the critic's outputs for real and generated pictures; buffers, so that they are in checkpoints."""

    real: Tensor
    made: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("real", torch.zeros(()))
        self.register_buffer("made", torch.zeros(()))


@dataclass(frozen=True)
class Adversarial:
    """The family's functions: fidelity(made, batch) -> (loss per item [b], logs); picture(made, batch) -> the generated picture for
    the critic, [b c h w]; truth(batch) -> the real one; given(batch) -> the condition maps for the critic; show(made, inputs,
    settings) -> the media of an output; looked_at(made, batch) -> the picture that simulated users see, per item."""

    fidelity: Callable[[Any, Batch], tuple[Tensor, dict[str, Tensor]]]
    picture: Callable[[Any, Batch], Tensor]
    truth: Callable[[Batch], Tensor]
    given: Callable[[Batch], Tensor]
    show: Callable[[Any, Inputs, Any], dict[str, Any]]
    looked_at: Callable[[Any, Batch], Any] | None = None
    critic_from: int = 0
    weight: float = 0.01

    def phases(self, step: int) -> Sequence[Phase]:
        maker = Phase("maker", ("generator",))
        return (maker,) if step < self.critic_from else (Phase("critic", ("critic",)), maker)

    def prepare(self, networks: Networks, dataset: Any, rng: torch.Generator) -> nn.Module:
        return CriticStatistics()

    def loss(self, phase: Phase, networks: Networks, batch: Batch, state: nn.Module, step: int, rng: torch.Generator) -> Loss:
        return self._critic(networks, batch, state) if phase.name == "critic" else self._maker(networks, batch, step)

    def _maker(self, networks: Networks, batch: Batch, step: int) -> Loss:
        made = networks["generator"](batch.ports)
        value, logs = self.fidelity(made, batch)
        if step >= self.critic_from:
            judged = networks["critic"](self.picture(made, batch), self.given(batch)).float()
            fooled = -judged.mean((1, 2, 3))
            value = value + self.weight * fooled
            logs = {**logs, "fooled": fooled.mean().detach()}
        return Loss(value, logs)

    def _critic(self, networks: Networks, batch: Batch, state: nn.Module) -> Loss:
        with torch.no_grad():
            made = self.picture(networks["generator"](batch.ports), batch)
        given, critic = self.given(batch), networks["critic"]
        both = critic(torch.cat([self.truth(batch), made]), torch.cat([given, given])).float()
        real, fake = both.mean((2, 3)).chunk(2)
        with torch.no_grad():
            assert isinstance(state, CriticStatistics)
            state.real.lerp_(real.mean(), 0.01)
            state.made.lerp_(fake.mean(), 0.01)
        hinge = F.relu(1 - both[: len(given)]).mean((1, 2, 3)) + F.relu(1 + both[len(given) :]).mean((1, 2, 3))
        return Loss(hinge, {"critic": hinge.mean().detach(), "critic_real": state.real.clone(), "critic_made": state.made.clone()})

    @torch.no_grad()
    def propose(self, networks: Networks, batch: Batch, rng: torch.Generator) -> Any:
        if self.looked_at is None:
            return None
        return self.looked_at(networks["generator"](batch.ports), batch)

    def sample(self, networks: Networks, inputs: Inputs, rng: torch.Generator, settings: Any) -> Iterator[Output]:
        made = networks["generator"](inputs.ports)
        yield Output(self.show(made, inputs, settings))
