"""Runs side by side: facts, figures of measures, signs of trouble, curves and sheets; folders that are no runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gesso.cli import main
from gesso.errors import GessoError
from gesso.verbs.compare import compare
from gesso.verbs.train import train


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    place = tmp_path_factory.mktemp("runs")
    for seed, steps in ((0, 3), (1, 2)):
        train("gan", out=place / f"seed{seed}", preset="tiny", steps=steps, seed=seed, threads=1, quiet=True, log_every=1, sample_every=1)
    report = {"measure": "modes", "figures": {"made": {"modes": 7, "KL": 2.5}, "fd": {"value": 1.5, "low": 1.0, "high": 2.0}, "n": 9}}
    (place / "seed0" / "modes.json").write_text(json.dumps(report))
    (place / "seed1" / "pictures").mkdir()
    (place / "seed1" / "pictures" / "figures.json").write_text(
        json.dumps({"measure": "pictures", "figures": {"rows": {"made": {"fd": 4.0}}}})
    )
    with open(place / "seed1" / "log.jsonl", "a") as log:
        log.write(json.dumps({"step": 2, "event": "sign", "sign": "collapse critic", "reason": "all alike"}) + "\n")
    return [place / "seed0", place / "seed1"]


def test_two_runs_with_figures_and_signs(runs: list[Path], tmp_path: Path):
    rows = compare(runs, out=tmp_path / "c")
    assert list(rows) == ["seed0", "seed1"] and (rows["seed0"]["steps"], rows["seed1"]["steps"]) == (3, 2)
    assert rows["seed0"]["made modes"] == 7 and rows["seed0"]["fd"] == 1.5 and "made modes" not in rows["seed1"]
    assert rows["seed1"]["rows made fd"] == 4.0
    assert rows["seed1"]["signs"] == "collapse critic" and rows["seed0"]["signs"] is None
    assert {one.name for one in (tmp_path / "c").iterdir()} == {"compare.json", "curves.png", "samples.png"}
    assert json.loads((tmp_path / "c" / "compare.json").read_text()) == rows


def test_a_run_named_twice_is_one_and_equal_names_are_told_apart(runs: list[Path], tmp_path: Path):
    assert len(compare([runs[0], runs[0]])) == 1
    other = tmp_path / "b" / "seed0"
    other.mkdir(parents=True)
    (other / "weights.safetensors").write_bytes((runs[0] / "weights.safetensors").read_bytes())
    assert list(compare([runs[0], other])) == [f"{runs[0].parent.name}/seed0", "b/seed0"]


def test_the_command_prints_a_column_a_run(runs: list[Path], capsys: pytest.CaptureFixture[str]):
    assert main(["compare", *map(str, runs)]) == 0
    told = capsys.readouterr().out
    assert "seed0" in told and "seed1" in told and "collapse critic" in told


@pytest.mark.parametrize("bad", ["nowhere", "empty", "file"])
def test_what_is_no_run_is_refused(tmp_path: Path, bad: str):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("x")
    with pytest.raises(GessoError, match=bad):
        compare([tmp_path / bad], out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_figures_that_are_broken_files_are_passed_over(runs: list[Path]):
    (runs[1] / "notes.json").write_text("{")
    (runs[1] / "list.json").write_text("[1]")
    assert compare([runs[1]])["seed1"]["steps"] == 2
