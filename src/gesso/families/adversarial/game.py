"""The game: generators make pictures, critics judge them beside real ones, and both learn from what they say (Goodfellow 2014).

A recipe says how pictures are made (`play`), which critic judges which (`seats`), by which objective, and what else counts
(`terms`). One critic and one generator are the plain game; two of each with a term for the way back are CycleGAN.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from gesso.families.adversarial.augment import Augment
from gesso.families.adversarial.objectives import NON_SATURATING, Objective
from gesso.families.adversarial.pool import Pool
from gesso.families.adversarial.signs import signs_of_trouble, spread
from gesso.families.family import Batch, Inputs, Loss, Networks, Output, Phase
from gesso.judgement import Judgement, per_item

MEMORY = 0.01  # share of the newest step in running means


@dataclass(frozen=True)
class Seat:
    """A critic's place in the game: `role` judges the picture `fake` beside the picture `real`, both by their names in `play`.

    given: the names of pictures that it sees too, joined to both by channel (a conditional critic).
    pool: the number of old generated pictures that are kept, and shown to it in place of new ones half the time; 0 is none.
    """

    role: str = "critic"
    real: str = "real"
    fake: str = "fake"
    given: tuple[str, ...] = ()
    pool: int = 0


@dataclass
class Turn:
    """One player's turn, all that its terms can read: the batch, the pictures by name, and the rounds that were judged."""

    networks: Networks
    batch: Batch
    pictures: Mapping[str, Tensor]
    rng: torch.Generator
    step: int
    state: GameState
    rounds: dict[str, Round] = field(default_factory=dict)

    def uniform(self, *shape: int) -> Tensor:
        return self.batch.uniform(self.rng, *shape)


@dataclass
class Round:
    """One critic's look at a step's pictures. `real` and `fake` are what it was shown before augmentation."""

    turn: Turn
    seat: Seat
    judge: Callable[[Tensor], Judgement]
    real: Tensor
    fake: Tensor
    of_real: Judgement | None = None
    of_fake: Judgement | None = None


@dataclass(frozen=True)
class Term:
    """A part of a loss: `weight` times value(turn) for generators, or value(round) for critics, per item [b].

    every: taken at every so many steps, with as many times the weight (lazy regularisation, Karras 2020, section 3.1).
    slopes: the value differentiates logits by pictures.
    """

    name: str
    value: Callable[[Any], Tensor]
    weight: float = 1.0
    every: int = 1
    slopes: bool = False

    def due(self, step: int) -> bool:
        return step % self.every == self.every - 1  # of a step that is logged, since log lines end round numbers of steps


class GameState(nn.Module):
    """Running means of each critic's logits, of its sureness, of path lengths and of the spread of generated pictures over that of
    real ones, the strength of augmentation, and the pools; saved in checkpoints."""

    real: Tensor
    fake: Tensor
    sign: Tensor
    spread: Tensor
    strength: Tensor
    path: Tensor

    def __init__(self, seats: Sequence[Seat], strength: float = 0.0) -> None:
        super().__init__()
        for name in ("real", "fake", "sign"):
            self.register_buffer(name, torch.zeros(len(seats)))
        self.register_buffer("spread", torch.ones(len(seats)))
        self.register_buffer("strength", torch.tensor(float(strength)))
        self.register_buffer("path", torch.zeros(()))
        self.pools = nn.ModuleDict({seat.role: Pool(seat.pool) for seat in seats if seat.pool})

    @torch.no_grad()
    def take_in(self, at: int, real: Tensor, fake: Tensor, sure: Tensor) -> None:
        """Take in the logits that the critic of seat `at` gave to real and generated pictures, and its sureness, float [b]."""
        for kept, new in ((self.real, real.mean()), (self.fake, fake.mean()), (self.sign, sure.mean())):
            kept[at].lerp_(new.to(kept), MEMORY)

    @torch.no_grad()
    def compare_spreads(self, at: int, real: Tensor, fake: Tensor) -> None:
        """Take in how far generated pictures differ from each other, over how far real ones do; a batch of one says nothing."""
        if len(real) > 1:
            self.spread[at].lerp_((spread(fake) / spread(real).clamp_min(1e-4)).to(self.spread), MEMORY)


Play = Callable[[Networks, Batch, torch.Generator], Mapping[str, Tensor]]
Show = Callable[[Networks, Inputs, torch.Generator, Any], Iterator[Output]]


@dataclass(frozen=True)
class Adversarial:
    """The game's parts.

    play(networks, batch, rng) -> the pictures of a step by name, real ones and generated ones; it is called once for the critics,
    without gradients, and once for the generators.
    terms and critic_terms: what generators and critics learn from besides the objective. show(networks, inputs, rng, settings)
    samples. generator_every: critics take so many steps for each of the generators'. critics_from: the step from which there are
    critics; before it generators learn from their terms alone. proposal(pictures) -> what simulated users see.
    """

    play: Play
    show: Show
    seats: tuple[Seat, ...] = (Seat(),)
    generators: tuple[str, ...] = ("generator",)
    objective: Objective = NON_SATURATING
    weight: float = 1.0
    terms: tuple[Term, ...] = ()
    critic_terms: tuple[Term, ...] = ()
    augment: Augment | None = None
    generator_every: int = 1
    critics_from: int = 0
    proposal: Callable[[Mapping[str, Tensor]], Any] | None = None

    def phases(self, step: int) -> Sequence[Phase]:
        generator = Phase("generator", self.generators, every=self.generator_every)
        roles = tuple(dict.fromkeys(seat.role for seat in self.seats))
        return (Phase("critic", roles), generator) if roles and step >= self.critics_from else (generator,)

    def prepare(self, networks: Networks, dataset: Any, rng: torch.Generator) -> nn.Module:
        return GameState(self.seats, self.augment.strength if self.augment else 0.0)

    def loss(self, phase: Phase, networks: Networks, batch: Batch, state: nn.Module, step: int, rng: torch.Generator) -> Loss:
        assert isinstance(state, GameState)
        if phase.name == "critic":
            with torch.no_grad():
                pictures = self.play(networks, batch, rng)
            return self._critics(Turn(networks, batch, pictures, rng, step, state))
        return self._generators(Turn(networks, batch, self.play(networks, batch, rng), rng, step, state))

    def _critics(self, turn: Turn) -> Loss:
        total, logs = torch.zeros(()), dict[str, Any]()
        due = [term for term in self.critic_terms if term.due(turn.step)]
        slopes = any(term.slopes for term in due)
        for at, seat in enumerate(self.seats):
            round = self._round(turn, seat)
            turn.state.compare_spreads(at, round.real, round.fake)
            round.fake = _recalled(round, turn)
            if slopes:
                round.real, round.fake = (picture.detach().requires_grad_(True) for picture in (round.real, round.fake))
            round.of_real, round.of_fake = round.judge(round.real), round.judge(round.fake)
            total = total + self.objective.critic_loss(round.of_real, round.of_fake)
            real, fake = (per_item(judgement.logits[0].detach()) for judgement in (round.of_real, round.of_fake))
            turn.state.take_in(at, real, fake, self.objective.sure(real, fake))
            logs |= {f"{seat.role}_{name}": getattr(turn.state, name)[at].clone() for name in ("real", "fake", "spread")}
            logs[f"{seat.role}_r_t"] = turn.state.sign[at].clone()
            for term in due:
                value = term.value(round)
                total = total + term.weight * term.every * value
                logs[term.name if len(self.seats) == 1 else f"{seat.role}_{term.name}"] = value.mean().detach()
        if self.augment is not None:
            self.augment.adapt(turn.state.strength, turn.state.sign, turn.batch.total or len(turn.batch), turn.step)
            logs["augmented"] = turn.state.strength.clone()
        return Loss(total, logs)

    def _generators(self, turn: Turn) -> Loss:
        total, logs = torch.zeros(len(turn.batch)), dict[str, Any]()
        for seat in self.seats if turn.step >= self.critics_from else ():
            round = self._round(turn, seat)
            if self.objective.paired:
                round.of_real = round.judge(round.real)
            round.of_fake = round.judge(round.fake)
            fooled = self.objective.generator_loss(round.of_real, round.of_fake)
            total = total.to(fooled) + self.weight * fooled
            logs[f"{seat.role}_fooled"] = fooled.mean().detach()
            turn.rounds[seat.role] = round
        for term in self.terms:
            if term.due(turn.step):
                value = term.value(turn)
                total = total.to(value) + term.weight * term.every * value
                logs[term.name] = value.mean().detach()
        return Loss(total, logs)

    def _round(self, turn: Turn, seat: Seat) -> Round:
        given = [turn.pictures[name] for name in seat.given]
        judge = partial(self._judged, turn, turn.networks[seat.role], given)
        return Round(turn, seat, judge, turn.pictures[seat.real], turn.pictures[seat.fake])

    def _judged(self, turn: Turn, critic: nn.Module, given: Sequence[Tensor], picture: Tensor) -> Judgement:
        """What the critic says of pictures, joined with what is given and augmented together."""
        shown = torch.cat([picture, *given], 1) if given else picture
        if self.augment is not None:
            shown = self.augment(shown, turn.state.strength, turn.uniform, picture.shape[1])
        judgement: Judgement = critic(shown, turn.batch.ports)
        return judgement

    def signs(self, lines: Sequence[Mapping[str, Any]]) -> Mapping[str, str]:
        roles = [seat.role for seat in self.seats]
        return signs_of_trouble(lines, roles, augmented=self.augment is not None, absolute=self.objective.absolute)

    @torch.no_grad()
    def propose(self, networks: Networks, batch: Batch, rng: torch.Generator) -> Any:
        return None if self.proposal is None else self.proposal(self.play(networks, batch, rng))

    def sample(self, networks: Networks, inputs: Inputs, rng: torch.Generator, settings: Any) -> Iterator[Output]:
        yield from self.show(networks, inputs, rng, settings)


def _recalled(round: Round, turn: Turn) -> Tensor:
    """The generated pictures that the critic is shown: some of them old ones, if it has a pool."""
    if not round.seat.pool:
        return round.fake
    pool = turn.state.pools[round.seat.role]
    assert isinstance(pool, Pool)
    return pool.swap(round.fake, turn.uniform(), turn.uniform())
