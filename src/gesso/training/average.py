"""The exponential moving average of weights: what is shown, measured and shipped."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn


class Average:
    """Copies of the networks whose parameters follow the learning ones; buffers (running statistics, counters) are taken as they are.

    The decay starts low, (1 + step) / (10 + step), and is held at `decay`, so that early weights are forgotten.
    """

    def __init__(self, networks: Mapping[str, nn.Module], decay: float) -> None:
        self.decay = decay
        self.networks = {role: copy.deepcopy(network).eval().requires_grad_(False) for role, network in networks.items()}
        self._to, self._from = _parameters(self.networks.values()), _parameters(networks.values())
        self._buffers_to, self._buffers_from = _buffers(self.networks.values()), _buffers(networks.values())

    @torch.no_grad()
    def update(self, step: int) -> None:
        decay = min(self.decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(self._to, self._from, 1 - decay)
        if self._buffers_to:
            torch._foreach_copy_(self._buffers_to, self._buffers_from)


def _parameters(networks: Iterable[nn.Module]) -> list[Tensor]:
    return [p.data for network in networks for p in network.parameters()]


def _buffers(networks: Iterable[nn.Module]) -> list[Tensor]:
    return [b for network in networks for b in network.buffers()]
