"""What a training writes while it runs: the weights with their card, and pictures of examples."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from gesso.card import Slot
from gesso.datasets.dataset import Dataset
from gesso.errors import GessoError
from gesso.families.family import STATE, Batch, Inputs, Samples
from gesso.media.tensor import from_tensor
from gesso.metrics.agreement import features_of
from gesso.ports import Ports
from gesso.recipes.recipe import Recipe, Stage
from gesso.training import checkpoint
from gesso.training.batch import BatchMaker
from gesso.training.learner import Learner
from gesso.training.picture import sample_sheet
from gesso.verbs.assemble import assemble
from gesso.weights.store import read_weights, save_weights

NUM_SHOWN = 8
NUM_JUDGED, MIN_JUDGED, JUDGED_AT_ONCE = 256, 64, 32
JUDGE, JUDGE_ROLE = "cifar_classifier", "classifier"


def slots_of(recipe: Recipe, stage: Stage) -> list[Slot]:
    """The card's conditions that a stage simulates."""
    if stage.conditions is None:
        return list(recipe.card.conditions)
    return [recipe.card.slot(name) for name in stage.conditions]


def exporter(
    recipe: Recipe, path: Path | Callable[[int], Path], origin: Mapping[str, Any], before: Sequence[Learner], dataset: Dataset
) -> Callable[[Learner], None] | None:
    """A function that writes the averaged weights of the roles that the recipe keeps, in half precision, atomically.

    `path` is the file's, or gives it for the number of steps.
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
        file = path(steps) if callable(path) else path
        if not _holds(file, states, card):
            file.parent.mkdir(parents=True, exist_ok=True)
            save_weights(file, states, card)

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
        if not made:
            made.extend(_examples(recipe, stage, stage.data(data, "val"), seed, NUM_SHOWN, 1)[0])
        batch, null = made
        with _evaluating(networks) as device:
            shown = None if recipe.preview is None else recipe.preview(networks, batch.to(device), stage.family)
            if shown is not None:
                return np.asarray(shown)
            media = _sampled(recipe, stage, told, batch, null, seed)
            return sample_sheet(media) if media else None

    return show


def judger(recipe: Recipe, stage: Stage, data: Path | None, seed: int) -> Callable[[Mapping[str, nn.Module]], Mapping[str, float]] | None:
    """A function that measures samples for held-out examples by the stage's `figures`; None where it has none.

    Features are those of `cifar_classifier`. Where fewer than 64 pictures are held out, training pictures stand in for them.
    """
    figures = stage.figures
    if figures is None:
        return None
    kept: list[Any] = []

    def judge(told: Mapping[str, nn.Module]) -> Mapping[str, float]:
        if not kept:
            held = stage.data(data, "dev")
            dataset = held if len(held) >= MIN_JUDGED else stage.data(data, "train")
            batches = _examples(recipe, stage, dataset, seed, JUDGED_AT_ONCE, -(-min(NUM_JUDGED, len(dataset)) // JUDGED_AT_ONCE))
            network: Any = assemble(JUDGE).networks[JUDGE_ROLE]
            true = [from_tensor(one) for batch, _ in batches for one in _pictures(batch.clean)]
            kept.extend([batches, true, lambda pictures: features_of(network, pictures)])
        batches, true, features = kept
        made: list[np.ndarray] = []
        with _evaluating({role: network for role, network in told.items() if role != STATE}):
            for number, (batch, null) in enumerate(batches):
                media = _sampled(recipe, stage, told, batch, null, seed, first=number * JUDGED_AT_ONCE) or {}
                made += [from_tensor(one) for one in _pictures(media)]
        return figures(made, true, features)

    return judge


def _pictures(values: Mapping[str, Any]) -> Tensor:
    """The first batch of pictures among media or clean tensors, [b c h w] in [-1, 1]."""
    return next(value for value in values.values() if isinstance(value, Tensor) and value.ndim == 4 and value.shape[1] in (1, 3))


def _examples(recipe: Recipe, stage: Stage, dataset: Dataset, seed: int, size: int, num: int) -> list[tuple[Batch, Ports]]:
    """`num` batches of `size` examples with their conditions, none of them dropped, and the ports of nothing given."""
    slots = [slot.model_copy(update={"drop": 0.0}) for slot in slots_of(recipe, stage)]
    maker = BatchMaker(dataset, slots, min(size, len(dataset)), seed, stage.frame, facts=recipe.known)
    drafts = [maker.clean_batch(number) for number in range(num)]
    return [(maker.with_conditions(draft), maker.null(draft)) for draft in drafts]


@contextmanager
def _evaluating(networks: Mapping[str, nn.Module]) -> Iterator[torch.device]:
    """Networks in eval mode and no gradients, on the device that is given back; afterwards as before."""
    modes = {role: network.training for role, network in networks.items()}
    try:
        for network in networks.values():
            network.eval()
        with torch.no_grad():
            yield next((p.device for network in networks.values() for p in network.parameters()), torch.device("cpu"))
    finally:
        for role, network in networks.items():
            network.train(modes[role])


def _sampled(
    recipe: Recipe, stage: Stage, told: Mapping[str, nn.Module], batch: Batch, null: Ports, seed: int, first: int = 0
) -> Mapping[str, Any] | None:
    """The media that the stage's family samples for a batch, as the items from `first` on; None where it makes none."""
    networks = {role: network for role, network in told.items() if role != STATE}
    device = next((p.device for network in networks.values() for p in network.parameters()), torch.device("cpu"))
    shape = next((tuple(v.shape) for v in batch.clean.values() if v.ndim == 4), None)
    if shape is None or not isinstance(stage.family, Samples):
        return None
    state = told[STATE].state_dict() if STATE in told else {}
    ports, nothing = batch.to(device).ports, null.map(lambda t: t.to(device))
    inputs = Inputs(ports, nothing, shape, range(first, first + shape[0]), state, recipe.known)
    outputs = stage.family.sample(networks, inputs, torch.Generator().manual_seed(seed), recipe.card.settings())
    last = [output for output in outputs if output.final]
    return last[-1].media if last else None
