"""The benches start; nothing is timed here. What they compute from times is checked on made-up ones."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[2] / "bench"


@pytest.mark.parametrize("name", ["train", "diffusion", "ceiling", "ranks", "startup"])
def test_a_bench_says_what_it_does(name: str) -> None:
    run = subprocess.run([sys.executable, str(BENCH / f"{name}.py"), "--help"], capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr
    assert "Aim" in run.stdout


def test_a_ratio_is_paired_by_round(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCH))
    from sides.turns import ratio

    ours = [1.0, 10.0, 100.0, 1000.0]  # the machine slows down for both
    found = ratio(ours, [2 * one for one in ours])
    assert (found.median, found.low, found.high) == (2.0, 2.0, 2.0)
    spread = ratio([1.0] * 9, [1.0, 1.1, 1.2, 1.3, 2.0, 2.5, 3.0, 3.5, 4.0])
    assert spread.low < spread.median == 2.0 < spread.high
