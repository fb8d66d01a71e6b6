"""Two toy recipes for tests of training: one player with drop-out, and two players with phases, buffers and a family state."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from torch import Tensor, nn

from gesso.card import Card, Out, Slot
from gesso.conditions.condition import Clean, Condition, Truth
from gesso.families.family import Batch, Inputs, Loss, Networks, Output, Phase
from gesso.ports import Frame, Ports, PortSizes
from gesso.recipes.recipe import Optimiser, Recipe, Stage

BOTH = {"en": "a toy", "ko": "장난감"}
WIDTH = 8


class Guess(Condition):
    """A number that a user guesses for an example; a user who sees the current output corrects half of its error."""

    kind: ClassVar[str] = "guess"
    value: float

    @classmethod
    def sizes(cls, options: Mapping[str, Any]) -> PortSizes:
        return PortSizes(vector=2)

    @classmethod
    def encode(cls, values: Sequence[Self | None], frame: Frame) -> Ports:
        return Ports(vector=torch.tensor([[0.0, 0.0] if v is None else [v.value, 1.0] for v in values]))

    @classmethod
    def simulate(cls, clean: Clean, rng: np.random.Generator, budget: float, given: Any = None) -> tuple[Self | None, Truth]:
        noise = float(rng.normal(0, 0.1 + 0.1 * budget))
        seen = 0.0 if given is None else 0.5 * float(given[0])
        return cls(value=float(clean["y"][0]) + noise - seen), {"noise": noise}


class Numbers:
    """Points on a noisy plane; `item` augments with its own generator."""

    name, licence = "numbers", "CC0-1.0"

    def __init__(self, num: int = 50) -> None:
        self.x = np.random.default_rng(3).normal(size=(num, 3)).astype(np.float32)
        self.y = self.x.sum(1, keepdims=True).astype(np.float32)

    def __len__(self) -> int:
        return len(self.x)

    def item(self, index: int, rng: np.random.Generator) -> Mapping[str, Any]:
        return {"x": self.x[index] + rng.normal(0, 0.01, 3).astype(np.float32), "y": self.y[index]}

    def stack(self, items: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        return {name: torch.from_numpy(np.stack([item[name] for item in items])) for name in ("x", "y")}


class Regress:
    """One player; drop-out uses torch's global generator, noise the step's generator. GESSO_TOY_SPOIL="7" makes step 7 NaN."""

    def __init__(self) -> None:
        self.num_spoilt = 0

    def phases(self, step: int) -> Sequence[Phase]:
        return (Phase("fit", ("net",)),)

    def prepare(self, networks: Networks, dataset: Any, rng: torch.Generator) -> nn.Module:
        return nn.Module()

    def loss(self, phase: Phase, networks: Networks, batch: Batch, state: nn.Module, step: int, rng: torch.Generator) -> Loss:
        x = batch.clean["x"] + 0.01 * torch.randn(batch.clean["x"].shape, generator=rng)
        predicted = networks["net"](torch.cat([x, batch.ports.vector], 1)).float()
        value = (predicted - batch.clean["y"]).square().flatten(1).mean(1)
        return Loss(value * _spoiler(step), {"bias": predicted.mean()})

    def propose(self, networks: Networks, batch: Batch, rng: torch.Generator) -> Any:
        return networks["net"](torch.cat([batch.clean["x"], batch.ports.vector], 1)) - batch.clean["y"]

    def sample(self, networks: Networks, inputs: Inputs, rng: torch.Generator, settings: Any) -> Iterator[Output]:
        yield Output({"picture": torch.zeros(4, 3, 8, 8)})


class Duel(Regress):
    """Two players, the second every other step, and a state that grows: buffers, a pool and a counter."""

    def phases(self, step: int) -> Sequence[Phase]:
        return (Phase("make", ("net",)), Phase("judge", ("critic",), every=2))

    def prepare(self, networks: Networks, dataset: Any, rng: torch.Generator) -> nn.Module:
        state = nn.Module()
        state.register_buffer("pool", torch.zeros(0, 1))
        state.register_buffer("num_seen", torch.zeros((), dtype=torch.int64))
        state.register_buffer("start", torch.randn(2, generator=rng))
        return state

    def loss(self, phase: Phase, networks: Networks, batch: Batch, state: nn.Module, step: int, rng: torch.Generator) -> Loss:
        made = networks["net"](torch.cat([batch.clean["x"], batch.ports.vector], 1)).float()
        if phase.name == "make":
            state.num_seen += len(made)
            return Loss(((made - batch.clean["y"]).square() - 0.1 * networks["critic"](made).float()).mean() * _spoiler(step))
        pool: Tensor = torch.cat([state.pool, made.detach()])[-12:]
        state.pool = pool
        real = networks["critic"](batch.clean["y"]).float()
        return Loss((networks["critic"](pool).float().square().mean() - real.mean() + real.square().mean()) * _spoiler(step, "judge"))


class Net(nn.Sequential):
    def __init__(self, inside: int) -> None:
        super().__init__(nn.Linear(inside, WIDTH), nn.BatchNorm1d(WIDTH), nn.Dropout(0.2), nn.Tanh(), nn.Linear(WIDTH, 1))


def _spoiler(step: int, player: str = "") -> float:
    """GESSO_TOY_SPOIL is "step[:nan|inf|number[:player]]"."""
    plan = os.environ.get("GESSO_TOY_SPOIL", "").split(":")
    if plan[0].isdigit() and int(plan[0]) == step and (plan[2] if len(plan) > 2 else "") == player:
        return float(plan[1] if len(plan) > 1 else "nan")
    return 1.0


def card(name: str) -> Card:
    slot = Slot(name="guess", kind=Guess, help=BOTH, drop=0.3)
    return Card(
        name=name, title=BOTH, summary=BOTH, conditions=(slot,), outputs=(Out(name="y", medium="number", help=BOTH),), licence="MIT"
    )


def one_player(num_steps: int = 30, **options: Any) -> Recipe:
    stage = Stage(
        "fit", Regress(), {"net": Optimiser(rate=1e-2, warmup=5, decay=0.01)}, lambda folder, split: Numbers(), num_steps, 4, **options
    )
    return Recipe(
        card("toy"),
        {"small": {"width": WIDTH}},
        lambda preset: {"net": Net(5)},
        lambda preset: Regress(),
        lambda preset: (stage,),
        ("net",),
    )


def two_players(num_steps: int = 30, **options: Any) -> Recipe:
    trains = {"net": Optimiser(rate=1e-2, warmup=5), "critic": Optimiser(rate=2e-2, warmup=0, betas=(0.0, 0.9))}
    stage = Stage("duel", Duel(), trains, lambda folder, split: Numbers(), num_steps, 4, look_every=3, **options)
    return Recipe(
        card("duel"),
        {"small": {"width": WIDTH}},
        lambda preset: {"net": Net(5), "critic": Net(1)},
        lambda preset: Duel(),
        lambda preset: (stage,),
        ("net",),
    )


HERE = Path(__file__)
recipe = two_players()
