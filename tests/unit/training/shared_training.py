"""A training for test_ranks.py: `python shared_training.py FOLDER STEPS [ACCUMULATE]`, alone or under torchrun."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import torch
import toy
from torch import nn

from gesso.families.flow import Flow
from gesso.recipes.recipe import Gradient, Optimiser, Recipe, Stage
from gesso.training.device import Device
from gesso.verbs import train as verb


class Velocity(nn.Module):
    """A velocity of vectors, without parts that mix a batch or draw numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(6, 32), nn.Tanh(), nn.Linear(32, 3))

    def forward(self, x: torch.Tensor, t: torch.Tensor, ports: Any) -> torch.Tensor:
        return self.layers(torch.cat([x, t[:, None], ports.vector], 1))


def recipe(num_steps: int, accumulate: int) -> Recipe:
    family = Flow(clean="x")
    options = {"gradient": Gradient(accumulate=accumulate)}
    stage = Stage("flow", family, {"velocity": Optimiser(warmup=2)}, lambda folder, split: toy.Numbers(), num_steps, 6, **options)
    return Recipe(
        toy.card("toy"),
        {"small": None},
        lambda preset: {"velocity": Velocity()},
        lambda preset: family,
        lambda preset: (stage,),
        ("velocity",),
    )


if __name__ == "__main__":
    verb.choose = lambda name: Device(torch.device("cpu"), None, False, "float32, so that only the order of sums differs")
    out, num_steps, accumulate = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    result = verb.train(recipe(num_steps, accumulate), out=out, quiet=True, log_every=5, checkpoint_every=5, sample_every=0)
    print(result.steps, result.reason)
