"""kill -9 of the server and of its workers in the middle of jobs: what was acknowledged is done in the end, and nothing is done twice."""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="the extra gesso[studio] is not installed")

from gesso.serving.database import ServerDatabase
from gesso.serving.settings import Limits
from gesso.serving.storage.file_store import FileStore

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="workers are found by /proc, which this system has not"),
]
TOKEN = "a" * 15 + "0123456789"
HERE = Path(__file__).resolve().parent
RECIPES = [str(HERE.parent / "dots.py"), str(HERE.parents[3] / "examples" / "my_recipe.py")]
SERVER = """
import sys
from pathlib import Path
from gesso.serving import Settings, serve
home, port, jobs, token, *recipes = sys.argv[1:]
serve(Settings(home=Path(home), port=int(port), tokens={"ann": token}, recipes=recipes, jobs=jobs))
"""


class Server:
    """A server in a process that can be killed and started again at the same port."""

    def __init__(self, home: Path, jobs: str = "here") -> None:
        self.home, self.jobs = home, jobs
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.child: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        words = [str(self.home), str(self.port), self.jobs, TOKEN, *RECIPES]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p), "OMP_NUM_THREADS": "1"}
        self.child = subprocess.Popen([sys.executable, "-c", SERVER, *words], env=environment)
        until(lambda: self.answers())

    def answers(self) -> bool:
        try:
            return bool(self.call("GET", "/api/health"))
        except OSError:
            return False

    def call(self, method: str, path: str, body: Any = None) -> Any:
        headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data, headers, method=method)
        with urllib.request.urlopen(request, timeout=60) as answer:
            read = answer.read()
        return json.loads(read) if answer.headers["content-type"] == "application/json" else read

    def workers(self) -> list[int]:
        assert self.child is not None
        return [int(one) for one in Path(f"/proc/{self.child.pid}/task/{self.child.pid}/children").read_text().split()] + [
            int(word)
            for task in Path(f"/proc/{self.child.pid}/task").iterdir()
            if task.name != str(self.child.pid)
            for word in (task / "children").read_text().split()
        ]

    def kill(self) -> None:
        assert self.child is not None
        self.child.kill()
        self.child.wait()

    def job(self, id: str) -> Any:
        return self.call("GET", f"/api/jobs/{id}")

    def wait(self, id: str) -> Any:
        until(lambda: self.job(id)["state"] not in ("queued", "running"))
        return self.job(id)


def until(holds: Callable[[], Any], seconds: float = 240.0) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it takes too long"
        time.sleep(0.05)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    made = Server(tmp_path / "home")
    yield made
    if made.child is not None and made.child.poll() is None:
        made.child.terminate()
        made.child.wait(timeout=30)


def give(home: Path, picture: Callable[..., bytes], num: int) -> list[dict[str, str]]:
    """Uploads of ann's, put where the server will find them."""
    database = ServerDatabase(home / "serving.sqlite")
    keep = FileStore(home / "kept", database, Limits())
    made = [keep.put("ann", "upload", picture(12, 10, seed=n), size=(12, 10)).id for n in range(num)]
    database.close()
    return [{"upload": id, "name": f"{n}.png"} for n, id in enumerate(made)]


def journal(server: Server, id: str) -> list[dict[str, Any]]:
    path = server.home / "jobs" / id / "out" / "batch.jsonl"
    if not path.is_file():
        return []
    return [json.loads(line) for line in path.read_text().split("\n")[:-1]]


def stamps(server: Server, id: str) -> dict[str, int]:
    out = server.home / "jobs" / id / "out"
    return {one.name: one.stat().st_mtime_ns for one in out.glob("0*.png")}


@pytest.mark.parametrize("who", ["server", "worker", "both"])
def test_a_batch_whose_server_or_worker_is_killed(server: Server, picture: Callable[..., bytes], who: str):
    files = give(server.home, picture, 8)
    server.start()
    ask = {"kind": "batch", "recipe": "dots", "files": files, "settings": {"num_steps": 4, "pause": 0.1}, "client": "once"}
    id = server.call("POST", "/api/jobs", ask)["id"]
    for least in (2, 5):
        until(lambda least=least: len(stamps(server, id)) >= least)  # type: ignore[misc]
        made = stamps(server, id)
        if who != "worker":
            workers = server.workers() if who == "both" else []
            server.kill()
            for pid in workers:
                os.kill(pid, signal.SIGKILL)
            server.start()
            assert server.call("POST", "/api/jobs", ask)["id"] == id, "told again, it is not done again"
        else:
            for pid in server.workers():
                os.kill(pid, signal.SIGKILL)
        later = stamps(server, id)
        assert {name: at for name, at in later.items() if name in made} == made
        kept = {line["target"] for line in journal(server, id) if line["state"] == "done"}
    told = server.wait(id)
    assert told["state"] == "done" and told["num_failed"] == 0 and told["done"] == 8 and told["attempt"] >= 2
    assert len(stamps(server, id)) == 8 and kept
    assert len(server.call("GET", "/api/jobs")["jobs"]) == 1
    assert {name: at for name, at in stamps(server, id).items() if name in made and name in kept} == {
        name: at for name, at in made.items() if name in kept
    }, "what was done was not done again"


def finger(server: Server, id: str) -> str:
    """Of a training's weights, without the card in which the seconds are."""
    from gesso.weights.store import read_weights

    digest = hashlib.sha256()
    for state in read_weights(server.home / "jobs" / id / "out" / "weights.safetensors").states.values():
        for name in sorted(state):
            digest.update(name.encode() + state[name].numpy().tobytes())
    return digest.hexdigest()


def assert_close(server: Server, one: str, other: str) -> None:
    """Two trainings' weights differ by rounding only: far less than a training moves them."""
    from gesso.weights.store import read_weights

    paths = (server.home / "jobs" / id / "out" / "weights.safetensors" for id in (one, other))
    first, second = (read_weights(path).states for path in paths)
    assert first.keys() == second.keys()
    for role, state in first.items():
        for name, value in state.items():
            away = (value.float() - second[role][name].float()).abs().max()
            assert away < 5e-3, f"{role}/{name}: {away}"


def test_a_training_killed_again_and_again_ends_as_if_it_had_not_been(server: Server):
    server.start()
    ask = {"kind": "train", "recipe": "moon", "steps": 1500, "seed": 5}
    whole = server.call("POST", "/api/jobs", ask)["id"]
    assert server.wait(whole)["state"] == "done"
    id = server.call("POST", "/api/jobs", ask)["id"]
    rng = random.Random(3)
    for turn in range(4):
        before = server.job(id)["done"]
        until(lambda before=before: server.job(id)["done"] > before or server.job(id)["state"] == "done")  # type: ignore[misc]
        time.sleep(rng.uniform(0, 0.3))
        if turn % 2:
            server.kill()
            server.start()
        else:
            for pid in server.workers():
                os.kill(pid, signal.SIGKILL)
    told = server.wait(id)
    # Two workers that were killed in a row are no reason to give a job up; three are.
    assert told["state"] == "done" and told["attempt"] >= 3, told
    assert finger(server, id) == finger(server, whole)


def test_a_cancelled_training_stops_and_goes_on(server: Server):
    server.start()
    id = server.call("POST", "/api/jobs", {"kind": "train", "recipe": "moon", "steps": 3000})["id"]
    until(lambda: server.job(id)["done"] > 0)
    server.call("POST", f"/api/jobs/{id}/cancel")
    told = server.wait(id)
    assert told["state"] == "cancelled" and 0 < told["done"] < 3000 and told["has_weights"], "what was learned is kept"
    at = told["done"]
    server.call("POST", f"/api/jobs/{id}/resume")
    until(lambda: server.job(id)["state"] == "running" and server.job(id)["done"] > at)
    server.call("POST", f"/api/jobs/{id}/cancel")
    assert server.wait(id)["state"] == "cancelled"


def test_a_server_that_ends_puts_its_job_back(server: Server, picture: Callable[..., bytes]):
    files = give(server.home, picture, 6)
    server.start()
    id = server.call("POST", "/api/jobs", {"kind": "batch", "recipe": "dots", "files": files, "settings": {"num_steps": 4, "pause": 0.2}})[
        "id"
    ]
    until(lambda: stamps(server, id))
    assert server.child is not None
    server.child.terminate()
    server.child.wait(timeout=30)
    server.start()
    told = server.wait(id)
    assert told["state"] == "done" and told["attempt"] == 2 and told["num_failed"] == 0
