"""Processes that take turns: each trains some steps while the others wait, and what is compared was timed within one round."""

from __future__ import annotations

import json
import os
import platform
import random
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
SOURCE = HERE.parent.parent / "src"
SETTLE = 3  # steps at the start of each turn that are not counted: what was made ahead while others had their turn is used up


class Gone(Exception):
    """A side that could not start or ended early; the message is its last line on stderr."""


class Side:
    """One process. `python` runs it, and `launch` stands between python and the script (torchrun)."""

    def __init__(self, name: str, script: str, words: Sequence[str], *, python: str, threads: int, launch: Sequence[str] = ()) -> None:
        self.name = name
        self._folder = tempfile.TemporaryDirectory(prefix="gesso-bench-", ignore_cleanup_errors=True)
        self._errors = tempfile.TemporaryFile("w+", encoding="utf-8")
        environment = os.environ | {"PYTHONPATH": f"{SOURCE}{os.pathsep}{HERE}", "OMP_NUM_THREADS": str(threads)}
        command = [python, *launch, str(HERE / script), *words, "--threads", str(threads), "--folder", f"{self._folder.name}/run"]
        self._child = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, text=True, env=environment
        )
        self.facts = self._answer()

    def take(self, num: int) -> list[float]:
        """Take `num` steps; the seconds of each."""
        assert self._child.stdin is not None
        try:
            self._child.stdin.write(f"{num}\n")
            self._child.stdin.flush()
        except OSError:
            raise self._gone() from None
        return list(self._answer()["seconds"])

    def close(self) -> None:
        assert self._child.stdin is not None and self._child.stdout is not None
        try:
            self._child.stdin.close()
            self._child.wait(timeout=60)
        except (OSError, subprocess.TimeoutExpired):
            self._child.kill()
            self._child.wait()
        self._child.stdout.close()
        self._errors.close()
        self._folder.cleanup()

    def _answer(self) -> dict[str, Any]:
        assert self._child.stdout is not None
        try:
            return dict(json.loads(self._child.stdout.readline()))
        except ValueError:
            raise self._gone() from None

    def _gone(self) -> Gone:
        self._child.kill()
        self._child.wait()
        self._errors.seek(0)
        lines = self._errors.read().strip().splitlines()
        return Gone(lines[-1] if lines else f"exit code {self._child.returncode}")


def play(sides: Sequence[Side], rounds: int, steps: int, *, settle: int = SETTLE) -> dict[str, list[float]]:
    """Seconds a step of each side in each round. All take the same steps of the training, in another order each round."""
    found: dict[str, list[float]] = {side.name: [] for side in sides}
    for number in range(rounds + 1):
        for side in random.Random(number).sample(list(sides), len(sides)):
            seconds = side.take(settle + steps)[settle:]
            if number:  # the first round warms up
                found[side.name].append(statistics.fmean(seconds))
        if number:
            print(f"round {number} of {rounds}", file=sys.stderr)
    return found


@dataclass(frozen=True)
class Ratio:
    """The median over rounds of how many times as fast, and the middle 95 % of that median when rounds are drawn again."""

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.median:5.2f} ({self.low:.2f} to {self.high:.2f})"


def ratio(ours: Sequence[float], theirs: Sequence[float], draws: int = 5000) -> Ratio:
    """How many times as fast we are, paired by round."""
    each = [b / a for a, b in zip(ours, theirs, strict=True)]
    rng = random.Random(0)
    medians = sorted(statistics.median(rng.choices(each, k=len(each))) for _ in range(draws))
    return Ratio(statistics.median(each), medians[draws // 40], medians[-1 - draws // 40])


def machine(threads: int) -> dict[str, Any]:
    """What the figures depend on."""
    import torch

    from gesso.record import cpu_features

    here = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {"cpu": list(cpu_features()), "cores": here, "threads": threads, "torch": str(torch.__version__), "machine": platform.machine()}


def machine_line(found: Mapping[str, Any]) -> str:
    return f"{found['machine']} with {', '.join(found['cpu'])}; {found['cores']} cores, {found['threads']} threads; torch {found['torch']}"
