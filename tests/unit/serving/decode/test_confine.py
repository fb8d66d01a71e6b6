"""A worker that decodes a stranger's film: it computes, starts threads and writes files, and reaches neither network nor programs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gesso.serving.decode.sandbox import OUTSIDE

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
