"""The same jobs on a real Ray of this machine: done, cancelled, killed and done all the same."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="the extra gesso[studio] is not installed")
pytest.importorskip("ray", reason="the extra gesso[dist] is not installed: jobs on Ray are not tried")

from unit.serving.jobs.test_job_kill import Server, assert_close, finger, give, stamps, until

pytestmark = pytest.mark.slow


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    made = Server(tmp_path / "home", jobs="ray")
    yield made
    if made.child is not None and made.child.poll() is None:
        made.child.terminate()
        made.child.wait(timeout=60)


def tasks(server: Server) -> list[int]:
    """Processes of Ray's that do a job of this server's, by the name that Ray gives them."""
    told = subprocess.run(["ps", "-eo", "pid,args"], capture_output=True, text=True).stdout.splitlines()
    return [int(line.split()[0]) for line in told if "ray::gesso" in line]


def family(pid: int) -> set[int]:
    """A process and all that it started."""
    children: list[str] = []
    with contextlib.suppress(OSError):  # it ends while one looks
        for task in Path(f"/proc/{pid}/task").iterdir():
            children += (task / "children").read_text().split()
    return {pid}.union(*(family(int(child)) for child in children))


def listening(pid: int) -> list[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    """On which addresses a process and all that it started take connections."""
    sockets = set()
    for one in family(pid):
        with contextlib.suppress(OSError):
            for file in Path(f"/proc/{one}/fd").iterdir():
                sockets.add(os.readlink(file))
    found = []
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            words = line.split()
            if words[3] == "0A" and f"socket:[{words[9]}]" in sockets:
                raw = bytes.fromhex(words[1].partition(":")[0])
                address = ipaddress.ip_address(b"".join(raw[at : at + 4][::-1] for at in range(0, len(raw), 4)))
                found.append(getattr(address, "ipv4_mapped", None) or address)
    return found


def test_jobs_are_done_cancelled_and_taken_again_on_ray(server: Server, picture: Callable[..., bytes]):
    files = give(server.home, picture, 6)
    server.start()
    batch = {"kind": "batch", "recipe": "dots", "files": files, "settings": {"num_steps": 4, "pause": 0.2}}
    id = server.call("POST", "/api/jobs", batch)["id"]
    until(lambda: len(stamps(server, id)) >= 2)
    made = stamps(server, id)
    assert tasks(server), "it runs as a task of Ray's"
    assert server.child is not None
    heard = listening(server.child.pid)
    assert len(heard) >= 4 and all(one.is_loopback for one in heard), heard
    for pid in tasks(server):
        os.kill(pid, signal.SIGKILL)
    told = server.wait(id)
    assert told["state"] == "done" and told["done"] == 6 and told["attempt"] >= 2 and len(stamps(server, id)) == 6
    assert sum(stamps(server, id)[name] == at for name, at in made.items()) >= len(made) - 1, "what was done was not done again"

    train = {"kind": "train", "recipe": "moon", "steps": 400, "seed": 5}
    whole = server.call("POST", "/api/jobs", train)["id"]
    assert server.wait(whole)["state"] == "done"
    long = server.call("POST", "/api/jobs", train | {"steps": 100_000})["id"]
    until(lambda: server.job(long)["done"] > 0)
    server.call("POST", f"/api/jobs/{long}/cancel")
    assert server.wait(long)["state"] == "cancelled" and server.job(long)["has_weights"]

    again = server.call("POST", "/api/jobs", train)["id"]
    until(lambda: server.job(again)["done"] > 0)
    server.kill()  # and its cluster with it
    server.start()
    assert server.wait(again)["state"] == "done"
    assert finger(server, again) == finger(server, whole), "the same to the bit, killed or not"


def test_a_training_in_two_processes_on_ray_equals_one_process(server: Server):
    server.start()
    train = {"kind": "train", "recipe": "moon", "steps": 60, "seed": 5}
    one = server.call("POST", "/api/jobs", train)["id"]
    assert server.wait(one)["state"] == "done"
    two = server.call("POST", "/api/jobs", train | {"processes": 2, "steps": 2000})["id"]
    until(lambda: server.job(two)["done"] > 0)
    assert len(tasks(server)) == 2, "the second process is a task of Ray's too"
    assert server.child is not None
    assert all(one.is_loopback for one in listening(server.child.pid))
    server.call("POST", f"/api/jobs/{two}/cancel")
    assert server.wait(two)["state"] == "cancelled"

    again = server.call("POST", "/api/jobs", train | {"processes": 2})["id"]
    assert server.wait(again)["state"] == "done"
    assert_close(server, one, again)
