"""Properties of SQLite that the server needs; and one server per home folder: a second one prints why and exits."""

from __future__ import annotations

import gc
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

import gesso.storage.sqlite
from gesso.errors import GessoError
from gesso.serving.access.home_lock import HomeLock
from gesso.serving.database import ServerDatabase
from gesso.serving.http_errors import ServerBusy
from gesso.storage.lock import take

DOTS = Path(__file__).parents[1] / "dots.py"
SERVER = """
import sys
from pathlib import Path
from gesso.errors import GessoError
from gesso.serving import Settings, serve
settings = Settings(home=Path(sys.argv[1]), port=int(sys.argv[2]), tokens={"ann": "t" * 30}, recipes=[sys.argv[3]], sign=False)
try:
    serve(settings, on_start=lambda link: print(link.split("?")[0], flush=True))
except GessoError as error:
    print(error, flush=True)
    sys.exit(7)
"""
WRITER = """
import sys
from pathlib import Path
from gesso.serving.access.home_lock import HomeLock
from gesso.serving.database import ServerDatabase
rows = ServerDatabase(Path(sys.argv[1]), "create table if not exists told (who text, number integer)", shared=True)
rows.read("pragma wal_autocheckpoint = 1")  # copied back at every commit: as many chances as there can be
for number in range(int(sys.argv[3])):
    with rows.writing() as file:
        file.execute("insert into told values (?, ?)", (sys.argv[2], number))
rows.close()
"""
ENVIRONMENT = os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}


def connections(home: Path) -> dict[str, list[sqlite3.Connection]]:
    """Every connection of this process to a database in the home, found without knowing who made it."""
    found: dict[str, list[sqlite3.Connection]] = {}
    for one in gc.get_objects():
        if type(one) is sqlite3.Connection:
            try:
                place = Path(one.execute("pragma database_list").fetchone()[2])
            except sqlite3.ProgrammingError:  # closed
                continue
            if place.parent == home:
                found.setdefault(place.name, []).append(one)
    return found


def test_every_database_is_durable_and_has_one_connection(app: FastAPI):
    home = app.state.services.settings.home
    found = connections(home.resolve())
    assert set(found) == {path.name for path in home.glob("*.sqlite")} >= {"serving.sqlite", "sessions.sqlite", "jobs.sqlite"}
    for name, held in found.items():
        assert len(held) == 1, f"{name} has two connections: their checkpoints may meet"
        told = {pragma: held[0].execute(f"pragma {pragma}").fetchone()[0] for pragma in ("journal_mode", "synchronous", "busy_timeout")}
        made_again = name == "thumbs.sqlite"  # what is lost of it is made again
        assert told["journal_mode"] == "wal" and told["busy_timeout"] >= 10_000, (name, told)
        assert told["synchronous"] == (1 if made_again else 2), (name, told)
        assert made_again or held[0].execute("pragma foreign_keys").fetchone() == (1,), name


def test_who_writes_what_others_write_too_waits_for_their_turn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    rows = ServerDatabase(tmp_path / "x.sqlite", "create table if not exists a (x)", shared=True)
    turn = os.open(tmp_path / ".x.sqlite-turn", os.O_RDWR)
    take(turn)
    monkeypatch.setattr(gesso.storage.sqlite, "PATIENCE", 0.05)
    with pytest.raises(ServerBusy, match="another process is writing"), rows.writing():
        pass
    assert rows.read("select * from a") == [], "readers do not wait"
    monkeypatch.setattr(gesso.storage.sqlite, "PATIENCE", 10)
    threading.Timer(0.05, os.close, [turn]).start()
    with rows.writing() as file:
        file.execute("insert into a values (1)")
    assert rows.read("select * from a") == [(1,)]
    rows.close()


def test_jobs_are_what_others_write_too(app: FastAPI):
    """The server and its workers: the one file with more than one process."""
    assert app.state.services.jobs.store._rows._turn is not None and app.state.services.database._turn is None


@pytest.mark.slow
def test_writers_of_one_file_and_a_kill_lose_nothing(tmp_path: Path):
    path, num = tmp_path / "x.sqlite", 400
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(path), f"w{n}", str(num)], env=ENVIRONMENT) for n in range(3)]
    killed = subprocess.Popen([sys.executable, "-c", WRITER, str(path), "killed", "1000000"], env=ENVIRONMENT)
    for one in writers:
        assert one.wait(300) == 0
    killed.kill()
    killed.wait()
    rows = ServerDatabase(path, shared=True)
    assert rows.read("pragma integrity_check") == [("ok",)]
    told = dict(rows.read("select who, count(distinct number) from told group by who"))
    assert {who: told[who] for who in ("w0", "w1", "w2")} == {"w0": num, "w1": num, "w2": num}
    seen = [number for (number,) in rows.read("select number from told where who = 'killed' order by number")]
    assert seen == list(range(len(seen))), "what the killed one wrote has no gap"
    rows.close()


def test_a_second_application_of_one_home_does_not_begin(make_app: Callable[..., FastAPI], client_of: Callable[..., TestClient]):
    first, second = make_app(), make_app(port=8766)
    with client_of(first, "ann") as ann:
        with pytest.raises(GessoError, match=r"another Gesso server is running in this folder, at http://127\.0\.0\.1:8765/"):
            with client_of(second, "ann"):
                pass
        assert ann.get("/api/recipes").status_code == 200, "the first goes on"
    with client_of(make_app(), "ann") as ann:
        assert ann.get("/api/recipes").status_code == 200, "when it has ended another may begin"


def test_a_folder_that_takes_nothing_is_said(tmp_path: Path):
    (tmp_path / "home").write_text("a file")
    with pytest.raises(GessoError, match="nothing can be kept in this folder: .*--home"):
        HomeLock(tmp_path / "home", "http://127.0.0.1:8765/").acquire()
    (tmp_path / "there" / ".server").mkdir(parents=True)
    with pytest.raises(GessoError, match="nothing can be kept in this folder"):
        HomeLock(tmp_path / "there", "http://127.0.0.1:8765/").acquire()


class Started:
    def __init__(self, home: Path, port: int) -> None:
        command = [sys.executable, "-c", SERVER, str(home), str(port), str(DOTS)]
        self.process = subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert self.process.stdout is not None
        self.said = self.process.stdout.readline().strip()


@pytest.mark.slow
def test_a_second_server_says_where_the_first_is_and_a_killed_one_holds_nothing(tmp_path: Path):
    import socket

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    running: list[Any] = []
    try:
        running.append(first := Started(tmp_path, port))
        second = Started(tmp_path, port)
        assert second.process.wait(60) == 7 and f"in this folder, at {first.said}" in second.said and "GESSO_HOME" in second.said
        os.kill(first.process.pid, signal.SIGKILL)
        first.process.wait()
        running.append(third := Started(tmp_path, port))
        assert third.said == first.said, "at once, at the same port"
    finally:
        for one in running:
            one.process.kill()
            one.process.wait()
