"""Colours for grey photographs: the likelihood of bins of colour (Zhang 2016), or their mean (Zhang 2017, the first of its losses)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gesso.families.family import Batch, Inputs, Loss, Networks, Output, Phase
from gesso.media.grid import contact_sheet
from gesso.media.lab import chroma_bins, to_lab, to_picture
from gesso.media.tensor import from_tensor
from gesso.ports import Ports
from gesso.rules.photo_colouring import carried
from gesso.shapes import Maps

SCALE = 110.0  # of a* and b* to about [-1, 1]
NEAREST, WIDTH = 5, 5.0  # a colour is shared among so many bins, by a normal distribution of this width (Zhang 2016, 2.1)
LOWEST = -128  # of a* and b* in the tables of bins
LEAST = 1e-6  # of a bin's frequency
COUNTED = 300  # examples whose colours are counted, for rarity


@runtime_checkable
class ChromaObjective(Protocol):
    """What the network's output means. Of the `settings` of a sample, `ByBins` reads `temperature`."""

    @property
    def num_out(self) -> int: ...

    def prepared(self, dataset: Any) -> nn.Module: ...

    def cost(self, made: Maps, chroma: Maps, state: nn.Module) -> Tensor: ...

    def chroma(self, made: Maps, settings: Any = None) -> Maps: ...

    def likely(self, made: Maps) -> Tensor | None: ...


@dataclass(frozen=True)
class ByBins:
    """Zhang 2016: cross entropy with the five nearest bins (equation 2), rare colours weighted by `uniform` λ (equations 3 and 4), and
    the annealed mean at a `temperature` (equation 5)."""

    uniform: float = 0.5
    temperature: float = 0.38

    @property
    def num_out(self) -> int:
        return len(chroma_bins())

    def prepared(self, dataset: Any) -> nn.Module:
        state = nn.Module()
        state.register_buffer("weight", rarity(counted(dataset), self.uniform))
        return state

    def cost(self, made: Maps, chroma: Maps, state: nn.Module) -> Tensor:
        bins, shares = encoded(chroma)
        weights: Any = state.weight
        of_pixel = weights[bins[:, 0]]
        value = -(made.float().log_softmax(1).gather(1, bins) * shares).sum(1)
        return (value * of_pixel).flatten(1).mean(1)

    def chroma(self, made: Maps, settings: Any = None) -> Maps:
        share = (made.float() / getattr(settings, "temperature", self.temperature)).softmax(1)
        return torch.einsum("bqhw,qc->bchw", share, chroma_bins().to(made.device))

    def likely(self, made: Maps) -> Tensor | None:
        return made.float().softmax(1)


@dataclass(frozen=True)
class ByMean:
    """The squared error of a* and b*, which a network answers with the mean of all colours that a place could have."""

    num_out: int = 2

    def prepared(self, dataset: Any) -> nn.Module:
        return nn.Module()

    def cost(self, made: Maps, chroma: Maps, state: nn.Module) -> Tensor:
        return (made.float() - chroma / SCALE).square().flatten(1).mean(1)

    def chroma(self, made: Maps, settings: Any = None) -> Maps:
        return made.float() * SCALE

    def likely(self, made: Maps) -> Tensor | None:
        return None


@dataclass(frozen=True)
class Chroma:
    """Learns a* and b* [b 2 h w], `clean["chroma"]`, of the lightness in the slot `photo`, with points of colour in `hints`.

    Samples are {"chroma": [b 2 h w]}, and with `ByBins` {"likely": [b bins h/2 w/2], their probabilities}.
    """

    objective: ChromaObjective = field(default_factory=ByBins)
    role: str = "colourist"
    photo: str = "photo"
    hints: str = "hints"

    def phases(self, step: int) -> Sequence[Phase]:
        return (Phase("colour", (self.role,)),)

    def prepare(self, networks: Networks, dataset: Any, rng: torch.Generator) -> nn.Module:
        prepared: nn.Module = self.objective.prepared(dataset)
        return prepared

    def loss(self, phase: Phase, networks: Networks, batch: Batch, state: nn.Module, step: int, rng: torch.Generator) -> Loss:
        made = networks[self.role](self.given_maps(batch.ports))
        truth = F.avg_pool2d(batch.clean["chroma"], 2)
        with torch.no_grad():
            away = (self.objective.chroma(made) - truth).norm(dim=1).mean()
        return Loss(self.objective.cost(made, truth, state), {"away": away})

    @torch.no_grad()
    def propose(self, networks: Networks, batch: Batch, rng: torch.Generator) -> Tensor:
        """The pictures as they are now, uint8 [b h w 3], for users who look at them."""
        ports = batch.ports
        lab = torch.cat([lightness_of(ports, self.photo), self.larger(networks[self.role](self.given_maps(ports)), ports)], 1)
        return torch.from_numpy(np.stack([from_tensor(one) for one in to_picture(lab)]))

    @torch.no_grad()
    def columns(self, networks: Networks, batch: Batch) -> np.ndarray:
        """A sheet of a batch's grey photographs, their colours as they are now, and their own, a column each."""
        light = lightness_of(batch.ports, self.photo)
        made = self.larger(networks[self.role](self.given_maps(batch.ports)), batch.ports)
        rows = [to_picture(torch.cat([light, chroma.to(light)], 1)) for chroma in (0 * made, made, batch.clean["chroma"])]
        return contact_sheet([from_tensor(one) for row in rows for one in row], len(batch))

    @torch.no_grad()
    def sample(self, networks: Networks, inputs: Inputs, rng: torch.Generator, settings: Any) -> Iterator[Output]:
        device = next(networks[self.role].parameters()).device
        ports = inputs.ports.map(lambda tensor: tensor.to(device))
        made = networks[self.role](self.given_maps(ports))
        likely = self.objective.likely(made)
        yield Output({"chroma": self.larger(made, ports, settings)} | ({} if likely is None else {"likely": likely}))

    def larger(self, made: Maps, ports: Ports, settings: Any = None) -> Maps:
        """a* and b* at the size of the photograph."""
        shown: Any = ports.by_slot[self.photo].spatial
        return F.interpolate(self.objective.chroma(made, settings), size=shown.shape[-2:], mode="bilinear", align_corners=False)

    @torch.no_grad()
    def given_maps(self, ports: Ports) -> Maps:
        """The network's input [b 8 h w]: lightness and where there is any; a*, b* and where there are points; and the same as the rule
        spreads it along edges (`rules.photo_colouring.carried`)."""
        photo, hints = ports.by_slot[self.photo].spatial, ports.by_slot[self.hints].spatial
        if photo is None or hints is None:
            raise ValueError(f"the slots {self.photo!r} and {self.hints!r} need spatial ports")
        marked = hints[:, 3:].float()
        points = to_lab(hints[:, :3])[:, 1:] / SCALE * marked
        around, strength = carried(points, marked, lightness_of(ports, self.photo))
        return torch.cat([photo, points, marked, around * strength, strength], 1)


def lightness_of(ports: Ports, slot: str) -> Maps:
    """L* [b 1 h w] of a slot's grey photographs."""
    shown: Any = ports.by_slot[slot].spatial
    return (shown[:, :1].float() + 1) * 50


def encoded(chroma: Maps) -> tuple[Tensor, Tensor]:
    """The five nearest bins of each colour [b 2 h w], int64 [b 5 h w], nearest first, and their shares, float32 [b 5 h w]."""
    bins, shares = _tables()
    place = (chroma.round().long() - LOWEST).clamp(0, 255)
    row = place[:, 0] * 256 + place[:, 1]
    return tuple(table.to(row.device)[row].permute(0, 3, 1, 2) for table in (bins, shares))  # type: ignore[return-value]


@lru_cache(maxsize=1)
def _tables() -> tuple[Tensor, Tensor]:
    """For each whole (a*, b*) the five nearest bins, int64 [65536 5], and their shares, float32."""
    steps = torch.arange(256.0) + LOWEST
    away, bins = torch.cdist(torch.cartesian_prod(steps, steps), chroma_bins()).topk(NEAREST, largest=False)
    shares = (-away.square() / (2 * WIDTH**2)).double().softmax(1).float()
    return bins, shares


def counted(dataset: Any) -> Tensor:
    """How frequent each bin is in a dataset's examples, float64 [bins], summing to 1."""
    count = torch.zeros(len(chroma_bins()), dtype=torch.float64)
    for index in range(0, len(dataset), max(1, len(dataset) // COUNTED)):
        item = dataset.item(index, np.random.default_rng([index, 17]))
        bins, shares = encoded(dataset.stack([item])["chroma"])
        count.index_add_(0, bins.flatten(), shares.flatten().double())
    return count / count.sum()


def rarity(frequency: Tensor, uniform: float) -> Tensor:
    """The weight of each bin (Zhang 2016, equation 4): its inverse frequency, mixed with `uniform`, with mean 1 over pixels."""
    near = (-torch.cdist(chroma_bins(), chroma_bins()).square() / (2 * WIDTH**2)).exp()
    smooth = (near / near.sum(0)).double() @ frequency
    weight = 1 / ((1 - uniform) * smooth + uniform / len(smooth)).clamp_min(LEAST)  # bins that were never seen would weigh without end
    return (weight / (weight * smooth).sum()).float()
