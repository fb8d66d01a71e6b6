"""What a run shows of itself: figures of samples in the log, the best weights, the stop when they get no better, errors that are told."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from torch import nn

from gesso.training.log import Log, Progress
from gesso.training.showing import LOOKS, Showing
from gesso.training.watch import signs_in


def learner(step: int) -> Any:
    return SimpleNamespace(step=step, export_networks={}, family=nn.Module())


@pytest.fixture
def log(tmp_path: Path) -> Log:
    made = Log(tmp_path)
    made.open(0)
    return made


def shown(log: Log, values: list[float], patience: int | None = None) -> tuple[Showing, list[int]]:
    kept: list[int] = []
    rest = iter(values)
    made = Showing(
        log.folder, log, Progress("t", 10, quiet=True), figures=lambda networks: {"distance": next(rest), "other": 1.0},
        export_best=lambda learner: kept.append(learner.step), patience=patience,
    )  # fmt: skip
    return made, kept


def test_the_best_weights_are_kept_and_a_run_that_gets_no_better_is_stale(log: Log):
    values = [5.0, 3.0, 4.0, 3.0, 3.5]
    showing, kept = shown(log, values, patience=2)
    stale = []
    for step in range(len(values)):
        showing.show(learner(step))
        stale.append(showing.stale)
    assert kept == [0, 1] and stale == [False, False, False, True, True]
    assert [line["figure/distance"] for line in log.lines()] == values and (log.folder / "curve.png").is_file()
    assert not shown(log, [1.0, 1.0, 1.0])[0].stale


def test_figures_that_get_no_better_are_told_once_and_over_when_they_do(log: Log):
    values = [3.0, *[4.0] * (LOOKS + 2), 2.0]
    showing, _ = shown(log, values)
    for step in range(len(values) - 1):
        showing.show(learner(step))
        if step == LOOKS:
            showing.read_log()  # as a resumed run does
    assert not showing.stale, "it is told, and without patience the run goes on"
    assert [line["step"] for line in log.lines() if line.get("event") == "sign"] == [LOOKS]
    assert "distance" in signs_in(log.lines())["stale"]
    showing.show(learner(len(values)))
    assert not signs_in(log.lines())


def test_a_resumed_run_knows_its_figures(log: Log):
    first, _ = shown(log, [5.0, 3.0])
    for step in (1, 2):
        first.show(learner(step))
    again, kept = shown(log, [4.0])
    again.read_log()
    again.show(learner(3))
    assert not kept and again.values == [5.0, 3.0, 4.0]


def test_an_error_is_told_once_and_does_not_end_the_run(log: Log, capsys: pytest.CaptureFixture[str]):
    def fails(networks: Any) -> Any:
        raise RuntimeError("no pictures")

    showing = Showing(log.folder, log, Progress("t", 10, quiet=False), figures=fails)
    showing.show(learner(1))
    showing.show(learner(2))
    assert capsys.readouterr().err.count("no pictures") == 1
