"""The state of a run at a step, which can be saved as a snapshot and restored to the bit."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from gesso.errors import GessoError
from gesso.training.average import Average
from gesso.training.checkpoint import Snapshot
from gesso.training.guard import DivergenceGuard
from gesso.training.optimiser import OptimiserSettings, Player


class Learner:
    """Networks, their players and weight average, the family's state, and the run's counters.

    Random generators are not part of the state, because random numbers are functions of (seed, step). Names in a snapshot:
    network/…, average/…, optimiser/…, family/….
    """

    def __init__(
        self, networks: Mapping[str, nn.Module], trains: Mapping[str, OptimiserSettings], keeps: Sequence[str], average: float
    ) -> None:
        unknown = [role for role in trains if role not in networks]
        if unknown:
            raise GessoError(f"no network has the role {unknown[0]!r}", where="trains", fix="one of " + ", ".join(networks))
        self.networks = dict(networks)
        for role, network in self.networks.items():
            network.requires_grad_(role in trains).train(role in trains)
        self.players = {role: Player(role, self.networks[role], settings) for role, settings in trains.items()}
        averaged = {role: self.networks[role] for role in trains if role in keeps}
        self.average = Average(averaged, average) if average > 0 and averaged else None
        self.family: nn.Module = nn.Module()
        self.guard = DivergenceGuard()
        self.step = 0
        self.rate_factor = 1.0  # multiplies the learning rate; roll-backs lower it
        self.num_rollbacks = 0
        self.seconds = 0.0
        self.sums: dict[str, float] = {}  # sums of the losses since the last log line
        self.num_summed: dict[str, int] = {}

    @property
    def export_networks(self) -> dict[str, nn.Module]:
        """The networks for samples, measurements and export: averaged if they have an average."""
        return self.networks | (self.average.networks if self.average else {})

    def train_only(self, roles: Collection[str]) -> None:
        for role, one in self.players.items():
            one.learning(role in roles)

    def snapshot(self, config: Mapping[str, Any]) -> Snapshot:
        """A copy of the whole state after `step` steps."""
        meta = {
            "step": self.step,
            "slow": self.rate_factor,
            "num_rollbacks": self.num_rollbacks,
            "seconds": self.seconds,
            "sums": dict(self.sums),
            "num_summed": dict(self.num_summed),
            "recent": self.guard.to_json(),
            "config": dict(config),
        }
        return Snapshot({name: _copy(value) for name, value in self._tensors().items()}, meta)

    def restore(self, snapshot: Snapshot, *, where: object) -> None:
        """Restore the state of a snapshot; GessoError if it belongs to other networks."""
        parts: dict[str, dict[str, dict[str, Tensor]]] = {"network": {}, "average": {}, "optimiser": {}, "family": {}}
        for full, value in snapshot.tensors.items():
            group, _, rest = full.partition("/")
            role, _, name = rest.partition("/")
            parts.setdefault(group, {}).setdefault(role, {})[name] = value
        for role in self.players:
            _fill(self.networks[role], parts["network"].get(role, {}), where)
            self.players[role].restore(parts["optimiser"].get(role, {}))
        for role, network in (self.average.networks if self.average else {}).items():
            _fill(network, parts["average"].get(role, {}), where)
        _fill_family(self.family, parts["family"].get("state", {}))
        meta = snapshot.meta
        self.step, self.rate_factor, self.num_rollbacks, self.seconds = meta["step"], meta["slow"], meta["num_rollbacks"], meta["seconds"]
        self.sums, self.num_summed = dict(meta["sums"]), dict(meta["num_summed"])
        self.guard.restore(meta["recent"])

    def _tensors(self) -> dict[str, Tensor]:
        found: dict[str, Tensor] = {}
        for role, player in self.players.items():
            found |= {f"network/{role}/{n}": v for n, v in _state(self.networks[role], role).items()}
            found |= {f"optimiser/{role}/{n}": v for n, v in player.tensors().items()}
        for role, network in (self.average.networks if self.average else {}).items():
            found |= {f"average/{role}/{n}": v for n, v in _state(network, role).items()}
        found |= {f"family/state/{n}": v for n, v in _state(self.family, "the family's state").items()}
        return found


def buffers_of(learner: Learner) -> list[Tensor]:
    """The buffers with numbers that training changes (running statistics), of networks that learn and of the family's state."""
    modules = [learner.networks[role] for role in learner.players] + [learner.family]
    return [b for module in modules for b in module.buffers() if b.is_floating_point()]


def full_size(taken: Snapshot, learner: Learner) -> int:
    """The size of a checkpoint in bytes, including the optimisers' state."""
    fresh = not any(name.startswith("optimiser/") for name in taken.tensors)
    moments = 2 * sum(p.numel() * p.element_size() for one in learner.players.values() for p in one.parameters.values())
    return taken.num_bytes + (moments if fresh else 0)


def _state(module: nn.Module, what: str) -> dict[str, Tensor]:
    state = module.state_dict()
    for name, value in state.items():
        if not isinstance(value, Tensor):
            raise GessoError(f"{name} is a {type(value).__name__}; only tensors can be saved", where=what)
    return state


def _copy(value: Tensor) -> Tensor:
    return value.detach().to("cpu", copy=True, memory_format=torch.contiguous_format)


@torch.no_grad()
def _fill(network: nn.Module, state: Mapping[str, Tensor], where: object) -> None:
    own = network.state_dict()
    if set(own) != set(state) or any(own[n].shape != state[n].shape for n in own):
        raise GessoError("the checkpoint belongs to other networks", where=where, fix="--fresh starts over")
    for name, target in own.items():
        target.copy_(state[name])


@torch.no_grad()
def _fill_family(module: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Fill the family's state. Buffers may grow during training (such as a pool), so a buffer of another shape is replaced."""
    for full, value in state.items():
        path, _, name = full.rpartition(".")
        holder = module.get_submodule(path)
        own = getattr(holder, name, None)
        if not isinstance(own, Tensor):
            holder.register_buffer(name, value.clone())
        elif own.shape == value.shape:
            own.copy_(value)
        elif isinstance(own, nn.Parameter):
            setattr(holder, name, nn.Parameter(value.to(own.device), own.requires_grad))
        else:
            setattr(holder, name, value.to(own.device))
