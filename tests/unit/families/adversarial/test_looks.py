"""The game of looks: where a style comes from, and how its terms count."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from gesso.families.adversarial import Turn
from gesso.families.adversarial.by_exemplar import spread
from gesso.families.adversarial.game import GameState
from gesso.families.adversarial.looks import Looks
from gesso.families.family import Batch, Inputs
from gesso.networks.stargan import DomainMapping, StyledTranslator, StyleEncoder
from gesso.ports import Ports

LOOKS = Looks(4, fades=10)


@pytest.fixture
def networks() -> dict[str, nn.Module]:
    torch.manual_seed(0)
    return {"generator": StyledTranslator(3, (8, 8), 8), "mapping": DomainMapping(4, 8, 2), "encoder": StyleEncoder(3, (8, 8), 8, 2)}


def batch(num: int = 16) -> Batch:
    torch.manual_seed(1)
    asked = Ports(vector=torch.cat([torch.eye(2).repeat(num // 2, 1), torch.ones(num, 1)], 1))
    clean = {name: torch.rand(num, 3, 16, 16) for name in ("picture", "exemplar", "another")}
    return Batch({**clean, "source": torch.zeros(num, dtype=torch.long)}, replace(asked, by_slot={"attribute": asked}), torch.arange(num))


def turn(networks: dict[str, nn.Module], step: int) -> Turn:
    one, rng = batch(), torch.Generator().manual_seed(0)
    return Turn(networks, one, LOOKS.play(networks, one, rng), rng, step, GameState(()))


def test_styles_come_from_noise_and_from_exemplars(networks):
    one = batch()
    styles = LOOKS.play(networks, one, torch.Generator().manual_seed(0))["style"]
    seen = networks["encoder"](one.clean["exemplar"], LOOKS.domain(one.ports))
    from_exemplar = torch.isclose(styles, seen).all(1)
    assert 0 < from_exemplar.sum() < len(one)


def test_variety_counts_less_and_less(networks):
    values = [LOOKS.sameness(turn(networks, step)).sum().item() for step in (0, 5, 10)]
    assert values[0] == pytest.approx(2 * values[1]) and values[0] < 0 and values[2] == 0


def test_an_exemplar_overrides_the_seed(networks):
    picture, vector = torch.rand(1, 4, 16, 16), torch.tensor([[1.0, 0.0, 1.0]])

    def made(seed: int, exemplar: torch.Tensor) -> torch.Tensor:
        slots = {"picture": Ports(spatial=picture), "attribute": Ports(vector=vector), "exemplar": Ports(spatial=exemplar)}
        ports = Ports(by_slot=slots)
        inputs = Inputs(ports, ports, (1, 3, 16, 16))
        (output,) = LOOKS.show(networks, inputs, torch.Generator().manual_seed(seed), None)
        return output.media["image"]

    absent, given = torch.zeros(1, 4, 16, 16), torch.ones(1, 4, 16, 16)
    assert not torch.equal(made(1, absent), made(2, absent)) and torch.equal(made(1, given), made(2, given))


def test_places_between_parts_are_shared_out():
    truth, shown = spread(torch.tensor([[[-0.5, -0.5], [0.0, -0.5], [3.0, 0.0]]]), 2)
    assert truth[0, 0].tolist() == [1, 0, 0, 0] and truth[0, 1].tolist() == [0.5, 0.5, 0, 0] and shown.tolist() == [[1, 1, 0]]
