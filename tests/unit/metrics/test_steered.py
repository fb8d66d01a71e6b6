"""The measurement of class-conditional models, on models with known outputs."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch import nn

from gesso.card import Card, Out, Settings, Slot
from gesso.conditions.known import Known
from gesso.conditions.label import Label
from gesso.families.family import Output
from gesso.metrics.steered import make_many, measure_steered
from gesso.ports import Frame

SIZE = (8, 8)
WORDS = {"en": "x", "ko": "x"}


class Chosen(Settings):
    num_steps: int = 4
    guidance_scale: float = 1.0
    solver: str = "heun"


CARD = Card(
    name="toy",
    title=WORDS,
    summary=WORDS,
    conditions=(
        Slot(name="label", kind=Label, help=WORDS, options={"classes": ("dark", "light")}),
        Slot(name="known", kind=Known, help=WORDS, options={"size": SIZE, "channels": 1}),
    ),
    outputs=(Out(name="image", medium="picture", help=WORDS),),
    settings=Chosen,
)


class Paints:
    """Paints the class's brightness and a little of the item's own noise; `wrong` of ten pictures are of the other class."""

    def __init__(self, wrong: int = 0) -> None:
        self.wrong, self.asked = wrong, []

    def sample(self, networks, inputs, rng, settings):
        light = inputs.ports.vector[:, 1].clone()
        for row, item in enumerate(inputs.items):
            if item % 10 < self.wrong:
                light[row] = 1 - light[row]
        self.asked.append((settings.solver, settings.num_steps, settings.guidance_scale, len(inputs.items)))
        image = (light - 0.5)[:, None, None, None].expand(inputs.shape) + torch.tensor([0.01 * (i % 7) for i in inputs.items])[
            :, None, None, None
        ]
        yield Output({"image": image * 0}, final=False)
        yield Output({"image": image})


class Sees(nn.Module):
    def pooled(self, x):
        return torch.stack([x.mean((1, 2, 3)), x[:, 0, 0].mean(-1)], 1)

    def forward(self, x):
        bright = x.mean((1, 2, 3))
        return torch.stack([-bright, bright], 1)


class Real:
    name: ClassVar[str] = "real"

    def __len__(self) -> int:
        return 120

    def item(self, index: int, rng: Any) -> dict[str, Any]:
        label = index % 2
        return {"picture": np.full(SIZE, (64 if label == 0 else 191) + index % 5, np.uint8), "label": label}


def model(family: Paints) -> Any:
    recipe = SimpleNamespace(
        family=lambda preset: family,
        frames=lambda request, preset: [Frame(SIZE)],
        shape=lambda request, frame, preset: (1, 1, *frame.size),
        known={},
    )
    return SimpleNamespace(card=CARD, assembled=SimpleNamespace(recipe=recipe, preset=None, networks={}, state={}))


JUDGE = SimpleNamespace(network=Sees(), assembled=SimpleNamespace(hashes={"toy_judge": "abc"}))


def test_class_agreement_is_reported_with_its_n():
    family = Paints(wrong=3)
    report = measure_steered(model(family), JUDGE, Real(), {"runs": "euler:2,heun:2", "guidance": "1,4", "num": 100})
    assert report["n"] == 100 and report["judge"] == {"toy_judge": "abc"}
    steps = report["by steps, guidance 1"]
    assert [(row["solver"], row["steps"], row["evaluations"]) for row in steps] == [("euler", 2, 2), ("heun", 2, 3)]
    assert [row["class obeyed"] for row in steps] == [pytest.approx(0.7)] * 2
    scales = report["by guidance, heun with 4 steps"]
    assert [row["guidance"] for row in scales] == [1, 4]
    assert {asked[:3] for asked in family.asked} == {("euler", 2, 1.0), ("heun", 2, 1.0), ("heun", 4, 1.0), ("heun", 4, 4.0)}


def test_a_better_model_has_a_smaller_distance():
    good, bad = (measure_steered(model(Paints(wrong)), JUDGE, Real(), {"runs": "euler:1", "guidance": "1"}) for wrong in (0, 5))
    assert good["by steps, guidance 1"][0]["class obeyed"] == 1
    assert good["by steps, guidance 1"][0]["fd_gesso"] < 0.05
    assert bad["by steps, guidance 1"][0]["class obeyed"] == pytest.approx(0.5)
    assert bad["by steps, guidance 1"][0]["diversity over real"] > good["by steps, guidance 1"][0]["diversity over real"]


def test_known_pixels_are_kept_to_the_bit():
    report = measure_steered(model(Paints()), JUDGE, Real(), {"runs": "euler:1", "guidance": "1", "num": 40})
    known = report["known"]
    assert known["pixels kept to the bit"] == 1 and 20 < known["n"] <= 40
    assert known["mean difference there before they are put back, of 255"] > 0


def test_the_batch_size_changes_nothing():
    asked = [{"label": Label(name="dark")}] * 205
    family = Paints()
    many = make_many(model(family), asked, Chosen(), 0)
    assert len(many) == 205 and [a[3] for a in family.asked] == [100, 100, 5]
    assert (many[101] == make_many(model(Paints()), asked[:102], Chosen(), 0)[101]).all()
