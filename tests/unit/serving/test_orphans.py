"""kill -9 of the server, its signer or its decoder: no process is left, and the next server starts immediately."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="the extra gesso[studio] is not installed")

from unit.serving.jobs.test_job_kill import TOKEN, Server, give, stamps, until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="processes are found by /proc, which this system has not"),
]
WorkerProcess = tuple[int, str]  # its id, and when it began: ids are used again


def about(pid: int) -> tuple[str, str] | None:
    """A process's state and start time; None if it has ended."""
    try:
        words = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    except OSError:
        return None
    return words[0], words[19]


def family(pid: int) -> dict[WorkerProcess, str]:
    """All that a process started, and what they were started as."""
    found: dict[WorkerProcess, str] = {}
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in map(int, (task / "children").read_text().split()):
                told = about(child)
                if told is not None:
                    found[child, told[1]] = Path(f"/proc/{child}/cmdline").read_text().replace("\0", " ")
                    found |= family(child)
    return found


def alive(processes: dict[WorkerProcess, str]) -> dict[WorkerProcess, str]:
    """The processes that are still running, without zombies."""
    return {one: words for one, words in processes.items() if (told := about(one[0])) and told[1] == one[1] and told[0] not in "ZX"}


def one_of(processes: dict[WorkerProcess, str], word: str) -> int:
    found = [pid for (pid, _), words in processes.items() if word in words]
    assert found, (word, processes)
    return found[0]


def zombies(pid: int) -> list[int]:
    return [one for (one, _) in family(pid) if (told := about(one)) and told[0] == "Z"]


def upload(server: Server, data: bytes) -> str:
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/octet-stream"}
    request = urllib.request.Request(f"http://127.0.0.1:{server.port}/api/uploads", data, headers)
    with urllib.request.urlopen(request, timeout=60) as answer:
        return str(answer.headers["location"].rpartition("/")[2])


def signed(server: Server, page: str) -> bool:
    """Whether what is made now leaves with a signature."""
    made = server.call("POST", "/api/generate", {"recipe": "dots", "conditions": {"page": {"upload": page}}})
    return "unsigned" not in made["outputs"]["image"]


def port_is_free(port: int) -> bool:
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", port)) != 0


@pytest.fixture
def busy(tmp_path: Path, picture: Callable[..., bytes]) -> Iterator[tuple[Server, str, str]]:
    """A server with all its children at work: one that decodes, a signer, a worker in the middle of a job; its upload and its job."""
    pytest.importorskip("c2pa", reason="the extra studio is not installed: nothing is signed")
    server = Server(tmp_path / "home")
    files = give(server.home, picture, 6)
    server.start()
    page = upload(server, picture(40, 30))
    assert signed(server, page)
    ask = {"kind": "batch", "recipe": "dots", "files": files, "settings": {"num_steps": 4, "pause": 0.15}}
    job = server.call("POST", "/api/jobs", ask)["id"]
    until(lambda: stamps(server, job))
    yield server, page, job
    if server.child is not None and server.child.poll() is None:
        server.child.terminate()
        server.child.wait(timeout=30)


def test_a_killed_server_leaves_no_process(busy: Any, picture: Callable[..., bytes]):
    server, page, job = busy
    left = family(server.child.pid)
    for word in ("gesso.serving.decode.decode_worker", "gesso.marking.signer", "gesso.serving.jobs.worker"):
        one_of(left, word)
    server.kill()
    assert port_is_free(server.port), "no child holds the port"
    server.start()  # at once, at the same port, over the same home, while the worker still saves
    assert signed(server, page) and upload(server, picture(20, 20))
    until(lambda: not alive(left), 60)
    told = server.wait(job)
    assert told["state"] == "done" and len(stamps(server, job)) == 6
    mine = family(server.child.pid)
    server.child.send_signal(signal.SIGTERM)
    assert server.child.wait(timeout=30) is not None
    until(lambda: not alive(mine), 30)
    assert port_is_free(server.port)


@pytest.mark.parametrize("word", ["gesso.marking.signer", "gesso.serving.decode.decode_worker", "gesso.serving.jobs.worker"])
def test_a_killed_child_is_buried_and_followed_by_another(busy: Any, picture: Callable[..., bytes], word: str):
    server, page, job = busy
    killed = one_of(family(server.child.pid), word)
    os.kill(killed, signal.SIGKILL)
    assert upload(server, picture(20, 20, seed=3)) and signed(server, page)
    until(lambda: not zombies(server.child.pid), 30)
    assert server.wait(job)["state"] == "done" and len(stamps(server, job)) == 6
    assert one_of(family(server.child.pid), word.replace(".jobs.worker", ".decode.decode_worker")) != killed
    until(lambda: not [words for words in family(server.child.pid).values() if "jobs.work" in words], 30)
    until(lambda: not zombies(server.child.pid), 30)


def test_a_server_on_ray_leaves_no_cluster_behind(tmp_path: Path, picture: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch):
    """The process that talks to Ray is killed, too: the cluster itself notices that its driver is gone."""
    pytest.importorskip("ray", reason="the extra gesso[dist] is not installed")
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    server = Server(tmp_path / "home", jobs="ray")
    files = give(server.home, picture, 4)
    for with_driver in (False, True):
        server.start()
        ask = {"kind": "batch", "recipe": "dots", "files": files, "settings": {"num_steps": 4, "pause": 0.2}}
        job = server.call("POST", "/api/jobs", ask)["id"]
        until(lambda job=job: stamps(server, job))  # type: ignore[misc]
        assert server.child is not None
        left = family(server.child.pid)
        driver = one_of(left, "gesso.serving.jobs.ray_driver")
        assert any("raylet" in words for words in left.values())
        server.kill()
        if with_driver:
            with contextlib.suppress(ProcessLookupError):
                os.kill(driver, signal.SIGKILL)
        until(lambda left=left: not alive(left), 120)  # type: ignore[misc]
