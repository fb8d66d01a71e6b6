"""moon: a phase of the moon, painted by a coordinate network. A whole recipe outside the package, to copy and change.

    gesso train ./examples/my_recipe.py --out runs/moon --minutes 1
    gesso generate ./examples/my_recipe.py --weights runs/moon --phase 0.3 --out moon.png

It has what a recipe can have: a condition kind of its own (`Dial`), a dataset that it makes itself, a network, a family
and a card. Inside the package each would be a file of its own where others can use it: see CONTRIBUTING.md.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import torch
from torch import Tensor, nn

from gesso.card import Card, Out, Slot
from gesso.conditions.condition import Clean, Condition, Truth
from gesso.errors import GessoError
from gesso.families.family import Batch, Inputs, Loss, Networks, Output, Phase
from gesso.ports import Frame, Ports, PortSizes
from gesso.recipes.recipe import Optimiser, Recipe, Stage


class Dial(Condition):
    """How far a dial is turned, from 0 to 1."""

    kind: ClassVar[str] = "dial"
    value: float

    @classmethod
    def read(cls, given: Any, *, where: str, options: Mapping[str, Any]) -> Self:
        try:
            value = float(given["value"] if isinstance(given, Mapping) else given)
        except (TypeError, ValueError, KeyError):
            value = math.nan
        if not 0 <= value <= 1:
            raise GessoError(f"{given!r} is no place on a dial", where=where, fix="a number from 0 to 1")
        return cls(value=value)

    @classmethod
    def sizes(cls, options: Mapping[str, Any]) -> PortSizes:
        return PortSizes(vector=2)

    @classmethod
    def encode(cls, values: Sequence[Self | None], frame: Frame) -> Ports:
        """vector [b 2]: the value, and 1 where there is one."""
        return Ports(vector=torch.tensor([[0.0, 0.0] if v is None else [v.value, 1.0] for v in values]))

    @classmethod
    def simulate(cls, clean: Clean, rng: np.random.Generator, budget: float, given: Any = None) -> tuple[Self, Truth]:
        """A person turns the dial to about the right place: the less effort, the farther off."""
        slip = rng.normal(0, 0.01) * (1 - budget)
        return cls(value=float(np.clip(clean["phase"] + slip, 0, 1))), {"phase": clean["phase"]}


class Moons:
    """A ball lit from all sides in turn: 0 is new, 0.5 is full. `image` [1 h w] in [-1, 1], `phase` in [0, 1)."""

    name, licence = "moons", "made here"

    def __init__(self, split: str, size: int, num: int = 512) -> None:
        self.size, self.num, self.shift = size, num, 0.0 if split == "train" else 0.5

    def __len__(self) -> int:
        return self.num

    def item(self, index: int, rng: np.random.Generator) -> Mapping[str, Any]:
        phase = (index + self.shift) / self.num
        y, x = (np.mgrid[: self.size, : self.size] + 0.5) / self.size * 2.4 - 1.2
        height = np.sqrt(np.maximum(0, 1 - x**2 - y**2))
        light = np.maximum(0, x * math.sin(2 * math.pi * phase) - height * math.cos(2 * math.pi * phase)) * (height > 0)
        return {"image": (light[None] * 2 - 1).astype(np.float32), "phase": phase}

    def stack(self, items: Sequence[Mapping[str, Any]]) -> dict[str, Tensor]:
        return {"image": torch.from_numpy(np.stack([item["image"] for item in items]))}


class Field(nn.Module):
    """Places [n 2] in [-1, 1] and a vector [b d] → values [b n]."""

    def __init__(self, vector: int, width: int) -> None:
        super().__init__()
        self.register_buffer("waves", torch.arange(1, 5) * math.pi / 2)
        self.layers = nn.Sequential(nn.Linear(18 + 9 * vector, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU(), nn.Linear(width, 1))

    def forward(self, places: Tensor, vector: Tensor) -> Tensor:
        inputs = torch.cat([places.expand(len(vector), -1, -1), vector[:, None].expand(-1, len(places), -1)], -1)
        angles = (inputs[..., None] * self.waves).flatten(-2)
        return self.layers(torch.cat([inputs, angles.sin(), angles.cos()], -1))[..., 0]


@dataclass(frozen=True)
class Coordinates:
    """Learns a picture as a function of place; makes one at any size."""

    def phases(self, step: int) -> Sequence[Phase]:
        return (Phase("paint", ("field",)),)

    def prepare(self, networks: Networks, dataset: Any, rng: torch.Generator) -> nn.Module:
        return nn.Module()

    def paint(self, networks: Networks, vector: Tensor, height: int, width: int) -> Tensor:
        y, x = torch.meshgrid(torch.linspace(-1, 1, height), torch.linspace(-1, 1, width), indexing="ij")
        places = torch.stack([x, y], -1).reshape(-1, 2).to(vector.device)
        return networks["field"](places, vector).reshape(-1, 1, height, width)

    def loss(self, phase: Phase, networks: Networks, batch: Batch, state: nn.Module, step: int, rng: torch.Generator) -> Loss:
        image, vector = batch.clean["image"], batch.ports.vector
        assert vector is not None, "the card has a dial"
        return Loss((self.paint(networks, vector, *image.shape[2:]).float() - image).square().flatten(1).mean(1))

    def propose(self, networks: Networks, batch: Batch, rng: torch.Generator) -> None:
        return None

    def sample(self, networks: Networks, inputs: Inputs, rng: torch.Generator, settings: Any) -> Iterator[Output]:
        assert inputs.ports.vector is not None, "the card has a dial"
        yield Output({"image": self.paint(networks, inputs.ports.vector, *inputs.shape[2:]).clamp(-1, 1)})


@dataclass(frozen=True)
class Preset:
    """How large: pixels across, channels, steps."""

    size: int
    width: int
    num_steps: int


card = Card(
    name="moon",
    title={"en": "A phase of the moon", "ko": "달의 위상"},
    summary={"en": "Turn a dial, get a moon.", "ko": "다이얼을 돌리면 그만큼 찬 달이 나옵니다."},
    conditions=(
        Slot(
            name="phase",
            kind=Dial,
            required=True,
            title={"en": "Phase", "ko": "위상"},
            help={"en": "0 is new, 0.5 is full", "ko": "0은 그믐, 0.5는 보름"},
        ),
    ),
    outputs=(Out(name="image", medium="picture", help={"en": "the moon", "ko": "달 그림"}),),
    limits={"en": "Knows one moon and one sun.", "ko": "달 하나와 해 하나만 압니다."},
    licence="Apache-2.0",
    data="made by the recipe itself",
    example="gesso generate ./examples/my_recipe.py --weights runs/moon --phase 0.3 --out moon.png",
)

recipe = Recipe(
    card=card,
    presets={"tiny": Preset(16, 32, 200), "small": Preset(48, 64, 2000)},
    build=lambda preset: {"field": Field(card.port_sizes().vector, preset.width)},
    family=lambda preset: Coordinates(),
    stages=lambda preset: (
        Stage(
            name="paint",
            family=Coordinates(),
            trains={"field": Optimiser(rate=3e-3)},
            data=lambda folder, split: Moons(split, preset.size),
            num_steps=preset.num_steps,
            batch_size=16,
            average=0.99,
        ),
    ),
    keeps=("field",),
    shape=lambda request, frame, preset: (1, 1, preset.size, preset.size),
)
