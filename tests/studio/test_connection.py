"""The server is killed while a user draws: the page shows it, keeps the strokes, and sends each once when the server is back."""

from __future__ import annotations

import os
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from visits import Visit

HERE = Path(__file__).parent
SERVER = """
import sys
from pathlib import Path
from gesso.serving import Settings, serve
from gesso.studio import create_app
home, port, recipe = sys.argv[1:]
settings = Settings(home=Path(home), port=int(port), tokens={"me": "t" * 30}, recipes=[recipe])
serve(settings, create=create_app, on_start=lambda link: print(link, flush=True))
"""


class Server:
    def __init__(self, home: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.words = [sys.executable, "-c", SERVER, str(home), str(free.getsockname()[1]), str(HERE / "toy_recipe.py")]

    def start(self) -> str:
        self.process = subprocess.Popen(self.words, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def kill(self) -> None:
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    made = Server(tmp_path / "home")
    yield made
    made.kill()


@pytest.mark.slow
def test_strokes_drawn_while_disconnected_are_saved_once(server: Server, browser: Any, tmp_path: Path) -> None:
    context = browser.new_context(viewport={"width": 1280, "height": 720}, locale="en-GB")
    context.add_init_script("localStorage.setItem('gesso.guided', '1')")
    visit = Visit(context.new_page())
    visit.page.goto(server.start())
    visit.begin()
    sockets: list[Any] = []
    visit.page.on("websocket", lambda socket: sockets.append(socket))
    num, lost = 0, visit.page.locator("[data-connection=lost]")
    for kill in range(3):
        visit.stroke((0.4, 0.4 + 0.05 * kill), (0.45, 0.4 + 0.05 * kill))
        mouse = visit.page.mouse
        mouse.move(*visit.place(0.5, 0.4 + 0.05 * kill))
        mouse.down()
        mouse.move(*visit.place(0.55, 0.4 + 0.05 * kill), steps=4)
        server.kill()  # in the middle of a stroke, and perhaps before the last was acknowledged
        mouse.up()
        lost.wait_for()
        visit.stroke((0.6, 0.4 + 0.05 * kill), (0.65, 0.4 + 0.05 * kill))
        num += 3
        sockets.clear()
        visit.wait_until(lambda: len(sockets) > 1, "it does not reconnect")
        assert lost.count() == 1 and visit.page.locator(".saved").inner_text() != ""
        server.start()
        lost.wait_for(state="detached")
        visit.wait_nodes(num + 1)
    assert visit.num_nodes() == num + 1
    visit.stroke((0.7, 0.7), (0.72, 0.7))
    visit.wait_nodes(num + 2)
    context.close()
    with sqlite3.connect(tmp_path / "home" / "sessions.sqlite") as file:
        rows = file.execute("SELECT id, parent, client FROM nodes ORDER BY number").fetchall()
    assert len(rows) == num + 2 and len({client for _, _, client in rows[1:]}) == num + 1, "each once"
    assert [parent for _, parent, _ in rows[1:]] == [id for id, _, _ in rows[:-1]], "each on the one before"
