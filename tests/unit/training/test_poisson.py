"""A draw of no examples: under private gradients it is a step of noise alone, in every process the same; else it is an error."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import gesso
from gesso.errors import GessoError
from gesso.families.family import Batch, Loss, Phase
from gesso.ports import Ports
from gesso.recipes.recipe import Gradient, Optimiser, Recipe
from gesso.training.batch import BatchMaker
from gesso.training.checkpoint import load_latest
from gesso.training.gradient import set_gradients
from gesso.training.optimiser import Player
from gesso.training.ranks import Ranks
from unit.training import toy

PRIVATE = Gradient(clip_each=1.0, noise=2.0)


class Poisson(toy.Numbers):
    """Each example is drawn alone with the probability that gives `batch_size` of them on average; here often none."""

    def indices(self, step: int, batch_size: int, seed: int) -> np.ndarray:
        return np.flatnonzero(np.random.default_rng([seed, step]).random(len(self)) < batch_size / len(self) / 8)


class Plain(toy.Regress):
    """Its loss fails if it is asked about no examples."""

    def loss(self, phase: Any, networks: Any, batch: Batch, state: Any, step: int, rng: torch.Generator) -> Loss:
        assert len(batch) > 0
        return Loss((networks["net"](torch.cat([batch.clean["x"], batch.ports.vector], 1)).float() - batch.clean["y"]).square().mean(1))


def recipe(gradient: Gradient, look_every: int = 0) -> Recipe:
    one = toy.one_player(24)
    (stage,) = one.stages(None)
    family, data = Plain(), lambda folder, split: Poisson()
    changed = dataclasses.replace(stage, family=family, data=data, gradient=gradient, look_every=look_every, average=0.0)
    return dataclasses.replace(one, build=lambda preset: {"net": nn.Linear(5, 1)}, stages=lambda preset: (changed,))


def noise_of(rank: int, num: int) -> torch.Tensor:
    """The gradient of process `rank` of two, whose share of a batch of `num` may be empty; losses are zero."""
    torch.manual_seed(0)
    network = nn.Linear(3, 2)
    start, stop = Ranks(rank, 2).row_range(num, may_be_empty=True)
    batch = Batch({"x": torch.zeros(stop - start, 3)}, Ports(), torch.arange(start, stop), start=start, total=num)
    player, rng, noise = Player("net", network, Optimiser()), torch.Generator().manual_seed(1), torch.Generator().manual_seed(2)

    def measure(part: Batch) -> Loss:
        part.normal(rng)
        return Loss(0 * network(part.clean["x"]).sum(1))

    set_gradients(measure, batch, [player], PRIVATE, Ranks(), rng, 4, noise)
    return torch.cat([g.flatten() for g in player.gradients()])


def test_noise_is_the_same_in_a_process_without_examples() -> None:
    assert torch.equal(noise_of(0, 1), noise_of(1, 1)) and noise_of(0, 1).abs().min() > 0
    assert torch.equal(noise_of(0, 0), noise_of(1, 2))


def test_a_gradient_of_no_examples_is_noise_of_the_usual_deviation() -> None:
    network = nn.Linear(1, 20_000, bias=False)
    player, rng = Player("net", network, Optimiser()), torch.Generator().manual_seed(0)

    def measure(part: Batch) -> Loss:
        raise AssertionError("there is nothing to measure")

    batch = Batch({}, Ports(), torch.zeros(0, dtype=torch.int64))
    value, logs = set_gradients(measure, batch, [player], PRIVATE, Ranks(), rng, expected=4)
    assert float(value) == 0 and logs == {}
    assert float(player.gradients()[0].std()) == pytest.approx(1.0 * 2.0 / 4, rel=0.03)


@pytest.mark.parametrize("look_every", [0, 1])
def test_a_private_training_takes_empty_draws_and_resumes(tmp_path: Path, look_every: int) -> None:
    drawn = [len(Poisson().indices(step, 4, 0)) for step in range(24)]
    assert 0 in drawn and max(drawn) > 0
    made, options = recipe(PRIVATE, look_every), {"threads": 1, "quiet": True, "log_every": 1}
    gesso.train(made, out=tmp_path / "whole", **options)
    num = iter(range(100))
    gesso.train(made, out=tmp_path / "parts", stop=lambda: next(num) == drawn.index(0), **options)
    gesso.train(made, out=tmp_path / "parts", **options)
    one, two = (load_latest(tmp_path / name / "checkpoints") for name in ("whole", "parts"))
    assert one is not None and two is not None and one.meta["step"] == two.meta["step"] == 24
    assert all(torch.equal(value, two.tensors[name]) for name, value in one.tensors.items())


def test_without_privacy_a_step_needs_examples(tmp_path: Path) -> None:
    with pytest.raises(GessoError, match="has no examples"):
        gesso.train(recipe(Gradient()), out=tmp_path / "run", threads=1, quiet=True)


def test_a_process_may_have_no_share_of_a_draw() -> None:
    step = next(step for step in range(99) if len(Poisson().indices(step, 4, 0)) == 1)
    shares = [BatchMaker(Poisson(), (), 4, 0, ranks=Ranks(rank, 2)).batch(step) for rank in range(2)]
    assert sorted(map(len, shares)) == [0, 1] and {share.total for share in shares} == {1}
    with pytest.raises(GessoError, match="cannot be shared"):
        BatchMaker(toy.Numbers(), (), 1, 0, ranks=Ranks(0, 2)).batch(0)


class CriticOnly(Plain):
    """Two phases, of which only the first is private; the second must see examples."""

    def phases(self, step: int) -> Any:
        return (Phase("critic", ("net",)), Phase("maker", ("maker",)))

    def loss(self, phase: Any, networks: Any, batch: Batch, state: Any, step: int, rng: torch.Generator) -> Loss:
        used = {"net": networks["net" if phase.name == "critic" else "maker"]}
        return super().loss(phase, used, batch, state, step, rng)


class Mixing(nn.Linear):
    """A network with a batch norm, which a private phase refuses even where it is not used."""

    def __init__(self) -> None:
        super().__init__(5, 1)
        self.norm = nn.BatchNorm1d(5)


def test_one_phase_alone_may_be_private(tmp_path: Path) -> None:
    made = recipe(Gradient())
    (stage,) = made.stages(None)
    trains = {"net": stage.trains["net"], "maker": stage.trains["net"]}
    both = dataclasses.replace(stage, family=CriticOnly(), trains=trains, gradients={"critic": PRIVATE})
    networks = {"net": lambda: nn.Linear(5, 1), "maker": Mixing}
    made = dataclasses.replace(made, build=lambda preset: {role: one() for role, one in networks.items()}, stages=lambda preset: (both,))
    gesso.train(made, out=tmp_path / "run", threads=1, quiet=True)
    mixed = dataclasses.replace(both, gradients={"maker": PRIVATE})
    with pytest.raises(GessoError, match="batch norm"):
        gesso.train(dataclasses.replace(made, stages=lambda preset: (mixed,)), out=tmp_path / "mixed", threads=1, quiet=True)
