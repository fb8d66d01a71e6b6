"""A recipe of a small table, for tests of the seams: facts of the data, two frozen parents of one recipe, the family's state, and a fit.

Its network predicts a row's number from a label whose names only the data know; `fit` learns an own set of weights.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from gesso.card import Card, Out, Settings, Slot
from gesso.conditions.label import Label
from gesso.families.family import Batch, Inputs, Loss, Networks, Output, Phase
from gesso.recipes.recipe import Optimiser, Recipe, Stage

BOTH = {"en": "rows", "ko": "행"}


class Rows:
    """Four rows a class, whose number is the class's; the classes are the lines of names.txt, or three of its own."""

    name, licence = "rows", "CC0-1.0"

    def __init__(self, folder: Path | None) -> None:
        self.classes = ["red", "green", "blue"] if folder is None else (folder / "names.txt").read_text().split()

    def __len__(self) -> int:
        return 4 * len(self.classes)

    def item(self, index: int, rng: np.random.Generator) -> Mapping[str, Any]:
        return {"label": index % len(self.classes), "value": np.float32(index % len(self.classes))}

    def stack(self, items: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        return {"value": torch.tensor([[float(item["value"])] for item in items])}


class Means:
    """Least squares, with a count of what it has seen; `fit` sets the network to the mean of the data."""

    def phases(self, step: int) -> Sequence[Phase]:
        return (Phase("fit", ("net",)),)

    def prepare(self, networks: Networks, dataset: Any, rng: torch.Generator) -> nn.Module:
        state = nn.Module()
        state.register_buffer("seen", torch.zeros(1))
        return state

    def loss(self, phase: Phase, networks: Networks, batch: Batch, state: Any, step: int, rng: torch.Generator) -> Loss:
        state.seen += len(batch)
        return Loss((networks["net"](batch.ports.vector) - batch.clean["value"]).square().mean(1))

    def propose(self, networks: Networks, batch: Batch, rng: torch.Generator) -> None:
        return None

    def sample(self, networks: Networks, inputs: Inputs, rng: torch.Generator, settings: Any) -> Iterator[Output]:
        told = networks["net"](inputs.ports.vector)
        parents = sum(float(network.weight.detach().sum()) for role, network in networks.items() if role in ("left", "right"))
        seen = inputs.state.get("seen", torch.zeros(1))
        yield Output({"number": {"value": float(told[0, 0]), "seen": float(seen[0]), "parents": parents, "facts": dict(inputs.facts)}})

    def fit(self, networks: Networks, inputs: Inputs, rng: torch.Generator, settings: Any) -> Iterator[Output]:
        assert torch.is_grad_enabled()
        values = torch.tensor([float(inputs.data.item(n, None)["value"]) for n in range(len(inputs.data))])
        state = {name: torch.zeros_like(value) for name, value in networks["net"].state_dict().items()}
        state["bias"] = values.mean().reshape(1)
        label = Label(name=inputs.data.classes[-1])
        yield Output({"number": {}}, final=False, step=1, num_steps=2, weights={"net": networks["net"].state_dict()})
        yield Output({"number": {"value": float(values.mean())}}, step=2, num_steps=2, weights={"net": state}, values={"label": label})


def _card(name: str) -> Card:
    slot = Slot(name="label", kind=Label, title=BOTH, help=BOTH, facts={"classes": "classes"})
    outs = (Out(name="number", medium="number", help=BOTH),)
    return Card(name=name, title=BOTH, summary=BOTH, conditions=(slot,), outputs=outs, settings=Settings, licence="MIT")


def table(name: str = "table", *, uses: Mapping[str, str] | None = None, trained: bool = True) -> Recipe:
    stage = Stage("fit", Means(), {"net": Optimiser(rate=0.1, warmup=0)}, lambda folder, split: Rows(folder), 4, 6, average=0.0)
    return Recipe(
        card=_card(name),
        presets={"small": None},
        build=lambda preset, facts: {"net": nn.Linear(len(facts["classes"]) + 1, 1)},
        family=lambda preset: Means(),
        stages=lambda preset: (stage,) if trained else (),
        keeps=("net", "family") if trained else ("net",),
        uses=uses or {},
        facts=lambda dataset: {"classes": dataset.classes},
        data=lambda folder, split: Rows(folder),
    )
