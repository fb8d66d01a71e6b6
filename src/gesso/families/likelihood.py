"""Likelihood: one network trains on an objective of its output and the truth, and samples in one forward pass."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from gesso.families.family import Batch, Inputs, Loss, Networks, Output, Phase


@dataclass(frozen=True)
class Likelihood:
    """The family's functions: aim(made, batch) -> (loss per item [b], logs); show(made, inputs, settings) -> the media of an output;
    looked_at(made, batch) -> the picture that simulated users see, per item. The network of `role` is called with the joined ports."""

    aim: Callable[[Any, Batch], tuple[Tensor, dict[str, Tensor]]]
    show: Callable[[Any, Inputs, Any], dict[str, Any]]
    looked_at: Callable[[Any, Batch], Any] | None = None
    role: str = "generator"

    def phases(self, step: int) -> Sequence[Phase]:
        return (Phase("likelihood", (self.role,)),)

    def prepare(self, networks: Networks, dataset: Any, rng: torch.Generator) -> nn.Module:
        return nn.Module()

    def loss(self, phase: Phase, networks: Networks, batch: Batch, state: nn.Module, step: int, rng: torch.Generator) -> Loss:
        return Loss(*self.aim(networks[self.role](batch.ports), batch))

    @torch.no_grad()
    def propose(self, networks: Networks, batch: Batch, rng: torch.Generator) -> Any:
        return None if self.looked_at is None else self.looked_at(networks[self.role](batch.ports), batch)

    def sample(self, networks: Networks, inputs: Inputs, rng: torch.Generator, settings: Any) -> Iterator[Output]:
        yield Output(self.show(networks[self.role](inputs.ports), inputs, settings))
