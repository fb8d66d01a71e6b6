"""The game: who moves when, what each player learns from, and that several critics and generators play at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gesso.families.adversarial import Adversarial, Judgement, Seat, Term
from gesso.families.adversarial.augment import Augment
from gesso.families.adversarial.objectives import LEAST_SQUARES, RELATIVISTIC, WASSERSTEIN
from gesso.families.adversarial.penalties import one_centred, r1
from gesso.families.family import Batch, due_phases
from gesso.ports import Ports


class Critic(nn.Module):
    def __init__(self, channels: int = 3) -> None:
        super().__init__()
        self.layer = nn.Conv2d(channels, 1, 3)

    def forward(self, picture: Tensor, ports: Ports) -> Judgement:
        seen = torch.tanh(self.layer(picture))
        return Judgement((seen,), features=(seen,))


def play(networks: Mapping[str, nn.Module], batch: Batch, rng: torch.Generator) -> dict[str, Tensor]:
    return {"real": batch.clean["image"], "fake": networks["generator"](batch.normal(rng, 3, 8, 8))}


def show(*_: Any) -> Any:
    raise AssertionError("not called")


def batch_of(num: int = 4) -> Batch:
    return Batch({"image": torch.rand(num, 3, 8, 8)}, Ports(), torch.arange(num))


@pytest.fixture
def networks() -> dict[str, nn.Module]:
    torch.manual_seed(0)
    return {"generator": nn.Conv2d(3, 3, 3, padding=1), "critic": Critic()}


def losses(game: Adversarial, networks: Mapping[str, nn.Module], step: int = 0) -> dict[str, Any]:
    state, batch = game.prepare(networks, None, torch.Generator()), batch_of()
    found = {}
    for phase in due_phases(game, step):
        for network in networks.values():
            network.zero_grad()
        loss = game.loss(phase, networks, batch, state, step, torch.Generator().manual_seed(step))
        assert loss.value.shape == (4,) and torch.isfinite(loss.value).all()
        loss.value.mean().backward()
        for role in phase.players:
            assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in networks[role].parameters()), (phase.name, role)
        if phase.name == "critic":
            assert all(p.grad is None for p in networks["generator"].parameters()), "the critic's step does not reach the generator"
        found |= {f"{phase.name}/{name}": value for name, value in loss.logs.items()}
    return found


def test_both_players_learn(networks):
    logs = losses(Adversarial(play, show), networks)
    assert set(logs) == {*(f"critic/critic_{name}" for name in ("real", "fake", "spread", "r_t")), "generator/critic_fooled"}


def test_a_critic_may_join_late_and_move_more_often():
    late = Adversarial(play, show, critics_from=10)
    assert [p.name for p in due_phases(late, 9)] == ["generator"]
    assert [p.name for p in due_phases(late, 10)] == ["critic", "generator"]
    often = Adversarial(play, show, generator_every=5)
    assert [[p.name for p in due_phases(often, step)] for step in (5, 6)] == [["critic", "generator"], ["critic"]]


@pytest.mark.parametrize("term", [Term("r1", r1, slopes=True), Term("slope", one_centred)])
def test_a_penalty_is_lazy_and_keeps_its_mean_weight(networks, term):
    game = Adversarial(play, show, objective=WASSERSTEIN, critic_terms=(replace(term, weight=3.0, every=4),))
    plain = Adversarial(play, show, objective=WASSERSTEIN)
    state, batch = game.prepare(networks, None, torch.Generator()), batch_of()

    def value(one: Adversarial, step: int) -> Any:
        return one.loss(one.phases(step)[0], networks, batch, state, step, torch.Generator().manual_seed(1))

    with_it, without = value(game, 7), value(plain, 7)
    assert (with_it.value - without.value).mean().item() == pytest.approx(12 * with_it.logs[term.name].item(), rel=1e-4)
    assert term.name not in value(game, 8).logs


def test_a_relativistic_generator_compares_with_the_real(networks):
    assert losses(Adversarial(play, show, objective=RELATIVISTIC), networks)


def test_terms_of_the_generator_see_the_pictures_and_the_rounds(networks):
    """L1 and feature matching (Salimans 2016, section 3.1) as terms."""

    def l1(turn: Any) -> Tensor:
        return (turn.pictures["fake"] - turn.pictures["real"]).abs().flatten(1).mean(1)

    def matching(turn: Any) -> Tensor:
        round = turn.rounds["critic"]
        with torch.no_grad():
            real = round.judge(round.real).features[0]
        return (round.of_fake.features[0] - real).abs().flatten(1).mean(1)

    logs = losses(Adversarial(play, show, terms=(Term("l1", l1, 100.0), Term("matching", matching))), networks)
    assert {"generator/l1", "generator/matching"} <= set(logs)


def test_two_generators_and_two_critics_with_pools_play_at_once():
    """CycleGAN's game: both ways, both back."""
    torch.manual_seed(1)
    networks = {"there": nn.Conv2d(3, 3, 1), "back": nn.Conv2d(3, 3, 1), "critic_a": Critic(), "critic_b": Critic()}

    def both(networks: Mapping[str, nn.Module], batch: Batch, rng: torch.Generator) -> dict[str, Tensor]:
        a, b = batch.clean["image"], 1 - batch.clean["image"]
        ab, ba = networks["there"](a), networks["back"](b)
        return {"a": a, "b": b, "ab": ab, "ba": ba, "aba": networks["back"](ab), "bab": networks["there"](ba)}

    def cycle(turn: Any) -> Tensor:
        p = turn.pictures
        return sum((p[x] - p[y]).abs().flatten(1).mean(1) for x, y in (("a", "aba"), ("b", "bab")))

    seats = (Seat("critic_a", "a", "ba", pool=3), Seat("critic_b", "b", "ab", pool=3))
    game = Adversarial(both, show, seats, generators=("there", "back"), objective=LEAST_SQUARES, terms=(Term("cycle", cycle, 10.0),))
    state, batch = game.prepare(networks, None, torch.Generator()), batch_of()
    critics, generators = due_phases(game, 0)
    assert critics.players == ("critic_a", "critic_b") and generators.players == ("there", "back")
    for phase in (critics, generators):
        game.loss(phase, networks, batch, state, 0, torch.Generator()).value.mean().backward()
    assert all(p.grad.abs().sum() > 0 for network in networks.values() for p in network.parameters())
    assert {name: len(pool.pictures) for name, pool in state.pools.items()} == {"critic_a": 3, "critic_b": 3}


def test_a_conditional_critic_sees_what_is_given():
    torch.manual_seed(2)
    networks = {"generator": nn.Conv2d(3, 3, 3, padding=1), "critic": Critic(4)}

    def drawn(networks: Mapping[str, nn.Module], batch: Batch, rng: torch.Generator) -> dict[str, Tensor]:
        return {**play(networks, batch, rng), "line": batch.clean["image"][:, :1]}

    augment = Augment(("flip", "hue"), strength=1.0, speed=0)
    assert losses(Adversarial(drawn, show, (Seat(given=("line",)),), augment=augment), networks)


def test_the_state_is_a_checkpoint(networks):
    game = Adversarial(play, show, (Seat(pool=2),), augment=Augment(strength=0.25, speed=100))
    state = game.prepare(networks, None, torch.Generator())
    game.loss(game.phases(0)[0], networks, batch_of(), state, 0, torch.Generator())
    assert set(state.state_dict()) == {"real", "fake", "sign", "spread", "strength", "path", "pools.critic.pictures"}
    assert state.real != state.fake and state.strength != 0.25
