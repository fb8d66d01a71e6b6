"""A worker that decodes a stranger's film: it computes, starts threads and writes files, and reaches neither network nor programs."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from gesso.serving.decode.sandbox import OUTSIDE
from gesso.serving.jobs import worker

TRY = """
import pathlib, socket, subprocess, sys, threading
from gesso.serving.decode.sandbox import confine
confine()
told = []
for name, run in (("socket", socket.socket), ("program", lambda: subprocess.run(["true"]))):
    try:
        run()
        told.append(name)
    except OSError:
        pass
thread = threading.Thread(target=lambda: pathlib.Path(sys.argv[1]).write_text(",".join(told) or "nothing"))
thread.start()
thread.join()
"""


@pytest.mark.skipif(sys.platform != "linux" or os.uname().machine not in OUTSIDE, reason="seccomp is Linux's, with tables for two machines")
def test_neither_network_nor_programs(tmp_path: Path):
    subprocess.run([sys.executable, "-c", TRY, str(tmp_path / "told")], check=True, timeout=120)
    assert (tmp_path / "told").read_text() == "nothing"


def test_a_worker_is_confined_before_it_starts_threads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The filter covers the calling thread and those that it starts later."""
    order: list[str] = []
    config = {"home": str(tmp_path), "recipes": None, "weights": {}, "threads": 1, "sign": False, "most_bytes": 1}
    monkeypatch.setattr(sys, "stdin", io.StringIO(json.dumps({"config": config, "id": "a", "token": 1, "kind": "film"}) + "\n"))
    monkeypatch.setattr(os, "nice", lambda more: 0)
    monkeypatch.setattr(os, "_exit", lambda code: order.append("exit"))
    monkeypatch.setattr(worker.sandbox, "confine", lambda: order.append("confine"))
    monkeypatch.setattr(threading.Thread, "start", lambda self: order.append("thread"))
    monkeypatch.setattr(worker, "run_job", lambda *given: order.append("job"))
    worker.main()
    assert order == ["confine", "thread", "thread", "job", "exit"]
