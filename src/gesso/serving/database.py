"""The server's own SQLite files; the first holds logins, and whose the kept pictures are."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gesso.errors import GessoError
from gesso.media.file import DiskFull, is_full
from gesso.serving.refusal import Busy
from gesso.storage.lock import take

TABLES = """
create table if not exists logins (hash blob primary key, owner text not null, made real not null);
create table if not exists kept (
    id text primary key, owner text not null, kind text not null, medium text not null, suffix text not null,
    width integer, height integer, bytes integer not null, made real not null);
create table if not exists palettes (
    id text primary key, owner text not null, name text not null, colours text not null, made real not null);
create index if not exists kept_of on kept (owner, kind, made);
"""


PRAGMAS = "pragma journal_mode=wal; pragma synchronous=full; pragma fullfsync=on; pragma foreign_keys=on; pragma trusted_schema=off;"
PATIENCE = 10.0  # seconds to wait for another connection's writing


class Database:
    """One connection behind a lock. What `writing` has left is on the disk (WAL, synchronous FULL).

    A file that other processes write too is opened `shared`: they take turns. SQLite from 3.7.0 to 3.51.2 (but 3.44.6 and 3.50.7)
    may lose a commit for good where one connection copies the log back while another begins it anew (sqlite.org/wal.html, "The
    WAL-Reset Bug"), and Pythons come with such versions for years yet. Both happen in a commit alone, so in its turn no other does.
    """

    def __init__(self, path: Path, tables: str = TABLES, *, shared: bool = False) -> None:
        self._turn = path.with_name(f".{path.name}-turn") if shared else None
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            os.chmod(path.parent, 0o700)
            with self._its_turn():
                self._rows = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=PATIENCE)
                self._rows.executescript(PRAGMAS + tables)
        except (OSError, sqlite3.Error) as error:
            raise GessoError(
                f"the server's database cannot be opened: {error}",
                where=path,
                fix="free some space there, or choose another folder: --home, or GESSO_HOME",
            ) from error
        self._lock = threading.RLock()

    def read(self, query: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with self._lock, _named_errors():
            return self._rows.execute(query, values).fetchall()

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """All of it or nothing; DiskFull or Busy where the disk does not take it."""
        with self._lock, _named_errors(), self._its_turn():
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
    def _its_turn(self) -> Iterator[None]:
        """Nobody else writes meanwhile; the system gives the turn back when a process ends, however it ends."""
        if self._turn is None:
            yield
            return
        held = os.open(self._turn, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            until = time.monotonic() + PATIENCE
            while True:
                try:
                    take(held)
                    break
                except OSError:
                    if time.monotonic() > until:
                        raise Busy("another process is writing", where="disk", fix="try again in a moment", retry_after=5) from None
                    time.sleep(0.002)
            yield
        finally:
            os.close(held)


@contextmanager
def _named_errors() -> Iterator[None]:
    """What the disk or another process refuses is no bug."""
    try:
        yield
    except sqlite3.OperationalError as error:
        if is_full(error):
            raise DiskFull("the server cannot keep it: its disk is full", where="disk", fix="free some space there") from error
        raise Busy(f"the server cannot keep it now: {error}", where="disk", fix="check its disk", retry_after=30) from error
