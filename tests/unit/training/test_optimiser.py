"""The rate depends only on the step, decay applies only to matrices, and the state is restored to the bit."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from gesso.errors import GessoError
from gesso.recipes.recipe import Optimiser
from gesso.training.optimiser import Player, rate_at


def test_the_rate_warms_up_then_falls_to_its_floor() -> None:
    settings = Optimiser(rate=2.0, warmup=10, floor=0.1)
    rates = [rate_at(settings, step, 110) for step in range(111)]
    assert rates[0] == pytest.approx(0.2) and rates[9] == pytest.approx(2.0)
    assert all(a < b for a, b in zip(rates[:9], rates[1:10], strict=True))
    assert all(a >= b for a, b in zip(rates[10:], rates[11:], strict=False))
    assert rates[60] == pytest.approx(2.0 * (0.1 + 0.9 / 2)) and rates[110] == pytest.approx(0.2)
    assert rate_at(Optimiser(rate=1.0, warmup=0), 0, 1) == 1.0


def test_the_gradient_is_clipped_by_its_length() -> None:
    network = nn.Linear(4, 1, bias=False)
    player = Player("net", network, Optimiser(clip=1.0))
    (network.weight * 100).sum().backward()
    norm = float(player.norm())
    assert norm == pytest.approx(200.0)
    player.step(0.1, norm)
    assert float(network.weight.grad.norm()) == pytest.approx(1.0)


def test_decay_applies_only_to_matrices() -> None:
    network = nn.Linear(3, 3)
    before = {n: p.detach().clone() for n, p in network.named_parameters()}
    player = Player("net", network, Optimiser(decay=0.5))
    for p in network.parameters():
        p.grad = torch.zeros_like(p)
    player.step(0.1, 0.0)
    assert torch.allclose(network.weight, before["weight"] * 0.95) and torch.equal(network.bias, before["bias"])


def test_the_optimisers_state_is_restored_to_the_bit() -> None:
    def one(seed: int) -> tuple[nn.Module, Player]:
        torch.manual_seed(seed)
        network = nn.Sequential(nn.Conv2d(2, 8, 3), nn.PReLU()).to(memory_format=torch.channels_last)
        return network, Player("net", network, Optimiser())

    def step(network: nn.Module, player: Player) -> None:
        player.optimiser.zero_grad()
        network(torch.ones(1, 2, 5, 5)).square().mean().backward()
        player.step(0.01, 0.0)

    network, player = one(0)
    step(network, player)
    other, twin = one(0)
    other.load_state_dict(network.state_dict())
    twin.restore({n: v.clone(memory_format=torch.contiguous_format) for n, v in player.tensors().items()})
    moment = next(v for n, v in twin.tensors().items() if n == "0.weight/exp_avg")
    assert moment.is_contiguous(memory_format=torch.channels_last)
    for _ in range(3):
        step(network, player)
        step(other, twin)
    assert all(torch.equal(a, b) for a, b in zip(network.parameters(), other.parameters(), strict=True))


def test_a_role_without_parameters_is_refused() -> None:
    with pytest.raises(GessoError, match="'net' has no parameters to train"):
        Player("net", nn.Tanh(), Optimiser())
