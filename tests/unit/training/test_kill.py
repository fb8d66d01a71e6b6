"""kill -9 anywhere, and disks that refuse: the run goes on as if nothing had happened (the trainings are children of killer.py)."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gesso.training import chaos

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="children are forked, which this system cannot"),
    pytest.mark.timeout(3600),
]
SCRIPT = Path(__file__).with_name("killer.py")


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """In memory where that can be had: a killed process loses nothing that it wrote, wherever it wrote it, and memory syncs at once."""
    shm = Path("/dev/shm")
    if not os.access(shm, os.W_OK):
        yield tmp_path
        return
    place = Path(tempfile.mkdtemp(prefix="gesso-kill-", dir=shm))
    yield place
    shutil.rmtree(place)


def killer(*words: object) -> dict[str, Any]:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p), "OMP_NUM_THREADS": "1"}
    run = subprocess.run([sys.executable, str(SCRIPT), *map(str, words)], capture_output=True, text=True, env=environment)
    assert run.returncode == 0, run.stderr
    return dict(json.loads(run.stdout))


def test_death_at_points_of_a_save_changes_nothing(folder: Path) -> None:
    told = killer("points", folder, 13)
    assert told["unlike"] == []
    assert set(told["deaths"]) == {*chaos.POINTS, *chaos.CALLS}, "a point that nothing passes tests nothing"


def test_a_disk_that_refuses_keeps_the_last_good_state_and_says_why(folder: Path) -> None:
    told = killer("faults", folder, 3)
    assert told["unlike"] == []
    for what, why in told["reasons"].items():
        reason = {"ENOSPC": "the disk is full", "EACCES": "may not read or write", "EROFS": "read-only"}[what.split()[1]]
        assert reason in why and "goes on from the last good checkpoint" in why, what
    assert len(told["reasons"]) >= 10


def test_kill_9_at_10_random_moments_changes_nothing(folder: Path) -> None:
    told = killer("random", folder, 10, 1)
    assert told["unlike"] == [] and told["kills"] >= 10


@pytest.mark.slow
def test_death_at_every_point_of_a_save_changes_nothing(folder: Path) -> None:
    told = killer("points", folder, 1)
    assert told["unlike"] == []
    assert sum(told["deaths"].values()) >= 80


@pytest.mark.slow
def test_every_fault_at_every_point_keeps_the_last_good_state(folder: Path) -> None:
    told = killer("faults", folder, 1)
    assert told["unlike"] == []
    assert len(told["reasons"]) >= 30


@pytest.mark.slow
def test_kill_9_at_50_random_moments_changes_nothing(folder: Path) -> None:
    told = killer("random", folder, 50, 2)
    assert told["unlike"] == [] and told["kills"] >= 50
