"""Family, the protocol of a kind of generative model: it learns, samples, or fits."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from gesso.errors import GessoError
from gesso.ports import Ports

STATE = "family"  # the role under which weights hold a family's state
Networks = Mapping[str, nn.Module]  # by role: "generator", "critic", "velocity", …; frozen parents among them


@dataclass(frozen=True)
class Phase:
    """One optimiser step that updates all `players`, the roles whose parameters learn from this loss; taken when step % every == 0.

    `whole`: the loss compares the examples of a batch with each other, as contrastive ones do, so a batch cannot be divided.
    """

    name: str
    players: tuple[str, ...]
    every: int = 1
    whole: bool = False

    def __post_init__(self) -> None:
        if isinstance(self.players, str) or not self.players:
            raise GessoError(
                f"players are a tuple of roles, not {self.players!r}", where=f"phase {self.name!r}", fix='such as ("generator",)'
            )


@dataclass
class Loss:
    """`value` is a scalar or per item [b]; `logs` are numbers to plot (tensors are allowed and read once per log line)."""

    value: Tensor
    logs: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Batch:
    """A training batch: `clean` tensors by name, joined `ports`, `index` [b] into the dataset, the simulators' `truth` by slot, and the
    `facts` that the recipe knows of its data.

    It may be a part of the step's whole batch, the items from `start` of `total` (0: this is the whole): one process's share, or one
    part of an accumulated gradient. `normal` and `uniform` draw random numbers that do not depend on how the batch was divided.
    """

    clean: Mapping[str, Tensor]
    ports: Ports
    index: Tensor
    truth: Mapping[str, Any] = field(default_factory=dict)
    start: int = 0
    total: int = 0
    facts: Mapping[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.index)

    def to(self, device: torch.device | str) -> Batch:
        clean = {k: v.to(device) for k, v in self.clean.items()}
        return replace(self, clean=clean, ports=self.ports.map(lambda t: t.to(device)), index=self.index.to(device))

    def sliced(self, start: int, stop: int) -> Batch:
        """The items from `start` to before `stop`, counted in this batch. All tensors have the items as their first dimension."""
        clean = {k: v[start:stop] for k, v in self.clean.items()}
        truth = {k: v[start:stop] for k, v in self.truth.items()}
        ports, index = self.ports.map(lambda t: t[start:stop]), self.index[start:stop]
        return Batch(clean, ports, index, truth, self.start + start, self.total or len(self), self.facts)

    def normal(self, rng: torch.Generator, *shape: int) -> Tensor:
        """Standard normal numbers [b *shape] for the items, drawn on the CPU and moved to the batch's device."""
        return self._drawn(torch.randn, rng, shape)

    def uniform(self, rng: torch.Generator, *shape: int) -> Tensor:
        """Uniform numbers in [0, 1) [b *shape] for the items, drawn on the CPU and moved to the batch's device."""
        return self._drawn(torch.rand, rng, shape)

    def _drawn(self, draw: Callable[..., Tensor], rng: torch.Generator, shape: Sequence[int]) -> Tensor:
        whole: Tensor = draw((self.total or len(self), *shape), generator=rng)
        return whole[self.start : self.start + len(self)].to(self.index.device)


@dataclass(frozen=True)
class Output:
    """An output of a sampler: `media` by name (tensors until `finish` makes pictures), `taps` of inner values, `final` or a preview.

    A preview is a `draft` if it is made quickly and shows the whole output: while a hand moves, the studio asks for nothing more.
    An output of a fit may carry what was fitted: `values` of conditions by slot (a projected latent, a corrected match), and `weights`
    {role: state} (a scene, an adapter). Previews may carry them too; the newest is kept when the fit is stopped. A preview with a
    `state`, all that its next step depends on, lets a stopped fit go on: it comes back in `Inputs.state`.
    """

    media: dict[str, Any]
    taps: dict[str, Any] = field(default_factory=dict)
    final: bool = True
    step: int = 0
    num_steps: int = 1
    values: Mapping[str, Any] = field(default_factory=dict)
    weights: Mapping[str, Mapping[str, Tensor]] = field(default_factory=dict)
    draft: bool = False
    state: Mapping[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True)
class Inputs:
    """The inputs of a sampler: joined `ports`, their `null` version for guidance, the output's `shape` (b, …), and `items`, the item
    numbers that seed the noise.

    `state` is the family's own state as training exported it (the role "family" of the weights), or as a stopped fit left it. `facts`
    is what is known of the data, and `data` the examples of a fit. Where `previews` is false, only the last output is used.
    """

    ports: Ports
    null: Ports
    shape: tuple[int, ...]
    items: Sequence[int] = (0,)
    state: Mapping[str, Tensor] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    data: Any = None
    previews: bool = True

    def to(self, device: torch.device | str) -> Inputs:
        def move(tensor: Tensor) -> Tensor:
            return tensor.to(device)

        state = {name: move(value) for name, value in self.state.items()}
        return replace(self, ports=self.ports.map(move), null=self.null.map(move), state=state)


@runtime_checkable
class Learns(Protocol):
    """The methods of a family that is trained. Schedules are functions of the step, never of the time.

    Random numbers come from `rng`, which is always a generator of the CPU, so that a seed means the same on every device:
    draw with it, then move (`Batch.normal`, `item_noise`).
    """

    def phases(self, step: int) -> Sequence[Phase]: ...

    def prepare(self, networks: Networks, dataset: Any, rng: torch.Generator) -> nn.Module:
        """The family's state before step 0, a module of buffers that is saved in checkpoints (nn.Module() without state).

        With "family" among the recipe's `keeps`, its state is exported with the weights and comes back in `Inputs.state`.
        """
        ...

    def loss(self, phase: Phase, networks: Networks, batch: Batch, state: nn.Module, step: int, rng: torch.Generator) -> Loss: ...

    def propose(self, networks: Networks, batch: Batch, rng: torch.Generator) -> Any:
        """A cheap current output per item, passed to `simulate(given=…)`; None if the family has no cheap output."""
        ...


@runtime_checkable
class Watches(Protocol):
    """A family that reads signs of trouble from the log of its training."""

    def signs(self, lines: Sequence[Mapping[str, Any]]) -> Mapping[str, str]:
        """What is going wrong after these log lines: a sentence for each sign, which says what to do, by the sign's name."""
        ...


@runtime_checkable
class Samples(Protocol):
    """A family that makes outputs, without gradients. Networks and inputs are on one device."""

    def sample(self, networks: Networks, inputs: Inputs, rng: torch.Generator, settings: Any) -> Iterator[Output]: ...


@runtime_checkable
class Fits(Protocol):
    """A family that optimises for one request, with gradients: a picture, a latent, a scene. Its previews say how far it is."""

    def fit(self, networks: Networks, inputs: Inputs, rng: torch.Generator, settings: Any) -> Iterator[Output]: ...


@runtime_checkable
class Family(Learns, Samples, Protocol):
    """A family that is trained, then samples."""


def due_phases(family: Learns, step: int) -> list[Phase]:
    """The phases that are taken at a step."""
    return [phase for phase in family.phases(step) if step % phase.every == 0]


def item_noise(shape: Sequence[int], seed: int, items: Sequence[int]) -> Tensor:
    """Standard normal noise [b …], drawn per item from (seed, item), so that an item's picture does not depend on its batch."""
    return ItemNoise(shape, seed, items)()


def item_generators(seed: int, items: Sequence[int]) -> list[torch.Generator]:
    """A generator on the CPU for each item, seeded by (seed, item)."""
    return [torch.Generator().manual_seed((seed * 1_000_003 + item * 7919 + 12345) % (2**63 - 1)) for item in items]


class ItemNoise:
    """`item_noise`, drawn again and again: each item's draws go on from its own last one."""

    def __init__(self, shape: Sequence[int], seed: int, items: Sequence[int]) -> None:
        self.shape = tuple(shape[1:])
        self.rngs = item_generators(seed, items)

    def __call__(self) -> Tensor:
        return torch.stack([torch.randn(self.shape, generator=rng) for rng in self.rngs])
