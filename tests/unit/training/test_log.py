"""The log has each step once, even after interruptions and roll-backs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from gesso.storage.lock import locked
from gesso.training.guard import Diverged, DivergenceGuard
from gesso.training.log import Log, Progress, read_lines
from gesso.training.picture import sample_sheet, save_curve, save_samples


def steps(path: Path) -> list[tuple[int, bool]]:
    return [(line["step"], "event" in line) for line in read_lines(path)]


def test_resuming_removes_later_lines(tmp_path: Path) -> None:
    log = Log(tmp_path)
    log.open(0)
    for step in (5, 10, 15):
        log.write({"step": step, "loss/fit": 1.0 / step})
    log.write({"step": 10, "event": "roll-back"})
    log.sync()
    log.close()
    again = Log(tmp_path)
    again.open(10)
    assert steps(again.path) == [(5, False), (10, False)], "events after the checkpoint of step 10 happen again"
    again.write({"step": 15, "loss/fit": 0.1})
    again.roll_back(10)
    again.write({"step": 10, "event": "roll-back"})
    again.roll_back(10)
    again.close()
    assert steps(again.path) == [(5, False), (10, False), (10, True)]


def test_a_cut_line_is_dropped(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text('{"step": 5, "loss/fit": 1.0}\n[]\n{"step": 10, "lo')
    log = Log(tmp_path)
    log.open(50)
    log.write({"step": 55})
    log.close()
    assert steps(path) == [(5, False), (55, False)]
    assert all(json.loads(line) for line in path.read_text().splitlines())


def test_tensorboard_gets_the_same_numbers(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    log = Log(tmp_path)
    log.open(0)
    for step in (5, 10):
        log.write({"step": step, "loss/fit": float(step), "none": None})
    log.picture("samples", np.zeros((4, 4, 3), np.uint8), 10)
    log.close()
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert [(e.step, e.value) for e in events.Scalars("loss/fit")] == [(5, 5.0), (10, 10.0)]
    assert [e.step for e in events.Images("samples")] == [10]


def test_the_curve_is_drawn_if_matplotlib_is_installed(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    assert save_curve(tmp_path / "curve.png", [{"step": s, "loss/a": 1.0, "loss/b": 2.0} for s in (1, 2)])
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")
    assert save_curve(tmp_path / "none.png", []) and not (tmp_path / "none.png").exists()


def test_a_sheet_is_made_of_the_first_batch_of_pictures(tmp_path: Path) -> None:
    import torch

    made = sample_sheet({"label": torch.zeros(3), "picture": torch.ones(3, 1, 8, 8)})
    assert made is not None and made.dtype == np.uint8 and made.ndim == 3
    assert sample_sheet({"label": torch.zeros(3)}) is None
    assert save_samples(tmp_path / "samples", 7, made).name == "000000007.png"


def test_without_a_terminal_progress_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress("fit", 100, quiet=False)
    progress.start(0)
    progress.show(50, {"fit": 0.25}, 200.0, 2.0, 120)
    progress.show(51, {"fit": 0.25}, 200.0, 2.0, 119)
    progress.close()
    heard = capsys.readouterr()
    assert heard.err == "fit  50/100  fit 0.25  200 items/s  saves in 1:00  0:25 left\n" and heard.out == ""
    silent = Progress("fit", 100, quiet=True)
    silent.show(50, {}, 1.0, 1.0, 1)
    silent.say("nothing")
    assert capsys.readouterr().err == ""


def test_the_guard_accepts_finite_losses_and_refuses_jumps() -> None:
    guard = DivergenceGuard()
    for _ in range(30):
        guard.check("fit", 0.5, 1.0)
    guard.check("fit", 499.0, 1.0)
    with pytest.raises(Diverged, match="leapt"):
        guard.check("fit", 501.0, 1.0)
    with pytest.raises(Diverged, match="leapt"):
        guard.check("fit", -501.0, 1.0)
    for loss, norm in ((float("nan"), 1.0), (float("inf"), 1.0), (1.0, float("nan")), (1.0, float("inf"))):
        with pytest.raises(Diverged):
            guard.check("fit", loss, norm)
    guard.check("other", 1e6, 1.0)
    again = DivergenceGuard()
    again.restore(json.loads(json.dumps(guard.to_json())))
    assert again.to_json() == guard.to_json()


def test_a_loss_that_reaches_zero_may_rise_again() -> None:
    guard = DivergenceGuard()
    for _ in range(50):
        guard.check("fit", 0.0, 0.0)
    guard.check("fit", 0.9, 1.0)


def test_two_trainings_cannot_share_a_folder(tmp_path: Path) -> None:
    from gesso.errors import GessoError

    with locked(tmp_path), pytest.raises(GessoError, match="another training"), locked(tmp_path):
        pass
    with locked(tmp_path):
        pass
