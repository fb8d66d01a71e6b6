"""Gradients: several players in one phase, parts of a batch, and clipping of each example with noise."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from gesso.errors import GessoError
from gesso.families.family import Batch, Loss, Phase
from gesso.ports import Ports
from gesso.recipes.recipe import Gradient, Optimiser
from gesso.training.gradient import check_private, set_gradients
from gesso.training.optimiser import Player, rate_at
from gesso.training.ranks import Ranks


def setting(seed: int = 0, num: int = 8) -> tuple[nn.Module, Batch, torch.Generator]:
    torch.manual_seed(seed)
    network = nn.Linear(3, 1)
    return network, Batch({"x": torch.randn(num, 3)}, Ports(), torch.arange(num)), torch.Generator().manual_seed(1)


def gradient(settings: Gradient, *, scale: float = 1.0) -> torch.Tensor:
    network, batch, rng = setting()
    player = Player("net", network, Optimiser())

    def measure(part: Batch) -> Loss:
        return Loss(scale * (network(part.clean["x"]).squeeze(1) - part.normal(rng)).square())

    set_gradients(measure, batch, [player], settings, Ranks(), rng)
    return torch.cat([g.flatten() for g in player.gradients()])


def test_a_phase_has_players() -> None:
    with pytest.raises(GessoError, match="tuple of roles"):
        Phase("make", ())


def test_parts_of_a_batch_give_the_gradient_of_the_whole() -> None:
    whole = gradient(Gradient())
    for parts in (2, 3, 8, 50):
        torch.testing.assert_close(gradient(Gradient(accumulate=parts)), whole)


def test_no_example_moves_the_clipped_gradient_by_more_than_its_bound() -> None:
    loose, tight = gradient(Gradient(clip_each=1e9)), gradient(Gradient(clip_each=0.01), scale=100)
    torch.testing.assert_close(loose, gradient(Gradient()))
    assert tight.norm() <= 0.01 + 1e-6
    torch.testing.assert_close(gradient(Gradient(clip_each=0.5, accumulate=4)), gradient(Gradient(clip_each=0.5)))


def test_the_noise_has_the_deviation_that_the_settings_say() -> None:
    network = nn.Linear(1, 20_000, bias=False)
    batch = Batch({"x": torch.zeros(4, 1)}, Ports(), torch.arange(4))
    player, rng = Player("net", network, Optimiser()), torch.Generator().manual_seed(0)
    set_gradients(lambda part: Loss(network(part.clean["x"]).sum(1)), batch, [player], Gradient(clip_each=2.0, noise=3.0), Ranks(), rng)
    assert float(player.gradients()[0].std()) == pytest.approx(2.0 * 3.0 / 4, rel=0.03)


def test_a_clipped_sum_is_divided_by_the_expected_size() -> None:
    """The number of examples that Poisson sampling drew must not show in the length of the gradient."""

    def length(expected: int) -> float:
        network, batch, rng = setting()
        player = Player("net", network, Optimiser())
        set_gradients(
            lambda part: Loss(network(part.clean["x"]).squeeze(1)), batch, [player], Gradient(clip_each=0.1), Ranks(), rng, expected
        )
        return float(player.norm())

    assert length(16) == pytest.approx(length(0) / 2)


def test_networks_that_mix_examples_cannot_be_private() -> None:
    check_private([nn.Sequential(nn.Linear(2, 2), nn.GroupNorm(1, 2))])
    with pytest.raises(GessoError, match="batch norm"):
        check_private([nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))])
    network, batch, rng = setting()
    player = Player("net", network, Optimiser())
    with pytest.raises(GessoError, match="per item"):
        set_gradients(lambda part: Loss(network(part.clean["x"]).mean()), batch, [player], Gradient(clip_each=1.0), Ranks(), rng)


def test_schedules_and_optimisers_by_name() -> None:
    steady, linear = Optimiser(rate=2.0, warmup=0, schedule="constant"), Optimiser(rate=2.0, warmup=0, floor=0, schedule="linear")
    assert rate_at(steady, 999, 1000) == 2.0 and rate_at(linear, 250, 1000) == pytest.approx(1.5)
    network = nn.Linear(2, 1)
    player = Player("net", network, Optimiser(kind="sgd", betas=(0.0, 0.0), clip=0))
    before = network.weight.detach().clone()
    network(torch.ones(1, 2)).sum().backward()
    player.step(0.5, 1.0)
    assert torch.allclose(network.weight, before - 0.5)
    with pytest.raises(GessoError, match="no optimiser 'lion'"):
        Player("net", network, Optimiser(kind="lion"))  # type: ignore[arg-type]
