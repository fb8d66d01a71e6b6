"""Family, the protocol of a kind of generative model: five methods for training and sampling."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from gesso.ports import Ports

Networks = Mapping[str, nn.Module]  # by role: "generator", "critic", "velocity", …; frozen parents among them


@dataclass(frozen=True)
class Phase:
    """One optimiser step of one player, the role whose parameters are updated; taken when step % every == 0."""

    name: str
    player: str
    every: int = 1


@dataclass
class Loss:
    """`value` is a scalar or per item [b]; `logs` are numbers to plot (tensors are allowed and read once per log line)."""

    value: Tensor
    logs: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Batch:
    """A training batch: `clean` tensors by name, joined `ports`, `index` [b] into the dataset, and the simulators' `truth` by slot."""

    clean: Mapping[str, Tensor]
    ports: Ports
    index: Tensor
    truth: Mapping[str, Any] = field(default_factory=dict)

    def to(self, device: torch.device | str) -> Batch:
        return Batch(
            {k: v.to(device) for k, v in self.clean.items()}, self.ports.map(lambda t: t.to(device)), self.index.to(device), self.truth
        )


@dataclass(frozen=True)
class Output:
    """An output of a sampler: `media` by name (tensors until `finish` makes pictures), `taps` of inner values, `final` or a preview."""

    media: dict[str, Any]
    taps: dict[str, Any] = field(default_factory=dict)
    final: bool = True
    step: int = 0
    num_steps: int = 1


@dataclass(frozen=True)
class Inputs:
    """The inputs of a sampler: joined `ports`, their `null` version for guidance, the output's `shape` (b, c, h, w), and `items`, the
    item numbers that seed the noise."""

    ports: Ports
    null: Ports
    shape: tuple[int, ...]
    items: Sequence[int] = (0,)


class Family(Protocol):
    """The methods of a family. Schedules are functions of the step, never of the time."""

    def phases(self, step: int) -> Sequence[Phase]: ...

    def prepare(self, networks: Networks, dataset: Any, rng: torch.Generator) -> nn.Module:
        """The family's state before step 0, a module of buffers that is saved in checkpoints (nn.Module() without state)."""
        ...

    def loss(self, phase: Phase, networks: Networks, batch: Batch, state: nn.Module, step: int, rng: torch.Generator) -> Loss: ...

    def propose(self, networks: Networks, batch: Batch, rng: torch.Generator) -> Any:
        """A cheap current output per item, passed to `simulate(given=…)`; None if the family has no cheap output."""
        ...

    def sample(self, networks: Networks, inputs: Inputs, rng: torch.Generator, settings: Any) -> Iterator[Output]: ...


def item_noise(shape: Sequence[int], seed: int, items: Sequence[int]) -> Tensor:
    """Standard normal noise [b …], drawn per item from (seed, item), so that an item's picture does not depend on its batch."""
    rows = []
    for item in items:
        rng = torch.Generator().manual_seed((seed * 1_000_003 + item * 7919 + 12345) % (2**63 - 1))
        rows.append(torch.randn(tuple(shape[1:]), generator=rng))
    return torch.stack(rows)
