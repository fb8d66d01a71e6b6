"""Supervised learning of a classifier of pictures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from gesso.families.family import Batch, Inputs, Loss, Networks, Output, Phase
from gesso.ports import Ports
from gesso.shapes import Images


@dataclass(frozen=True)
class Supervised:
    """Cross entropy between the network's logits and `clean[target]` int [b]. Its input is the card's only picture (the spatial port).

    The network is called `network(pictures)` and returns logits. If it has `features`, samples return them as taps.
    """

    role: str = "classifier"
    target: str = "label"
    smoothing: float = 0.0

    def phases(self, step: int) -> Sequence[Phase]:
        return (Phase("classify", (self.role,)),)

    def prepare(self, networks: Networks, dataset: Any, rng: torch.Generator) -> nn.Module:
        return nn.Module()

    def loss(self, phase: Phase, networks: Networks, batch: Batch, state: nn.Module, step: int, rng: torch.Generator) -> Loss:
        logits = networks[self.role](picture_of(batch.ports)).float()
        wanted = batch.clean[self.target]
        value = F.cross_entropy(logits, wanted, reduction="none", label_smoothing=self.smoothing)
        return Loss(value, {"accuracy": (logits.argmax(1) == wanted).float().mean().detach()})

    def propose(self, networks: Networks, batch: Batch, rng: torch.Generator) -> None:
        return None

    def sample(self, networks: Networks, inputs: Inputs, rng: torch.Generator, settings: Any) -> Iterator[Output]:
        """Yield one output with `logits` and `probability` [b classes]."""
        network = networks[self.role]
        pictures = picture_of(inputs.ports).to(next(network.parameters()).device)
        logits = network(pictures).float()
        features = getattr(network, "features", None)
        yield Output({"logits": logits, "probability": logits.softmax(1)}, taps=features(pictures) if features else {})


def picture_of(ports: Ports) -> Images:
    """The spatial port of the one picture, without its validity channel."""
    if ports.spatial is None:
        raise ValueError("this family needs a picture, but no condition on the card has a spatial port")
    return ports.spatial[:, :-1]


def classification(output: Output, classes: Sequence[str]) -> dict[str, Any]:
    """The first item of a sample as {"label": the likeliest class, "probability": {class: probability}}."""
    values = output.media["probability"][0].tolist()
    return {"label": classes[values.index(max(values))], "probability": dict(zip(classes, values, strict=True))}
