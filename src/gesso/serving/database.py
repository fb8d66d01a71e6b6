"""The server's own SQLite files; the first holds logins, and whose the kept pictures are."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gesso.errors import GessoError
from gesso.media.file import DiskFull, is_full
from gesso.serving.refusal import Busy

TABLES = """
create table if not exists logins (hash blob primary key, owner text not null, made real not null);
create table if not exists kept (
    id text primary key, owner text not null, kind text not null, medium text not null, suffix text not null,
    width integer, height integer, bytes integer not null, made real not null);
create table if not exists palettes (
    id text primary key, owner text not null, name text not null, colours text not null, made real not null);
create index if not exists kept_of on kept (owner, kind, made);
"""


class Database:
    """One connection behind a lock. What `writing` has left is on the disk (WAL, synchronous FULL)."""

    def __init__(self, path: Path, tables: str = TABLES) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            os.chmod(path.parent, 0o700)
            self._rows = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=10)
            self._rows.executescript("pragma journal_mode=wal; pragma synchronous=full; pragma foreign_keys=on;" + tables)
        except (OSError, sqlite3.Error) as error:
            raise GessoError(
                f"the server's database cannot be opened: {error}", where=path, fix="choose another folder: GESSO_HOME"
            ) from error
        self._lock = threading.RLock()

    def read(self, query: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with self._lock, _named_errors():
            return self._rows.execute(query, values).fetchall()

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """All of it or nothing; DiskFull or Busy where the disk does not take it."""
        with self._lock, _named_errors():
            self._rows.execute("begin immediate")
            try:
                yield self._rows
                self._rows.execute("commit")
            except BaseException:
                if self._rows.in_transaction:  # a commit that failed may have ended it, or not: the next must find none open
                    self._rows.execute("rollback")
                raise

    def close(self) -> None:
        with self._lock:
            self._rows.close()


@contextmanager
def _named_errors() -> Iterator[None]:
    """What the disk or another process refuses is no bug."""
    try:
        yield
    except sqlite3.OperationalError as error:
        if is_full(error):
            raise DiskFull("the server cannot keep it: its disk is full", where="disk", fix="free some space there") from error
        raise Busy(f"the server cannot keep it now: {error}", where="disk", fix="check its disk", retry_after=30) from error
