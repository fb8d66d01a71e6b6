"""The server's own database stays usable after failed writes, and a full disk is not reported as a bug."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="the extra gesso[studio] is not installed")

from gesso.media.file import DiskFull
from gesso.serving.database import ServerDatabase
from gesso.serving.http_errors import status_of

LATE = """
create table a (id text primary key);
create table b (a text references a (id) deferrable initially deferred);
"""


def test_a_commit_that_fails_leaves_no_transaction_behind(tmp_path: Path):
    database = ServerDatabase(tmp_path / "x.sqlite", LATE)
    with pytest.raises(sqlite3.IntegrityError), database.writing() as rows:
        rows.execute("insert into b values ('refused')")  # refused at the commit
    with database.writing() as rows:
        rows.execute("insert into a values ('one')")
    assert database.read("select * from a") == [("one",)] and database.read("select * from b") == []
    database.close()


def test_a_full_disk_is_said_and_passes(tmp_path: Path):
    database = ServerDatabase(tmp_path / "x.sqlite", LATE)
    pages = database.read("pragma page_count")[0][0]
    database.read(f"pragma max_page_count = {pages}")
    with pytest.raises(DiskFull, match="full") as refused, database.writing() as rows:
        rows.execute("insert into a values (?)", ("x" * 100_000,))
    assert status_of(refused.value) == 507
    database.read(f"pragma max_page_count = {pages + 1000}")
    with database.writing() as rows:
        rows.execute("insert into a values (?)", ("x" * 100_000,))
    database.close()
