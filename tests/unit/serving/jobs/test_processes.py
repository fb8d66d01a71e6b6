"""A training that several processes share: one process's result, done all the same when one of them is killed."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="the extra gesso[studio] is not installed")

from unit.serving.jobs.test_job_kill import Server, assert_close, until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="processes are found by /proc, which this system has not"),
    pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="needs two cores"),
]
TRAIN = {"kind": "train", "recipe": "moon", "steps": 60, "seed": 5}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    made = Server(tmp_path / "home")
    made.start()
    yield made
    assert made.child is not None
    made.child.terminate()
    made.child.wait(timeout=30)


def test_two_processes_make_what_one_makes(server: Server) -> None:
    one = server.call("POST", "/api/jobs", TRAIN)["id"]
    two = server.call("POST", "/api/jobs", TRAIN | {"processes": 2})["id"]
    assert server.wait(one)["state"] == server.wait(two)["state"] == "done"
    assert server.job(two)["asked"]["processes"] == 2
    assert_close(server, one, two)


def test_a_training_goes_on_when_its_second_process_is_killed(server: Server) -> None:
    id = server.call("POST", "/api/jobs", TRAIN | {"processes": 2, "steps": 4000})["id"]
    until(lambda: server.job(id)["done"] > 0)
    (worker,) = server.workers()
    others = [int(pid) for task in Path(f"/proc/{worker}/task").iterdir() for pid in (task / "children").read_text().split()]
    second = next(pid for pid in others if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes())
    os.kill(second, signal.SIGKILL)
    told = server.wait(id)
    assert told["state"] == "done" and told["done"] == 4000 and told["attempt"] >= 2, told
