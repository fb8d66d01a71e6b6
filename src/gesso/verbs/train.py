"""Train: a recipe's stages in order, to averaged weights with their card, a log and checkpoints; a stopped run continues."""

from __future__ import annotations

import dataclasses
import json
import math
import platform
import shlex
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

import gesso
from gesso import recipes
from gesso.datasets.dataset import Dataset, describe_left_out
from gesso.datasets.folder_check import check_folder
from gesso.errors import GessoError
from gesso.media.file import REASONS, write_atomic
from gesso.number import whole
from gesso.person import OWN, Person, trainers
from gesso.recipes.recipe import Gradient, Recipe, Stage
from gesso.record import commit
from gesso.request import MAX_SEED
from gesso.storage.lock import locked
from gesso.training import checkpoint, fault_injection
from gesso.training.config import architecture_hash, as_json, content_hash
from gesso.training.device import Device, choose, keep_memory, use_threads
from gesso.training.interrupt import Interrupt
from gesso.training.learner import Learner
from gesso.training.loop import Intervals, Loop, TrainingPlan
from gesso.training.ranks import Ranks, joined
from gesso.verbs.assemble import Assembled, GivenWeights, assemble, weights_file
from gesso.verbs.data import find_data
from gesso.verbs.training_outputs import exporter, judger, later_exported, shower, slots_of
from gesso.weights.store import load_into, read_weights, shipped

OWN_FILES = ("log.jsonl", "config.json", "curve.png", "weights.safetensors", "best.safetensors")
HISTORY = "history"  # the folder of weights at 1, 2, 4, 8, … checkpoints, for curves over a training
OWN_FOLDERS = ("samples", "tensorboard", HISTORY)


@dataclass(frozen=True)
class TrainResult:
    """Paths of the weights and the log, steps and seconds of the run in total, and the reason why it ended."""

    weights: Path
    log: Path
    steps: int
    seconds: float
    reason: str  # "done", "minutes", "no better", "stopped", or the signal's name

    @property
    def done(self) -> bool:
        return self.reason == "done"


def train(
    recipe: Recipe | str | Path,
    *,
    data: Path | str | None = None,
    out: Path | str,
    preset: str | None = None,
    steps: int | None = None,
    minutes: float | None = None,
    seed: int = 0,
    fresh: bool = False,
    stage: str | None = None,
    threads: int | None = None,
    device: str | None = None,
    begin: Path | str | None = None,
    weights: GivenWeights = None,
    quiet: bool = False,
    patience: int | None = None,
    people: Any = None,
    log_every: int = 20,
    sample_every: int = 500,
    checkpoint_every: int = 500,
    stop: Callable[[], bool] | None = None,
) -> TrainResult:
    """Train `recipe` into the folder `out`: weights with their card, a log of losses and metrics, samples, checkpoints.

    A run that was stopped continues, unless `fresh` removes it first. `data` is the folder of examples, or its name (`gesso data`);
    recipes that make their own need none. `steps` overrides each stage's own number, and schedules stretch over it. `minutes` ends
    the run at a step, as Ctrl-C does, and as `stop` does, which is called after each step; continuing later gives the same bits as
    not stopping, on the same machine with the same number of threads. `stage` is the last one trained. `begin` is the weights file
    or run from which the networks start ("shipped": the package's own); `weights` are those of frozen parents, by role. `device` is
    as for `generate`. `patience` ends a run whose own figure, of samples at each `sample_every`, was no better than before for so
    many looks; best.safetensors holds the weights that had the best, and the folder history those at 1, 2, 4, 8, … checkpoints.
    `people` are who gives the conditions, each as many examples: names of the library, .toml or .json files, Person objects, and "own"
    for the conditions' own simulated users, who are the default.
    Started by `torchrun`, the processes share each batch, and the first one writes the files.
    GessoError where the folder holds another training, the disk is full, or the training diverges repeatedly; weights and
    checkpoints written before stay.
    """
    began = time.monotonic()
    intervals = Intervals(log_every, sample_every, checkpoint_every)
    looks = None if patience is None else whole(patience, where="--patience", low=1)
    start = Start(begin, weights, device, looks, trainers(people))
    run = _begin(recipes.find(recipe), data, out, preset, steps, minutes, seed, stage, threads, intervals, quiet, start)
    learners: list[Learner] = []
    reason, log = "done", run.folder / "log.jsonl"
    with joined() as ranks, _owned(run.folder, ranks), Interrupt(stop=stop) as interrupt:
        if ranks.leads:
            checkpoint.remove_leftovers(run.folder)
            if fresh:
                _clear(run.folder, run.stages)
        ranks.wait()
        for one in run.stages:
            plan = _plan(run, one, learners, ranks)
            loop = Loop(plan)
            _report_left_out(plan.dataset, loop)
            _report_folder(run, one, loop)
            if ranks.leads:
                _save_config(plan.folder, plan.config)
            reason = loop.run(deadline=None if minutes is None else began + 60 * minutes, interrupt=interrupt)
            learners.append(loop.learner)
            log = plan.folder / "log.jsonl"
            if reason != "done":
                loop.progress.say(f"stopped at step {loop.learner.step} of {one.num_steps}, saved; the same command continues")
                break
            _use_averaged(loop.learner, run.assembled.networks)
    seconds = sum(learner.seconds for learner in learners)
    return TrainResult(run.weights, log, sum(learner.step for learner in learners), seconds, reason)


@dataclass(frozen=True)
class Start:
    """Where a training starts: the weights that the networks `begin` from, the `weights` of frozen parents, and the device's name; and
    after how many looks without a better figure it ends (`patience`), and who gives the conditions (`people`)."""

    begin: Path | str | None = None
    weights: GivenWeights = None
    device: str | None = None
    patience: int | None = None
    people: tuple[Person | None, ...] = ()


@dataclass(frozen=True)
class _Run:
    """A training, checked and with its networks built. `origin` is the constant part of the weights' card."""

    assembled: Assembled
    stages: list[Stage]
    data: Path | None
    folder: Path
    seed: int
    steps: int | None
    num_threads: int
    device: Device
    intervals: Intervals
    origin: dict[str, Any]
    quiet: bool
    patience: int | None
    people: tuple[Person | None, ...]
    first: Dataset  # the first stage's examples
    begun_from: str  # sha256 of the weights that the networks began from, or ""

    @property
    def weights(self) -> Path:
        return self.folder / "weights.safetensors"


def _begin(
    recipe: Recipe,
    data: Path | str | None,
    out: Path | str,
    preset: str | None,
    steps: int | None,
    minutes: float | None,
    seed: int,
    last: str | None,
    threads: int | None,
    intervals: Intervals,
    quiet: bool,
    start: Start,
) -> _Run:
    """Check every value, then seed torch, build the networks and make the folder; GessoError before anything is written."""
    folder, source = Path(out), find_data(data)
    _check(folder, minutes)
    steps, threads = (None if n is None else whole(n, where=w, low=1) for n, w in ((steps, "--steps"), (threads, "--threads")))
    seed = whole(seed, where="--seed", low=0, high=MAX_SEED)
    stages = _stages(recipe, preset, steps, last)
    first = stages[0].data(source, "train")
    known = {} if recipe.facts is None else dict(as_json(recipe.facts(first)))
    num_threads = use_threads(threads)
    keep_memory()
    device = choose(start.device)
    fault_injection.wrap_os_calls()
    torch.manual_seed(seed)
    assembled = assemble(recipe, preset=preset, weights=start.weights, untrained=True, facts=known)
    begun_from = "" if start.begin is None else _begin_from(assembled, start.begin)
    origin = _origin(recipe, assembled.preset_name, source, folder, seed, steps, minutes)
    known = dict(assembled.recipe.known)  # with the parents'
    origin |= ({"facts": known} if known else {}) | ({"begun_from": begun_from} if begun_from else {})
    origin |= {"people": [OWN if one is None else one.name for one in start.people]} if start.people else {}
    _make_folder(folder)
    return _Run(
        assembled,
        stages,
        source,
        folder,
        seed,
        steps,
        num_threads,
        device,
        intervals,
        origin,
        quiet,
        start.patience,
        start.people,
        first,
        begun_from,
    )


def _begin_from(assembled: Assembled, place: Path | str) -> str:
    """Load the weights at `place` ("shipped": the package's) into the networks that a file of theirs holds; returns its sha256.

    GessoError where the file holds none of them, or other shapes.
    """
    recipe = assembled.recipe
    path = shipped(recipe.name, assembled.preset_name) if str(place) == "shipped" else weights_file(place)
    if path is None:
        raise GessoError(f"no trained weights of {recipe.name!r} are shipped", where="--begin", fix="give a file or a run's folder")
    held = read_weights(path)
    roles = [role for role in held.states if role in recipe.keeps and role in assembled.networks]
    if not roles:
        fix = f"give weights of {recipe.name}, or of a recipe with the same networks"
        raise GessoError(f"the file holds none of {', '.join(recipe.keeps)}", where=path, fix=fix)
    for role in roles:
        load_into(assembled.networks[role], held.states[role], where=f"{path}: {role}")
    return held.sha256


def _owned(folder: Path, ranks: Ranks) -> AbstractContextManager[Any]:
    """The lock on the run's folder, which the leading process holds."""
    return locked(folder) if ranks.leads else nullcontext()


def _plan(run: _Run, stage: Stage, before: Sequence[Learner], ranks: Ranks) -> TrainingPlan:
    """Everything that the loop needs to train one stage; `before` are the learners of earlier stages."""
    recipe, preset = run.assembled.recipe, run.assembled.preset
    dataset = run.first if stage is run.stages[0] else stage.data(run.data, "train")
    newest = not later_exported(recipe, preset, stage, run.folder)
    return TrainingPlan(
        stage=stage,
        networks=run.assembled.networks,
        keeps=recipe.keeps,
        dataset=dataset,
        slots=slots_of(recipe, stage),
        folder=run.folder if len(recipe.stages(preset)) == 1 else run.folder / stage.name,
        device=run.device,
        config=_config(run, stage, dataset),
        seed=run.seed,
        intervals=run.intervals,
        may_change=("threads", "numbers", *(("num_steps",) if run.steps is not None else ())),
        export=exporter(recipe, run.weights, run.origin, before, dataset) if newest else None,
        export_best=exporter(recipe, run.weights.with_name("best.safetensors"), run.origin, before, dataset) if newest else None,
        export_history=exporter(recipe, lambda step: run.folder / HISTORY / f"{step:09d}.safetensors", run.origin, before, dataset)
        if newest
        else None,
        show=shower(recipe, stage, run.data, run.seed),
        figures=judger(recipe, stage, run.data, run.seed),
        patience=run.patience,
        quiet=run.quiet,
        ranks=ranks,
        facts=recipe.known,
        people=run.people,
    )


def _check(out: Path, minutes: float | None) -> None:
    if out.exists() and not out.is_dir():
        raise GessoError("is a file, not a folder", where=out, fix="choose another --out")
    if minutes is not None and (isinstance(minutes, bool) or not 0 < minutes < math.inf):
        raise GessoError(f"must be more than 0, not {minutes}", where="--minutes")


def _stages(recipe: Recipe, preset: str | None, steps: int | None, last: str | None) -> list[Stage]:
    stages = list(recipe.stages(recipe.preset(preset)))
    if not stages:
        raise GessoError(f"{recipe.name} is not trained", where="recipe", fix=f"gesso fit {recipe.name} …")
    names = [one.name for one in stages]
    if last is not None:
        if last not in names:
            raise GessoError(f"{recipe.name} has no stage {last!r}", where="--stage", fix="one of " + ", ".join(names))
        stages = stages[: names.index(last) + 1]
    return stages if steps is None else [dataclasses.replace(one, num_steps=steps) for one in stages]


def _report_left_out(dataset: Dataset, loop: Loop) -> None:
    """Print which files the dataset leaves out."""
    left_out: Mapping[str, str] = getattr(dataset, "left_out", {})
    if left_out:
        num = f"{len(left_out)} file" + ("s" if len(left_out) > 1 else "")
        loop.progress.say(f"left out {num} that cannot be read: {describe_left_out(left_out)}; learning from the {len(dataset)} others")


def _report_folder(run: _Run, stage: Stage, loop: Loop) -> None:
    """Before the first step, print what was found in a folder of pictures, and what to do about it."""
    if stage is not run.stages[0] or run.quiet or run.data is None or not run.data.is_dir() or checkpoint.steps(loop.checkpoints):
        return
    found = check_folder(run.data)
    for line in found.sentences() if found is not None else ():
        loop.progress.say(line)


def _config(run: _Run, stage: Stage, dataset: Dataset) -> dict[str, Any]:
    """Everything that decides the run, as plain JSON; `threads` and `numbers` decide only its last bits."""
    assembled, device = run.assembled, run.device
    recipe, networks = assembled.recipe, assembled.networks
    conditions = [
        {"name": s.name, "kind": s.kind.kind, "drop": s.drop, "options": as_json(s.options)} for s in slots_of(recipe, stage) if s.network
    ]
    config = {
        "recipe": recipe.name,
        "preset": assembled.preset_name,
        "preset_values": as_json(assembled.preset),
        "stage": stage.name,
        "family": as_json(stage.family),
        "trains": as_json(stage.trains),
        "num_steps": stage.num_steps,
        "batch_size": stage.batch_size,
        "look_every": stage.look_every,
        "average": stage.average,
        "conditions": conditions,
        "networks": {role: architecture_hash(network) for role, network in sorted(networks.items())},
        "data": dataset.name,
        "num_examples": len(dataset),
        "content": content_hash(dataset),
        "seed": run.seed,
        "threads": run.num_threads,
        "numbers": f"{device.device.type} {device.autocast or torch.float32}".replace("torch.", ""),
    }
    if stage.gradient != Gradient():
        config["gradient"] = as_json(stage.gradient)
    if stage.gradients:
        config["gradients"] = as_json(stage.gradients)
    if run.people:
        config["people"] = [OWN if person is None else as_json(person) for person in run.people]
    if recipe.known:
        config["facts"] = dict(recipe.known)
    if run.begun_from:
        config["begun_from"] = run.begun_from
    if assembled.hashes:
        config["parents"] = dict(assembled.hashes)
    return dict(json.loads(json.dumps(config)))


def _origin(
    recipe: Recipe, preset_name: str, data: Path | None, out: Path, seed: int, steps: int | None, minutes: float | None
) -> dict[str, Any]:
    """The constant part of the weights' card. Absolute paths are shortened to their last part, so that no machine is named."""
    words = ["gesso", "train", recipe.name]
    given = {"data": data, "out": out, "preset": preset_name, "steps": steps, "minutes": minutes, "seed": seed}
    for flag, value in given.items():
        if value is not None:
            words += [f"--{flag}", _place(value) if isinstance(value, Path) else str(value)]
    return {
        "recipe": recipe.name,
        "preset": preset_name,
        "folder": data.resolve().name if data is not None else "",
        "model_licence": recipe.card.licence,
        "command": shlex.join(words),
        "seed": seed,
        "commit": commit(),
        "versions": {"gesso": gesso.__version__, "torch": torch.__version__, "numpy": np.__version__, "python": platform.python_version()},
        "figures": {},
    }


def _place(path: Path) -> str:
    return path.name if path.is_absolute() else path.as_posix()


def _use_averaged(learner: Learner, networks: Mapping[str, nn.Module]) -> None:
    """Load the averaged weights, from which the next stage starts."""
    for role, averaged in (learner.average.networks if learner.average else {}).items():
        networks[role].load_state_dict(averaged.state_dict())


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / ".lock").touch()
    except OSError as error:
        reason, fix = REASONS.get(error.errno or 0, ((error.strerror or "the system refused").lower(), None))
        raise GessoError(f"the folder cannot be written: {reason}", where=folder, fix=fix) from error


def _save_config(folder: Path, config: Mapping[str, Any]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    if not checkpoint.steps(folder / "checkpoints"):
        write_atomic(folder / "config.json", (json.dumps(config, indent=1) + "\n").encode())


def _clear(folder: Path, stages: Sequence[Stage]) -> None:
    """Remove what an earlier training wrote here, and nothing else."""
    for place in (folder, *(folder / one.name for one in stages)):
        checkpoint.clear(place / "checkpoints")
        for name in OWN_FILES:
            (place / name).unlink(missing_ok=True)
        for name in OWN_FOLDERS:
            shutil.rmtree(place / name, ignore_errors=True)
