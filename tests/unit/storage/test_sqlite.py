"""The SQLite wrapper: versions, turns, whole transactions; with two real processes and with kills."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest

import gesso.storage.sqlite
from gesso.errors import GessoError
from gesso.storage.lock import take
from gesso.storage.sqlite import Database, Schema

ONE = Schema("CREATE TABLE a (said TEXT);")
TWO = Schema(
    "CREATE TABLE a (summary TEXT);\nCREATE TABLE b (x);", upgrades=("ALTER TABLE a RENAME COLUMN said TO summary;\nCREATE TABLE b (x);",)
)
ENVIRONMENT = os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}


def explain(error: Exception) -> GessoError | None:
    return GessoError(f"explained: {error}") if isinstance(error, (sqlite3.OperationalError, OSError)) else None


def opened(path: Path, schema: Schema) -> Database:
    return Database(path, schema, explain=explain)


def columns(database: Database, table: str) -> list[str]:
    return [row[1] for row in database.read(f"PRAGMA table_info({table})")]


def test_an_older_file_becomes_like_a_new_one_and_keeps_its_rows(tmp_path: Path):
    old = opened(tmp_path / "old", ONE)
    with old.writing() as db:
        db.execute("INSERT INTO a VALUES ('hello')")
    old.close()
    upgraded, new = opened(tmp_path / "old", TWO), opened(tmp_path / "new", TWO)
    assert upgraded.read("SELECT summary FROM a") == [("hello",)]
    for table in ("a", "b"):
        assert columns(upgraded, table) == columns(new, table) != []
    assert upgraded.read_one("PRAGMA user_version") == new.read_one("PRAGMA user_version") == (2,)
    upgraded.close()
    with pytest.raises(GessoError, match="newer Gesso"):
        opened(tmp_path / "old", ONE)


def test_files_from_before_versions_are_recognised_by_their_tables(tmp_path: Path):
    path = tmp_path / "x"
    script = "CREATE TABLE IF NOT EXISTS a (said TEXT);\nCREATE TABLE IF NOT EXISTS later (x);"
    with closing(sqlite3.connect(path)) as file:
        file.execute("CREATE TABLE a (said TEXT)")
        file.execute("INSERT INTO a VALUES ('hello')")
        file.commit()
    with pytest.raises(GessoError, match="another program"):
        opened(path, ONE)
    known = opened(path, Schema(TWO.create, TWO.upgrades, unversioned=script))
    assert known.read("SELECT summary FROM a") == [("hello",)] and columns(known, "later") == ["x"]
    known.close()


def test_an_upgrade_that_fails_changes_nothing(tmp_path: Path):
    opened(tmp_path / "x", ONE).close()
    broken = Schema("", upgrades=("ALTER TABLE a RENAME COLUMN said TO summary;\nSELECT * FROM nowhere;",))
    with pytest.raises(GessoError, match="nowhere"):
        opened(tmp_path / "x", broken)
    again = opened(tmp_path / "x", ONE)
    assert columns(again, "a") == ["said"]
    again.close()


def test_opening_a_present_file_writes_nothing(tmp_path: Path):
    first = opened(tmp_path / "x", TWO)
    before = first.read_one("PRAGMA data_version")
    opened(tmp_path / "x", TWO).close()
    assert first.read_one("PRAGMA data_version") == before
    first.close()


def test_a_transaction_is_whole_or_nothing(tmp_path: Path):
    database = opened(tmp_path / "x", TWO)
    with pytest.raises(ZeroDivisionError), database.writing() as db:
        db.execute("INSERT INTO a VALUES ('lost')")
        raise ZeroDivisionError
    with pytest.raises(sqlite3.ProgrammingError), database.writing() as db:  # `explain` gives None for it
        db.execute("INSERT INTO a VALUES (?)", ())
    with database.writing() as db:
        db.execute("INSERT INTO a VALUES ('kept')")
    assert database.read("SELECT * FROM a") == [("kept",)]
    assert (tmp_path / "x").stat().st_mode & 0o077 == 0 and (tmp_path / ".x-turn").stat().st_mode & 0o077 == 0
    database.close()


def test_a_writer_waits_for_its_turn_and_a_reader_does_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    database = opened(tmp_path / "x", ONE)
    turn = os.open(tmp_path / ".x-turn", os.O_RDWR)
    take(turn)
    monkeypatch.setattr(gesso.storage.sqlite, "PATIENCE", 0.05)
    with pytest.raises(GessoError, match="explained"), database.writing():
        pass
    assert database.read("SELECT * FROM a") == []
    monkeypatch.setattr(gesso.storage.sqlite, "PATIENCE", 60)
    threading.Timer(0.05, os.close, [turn]).start()
    with database.writing() as db:
        db.execute("INSERT INTO a VALUES ('after')")
    assert database.read("SELECT * FROM a") == [("after",)]
    database.close()


WRITER = """
import sys
from gesso.storage.sqlite import Database, Schema
database = Database(sys.argv[1], Schema("CREATE TABLE a (who TEXT, number INTEGER);"), explain=lambda error: None)
database.read("PRAGMA wal_autocheckpoint = 1")  # copies the log back at every commit, which is when SQLite's bug may strike
for number in range(int(sys.argv[3])):
    with database.writing() as db:
        assert not db.execute("SELECT 1 FROM a WHERE who = ? AND number = ?", (sys.argv[2], number)).fetchall()
        db.execute("INSERT INTO a VALUES (?, ?)", (sys.argv[2], number))
    if number == 20:
        print("going", flush=True)
database.close()
"""


def test_two_processes_and_a_killed_one_lose_no_commit(tmp_path: Path):
    path, num = tmp_path / "x", 60
    command = [sys.executable, "-c", WRITER, str(path)]
    writers = [subprocess.Popen([*command, f"w{n}", str(num)], env=ENVIRONMENT, stdout=subprocess.DEVNULL) for n in range(2)]
    killed = subprocess.Popen([*command, "killed", "1000000"], env=ENVIRONMENT, stdout=subprocess.PIPE, text=True)
    assert killed.stdout is not None and killed.stdout.readline() == "going\n"
    killed.kill()
    killed.wait()
    assert [one.wait(300) for one in writers] == [0, 0], "who is killed gives its turn back"
    killed.stdout.close()
    database = Database(path, Schema(""), explain=lambda error: None)
    assert database.read("PRAGMA integrity_check") == [("ok",)]
    for who in ("w0", "w1", "killed"):
        seen = [number for (number,) in database.read("SELECT number FROM a WHERE who = ? ORDER BY number", (who,))]
        assert seen == list(range(len(seen))) and (len(seen) == num if who != "killed" else len(seen) > 20)
    database.close()
