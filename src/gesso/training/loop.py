"""The training loop: batches, phases, players, average, log and checkpoints. It depends on no recipe, family or network class."""

from __future__ import annotations

import math
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import nn

from gesso.datasets.dataset import Dataset
from gesso.errors import GessoError
from gesso.families.family import Batch, Learns, Loss, Phase, due_phases
from gesso.person import Person
from gesso.ports import Frame
from gesso.training import checkpoint
from gesso.training.batch import BatchMaker, CleanBatch, Prefetcher, SlotInfo
from gesso.training.checkpoint import BrokenCheckpoint, Snapshot
from gesso.training.config import check_same
from gesso.training.device import Device
from gesso.training.gradient import GradientSettings, check_private, set_gradients
from gesso.training.guard import Diverged, broken_examples, check_skipped
from gesso.training.interrupt import Interrupt
from gesso.training.learner import Learner, buffers_of, full_size
from gesso.training.log import Log, NoLog, Progress, plain_number
from gesso.training.optimiser import OptimiserSettings, Player, rate_at
from gesso.training.ranks import Ranks
from gesso.training.showing import Export, MakeFigures, MakeSamples, Showing
from gesso.training.watch import Watch

MAX_ROLLBACKS = 3
NO_BETTER = "no better"  # why a run ends whose figure stays as it is
ROLLBACK_FACTOR = 0.5
GLOBAL, LOSS, PROPOSE, PREPARE, NOISE = 1, 2, 3, 4, 1000  # appended to (seed, step) to get independent random streams


class StageInfo(Protocol):
    """The part of `gesso.recipes.recipe.Stage` that the loop needs."""

    @property
    def name(self) -> str: ...
    @property
    def family(self) -> Learns: ...
    @property
    def trains(self) -> Mapping[str, OptimiserSettings]: ...
    @property
    def num_steps(self) -> int: ...
    @property
    def batch_size(self) -> int: ...
    @property
    def look_every(self) -> int: ...
    @property
    def average(self) -> float: ...
    @property
    def frame(self) -> Frame: ...
    @property
    def gradient(self) -> GradientSettings: ...
    @property
    def gradients(self) -> Mapping[str, GradientSettings]: ...


@dataclass(frozen=True)
class Intervals:
    """The number of steps between log lines, samples and checkpoints; 0 is never (a checkpoint is always written at the end)."""

    log_every: int = 20
    sample_every: int = 500
    checkpoint_every: int = 500

    def __post_init__(self) -> None:
        for name, every in vars(self).items():
            if every < 0:
                raise GessoError(f"must be 0 or more, not {every}", where="--" + name.replace("_", "-"))

    def due(self, every: int, step: int) -> bool:
        return every > 0 and step % every == 0


@dataclass(frozen=True)
class TrainingPlan:
    """The complete description of one stage's training. A resumed run must have the same `config`, except for `may_change`."""

    stage: StageInfo
    networks: Mapping[str, nn.Module]
    keeps: Sequence[str]
    dataset: Dataset
    slots: Sequence[SlotInfo]
    folder: Path
    device: Device
    config: Mapping[str, Any]
    seed: int = 0
    intervals: Intervals = Intervals()
    may_change: Collection[str] = ()
    export: Export | None = None
    export_best: Export | None = None
    export_history: Export | None = None
    show: MakeSamples | None = None
    figures: MakeFigures | None = None
    patience: int | None = None
    quiet: bool = False
    ranks: Ranks = Ranks()
    facts: Mapping[str, Any] = field(default_factory=dict)
    people: Sequence[Person | None] = ()


class Loop:
    """Trains one stage from the last checkpoint in its folder until the last step, the deadline or Ctrl-C."""

    def __init__(self, plan: TrainingPlan) -> None:
        self.plan, self.stage = plan, plan.stage
        networks = {role: plan.device.place(network) for role, network in plan.networks.items()}
        self.learner = Learner(networks, self.stage.trains, plan.keeps, self.stage.average)
        if self.stage.gradient.clip_each:
            check_private(list(networks.values()))
        self._private = any(one.clip_each for one in (self.stage.gradient, *self.stage.gradients.values()))
        self._checked: set[str] = set()  # private phases whose players do not mix examples
        images_last = plan.device.channels_last
        batch_size, frame = self.stage.batch_size, self.stage.frame
        maker = BatchMaker(plan.dataset, plan.slots, batch_size, plan.seed, frame, images_last, plan.ranks, plan.facts, plan.people)
        self.batches = Prefetcher(maker, self.stage.num_steps, self.stage.look_every)
        self.checkpoints = plan.folder / "checkpoints"
        self.log = Log(plan.folder) if plan.ranks.leads else NoLog()
        self.progress = Progress(plan.stage.name, self.stage.num_steps, quiet=plan.quiet or not plan.ranks.leads)
        self.watch: Watch
        self.last_good: Snapshot | None = None
        self._clock = self._logged = time.monotonic()
        self._logged_step = 0
        leads = plan.ranks.leads
        self.showing = Showing(
            plan.folder,
            self.log,
            self.progress,
            samples=plan.show if leads else None,
            figures=plan.figures if leads else None,
            export_best=plan.export_best,
            patience=plan.patience,
        )

    def run(self, *, deadline: float | None = None, interrupt: Interrupt | None = None) -> str:
        """Train, and return why it ended: "done", "minutes", "no better" or the signal's name. `deadline` is a time of time.monotonic."""
        try:
            self._begin()
            while True:
                reason = self._until_stop(deadline, interrupt)
                try:
                    self._save()
                    break
                except Diverged as diverged:
                    self._roll_back(diverged)
            if self.plan.ranks.leads:
                self.showing.draw_curve()
            return reason
        except OSError as error:
            raise checkpoint.cannot_write(error, self.plan.folder, "the run's folder") from error
        finally:
            self.progress.close()
            self.log.close()
            self.batches.close()

    def _begin(self) -> None:
        plan, learner = self.plan, self.learner
        plan.folder.mkdir(parents=True, exist_ok=True)
        if plan.ranks.leads:
            for folder in (self.checkpoints, plan.folder, plan.folder / "samples"):
                checkpoint.remove_leftovers(folder)
        plan.ranks.wait()
        self._seed_torch(_key(plan.seed, 0, PREPARE))
        prepared = self.stage.family.prepare(learner.networks, plan.dataset, _generator(plan.seed, 0, PREPARE))
        learner.family = (prepared if prepared is not None else nn.Module()).to(plan.device.device)
        found = checkpoint.load_latest(self.checkpoints)
        if found is not None:
            for change in check_same(found.meta.get("config", {}), plan.config, plan.may_change, where=plan.folder):
                self.progress.say(f"{change}: from here on the run differs from an unchanged one")
            learner.restore(found, where=self.checkpoints)
            if learner.step:
                self.progress.say(f"resuming at step {learner.step} of {self.stage.num_steps}")
        self.last_good = found or learner.snapshot(plan.config)
        checkpoint.check_space(plan.folder, full_size(self.last_good, learner))
        self.log.open(learner.step)
        self.watch = Watch(self.stage.family, self.log.lines())
        self.showing.read_log()
        plan.ranks.wait()
        if found is None and plan.ranks.leads:
            checkpoint.save(self.checkpoints, self.last_good)
        self._clock = self._logged = time.monotonic()
        self._logged_step = learner.step
        self.progress.start(learner.step)

    def _until_stop(self, deadline: float | None, interrupt: Interrupt | None) -> str:
        learner, intervals = self.learner, self.plan.intervals
        while learner.step < self.stage.num_steps:
            try:
                logs = self._train_step(learner.step)
                learner.step += 1
                if intervals.due(intervals.log_every, learner.step) or learner.step == self.stage.num_steps:
                    self._log_losses(logs)
                if intervals.due(intervals.checkpoint_every, learner.step):
                    self._save()
            except Diverged as reason:
                self._roll_back(reason)
                continue
            if intervals.due(intervals.sample_every, learner.step):
                if self.plan.ranks.leads:
                    self.showing.show(learner)
            asked = interrupt.requested if interrupt is not None else None
            if asked is None and self.showing.stale:
                asked = NO_BETTER
            if asked is None and deadline is not None and time.monotonic() >= deadline and learner.step < self.stage.num_steps:
                asked = "minutes"
            if self.plan.ranks.any(asked is not None):
                return asked or "stopped"
        return "done"

    def _train_step(self, step: int) -> dict[str, Any]:
        """Train one step: one optimiser step per phase. Raises Diverged before a step that must not be taken."""
        learner, family = self.learner, self.stage.family
        self._seed_torch(_key(self.plan.seed, step, GLOBAL))
        batch = self._batch(step)
        broken = broken_examples(batch)
        if self.plan.ranks.any(broken is not None):  # a roll-back would bring the same examples again
            told = broken or "another process has broken examples"
            check_skipped(self.log.lines(), told, where=self.plan.dataset.name)
            self._tell({"step": step, "event": "skipped", "reason": told}, f"left out, {told} of {self.plan.dataset.name}")
            return {}
        rng = _generator(self.plan.seed, step, LOSS)
        logs: dict[str, Any] = {}
        for number, phase in enumerate(due_phases(family, step)):
            players = self._players(phase)
            if len(learner.players) > 1:
                learner.train_only(phase.players)
            logs |= self._take(phase, number, players, batch, step, rng)
        self.plan.ranks.average(buffers_of(learner))
        if learner.average is not None:
            learner.average.update(step)
        return logs

    def _take(
        self, phase: Phase, number_of_phase: int, players: Sequence[Player], batch: Batch, step: int, rng: torch.Generator
    ) -> dict[str, Any]:
        """One phase: its gradients, the check that they are sane, and the step of all its players."""
        learner, plan = self.learner, self.plan
        settings, drawn = self.stage.gradients.get(phase.name, self.stage.gradient), batch.total or len(batch)
        if not drawn and not settings.clip_each:
            if self._private:  # what needs no privacy waits for examples
                return {}
            raise GessoError(f"step {step} has no examples", where=plan.dataset.name, fix="let its `indices` give at least one")
        if settings.clip_each and phase.name not in self._checked:
            check_private([learner.networks[role] for role in phase.players])
            self._checked.add(phase.name)
        if phase.whole and (settings.accumulate > 1 or settings.clip_each or plan.ranks.total > 1):
            what = f"the phase {phase.name!r} compares the examples of a batch, which is divided here"
            raise GessoError(what, where="gradient", fix="train it in one process, without accumulate and clip_each")

        def measure(part: Batch) -> Loss:
            with plan.device.computing():
                return self.stage.family.loss(phase, learner.networks, part, learner.family, step, rng)

        # A process without examples draws nothing from `rng`, so the noise has a stream of its own.
        noise = _generator(plan.seed, step, NOISE + number_of_phase) if settings.noise else None
        value, logs = set_gradients(measure, batch, players, settings, plan.ranks, rng, self.stage.batch_size, noise)
        number, *norms = torch.stack([value, *(player.norm().to(value.device, value.dtype) for player in players)]).tolist()
        norm = norms[0] if len(norms) == 1 else math.hypot(*norms)
        if drawn:  # else there is no loss, and the gradient is noise
            learner.guard.check(phase.name, number, norm)
            learner.sums[phase.name] = learner.sums.get(phase.name, 0.0) + number
            learner.num_summed[phase.name] = learner.num_summed.get(phase.name, 0) + 1
        for player, own in zip(players, norms, strict=True):
            player.step(learner.rate_factor * rate_at(player.settings, step, self.stage.num_steps), own)
        return {f"norm/{phase.name}": norm} | {f"{phase.name}/{name}": one for name, one in logs.items()}

    def _players(self, phase: Phase) -> list[Player]:
        known = self.learner.players
        unknown = [role for role in phase.players if role not in known]
        if unknown:
            what = f"the phase {phase.name!r} trains {unknown[0]!r}, which this stage does not train"
            raise GessoError(what, where="trains", fix="one of " + ", ".join(known))
        return [known[role] for role in phase.players]

    def _rates(self, step: int) -> dict[str, float]:
        return {r: self.learner.rate_factor * rate_at(p.settings, step, self.stage.num_steps) for r, p in self.learner.players.items()}

    def _batch(self, step: int) -> Batch:
        clean_batch, batch = self.batches.get(step)
        if self.batches.shows_output(step) and clean_batch.items:
            batch = self.batches.get_with_output(clean_batch, self._propose(clean_batch, batch))
        return batch.to(self.plan.device.device)

    def _propose(self, clean_batch: CleanBatch, batch: Batch) -> Any:
        learner = self.learner
        for role in learner.players:
            learner.networks[role].eval()
        try:
            with torch.no_grad(), self.plan.device.computing():
                return self.stage.family.propose(
                    learner.networks, batch.to(self.plan.device.device), _generator(self.plan.seed, clean_batch.step, PROPOSE)
                )
        finally:
            for role in learner.players:
                learner.networks[role].train()

    def _log_losses(self, logs: Mapping[str, Any]) -> None:
        learner = self.learner
        self._count_seconds()
        took = max(1e-9, time.monotonic() - self._logged)
        num = learner.step - self._logged_step
        losses = {name: learner.sums[name] / learner.num_summed[name] for name in learner.sums if learner.num_summed[name]}
        learner.sums, learner.num_summed = {}, {}
        rates = {f"rate/{role}": rate for role, rate in self._rates(learner.step - 1).items()}
        line = {
            "step": learner.step,
            **{f"loss/{n}": v for n, v in losses.items()},
            **{n: plain_number(v) for n, v in logs.items()},
            **rates,
        }
        speed = num * self.stage.batch_size / took
        self.log.write(line | {"items_per_second": round(speed, 2), "seconds": round(learner.seconds, 2)})
        self.watch.follow(line, self._tell)
        every = self.plan.intervals.checkpoint_every
        to_checkpoint = every - learner.step % every if every else self.stage.num_steps - learner.step
        self.progress.show(learner.step, losses, speed, num / took, to_checkpoint)
        self._logged, self._logged_step = time.monotonic(), learner.step

    def _tell(self, event: Mapping[str, Any], words: str) -> None:
        self.log.write(event)
        self.progress.say(f"step {event['step']}: {words}")

    def _save(self) -> None:
        """Write a checkpoint and export the weights; Diverged if a tensor holds NaN or infinity."""
        learner, every = self.learner, self.plan.intervals.checkpoint_every
        self._count_seconds()
        taken = learner.snapshot(self.plan.config)
        non_finite = taken.first_non_finite()
        if non_finite:
            raise Diverged(f"{non_finite} holds NaN or infinity")
        if self.plan.ranks.leads:
            self.log.sync()
            checkpoint.save(self.checkpoints, taken, also_keep={self._anchor(taken.step)})
        if every and taken.step % every == 0:
            self.last_good = taken
        if self.plan.ranks.leads:
            if self.plan.export is not None:
                self.plan.export(learner)
            if self.plan.export_history is not None and checkpoint.doubled(taken.step, every):
                self.plan.export_history(learner)
        self.plan.ranks.wait()

    def _anchor(self, step: int) -> int:
        """The step to roll back to after a divergence at `step`. It depends on the plan only, so that interruptions change nothing."""
        every = self.plan.intervals.checkpoint_every
        return step // every * every if every else 0

    def _roll_back(self, reason: Diverged) -> None:
        learner, at, num = self.learner, self.learner.step, self.learner.num_rollbacks + 1
        if num > MAX_ROLLBACKS:
            raise GessoError(
                f"the training diverged at step {at}, after {MAX_ROLLBACKS} roll-backs that each halved the rate: {reason}",
                where=self.plan.folder,
                fix="lower the rate in the recipe, or check that step's data; the last good state is kept in checkpoints/",
            )
        anchor = self._anchor(at)
        assert self.last_good is not None
        if self.last_good.step != anchor:
            try:
                self.last_good = checkpoint.load(self.checkpoints, anchor)
            except BrokenCheckpoint:
                pass  # the checkpoint that the run resumed from is good too
        learner.restore(self.last_good, where=self.checkpoints)
        learner.num_rollbacks, learner.rate_factor = num, ROLLBACK_FACTOR**num
        self.batches.discard()
        if self.plan.ranks.leads:
            checkpoint.remove_after(self.checkpoints, learner.step)
        self.plan.ranks.wait()
        self.log.roll_back(learner.step)
        self.log.write({"step": learner.step, "event": "roll-back", "at": at, "reason": str(reason), "slow": learner.rate_factor})
        self.watch = Watch(self.stage.family, self.log.lines())
        self.showing.read_log()
        self.progress.say(f"step {at}: {reason}; back to step {learner.step}, at {learner.rate_factor:g} of the rate")
        self._logged, self._logged_step = time.monotonic(), learner.step

    def _count_seconds(self) -> None:
        now = time.monotonic()
        self.learner.seconds += now - self._clock
        self._clock = now

    def _seed_torch(self, seed: int) -> None:
        """Like torch.manual_seed, which needs milliseconds because it also seeds devices that do not exist."""
        torch.default_generator.manual_seed(seed)
        if self.plan.device.device.type == "cuda":
            torch.cuda.manual_seed_all(seed)


def _generator(seed: int, step: int, purpose: int) -> torch.Generator:
    """A generator of the CPU, so that a seed gives the same numbers on every device."""
    return torch.Generator().manual_seed(_key(seed, step, purpose))


def _key(seed: int, step: int, purpose: int) -> int:
    return int(np.random.SeedSequence([seed, step, purpose]).generate_state(1, np.uint64)[0] >> 1)
