"""The one loop: batches, phases, players, average, log, checkpoints. It names no recipe, no family and no network."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from gesso.datasets.dataset import Dataset
from gesso.errors import GessoError
from gesso.families.family import Batch, Family, Loss, Phase
from gesso.ports import Frame
from gesso.training import checkpoint, picture
from gesso.training.batch import Draft, Maker, Prefetcher, Slot
from gesso.training.checkpoint import Broken, Snapshot
from gesso.training.device import Device
from gesso.training.guard import Diverged
from gesso.training.interrupt import Interrupt
from gesso.training.learner import Learner
from gesso.training.log import Log, Progress
from gesso.training.optimiser import OptimiserSettings, Player, rate_at

MAX_ROLLBACKS = 3
SLOWER = 0.5
GLOBAL, LOSS, PROPOSE, PREPARE = 1, 2, 3, 4  # words after (seed, step) that keep the streams of random numbers apart


class Stage(Protocol):
    """What a recipe says of one training (`gesso.recipes.recipe.Stage`)."""

    @property
    def name(self) -> str: ...
    @property
    def family(self) -> Family: ...
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


Show = Callable[[Mapping[str, nn.Module], int], np.ndarray | None]  # (networks, step) -> a picture uint8
Export = Callable[[Learner], None]


@dataclass(frozen=True)
class Rhythm:
    """Every how many steps something is written; 0 is never (a checkpoint is always written at the end)."""

    log_every: int = 20
    sample_every: int = 500
    checkpoint_every: int = 500

    def __post_init__(self) -> None:
        for name, every in vars(self).items():
            if every < 0:
                raise GessoError(f"must be 0 or more, not {every}", where="--" + name.replace("_", "-"))

    def falls(self, every: int, step: int) -> bool:
        return every > 0 and step % every == 0


@dataclass(frozen=True)
class Plan:
    """One stage's training, completely: what learns from what, where it is written, and what a resumed run must agree on (`config`)."""

    stage: Stage
    networks: Mapping[str, nn.Module]
    keeps: Sequence[str]
    dataset: Dataset
    slots: Sequence[Slot]
    folder: Path
    device: Device
    config: Mapping[str, Any]
    seed: int = 0
    rhythm: Rhythm = Rhythm()
    may_change: Collection[str] = ()
    export: Export | None = None
    show: Show | None = None
    quiet: bool = False


class Loop:
    """Trains one stage from where its folder stands to its last step, the deadline, or Ctrl-C: `run()` says which."""

    def __init__(self, plan: Plan) -> None:
        self.plan, self.stage = plan, plan.stage
        networks = {role: plan.device.place(network) for role, network in plan.networks.items()}
        self.learner = Learner(networks, self.stage.trains, plan.keeps, self.stage.average)
        maker = Maker(plan.dataset, plan.slots, self.stage.batch_size, plan.seed, self.stage.frame, plan.device.channels_last)
        self.batches = Prefetcher(maker, self.stage.num_steps, self.stage.look_every)
        self.checkpoints = plan.folder / "checkpoints"
        self.log = Log(plan.folder)
        self.progress = Progress(plan.stage.name, self.stage.num_steps, quiet=plan.quiet)
        self.good: Snapshot | None = None
        self._clock = self._logged = time.monotonic()
        self._logged_step = 0
        self._picture_failed = False

    def run(self, *, deadline: float | None = None, interrupt: Interrupt | None = None) -> str:
        """Train; returns "done", "minutes" or the signal's name. `deadline` is on time.monotonic's clock."""
        try:
            self._begin()
            while True:
                reason = self._until_stop(deadline, interrupt)
                try:
                    self._save()
                    break
                except Diverged as diverged:
                    self._go_back(diverged)
            self._draw_curve()
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
        for folder in (self.checkpoints, plan.folder, plan.folder / "samples"):
            checkpoint.sweep(folder)
        self._seed_torch(_key(plan.seed, 0, PREPARE))
        prepared = self.stage.family.prepare(learner.networks, plan.dataset, self._generator(0, PREPARE))
        learner.family = (prepared if prepared is not None else nn.Module()).to(plan.device.device)
        found = checkpoint.load_latest(self.checkpoints)
        if found is not None:
            self._agree(found)
            learner.restore(found, where=self.checkpoints)
            if learner.step:
                self.progress.say(f"going on from step {learner.step} of {self.stage.num_steps}")
        self.good = found or learner.snapshot(plan.config)
        checkpoint.check_space(plan.folder, _full_size(self.good, learner))
        self.log.open(learner.step)
        if found is None:
            checkpoint.save(self.checkpoints, self.good)
        self._clock = self._logged = time.monotonic()
        self._logged_step = learner.step
        self.progress.start(learner.step)

    def _agree(self, found: Snapshot) -> None:
        """A checkpoint of another training is not gone on with."""
        old, new = found.meta.get("config", {}), dict(self.plan.config)
        if "content" not in old:  # begun before data were hashed: nothing can be told
            new.pop("content", None)
        changed = [k for k in sorted({*old, *new}) if old.get(k) != new.get(k)]
        wrong = [k for k in changed if k not in self.plan.may_change]
        if wrong == ["content"]:
            what = f"the data have changed since this run began: as many examples ({new['num_examples']}), with other contents"
            raise GessoError(what, where=self.plan.folder, fix="give them as they were; --fresh starts over, or choose another --out")
        if wrong:
            told = "; ".join(f"{k} was {_short(old.get(k))}, is now {_short(new.get(k))}" for k in wrong)
            raise GessoError(
                f"this folder holds another training: {told}", where=self.plan.folder, fix="--fresh starts over, or choose another --out"
            )
        for k in changed:
            told = f"{k} was {_short(old.get(k))}, is now {_short(new.get(k))}"
            self.progress.say(f"{told}: from here on this is not the run that an unchanged one would have been")

    def _until_stop(self, deadline: float | None, interrupt: Interrupt | None) -> str:
        learner, rhythm = self.learner, self.plan.rhythm
        while learner.step < self.stage.num_steps:
            try:
                logs = self._take(learner.step)
                learner.step += 1
                if rhythm.falls(rhythm.log_every, learner.step) or learner.step == self.stage.num_steps:
                    self._tell(logs)
                if rhythm.falls(rhythm.checkpoint_every, learner.step):
                    self._save()
            except Diverged as reason:
                self._go_back(reason)
                continue
            if rhythm.falls(rhythm.sample_every, learner.step):
                self._draw_samples()
            if interrupt is not None and interrupt.asked:
                return interrupt.asked
            if deadline is not None and time.monotonic() >= deadline and learner.step < self.stage.num_steps:
                return "minutes"
        return "done"

    def _take(self, step: int) -> dict[str, Any]:
        """One step: each phase's player moves once. Raises Diverged before a step that must not be taken."""
        learner, family = self.learner, self.stage.family
        self._seed_torch(_key(self.plan.seed, step, GLOBAL))
        batch = self._batch(step)
        rng = self._generator(step, LOSS)
        logs: dict[str, Any] = {}
        for phase in family.phases(step):
            if step % phase.every:
                continue
            player = self._player(phase)
            if len(learner.players) > 1:
                learner.learn_only(phase.player)
            with self.plan.device.computing():
                loss = family.loss(phase, learner.networks, batch, learner.family, step, rng)
            value = loss.value.float().mean()
            player.adam.zero_grad(set_to_none=True)
            value.backward()
            number, norm = torch.stack([value.detach(), player.norm().to(value.device, value.dtype)]).tolist()
            learner.guard.check(phase.name, number, norm)
            player.step(learner.slow * rate_at(player.settings, step, self.stage.num_steps), norm)
            learner.sums[phase.name] = learner.sums.get(phase.name, 0.0) + number
            learner.num_summed[phase.name] = learner.num_summed.get(phase.name, 0) + 1
            logs |= {f"norm/{phase.name}": norm} | _named(phase.name, loss)
        if learner.average is not None:
            learner.average.update(step)
        return logs

    def _player(self, phase: Phase) -> Player:
        player = self.learner.players.get(phase.player)
        if player is None:
            known = ", ".join(self.learner.players)
            raise GessoError(
                f"the phase {phase.name!r} moves {phase.player!r}, which does not learn here", where="trains", fix=f"one of {known}"
            )
        return player

    def _rates(self, step: int) -> dict[str, float]:
        return {r: self.learner.slow * rate_at(p.settings, step, self.stage.num_steps) for r, p in self.learner.players.items()}

    def _batch(self, step: int) -> Batch:
        draft, batch = self.batches.plain(step)
        if self.batches.looks(step):
            batch = self.batches.given(draft, self._propose(draft, batch))
        return batch.to(self.plan.device.device)

    def _propose(self, draft: Draft, batch: Batch) -> Any:
        learner = self.learner
        for role in learner.players:
            learner.networks[role].eval()
        try:
            with torch.no_grad(), self.plan.device.computing():
                return self.stage.family.propose(learner.networks, batch.to(self.plan.device.device), self._generator(draft.step, PROPOSE))
        finally:
            for role in learner.players:
                learner.networks[role].train()

    def _tell(self, logs: Mapping[str, Any]) -> None:
        learner = self.learner
        self._count_seconds()
        took = max(1e-9, time.monotonic() - self._logged)
        num = learner.step - self._logged_step
        losses = {name: learner.sums[name] / learner.num_summed[name] for name in learner.sums}
        learner.sums, learner.num_summed = {}, {}
        rates = {f"rate/{role}": rate for role, rate in self._rates(learner.step - 1).items()}
        line = {"step": learner.step, **{f"loss/{n}": v for n, v in losses.items()}, **{n: _number(v) for n, v in logs.items()}, **rates}
        speed = num * self.stage.batch_size / took
        self.log.write(line | {"items_per_second": round(speed, 2), "seconds": round(learner.seconds, 2)})
        every = self.plan.rhythm.checkpoint_every
        to_checkpoint = every - learner.step % every if every else self.stage.num_steps - learner.step
        self.progress.show(learner.step, losses, speed, num / took, to_checkpoint)
        self._logged, self._logged_step = time.monotonic(), learner.step

    def _save(self) -> None:
        """Checkpoint and export; Diverged if a number in it is no number."""
        learner, every = self.learner, self.plan.rhythm.checkpoint_every
        self._count_seconds()
        taken = learner.snapshot(self.plan.config)
        spoilt = taken.spoilt()
        if spoilt:
            raise Diverged(f"{spoilt} holds NaN or infinity")
        self.log.sync()
        checkpoint.save(self.checkpoints, taken, spare={self._anchor(taken.step)})
        if every and taken.step % every == 0:
            self.good = taken
        if self.plan.export is not None:
            self.plan.export(learner)

    def _anchor(self, step: int) -> int:
        """The checkpoint that a divergence after `step` goes back to: one the plan fixes, so that stopping elsewhere changes nothing."""
        every = self.plan.rhythm.checkpoint_every
        return step // every * every if every else 0

    def _go_back(self, reason: Diverged) -> None:
        learner, at, num = self.learner, self.learner.step, self.learner.num_rollbacks + 1
        if num > MAX_ROLLBACKS:
            raise GessoError(
                f"the training diverged at step {at}, as {MAX_ROLLBACKS} times before at ever half the rate: {reason}",
                where=self.plan.folder,
                fix="lower the rate in the recipe, or look at that step's data; the last good state is kept in checkpoints/",
            )
        anchor = self._anchor(at)
        assert self.good is not None
        if self.good.step != anchor:
            try:
                self.good = checkpoint.load(self.checkpoints, anchor)
            except Broken:
                pass  # what was resumed from is good too
        learner.restore(self.good, where=self.checkpoints)
        learner.num_rollbacks, learner.slow = num, SLOWER**num
        self.batches.forget()
        checkpoint.drop_after(self.checkpoints, learner.step)
        self.log.go_back(learner.step)
        self.log.write({"step": learner.step, "event": "roll-back", "at": at, "reason": str(reason), "slow": learner.slow})
        self.progress.say(f"step {at}: {reason}; back to step {learner.step}, at {learner.slow:g} of the rate")
        self._logged, self._logged_step = time.monotonic(), learner.step

    def _draw_samples(self) -> None:
        """Pictures are for looking at: hours of learning are not lost over one that could not be drawn."""
        if self.plan.show is None:
            return
        try:
            shown = self.plan.show(self.learner.shown, self.learner.step)
            if shown is not None:
                picture.save_sheet(self.plan.folder / "samples", self.learner.step, shown)
                self.log.picture("samples", shown, self.learner.step)
        except Exception as error:
            self._picture_lost(error)
        self._draw_curve()

    def _draw_curve(self) -> None:
        try:
            picture.save_curve(self.plan.folder / "curve.png", self.log.lines())
        except Exception as error:
            self._picture_lost(error)

    def _picture_lost(self, error: Exception) -> None:
        if not self._picture_failed:
            self._picture_failed = True
            self.progress.say(f"a picture of the run could not be drawn ({type(error).__name__}: {error}); the training goes on")

    def _count_seconds(self) -> None:
        now = time.monotonic()
        self.learner.seconds += now - self._clock
        self._clock = now

    def _seed_torch(self, seed: int) -> None:
        """As torch.manual_seed, which takes milliseconds to remember the seed for devices that are not there."""
        torch.default_generator.manual_seed(seed)
        if self.plan.device.device.type == "cuda":
            torch.cuda.manual_seed_all(seed)

    def _generator(self, step: int, purpose: int) -> torch.Generator:
        return torch.Generator(self.plan.device.device).manual_seed(_key(self.plan.seed, step, purpose))


def _key(seed: int, step: int, purpose: int) -> int:
    return int(np.random.SeedSequence([seed, step, purpose]).generate_state(1, np.uint64)[0] >> 1)


def _named(phase: str, loss: Loss) -> dict[str, Any]:
    return {f"{phase}/{name}": value for name, value in loss.logs.items()}


def _number(value: Any) -> float | None:
    number = float(value.detach().float().mean()) if isinstance(value, Tensor) else float(value)
    return number if math.isfinite(number) else None


def _full_size(taken: Snapshot, learner: Learner) -> int:
    """Bytes of a checkpoint once the optimisers have their memory."""
    fresh = not any(name.startswith("optimiser/") for name in taken.tensors)
    moments = 2 * sum(p.numel() * p.element_size() for one in learner.players.values() for p in one.parameters.values())
    return taken.num_bytes + (moments if fresh else 0)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "…"
