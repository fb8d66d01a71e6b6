"""The two paths of ARCHITECTURE.md: the files named there exist, and a traced command passes few files that only carry it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

MOST_CARRYING = 20  # files
MOST_CARRYING_A_STROKE = 32  # files
MOST_CHANGES = 3  # of thread, on the way of a stroke to its picture


def test_the_files_of_the_two_paths_exist(root: Path) -> None:
    section = (root / "ARCHITECTURE.md").read_text("utf-8").partition("## The two paths")[2].partition("\n## ")[0]
    table = re.findall(r"^\| `([\w/]+\.py)` \| \S", section, re.M)
    made = re.findall(r"`((?:media|conditions|networks|rules|families|metrics)/\w+)`", section)
    assert len(table) > 20 and len(made) > 20
    gone = [name for name in (*table, *(f"{one}.py" for one in made)) if not (root / "src" / "gesso" / name).is_file()]
    assert not gone, "run python tools/trace_paths.py --write"


@pytest.mark.slow
def test_a_command_passes_few_files(root: Path) -> None:
    done = subprocess.run([sys.executable, str(root / "tools" / "trace_paths.py"), "command"], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    found = re.search(r"(\d+) files, (\d+) that carry the request", done.stdout)
    assert found and int(found[2]) <= MOST_CARRYING, done.stdout
    assert "verbs/generate.py" in done.stdout and "record.py" in done.stdout


@pytest.mark.slow
def test_a_stroke_passes_few_files_and_threads(root: Path) -> None:
    done = subprocess.run([sys.executable, str(root / "tools" / "trace_paths.py"), "stroke"], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    found = re.search(r"(\d+) that carry the request .* \((\d+) on the way", done.stdout)
    assert found and int(found[1]) <= MOST_CARRYING_A_STROKE and int(found[2]) <= MOST_CHANGES, done.stdout
    assert "steering/store.py" in done.stdout and "serving/render/renderer.py" in done.stdout
