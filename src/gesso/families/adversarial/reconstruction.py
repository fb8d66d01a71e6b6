"""The game of a codec: a picture goes through few numbers and comes back, and a critic may judge how real it looks (Esser 2021)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from gesso.families.adversarial.game import Adversarial, Seat, Term, Turn
from gesso.families.adversarial.objectives import HINGE
from gesso.families.adversarial.translation import l1
from gesso.families.family import Batch, Inputs, Networks, Output
from gesso.families.supervised import picture_of


@dataclass(frozen=True)
class Reconstruction:
    """`play` and `show` of the role `codec`; latents have `channels`, and with `noisy` training draws them."""

    channels: int
    noisy: bool
    clean: str = "image"

    def play(self, networks: Networks, batch: Batch, rng: torch.Generator) -> Mapping[str, Tensor]:
        codec: Any = networks["codec"]
        real = batch.clean[self.clean]
        sides = (-(-side // codec.factor) for side in real.shape[-2:])
        fake, coded = codec(real, batch.normal(rng, self.channels, *sides) if self.noisy else None)
        return {"real": real, "fake": fake, "penalty": coded.penalty}

    def show(self, networks: Networks, inputs: Inputs, rng: torch.Generator, settings: Any) -> Iterator[Output]:
        codec: Any = networks["codec"]
        made, coded = codec(picture_of(inputs.ports))
        taps = {"latents": coded.latents} | ({} if coded.ids is None else {"codes": coded.ids})
        yield Output({"image": made.float()}, taps=taps)


def squared(turn: Turn) -> Tensor:
    """Mean squared difference of the picture that came back, [b]."""
    return (turn.pictures["fake"].float() - turn.pictures["real"].float()).square().flatten(1).mean(1)


def code_penalty(turn: Turn) -> Tensor:
    """What the bottleneck asks: the KL divergence, or the distance to the codes, [b]."""
    return turn.pictures["penalty"]


def coding(channels: int, *, noisy: bool, penalty: float, critic: bool = False, critics_from: int = 0) -> Adversarial:
    """The game of a codec alone, or from a step on with a critic: the squared and the absolute difference, and the bottleneck's."""
    codec = Reconstruction(channels, noisy)
    terms = (Term("squared", squared), Term("l1", l1, 0.2), Term("penalty", code_penalty, penalty))
    seats = (Seat(),) if critic else ()
    return Adversarial(codec.play, codec.show, seats, ("codec",), objective=HINGE, weight=0.01, terms=terms, critics_from=critics_from)
