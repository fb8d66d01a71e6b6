"""After kill -9 at any point, or a disk error, a run resumes bit-equal (killer.py runs the trainings)."""

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

from gesso.training import fault_injection

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork"),
    pytest.mark.timeout(3600),
]
SCRIPT = Path(__file__).with_name("killer.py")


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory if possible, because syncing it is fast; a killed process loses nothing that it wrote."""
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


def test_a_crash_at_some_points_of_a_save_changes_nothing(folder: Path) -> None:
    report = killer("points", folder, 13)
    assert report["different"] == []
    assert set(report["deaths"]) == {*fault_injection.POINTS, *fault_injection.OS_CALLS}, "every fault point must be reached"


def test_disk_errors_keep_the_last_good_state_and_are_explained(folder: Path) -> None:
    report = killer("faults", folder, 3)
    assert report["different"] == []
    for what, why in report["reasons"].items():
        reason = {"ENOSPC": "the disk is full", "EACCES": "may not read or write", "EROFS": "read-only"}[what.split()[1]]
        assert reason in why and "resumes from the last good checkpoint" in why, what
    assert len(report["reasons"]) >= 10


def test_kill_9_at_10_random_moments_changes_nothing(folder: Path) -> None:
    report = killer("random", folder, 10, 1)
    assert report["different"] == [] and report["kills"] >= 10


@pytest.mark.slow
def test_a_crash_at_every_point_of_a_save_changes_nothing(folder: Path) -> None:
    report = killer("points", folder, 1)
    assert report["different"] == []
    assert sum(report["deaths"].values()) >= 80


@pytest.mark.slow
def test_every_disk_error_at_every_point_keeps_the_last_good_state(folder: Path) -> None:
    report = killer("faults", folder, 1)
    assert report["different"] == []
    assert len(report["reasons"]) >= 30


@pytest.mark.slow
def test_kill_9_at_50_random_moments_changes_nothing(folder: Path) -> None:
    report = killer("random", folder, 50, 2)
    assert report["different"] == [] and report["kills"] >= 50
