"""Locks are refused immediately while another process or thread holds them, and are released when the holder dies."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gesso.errors import GessoError
from gesso.storage.lock import locked, take

ENVIRONMENT = os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
HOLDER = """
import sys
from pathlib import Path
from gesso.storage.lock import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_folder_is_locked_once(tmp_path: Path):
    with locked(tmp_path):
        with pytest.raises(GessoError, match="another batch is writing into this folder"), locked(tmp_path, "another batch"):
            pass
    with locked(tmp_path):
        pass


def test_another_process_is_refused_until_the_holder_is_killed(tmp_path: Path):
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)], env=ENVIRONMENT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None and holder.stdin is not None and holder.stdout.readline() == "held\n"
    descriptor = os.open(tmp_path / ".lock", os.O_RDWR)
    with pytest.raises(BlockingIOError):
        take(descriptor)
    holder.kill()
    holder.wait()
    take(descriptor)
    os.close(descriptor)
    for pipe in (holder.stdout, holder.stdin):
        pipe.close()
