"""The loop: a resumed run is bit-equal to an uninterrupted one, and a diverged step is never taken."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from gesso.errors import GessoError
from gesso.families.family import Loss, Phase
from gesso.recipes.recipe import Optimiser, Recipe, Stage
from gesso.training import checkpoint, loop
from gesso.training.checkpoint import Snapshot
from gesso.training.device import choose
from gesso.training.interrupt import Interrupt
from gesso.training.log import read_lines
from gesso.training.loop import Intervals, Loop, TrainingPlan
from unit.training import toy

OF_THE_CLOCK = {"seconds", "items_per_second"}
NUM_STEPS = 24


@pytest.fixture(autouse=True)
def _plain(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No TensorBoard and no curves here: they take longer than the training."""
    import sys

    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    monkeypatch.setitem(sys.modules, "matplotlib.backends.backend_agg", None)
    monkeypatch.delenv("GESSO_TOY_SPOIL", raising=False)
    yield


def made(recipe: Recipe, folder: Path, *, seed: int = 0, config: dict[str, Any] | None = None, **more: Any) -> Loop:
    torch.manual_seed(seed)
    (stage,) = recipe.stages(None)
    networks = recipe.build(None)
    dataset = stage.data(None, "train")
    options: dict[str, Any] = {"intervals": Intervals(log_every=5, sample_every=0, checkpoint_every=8), "quiet": True} | more
    return Loop(
        TrainingPlan(
            stage,
            networks,
            recipe.keeps,
            dataset,
            recipe.card.conditions,
            folder,
            choose(),
            config or {"recipe": recipe.name},
            seed,
            **options,
        )
    )


def what_is_left(folder: Path) -> tuple[dict[str, torch.Tensor], dict[str, Any], list[dict[str, Any]]]:
    last = checkpoint.load_latest(folder / "checkpoints")
    assert last is not None
    lines = [{k: v for k, v in line.items() if k not in OF_THE_CLOCK} for line in read_lines(folder / "log.jsonl")]
    return last.tensors, {k: v for k, v in last.meta.items() if k not in OF_THE_CLOCK}, lines


def assert_same(one: Path, two: Path) -> None:
    (tensors, meta, lines), (tensors2, meta2, lines2) = what_is_left(one), what_is_left(two)
    assert set(tensors) == set(tensors2)
    assert [n for n in tensors if not torch.equal(tensors[n], tensors2[n])] == []
    assert meta == meta2
    assert lines == lines2


def stop_at(a_loop: Loop, step: int) -> str:
    """Run until `step` steps are done, then ask it to end as Ctrl-C does."""
    asked = Interrupt()
    taken = a_loop._train_step

    def take(now: int) -> dict[str, Any]:
        logs = taken(now)
        if now + 1 == step:
            asked.requested = "SIGINT"
        return logs

    a_loop._train_step = take  # type: ignore[method-assign]
    return a_loop.run(interrupt=asked)


class Seen(toy.Regress):
    """Convolutions in the chosen precision and memory format."""

    def loss(self, phase: Any, networks: Any, batch: Any, state: Any, step: int, rng: torch.Generator) -> Any:
        from gesso.families.family import Loss

        out = networks["net"](batch.clean["x"].reshape(-1, 3, 1, 1).expand(-1, 3, 8, 8)).float()
        return Loss((out.mean((2, 3)) - batch.clean["y"]).square().mean())


def convolutions() -> Recipe:
    def build(preset: Any) -> dict[str, torch.nn.Module]:
        layers = [torch.nn.Conv2d(3, 32, 3, padding=1), torch.nn.GroupNorm(4, 32), torch.nn.SiLU(), torch.nn.Dropout2d(0.2)]
        return {"net": torch.nn.Sequential(*layers, torch.nn.Conv2d(32, 1, 3, padding=1))}

    stage = Stage("fit", Seen(), {"net": Optimiser()}, lambda folder, split: toy.Numbers(), NUM_STEPS, 8)
    return Recipe(toy.card("seen"), {"small": None}, build, lambda preset: Seen(), lambda preset: (stage,), ("net",))


RECIPES: dict[str, Callable[[], Recipe]] = {
    "one player": lambda: toy.one_player(NUM_STEPS),
    "two players": lambda: toy.two_players(NUM_STEPS),
    "no average": lambda: toy.one_player(NUM_STEPS, average=0.0),
    "convolutions": convolutions,
}


@pytest.mark.parametrize("name", RECIPES)
def test_a_resumed_run_is_bit_equal(name: str, tmp_path: Path) -> None:
    assert made(RECIPES[name](), tmp_path / "whole").run() == "done"
    for cut in (1, 7, 8, 17, NUM_STEPS - 1):
        folder = tmp_path / str(cut)
        first = made(RECIPES[name](), folder)
        assert stop_at(first, cut) == "SIGINT" and first.learner.step == cut
        assert made(RECIPES[name](), folder).run() == "done"
        assert_same(tmp_path / "whole", folder)


def test_a_run_stopped_after_every_step_is_bit_equal(tmp_path: Path) -> None:
    made(RECIPES["two players"](), tmp_path / "whole").run()
    for step in range(1, NUM_STEPS):
        assert stop_at(made(RECIPES["two players"](), tmp_path / "cut"), step) == "SIGINT"
    assert made(RECIPES["two players"](), tmp_path / "cut").run() == "done"
    assert_same(tmp_path / "whole", tmp_path / "cut")


def test_another_seed_gives_another_run(tmp_path: Path) -> None:
    for seed in (0, 1):
        made(RECIPES["one player"](), tmp_path / str(seed), seed=seed).run()
    with pytest.raises(AssertionError):
        assert_same(tmp_path / "0", tmp_path / "1")


def test_the_average_and_both_players_learn(tmp_path: Path) -> None:
    run = made(toy.two_players(200), tmp_path)
    first = {n: v.clone() for n, v in run.learner._tensors().items()}
    run.run()
    last = run.learner._tensors()
    for group in ("network/net/", "network/critic/", "average/net/"):
        assert any(not torch.equal(first[n], v) for n, v in last.items() if n.startswith(group)), group
    assert not any(n.startswith("average/critic") for n in last), "a role that is not kept has no average"
    assert not torch.equal(last["network/net/4.weight"], last["average/net/4.weight"])
    assert last["family/state/num_seen"] == 200 * 4
    lines = read_lines(tmp_path / "log.jsonl")
    assert [line["step"] for line in lines] == list(range(5, 201, 5))
    assert np.mean([line["loss/make"] for line in lines[-5:]]) < 0.7 * lines[0]["loss/make"]


def test_a_run_does_not_resume_if_its_data_changed(tmp_path: Path) -> None:
    config = {"recipe": "toy", "num_examples": 8, "content": "a"}
    stop_at(made(RECIPES["one player"](), tmp_path, config=config), 9)
    with pytest.raises(GessoError, match=r"the data have changed since this run began: as many examples \(8\).*--fresh"):
        made(RECIPES["one player"](), tmp_path, config=config | {"content": "b"}).run()
    with pytest.raises(GessoError, match=r"another training: content was 'a', is now 'b'; num_examples was 8, is now 9"):
        made(RECIPES["one player"](), tmp_path, config=config | {"content": "b", "num_examples": 9}).run()
    assert made(RECIPES["one player"](), tmp_path, config=config).run() == "done"


def test_a_run_from_before_data_were_hashed_resumes(tmp_path: Path) -> None:
    stop_at(made(RECIPES["one player"](), tmp_path, config={"recipe": "toy"}), 9)
    assert made(RECIPES["one player"](), tmp_path, config={"recipe": "toy", "content": "a"}).run() == "done"


def test_a_checkpoint_of_another_training_is_refused(tmp_path: Path) -> None:
    config = {"recipe": "toy", "batch_size": 4, "threads": 1}
    stop_at(made(RECIPES["one player"](), tmp_path, config=config), 9)
    with pytest.raises(GessoError, match=r"another training: batch_size was 4, is now 8.*--fresh"):
        made(RECIPES["one player"](), tmp_path, config=config | {"batch_size": 8}).run()
    run = made(RECIPES["one player"](), tmp_path, config=config | {"threads": 2}, may_change=("threads",))
    messages: list[str] = []
    run.progress.say = messages.append  # type: ignore[method-assign]
    assert run.run() == "done"
    assert any("threads was 1, is now 2" in message for message in messages)


def test_a_broken_checkpoint_is_skipped_and_the_result_is_the_same(tmp_path: Path) -> None:
    made(RECIPES["two players"](), tmp_path / "whole").run()
    stop_at(made(RECIPES["two players"](), tmp_path / "cut"), 19)
    newest = tmp_path / "cut" / "checkpoints" / "000000019" / checkpoint.STATE
    data = bytearray(newest.read_bytes())
    data[len(data) // 2] ^= 1
    newest.write_bytes(data)
    with pytest.warns(UserWarning, match="step 19 is broken"):
        assert made(RECIPES["two players"](), tmp_path / "cut").run() == "done"
    assert_same(tmp_path / "whole", tmp_path / "cut")


@pytest.mark.parametrize("spoil", ["13:nan", "13:inf", "13:-inf", "4:nan", "22:nan:judge", "16:nan"])
def test_non_finite_values_are_rolled_back_and_finally_end_the_run(spoil: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = "two players" if "judge" in spoil else "one player"
    monkeypatch.setenv("GESSO_TOY_SPOIL", spoil)
    at = int(spoil.split(":")[0])
    run = made(RECIPES[recipe](), tmp_path)
    taken: list[int] = []
    take = run._train_step
    run._train_step = lambda step: (taken.append(step), take(step))[1]  # type: ignore[method-assign]
    with pytest.raises(GessoError, match=f"diverged at step {at}, after 3 roll-backs"):
        run.run()
    anchor = at // 8 * 8
    assert taken == [*range(at + 1), *list(range(anchor, at + 1)) * 3]
    events = [line for line in read_lines(tmp_path / "log.jsonl") if "event" in line]
    assert [(e["step"], e["at"], e["slow"]) for e in events] == [(anchor, at, 0.5), (anchor, at, 0.25), (anchor, at, 0.125)]
    steps = checkpoint.steps(tmp_path / "checkpoints")
    assert max(steps) == anchor
    for step in steps:
        assert checkpoint.load(tmp_path / "checkpoints", step).first_non_finite() is None


class Broken(toy.Numbers):
    """Some examples hold NaN."""

    def __init__(self, share: int) -> None:
        super().__init__()
        self.x[::share] = np.nan


def with_broken(share: int, folder: Path) -> Loop:
    family = toy.Regress()
    stage = Stage("fit", family, {"net": Optimiser(rate=1e-2)}, lambda f, s: Broken(share), NUM_STEPS, 4)
    recipe = Recipe(toy.card("broken"), {"small": None}, lambda p: {"net": toy.Net(5)}, lambda p: family, lambda p: (stage,), ("net",))
    return made(recipe, folder)


def test_steps_with_broken_examples_are_left_out_and_told(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    run = with_broken(25, tmp_path)
    assert run.run() == "done" and run.learner.num_rollbacks == 0
    events = [line for line in read_lines(tmp_path / "log.jsonl") if "event" in line]
    assert events and {line["event"] for line in events} == {"skipped"} and "'x' holds NaN or infinity in example" in events[0]["reason"]
    assert checkpoint.load(tmp_path / "checkpoints", NUM_STEPS).first_non_finite() is None


def test_a_run_with_nothing_but_broken_examples_ends_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(GessoError, match="20 steps before had such examples.*mend or remove"):
        with_broken(1, tmp_path).run()


def test_a_jump_of_the_loss_is_divergence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GESSO_TOY_SPOIL", "22:1e7")
    with pytest.raises(GessoError, match="leapt to"):
        made(RECIPES["one player"](), tmp_path).run()


class Once(toy.Regress):
    """NaN the first time that step 13 is taken at the full rate: as where a lower rate helps."""

    def __init__(self, cure: float) -> None:
        super().__init__()
        self.cure, self.loop = cure, None

    def loss(self, phase: Any, networks: Any, batch: Any, state: Any, step: int, rng: torch.Generator) -> Any:
        loss = super().loss(phase, networks, batch, state, step, rng)
        assert self.loop is not None
        if step == 13 and self.loop.learner.rate_factor > self.cure:
            loss.value = loss.value * float("nan")
        return loss


def cured(folder: Path, **more: Any) -> Loop:
    family = Once(0.25)
    stage = Stage("fit", family, {"net": Optimiser(rate=1e-2)}, lambda f, s: toy.Numbers(), NUM_STEPS, 4)
    recipe = Recipe(toy.card("once"), {"small": None}, lambda p: {"net": toy.Net(5)}, lambda p: family, lambda p: (stage,), ("net",))
    family.loop = made(recipe, folder, **more)
    return family.loop


def test_a_run_rescued_by_a_lower_rate_continues_and_resumes_bit_equal(tmp_path: Path) -> None:
    whole = cured(tmp_path / "whole")
    assert whole.run() == "done" and whole.learner.num_rollbacks == 2 and whole.learner.rate_factor == 0.25
    lines = read_lines(tmp_path / "whole" / "log.jsonl")
    assert [line["step"] for line in lines if "event" not in line] == [5, 10, 15, 20, 24], "no line appears twice"
    plain = made(RECIPES["one player"](), tmp_path / "plain")
    plain.run()
    assert lines[-1]["rate/net"] == pytest.approx(0.25 * loop.rate_at(Optimiser(rate=1e-2), 23, NUM_STEPS))
    for cut in (9, 12, 13, 14, 20):  # before, and off the plan's own checkpoints; after
        folder = tmp_path / str(cut)
        stop_at(cured(folder), cut)
        assert cured(folder).run() == "done"
        assert_same(tmp_path / "whole", folder)


def test_non_finite_tensors_are_never_saved(tmp_path: Path) -> None:
    """One that no loss shows: a buffer of the network."""
    run = made(RECIPES["one player"](), tmp_path)
    take = run._train_step

    def spoil(step: int) -> dict[str, Any]:
        logs = take(step)
        if step == 10:
            run.learner.networks["net"][1].running_var.fill_(float("inf"))
        return logs

    run._train_step = spoil  # type: ignore[method-assign]
    with pytest.raises(GessoError, match="running_var"):
        run.run()
    for step in checkpoint.steps(tmp_path / "checkpoints"):
        assert checkpoint.load(tmp_path / "checkpoints", step).first_non_finite() is None


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_finishes_the_step_and_saves_and_the_run_resumes(number: int, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    made(RECIPES["one player"](), tmp_path / "whole").run()
    before = signal.getsignal(number)
    run = made(RECIPES["one player"](), tmp_path / "cut")
    take = run._train_step

    def hit(step: int) -> dict[str, Any]:
        if step == 6:
            os.kill(os.getpid(), number)
        return take(step)

    run._train_step = hit  # type: ignore[method-assign]
    with Interrupt() as interrupt:
        assert run.run(interrupt=interrupt) == signal.Signals(number).name
    assert run.learner.step == 7 and signal.getsignal(number) == before
    assert "press again to stop at once" in capfd.readouterr().err
    made(RECIPES["one player"](), tmp_path / "cut").run()
    assert_same(tmp_path / "whole", tmp_path / "cut")


def test_a_second_ctrl_c_stops_at_once_and_loses_no_checkpoint(tmp_path: Path) -> None:
    run = made(RECIPES["one player"](), tmp_path)
    take = run._train_step

    def hit(step: int) -> dict[str, Any]:
        if step == 10:
            for _ in range(2):
                os.kill(os.getpid(), signal.SIGINT)
                time.sleep(0.01)
        return take(step)

    run._train_step = hit  # type: ignore[method-assign]
    with Interrupt() as interrupt, pytest.raises(KeyboardInterrupt):
        run.run(interrupt=interrupt)
    latest = checkpoint.load_latest(tmp_path / "checkpoints")
    assert latest is not None and latest.step == 8
    assert not [t for t in threading.enumerate() if t.name.startswith("batches") and t.is_alive()]


def test_the_deadline_ends_a_run_after_a_step_and_saves(tmp_path: Path) -> None:
    made(RECIPES["two players"](), tmp_path / "whole").run()
    num = 0
    while (reason := made(RECIPES["two players"](), tmp_path / "cut").run(deadline=time.monotonic())) == "minutes":
        num += 1
        latest = checkpoint.load_latest(tmp_path / "cut" / "checkpoints")
        assert latest is not None and latest.step == num, "each run takes at least one step"
    assert reason == "done" and num == NUM_STEPS - 1
    assert_same(tmp_path / "whole", tmp_path / "cut")


def test_a_finished_run_is_not_changed(tmp_path: Path) -> None:
    made(RECIPES["one player"](), tmp_path).run()
    before = what_is_left(tmp_path)
    assert made(RECIPES["one player"](), tmp_path).run() == "done"
    assert json.dumps(before[1:]) == json.dumps(what_is_left(tmp_path)[1:])


def test_export_and_samples_are_on_schedule_and_errors_in_samples_are_ignored(tmp_path: Path) -> None:
    exported: list[int] = []
    shown: list[int] = []

    def show(networks: Any, step: int) -> np.ndarray:
        shown.append(step)
        assert not networks["net"].training
        if step == 12:
            raise RuntimeError("no picture today")
        return np.zeros((4, 4, 3), np.uint8)

    intervals = Intervals(log_every=5, sample_every=6, checkpoint_every=8)
    run = made(RECIPES["one player"](), tmp_path, intervals=intervals, export=lambda learner: exported.append(learner.step), show=show)
    assert run.run() == "done"
    assert shown == [6, 12, 18, 24] and sorted(set(exported)) == [8, 16, 24]
    assert [p.name for p in sorted((tmp_path / "samples").iterdir())] == [f"{s:09d}.png" for s in (6, 18, 24)]


def test_a_phase_of_an_untrained_player_is_refused(tmp_path: Path) -> None:
    stage = Stage("duel", toy.Duel(), {"net": Optimiser()}, lambda f, s: toy.Numbers(), 4, 4)
    recipe = Recipe(
        toy.card("d"), {"small": None}, lambda p: {"net": toy.Net(5), "critic": toy.Net(1)}, lambda p: toy.Duel(), lambda p: (stage,)
    )
    with pytest.raises(GessoError, match="trains 'critic', which this stage does not train"):
        made(recipe, tmp_path).run()
    stage = Stage("fit", toy.Regress(), {"ghost": Optimiser()}, lambda f, s: toy.Numbers(), 4, 4)
    recipe = Recipe(toy.card("d"), {"small": None}, lambda p: {"net": toy.Net(5)}, lambda p: toy.Regress(), lambda p: (stage,))
    with pytest.raises(GessoError, match="no network has the role 'ghost'"):
        made(recipe, tmp_path)


def test_frozen_networks_do_not_change(tmp_path: Path) -> None:
    stage = Stage("fit", toy.Regress(), {"net": Optimiser()}, lambda f, s: toy.Numbers(), 4, 4)
    parent = toy.Net(3)
    recipe = Recipe(
        toy.card("d"), {"small": None}, lambda p: {"net": toy.Net(5), "parent": parent}, lambda p: toy.Regress(), lambda p: (stage,)
    )
    run = made(recipe, tmp_path)
    assert not parent.training and not any(p.requires_grad for p in parent.parameters())
    run.run()
    assert not any("parent" in name for name in run.learner._tensors())


def test_too_little_space_refuses_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import shutil

    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=100))
    with pytest.raises(GessoError, match="three checkpoints need"):
        made(RECIPES["one player"](), tmp_path).run()
    assert checkpoint.steps(tmp_path / "checkpoints") == []


def test_snapshots_are_copies() -> None:
    run = made(RECIPES["one player"](), Path("unused"))
    run.learner.family = torch.nn.Module()
    taken: Snapshot = run.learner.snapshot({})
    before = {n: v.clone() for n, v in taken.tensors.items()}
    with torch.no_grad():
        for p in run.learner.networks["net"].parameters():
            p.add_(1)
    assert all(torch.equal(v, taken.tensors[n]) for n, v in before.items())
    run.batches.close()


def test_a_plain_run_gives_no_warnings(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        made(RECIPES["two players"](), tmp_path).run()


class Cycle(toy.Regress):
    """Two networks that learn together from one loss."""

    def phases(self, step: int) -> tuple[Phase, ...]:
        return (Phase("both", ("there", "back")),)

    def loss(self, phase: Any, networks: Any, batch: Any, state: Any, step: int, rng: torch.Generator) -> Loss:
        x = torch.cat([batch.clean["x"], batch.ports.vector], 1)
        return Loss((networks["back"](networks["there"](x)) - batch.clean["y"]).square().mean(1))


def test_one_phase_moves_all_its_players(tmp_path: Path) -> None:
    trains = {"there": Optimiser(rate=1e-2, warmup=0), "back": Optimiser(rate=1e-2, warmup=0)}
    stage = Stage("cycle", Cycle(), trains, lambda folder, split: toy.Numbers(), 1, 4)
    networks = {"there": torch.nn.Linear(5, 2), "back": torch.nn.Linear(2, 1)}
    before = {role: network.weight.detach().clone() for role, network in networks.items()}
    recipe = Recipe(toy.card("cycle"), {"small": None}, lambda preset: networks, lambda preset: Cycle(), lambda preset: (stage,), ())
    made(recipe, tmp_path).run()
    assert all(not torch.equal(networks[role].weight, before[role]) for role in networks)
