"""`gesso train`: the files of a run, invalid arguments, and resuming."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from gesso.card import Settings
from gesso.errors import GessoError
from gesso.families.family import Output
from gesso.recipes.recipe import Optimiser, Recipe, Stage
from gesso.training import checkpoint, fault_injection
from gesso.training.log import read_lines
from gesso.verbs.assemble import assemble
from gesso.verbs.train import TrainResult, train
from gesso.weights.store import read_weights
from unit.training import toy

NUM_STEPS = 9


@pytest.fixture(autouse=True)
def _plain(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    monkeypatch.setitem(sys.modules, "matplotlib.backends.backend_agg", None)
    yield
    fault_injection.reset()


def run(recipe: Recipe, out: Path, **more: Any) -> TrainResult:
    options: dict[str, Any] = {"threads": 1, "quiet": True, "log_every": 2, "sample_every": 0, "checkpoint_every": 4} | more
    return train(recipe, out=out, **options)


def test_a_run_leaves_weights_with_a_card_log_config_and_checkpoints(tmp_path: Path) -> None:
    data = tmp_path / "secret place" / "my drawings"
    data.mkdir(parents=True)
    out = tmp_path / "runs" / "x"
    result = run(toy.one_player(NUM_STEPS), out, data=data, seed=5, steps=NUM_STEPS)
    assert result.done and result.steps == NUM_STEPS and result.weights == out / "weights.safetensors" and result.log == out / "log.jsonl"
    weights = read_weights(result.weights, recipe="toy")
    assert weights.card["data"] == "my drawings" and weights.card["licence"] == "CC0-1.0" and weights.card["model_licence"] == "MIT"
    assert weights.card["command"] == f"gesso train toy --data 'my drawings' --out x --preset small --steps {NUM_STEPS} --seed 5"
    assert weights.card["seed"] == 5 and weights.card["steps"] == NUM_STEPS and weights.card["seconds"] > 0
    assert {"recipe", "preset", "commit", "figures", "versions"} <= set(weights.card)
    for path in (result.weights, out / "config.json", result.log):
        assert b"secret" not in path.read_bytes() and str(tmp_path).encode() not in path.read_bytes()
    assert json.loads((out / "config.json").read_text())["num_steps"] == NUM_STEPS
    assert sorted(checkpoint.steps(out / "checkpoints")) == [8, 9]
    assert [line["step"] for line in read_lines(result.log)] == [2, 4, 6, 8, 9]


def test_the_weights_are_the_average_in_half_precision_and_load(tmp_path: Path) -> None:
    result = run(toy.two_players(NUM_STEPS), tmp_path)
    last = checkpoint.load_latest(tmp_path / "checkpoints")
    assert last is not None
    states = read_weights(result.weights).states
    assert set(states) == {"net"}, "a critic is not kept"
    for name, value in states["net"].items():
        assert torch.equal(value, last.tensors[f"average/net/{name}"].to(value.dtype))
    loaded = assemble(toy.two_players(NUM_STEPS), weights=tmp_path)
    assert torch.equal(loaded.networks["net"].state_dict()["0.weight"], states["net"]["0.weight"].float())


def test_the_seed_decides_the_run_and_nothing_before_it_does(tmp_path: Path) -> None:
    def net(out: str, seed: int) -> torch.Tensor:
        torch.randn(3)
        return read_weights(run(toy.one_player(NUM_STEPS), tmp_path / out, seed=seed).weights).states["net"]["0.weight"]

    one = net("a", 1)
    assert torch.equal(one, net("b", 1)) and not torch.equal(one, net("c", 2))


def test_minutes_end_a_sitting_and_the_next_goes_on(tmp_path: Path) -> None:
    whole = run(toy.two_players(NUM_STEPS), tmp_path / "whole")
    sittings = [run(toy.two_players(NUM_STEPS), tmp_path / "cut", minutes=1e-9) for _ in range(NUM_STEPS)]
    assert [s.reason for s in sittings] == ["minutes"] * (NUM_STEPS - 1) + ["done"]
    assert [s.steps for s in sittings] == list(range(1, NUM_STEPS + 1))
    assert sittings[-1].seconds > sittings[0].seconds
    one, two = (read_weights(p).states["net"] for p in (whole.weights, sittings[-1].weights))
    assert all(torch.equal(one[n], two[n]) for n in one)


def test_a_folder_with_another_training_is_refused_until_fresh(tmp_path: Path) -> None:
    run(toy.one_player(NUM_STEPS), tmp_path)
    (tmp_path / "notes.txt").write_text("mine")
    before = (tmp_path / "weights.safetensors").read_bytes()
    with pytest.raises(GessoError, match=r"another training: seed was 0, is now 3.*--fresh"):
        run(toy.one_player(NUM_STEPS), tmp_path, seed=3)
    with pytest.raises(GessoError, match="recipe was 'toy', is now 'duel'"):
        run(toy.two_players(NUM_STEPS), tmp_path)
    assert (tmp_path / "weights.safetensors").read_bytes() == before
    result = run(toy.two_players(NUM_STEPS), tmp_path, fresh=True)
    assert result.done and read_weights(result.weights).card["recipe"] == "duel"
    assert (tmp_path / "notes.txt").read_text() == "mine"
    assert [line["step"] for line in read_lines(result.log)] == [2, 4, 6, 8, 9]


def test_steps_may_be_added_when_asked_for(tmp_path: Path) -> None:
    run(toy.one_player(NUM_STEPS), tmp_path)
    with pytest.raises(GessoError, match="num_steps was 9, is now 12"):
        run(toy.one_player(12), tmp_path)
    result = run(toy.one_player(NUM_STEPS), tmp_path, steps=12)
    assert result.done and result.steps == 12


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"steps": 0}, "--steps: 0 is not a whole number of at least 1"),
        ({"minutes": 0}, "--minutes: must be more than 0"),
        ({"minutes": float("nan")}, "--minutes: must be more than 0"),
        ({"seed": -1}, "--seed"),
        ({"seed": 2**53}, "--seed"),
        ({"preset": "huge"}, "no preset 'huge'"),
        ({"stage": "second"}, "no stage 'second'"),
        ({"data": "nowhere"}, "no such file or folder"),
        ({"threads": 0}, "--threads"),
        ({"log_every": -1}, "--log-every: must be 0 or more"),
    ],
)
def test_a_bad_flag_is_told_before_anything_is_written(options: dict[str, Any], reason: str, tmp_path: Path) -> None:
    with pytest.raises(GessoError, match=reason):
        run(toy.one_player(NUM_STEPS), tmp_path / "x", **options)
    assert not (tmp_path / "x").exists()


def test_a_file_in_the_way_and_an_untrained_kind_are_told(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("")
    with pytest.raises(GessoError, match="a file, not a folder"):
        run(toy.one_player(NUM_STEPS), tmp_path / "x")
    with pytest.raises(GessoError, match="gesso fit toy"):
        run(dataclasses.replace(toy.one_player(), stages=lambda preset: ()), tmp_path / "y")


def test_an_export_that_the_disk_refuses_keeps_the_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import gesso.verbs.training_outputs as verb

    def refuse(*args: Any, **options: Any) -> str:
        raise GessoError("cannot write: the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(verb, "save_weights", refuse)
        with pytest.raises(GessoError, match="the disk is full"):
            run(toy.one_player(NUM_STEPS), tmp_path / "cut")
    latest = checkpoint.load_latest(tmp_path / "cut" / "checkpoints")
    assert latest is not None and latest.step == 4
    one, two = (read_weights(run(toy.one_player(NUM_STEPS), tmp_path / name).weights).states["net"] for name in ("cut", "whole"))
    assert all(torch.equal(one[n], two[n]) for n in one)


class Picturing(toy.Regress):
    def sample(self, networks: Any, inputs: Any, rng: torch.Generator, settings: Any) -> Iterator[Output]:
        assert isinstance(settings, Settings) and inputs.shape == (8, 3, 8, 8) and list(inputs.items) == list(range(8))
        assert inputs.null.vector.sum() == 0 and (inputs.ports.vector[:, 1] == 1).all(), "nothing is left out of what is shown"
        yield Output({"picture": torch.zeros(8, 3, 8, 8)}, final=False)
        yield Output({"picture": torch.ones(8, 3, 8, 8)})


class Pictures(toy.Numbers):
    def stack(self, items: Any) -> dict[str, Any]:
        return super().stack(items) | {"picture": torch.zeros(len(items), 3, 8, 8)}


def test_samples_are_drawn_from_the_validation_split(tmp_path: Path) -> None:
    from PIL import Image

    asked: list[str] = []

    def data(folder: Path | None, split: str) -> Any:
        asked.append(split)
        return Pictures()

    stage = Stage("fit", Picturing(), {"net": Optimiser()}, data, 4, 4)
    recipe = dataclasses.replace(toy.one_player(), stages=lambda preset: (stage,))
    run(recipe, tmp_path / "a", sample_every=2)
    sheets = sorted((tmp_path / "a" / "samples").iterdir())
    assert [p.name for p in sheets] == ["000000002.png", "000000004.png"] and set(asked) == {"train", "val"}
    assert np.asarray(Image.open(sheets[0]))[8, 8].tolist() == [255, 255, 255]
    shown = dataclasses.replace(recipe, preview=lambda networks, batch, family: np.full((5, 6, 3), len(batch.index), np.uint8))
    run(shown, tmp_path / "b", sample_every=4)
    assert np.asarray(Image.open(tmp_path / "b" / "samples" / "000000004.png")).tolist() == [[[8] * 3] * 6] * 5


def test_pictures_do_not_change_the_run(tmp_path: Path) -> None:
    stage = Stage("fit", Picturing(), {"net": Optimiser()}, lambda folder, split: Pictures(), 6, 4)
    recipe = dataclasses.replace(toy.one_player(), stages=lambda preset: (stage,))
    states = [read_weights(run(recipe, tmp_path / str(every), sample_every=every).weights).states["net"] for every in (0, 1)]
    assert all(torch.equal(states[0][n], states[1][n]) for n in states[0])


def test_stages_follow_one_another_from_the_averaged_weights(tmp_path: Path) -> None:
    first = Stage("first", toy.Regress(), {"net": Optimiser()}, lambda folder, split: toy.Numbers(), 5, 4)
    second = dataclasses.replace(first, name="second", num_steps=3)
    recipe = dataclasses.replace(toy.one_player(), stages=lambda preset: (first, second))
    only = run(recipe, tmp_path, stage="first")
    assert only.done and only.steps == 5 and not (tmp_path / "second").exists()
    both = run(recipe, tmp_path)
    assert both.done and both.steps == 8 and both.log == tmp_path / "second" / "log.jsonl"
    ended, began = checkpoint.load(tmp_path / "first" / "checkpoints", 5), checkpoint.load(tmp_path / "second" / "checkpoints", 0)
    assert torch.equal(ended.tensors["average/net/0.weight"], began.tensors["network/net/0.weight"])
    assert read_weights(both.weights).card["steps"] == 8
    again = run(recipe, tmp_path)
    assert again.done and again.steps == 8


def test_a_run_with_nothing_to_do_leaves_the_weights_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result = run(toy.one_player(NUM_STEPS), tmp_path)
    before, stamp = result.weights.read_bytes(), result.weights.stat().st_mtime_ns
    monkeypatch.setattr("gesso.verbs.train.commit", lambda: "another")
    again = run(toy.one_player(NUM_STEPS), tmp_path)
    assert again.done and result.weights.read_bytes() == before and result.weights.stat().st_mtime_ns == stamp
    result.weights.unlink()
    run(toy.one_player(NUM_STEPS), tmp_path)
    assert read_weights(result.weights).card["steps"] == NUM_STEPS, "a missing file is written again"
    result.weights.write_bytes(before[:-1])
    run(toy.one_player(NUM_STEPS), tmp_path)
    assert read_weights(result.weights).card["commit"] == "another", "a broken one too"
    run(toy.one_player(NUM_STEPS), tmp_path, steps=NUM_STEPS + 1)
    assert read_weights(result.weights).card["steps"] == NUM_STEPS + 1


def test_weights_of_an_earlier_step_are_written_again(tmp_path: Path) -> None:
    early = run(toy.one_player(NUM_STEPS), tmp_path, minutes=1e-9).weights.read_bytes()
    late = read_weights(run(toy.one_player(NUM_STEPS), tmp_path).weights).states["net"]
    (tmp_path / "weights.safetensors").write_bytes(early)
    again = read_weights(run(toy.one_player(NUM_STEPS), tmp_path).weights)
    assert again.card["steps"] == NUM_STEPS and all(torch.equal(again.states["net"][name], late[name]) for name in late)


def test_stages_with_nothing_to_do_leave_the_weights_too(tmp_path: Path) -> None:
    first = Stage("first", toy.Regress(), {"net": Optimiser()}, lambda folder, split: toy.Numbers(), 5, 4)
    recipe = dataclasses.replace(toy.one_player(), stages=lambda preset: (first, dataclasses.replace(first, name="second", num_steps=3)))
    result = run(recipe, tmp_path)
    before, stamp = result.weights.read_bytes(), result.weights.stat().st_mtime_ns
    assert run(recipe, tmp_path).steps == 8 and run(recipe, tmp_path, stage="first").steps == 5
    assert result.weights.read_bytes() == before and result.weights.stat().st_mtime_ns == stamp


def test_another_parents_weights_are_another_training(
    kept: Path, kept_weights: Path, other_weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = dataclasses.replace(toy.one_player(NUM_STEPS), uses={"seen": str(kept)})
    monkeypatch.setattr("gesso.verbs.assemble.shipped", lambda name, preset="": kept_weights)
    run(recipe, tmp_path, minutes=1e-9)
    assert json.loads((tmp_path / "config.json").read_text())["parents"] == {"kept": read_weights(kept_weights).sha256}
    monkeypatch.setattr("gesso.verbs.assemble.shipped", lambda name, preset="": other_weights)
    with pytest.raises(GessoError, match="another training: parents was"):
        run(recipe, tmp_path)
    monkeypatch.setattr("gesso.verbs.assemble.shipped", lambda name, preset="": kept_weights)
    assert run(recipe, tmp_path).done


def test_a_recipe_without_parents_goes_on_from_runs_that_named_none(tmp_path: Path) -> None:
    run(toy.one_player(NUM_STEPS), tmp_path, minutes=1e-9)
    assert "parents" not in json.loads((tmp_path / "config.json").read_text())


def test_a_recipe_of_ones_own_trains_from_its_file(tmp_path: Path) -> None:
    mine = tmp_path / "mine.py"
    mine.write_text("from unit.training import toy\n\nrecipe = toy.one_player(4)\n")
    result = train(mine, out=tmp_path / "out", threads=1, quiet=True, sample_every=0)
    assert result.done and read_weights(result.weights).card["recipe"] == "toy"
    with pytest.raises(GessoError, match="there is no recipe 'nothing'"):
        train("nothing", out=tmp_path / "out2")


def test_a_training_cannot_start_in_a_folder_that_trains(tmp_path: Path) -> None:
    from gesso.storage.lock import locked

    with locked(tmp_path), pytest.raises(GessoError, match="another training is writing"):
        run(toy.one_player(NUM_STEPS), tmp_path)


def test_an_adversarial_run_measures_its_samples_and_keeps_the_best(tmp_path: Path):
    from gesso.training.log import read_lines

    result = train("gan", out=tmp_path / "run", preset="tiny", steps=4, threads=1, quiet=True, log_every=1, sample_every=1, patience=9)
    found = [line["figure/kernel distance"] for line in read_lines(result.log) if "figure/kernel distance" in line]
    assert result.done and len(found) == 4 and (tmp_path / "run" / "best.safetensors").is_file()
    from gesso import load

    assert load("gan", weights=tmp_path / "run" / "best.safetensors").generate(seed=1).outputs["image"].shape == (32, 32, 3)
