"""kill -9 of the server during drawing: acknowledged edits are stored exactly once, and drawing continues."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gesso.serving.live.frame import pack, unpack

pytest.importorskip("websockets", reason="websockets is not installed")
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

TOKEN = "t" * 30
KILLS = 20
SERVER = """
from pathlib import Path
from gesso.serving import Settings, serve
settings = Settings(home=Path({home!r}), port={port}, tokens={{"ann": {token!r}}}, recipes=[{recipe!r}])
serve(settings, on_start=lambda link: print(link.split("?")[0], flush=True))
"""


class Server:
    """A server in a process of its own that is killed and started again in the same home."""

    def __init__(self, home: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.code = SERVER.format(home=str(home), port=port, token=TOKEN, recipe=str(Path(__file__).parent / "dots.py"))

    def start(self) -> str:
        self.process = subprocess.Popen([sys.executable, "-c", self.code], stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.address = self.process.stdout.readline().strip().rstrip("/")
        return self.address

    def kill(self) -> None:
        if self.process.poll() is None:
            os.kill(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def call(self, method: str, path: str, body: Any = None) -> Any:
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        kind = "application/octet-stream" if isinstance(body, bytes) else "application/json"
        headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": kind}
        return json.loads(urllib.request.urlopen(urllib.request.Request(self.address + path, data, headers, method=method)).read())

    def connect(self, session: str) -> Any:
        address = self.address.replace("http", "ws", 1) + f"/api/live?session={session}"
        return connect(address, additional_headers={"Authorization": f"Bearer {TOKEN}"}, max_size=None, compression=None)


class Person:
    """Draws without a pause, each stroke on the one before, and says again after a break what was not acknowledged."""

    def __init__(self, session: str) -> None:
        self.session, self.num = session, 0
        self.acknowledged: dict[str, tuple[str, str]] = {}  # key → node and its parent
        self.unsure: list[tuple[str, dict[str, Any]]] = []

    def draw(self, server: Server, dice: random.Random) -> None:
        """Until the line breaks."""
        try:
            with server.connect(self.session) as line:
                seq = 0
                while True:
                    if not self.unsure:
                        self.num += 1
                        dot = {"x": dice.randrange(40), "y": dice.randrange(30), "color": "#112233"}
                        self.unsure.append((f"key-{self.num}", {"op": "merge", "slot": "dots", "value": {"marks": [dot]}}))
                    key, edit = self.unsure[0]
                    seq += 1
                    line.send(pack({"type": "edit", "seq": seq, "edit": edit, "commit": True, "client": key}))
                    while True:
                        header = unpack(line.recv())[0]
                        assert header["type"] != "error", header
                        if header["type"] == "node" and header["seq"] == seq:
                            break
                    self.acknowledged[key] = header["node"]["id"], header["node"]["parent"]
                    self.unsure.pop(0)
        except (OSError, EOFError, ConnectionClosed):
            return


def wait(done: Callable[[], bool], drawing: threading.Thread) -> None:
    while not done():
        assert drawing.is_alive(), "the drawing ended by itself"
        time.sleep(0.001)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    made = Server(tmp_path / "home")
    made.start()
    yield made
    made.kill()


@pytest.mark.slow
def test_twenty_kills_in_the_middle_of_a_stroke(tmp_path: Path, server: Server, picture: Callable[..., bytes]):
    dice = random.Random(5)
    page = server.call("POST", "/api/uploads", picture(40, 30))["id"]
    edits = [{"op": "set", "slot": "page", "value": {"upload": page}}]
    session = server.call("POST", "/api/sessions", {"recipe": "dots", "edits": edits})["session"]["id"]
    begun = len(server.call("GET", f"/api/sessions/{session}")["nodes"])
    person = Person(session)
    for _ in range(KILLS):
        before = len(person.acknowledged)
        drawing = threading.Thread(target=person.draw, args=(server, dice), daemon=True)
        drawing.start()
        enough = before + dice.randint(1, 8)
        wait(lambda enough=enough: len(person.acknowledged) >= enough, drawing)  # type: ignore[misc]
        time.sleep(dice.uniform(0, 0.02))
        server.kill()
        drawing.join(30)
        server.start()
        told = server.call("GET", f"/api/sessions/{session}")
        nodes = {node["id"]: node for node in told["nodes"]}
        for key, (node, parent) in person.acknowledged.items():
            assert nodes[node]["parent"] == parent, key
        assert len(nodes) - begun - len(person.acknowledged) in (0, 1), "at most the one that it could not tell of"
    drawing = threading.Thread(target=person.draw, args=(server, dice), daemon=True)
    drawing.start()
    enough = person.num + 5
    wait(lambda: len(person.acknowledged) >= enough, drawing)
    told = server.call("GET", f"/api/sessions/{session}")
    made = urllib.request.Request(
        f"{server.address}/api/sessions/{session}/nodes/{told['session']['head']}/image", headers={"Authorization": f"Bearer {TOKEN}"}
    )
    assert urllib.request.urlopen(made).read().startswith(b"\x89PNG")
    server.kill()
    drawing.join(30)
    with sqlite3.connect(tmp_path / "home" / "sessions.sqlite") as file:
        assert file.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        keys = [key for (key,) in file.execute("SELECT client FROM nodes WHERE client IS NOT NULL")]
        assert len(keys) == len(set(keys)) and set(person.acknowledged) <= set(keys), "told again, it is not done again"
        chain = file.execute("SELECT count(DISTINCT parent) = count(parent) FROM nodes").fetchone()
        assert chain == (1,), "one stroke on the other, none beside"
    print(f"{KILLS} kills, {len(person.acknowledged)} strokes acknowledged and kept")
