"""Gesso's own loop: `gesso.train` as anybody calls it. Under torchrun, the first process talks to the bench."""

from __future__ import annotations

import dataclasses
import os
from typing import Any

from work import FAR, Gate, asked

import gesso
from gesso import recipes
from gesso.training import device


def with_batch(name: str, batch: int | None) -> Any:
    """The recipe, with batches of another size."""
    recipe = recipes.find(name)
    if batch is None:
        return recipe
    return dataclasses.replace(recipe, stages=lambda preset: [dataclasses.replace(one, batch_size=batch) for one in recipe.stages(preset)])


def main() -> None:
    given = asked()
    leads = os.environ.get("RANK", "0") == "0"
    gate = Gate() if leads else None
    if gate is not None and gate.ready(numbers=device.choose("cpu").reason):
        return
    gesso.train(
        with_batch(given.recipe, given.batch), preset=given.preset, data=given.data, out=given.folder, steps=FAR, threads=given.threads,
        device="cpu", quiet=True, checkpoint_every=0, sample_every=0, stop=gate.stepped if gate is not None else None,
    )  # fmt: skip


if __name__ == "__main__":
    main()
