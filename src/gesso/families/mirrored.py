"""A family asked twice: as it is and in the mirror, since a drawing has no left and right, and the mean halves a network's whims."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from gesso.families.family import Family, Inputs, Networks, Output


@dataclass(frozen=True)
class Mirrored:
    """Samples of `family` and of the mirror image, step by step; `join(media, media of the mirror image)` makes one of two.

    It learns as `family` does: only `sample` is its own. A port with places ([… h w]) is turned left to right.
    """

    family: Any
    join: Callable[[dict[str, Any], dict[str, Any]], dict[str, Any]]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.family, name)

    def sample(self, networks: Networks, inputs: Inputs, rng: torch.Generator, settings: Any) -> Iterator[Output]:
        inner: Family = self.family
        twin = torch.Generator(rng.device)
        twin.set_state(rng.get_state())
        turned = replace(inputs, ports=inputs.ports.map(_mirror), null=inputs.null.map(_mirror))
        for one, other in zip(inner.sample(networks, inputs, rng, settings), inner.sample(networks, turned, twin, settings), strict=True):
            yield replace(one, media=self.join(one.media, other.media))


def _mirror(port: Tensor) -> Tensor:
    return port.flip(-1) if port.ndim >= 4 else port
