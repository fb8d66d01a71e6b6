"""What a training writes while it runs: the weights with their card, and pictures of examples."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from gesso.card import Slot
from gesso.datasets.dataset import Dataset
from gesso.errors import GessoError
from gesso.families.family import STATE, Inputs, Samples
from gesso.recipes.recipe import Recipe, Stage
from gesso.training import checkpoint
from gesso.training.batch import BatchMaker
from gesso.training.learner import Learner
from gesso.training.picture import sample_sheet
from gesso.weights.store import read_weights, save_weights

NUM_SHOWN = 8


def slots_of(recipe: Recipe, stage: Stage) -> list[Slot]:
    """The card's conditions that a stage simulates."""
    if stage.conditions is None:
        return list(recipe.card.conditions)
    return [recipe.card.slot(name) for name in stage.conditions]


def exporter(
    recipe: Recipe, path: Path, origin: Mapping[str, Any], before: Sequence[Learner], dataset: Dataset
) -> Callable[[Learner], None] | None:
    """A function that writes the averaged weights of the roles that the recipe keeps, in half precision, atomically.

    A file that holds the same weights stays as it is, since records name its hash. None where the recipe keeps nothing.
    """
    if not recipe.keeps:
        return None

    def export(learner: Learner) -> None:
        steps, seconds = sum(t.step for t in before) + learner.step, sum(t.seconds for t in before) + learner.seconds
        card = {
            **origin,
            "data": origin["folder"] or dataset.name,
            "licence": dataset.licence,
            "steps": steps,
            "seconds": round(seconds, 3),
        }
        del card["folder"]
        states = {role: learner.export_networks[role].state_dict() for role in recipe.keeps if role != STATE}
        if STATE in recipe.keeps:  # of all stages: each has a family of its own
            states[STATE] = {name: value for one in (*before, learner) for name, value in one.family.state_dict().items()}
        if not _holds(path, states, card):
            save_weights(path, states, card)

    return export


def _holds(path: Path, states: Mapping[str, Mapping[str, Tensor]], card: Mapping[str, Any]) -> bool:
    """Does the file hold these weights, of the same training."""
    if not path.is_file():
        return False
    try:
        held = read_weights(path)
    except GessoError:
        return False
    if any(held.card.get(key) != card[key] for key in ("recipe", "preset", "seed", "steps", "data")):
        return False
    return held.states.keys() == states.keys() and all(
        held.states[role].keys() == state.keys() and all(_same(held.states[role][name], value) for name, value in state.items())
        for role, state in states.items()
    )


def _same(stored: Tensor, value: Tensor) -> bool:
    return torch.equal(value.detach().to("cpu").to(stored.dtype), stored)


def later_exported(recipe: Recipe, preset: Any, stage: Stage, folder: Path) -> bool:
    """Has a later stage in this folder exported weights, so that those of `stage` are no longer the newest."""
    names = [one.name for one in recipe.stages(preset)]
    later = names[names.index(stage.name) + 1 :]
    return (folder / "weights.safetensors").is_file() and any(checkpoint.steps(folder / name / "checkpoints") for name in later)


def shower(recipe: Recipe, stage: Stage, data: Path | None, seed: int) -> Callable[[Mapping[str, nn.Module], int], np.ndarray | None]:
    """A function that draws the same few validation examples each time, with the recipe's preview or else by sampling the family."""
    made: list[Any] = []

    def show(told: Mapping[str, nn.Module], step: int) -> np.ndarray | None:
        networks = {role: network for role, network in told.items() if role != STATE}
        device = next((p.device for network in networks.values() for p in network.parameters()), torch.device("cpu"))
        if not made:
            dataset = stage.data(data, "val")
            slots = [slot.model_copy(update={"drop": 0.0}) for slot in slots_of(recipe, stage)]
            maker = BatchMaker(dataset, slots, min(NUM_SHOWN, len(dataset)), seed, stage.frame, facts=recipe.known)
            draft = maker.clean_batch(0)
            made.extend([maker.with_conditions(draft).to(device), maker.null(draft).map(lambda t: t.to(device))])
        batch, null = made
        modes = {role: network.training for role, network in networks.items()}
        try:
            for network in networks.values():
                network.eval()
            with torch.no_grad():
                if recipe.preview is not None:
                    return np.asarray(recipe.preview(networks, batch))
                shape = next((tuple(v.shape) for v in batch.clean.values() if v.ndim == 4), None)
                if shape is None:
                    return None
                state = told[STATE].state_dict() if STATE in told else {}
                inputs = Inputs(batch.ports, null, shape, range(shape[0]), state, recipe.known)
                if not isinstance(stage.family, Samples):
                    return None
                outputs = stage.family.sample(networks, inputs, torch.Generator().manual_seed(seed), recipe.card.settings())
                last = [output for output in outputs if output.final]
                return sample_sheet(last[-1].media) if last else None
        finally:
            for role, network in networks.items():
                network.train(modes[role])

    return show
