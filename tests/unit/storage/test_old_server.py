"""Job and server databases from before schema versions open, keep their rows and are given a version (tests/old/serving)."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="the extra gesso[studio] is not installed")

from gesso.serving.database import ServerDatabase
from gesso.serving.jobs.store import JobStore
from gesso.serving.settings import Limits

OLD = Path(__file__).resolve().parents[2] / "old" / "serving"


def rows_of(path: Path) -> dict[str, list[tuple[object, ...]]]:
    with closing(sqlite3.connect(path)) as file:
        tables = [name for (name,) in file.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
        return {name: file.execute(f"SELECT * FROM {name} ORDER BY 1").fetchall() for name in tables}


def version_of(path: Path) -> int:
    with closing(sqlite3.connect(path)) as file:
        return int(file.execute("PRAGMA user_version").fetchone()[0])


def test_jobs_of_before_are_there(tmp_path: Path):
    path = Path(shutil.copy(OLD / "jobs.sqlite", tmp_path / "jobs.sqlite"))
    before = rows_of(path)
    store = JobStore(path, Limits(), lambda: 1700000500.0)
    told = {job.id: (job.state, job.title, job.done, job.total, job.words, job.num_failed) for job in store.list("ann")}
    assert told == {
        "job-0": ("done", "책 0", 10, 10, "thick", 1),
        "job-1": ("cancelled", "책 1", 0, 11, "", 0),
        "job-2": ("running", "책 2", 3, 12, "half", 0),
    }
    assert rows_of(path) == before and version_of(path) == 1
    again = store.claim("worker-3")  # its lease has run out since
    assert again is not None and again.id == "job-2" and again.attempt == 2
    store.close()


def test_the_servers_rows_of_before_are_there(tmp_path: Path):
    path = Path(shutil.copy(OLD / "serving.sqlite", tmp_path / "serving.sqlite"))
    before = rows_of(path)
    assert sorted(before) == ["kept", "logins", "palettes"] and all(len(rows) == 1 for rows in before.values())
    for _ in range(2):
        ServerDatabase(path).close()
        assert rows_of(path) == before and version_of(path) == 1
    with closing(sqlite3.connect(path)) as file:  # a server of before palettes
        file.execute("DROP TABLE palettes")
        file.execute("PRAGMA user_version = 0")
        file.commit()
    database = ServerDatabase(path)
    assert database.read("SELECT * FROM palettes") == [] and database.read("SELECT owner FROM logins") == [("ann",)]
    database.close()
