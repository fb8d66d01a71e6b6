"""The exponential moving average of weights, which is used for samples, measurements and export."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn


class Average:
    """Copies of the networks with averaged parameters. Buffers (running statistics, counters) are copied, not averaged.

    The decay is (1 + step) / (10 + step), at most `decay`, so that early weights fade quickly.
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
