"""The file behind a store: its tables, one connection behind a lock, transactions that are whole and durable or nothing."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gesso.errors import GessoError
from gesso.media.file import DiskFull, is_full, shown

VERSION = 1
PATIENCE = 15.0  # seconds to wait for another process that writes

# Every row says whose it is, and nodes and uses hang on a session of the same owner.
# parent is checked at the end of a transaction: a session goes with all its nodes at once.
SCHEMA = """
CREATE TABLE sessions (
  id TEXT PRIMARY KEY, owner TEXT NOT NULL, recipe TEXT NOT NULL, preset TEXT NOT NULL, weights TEXT NOT NULL,
  title TEXT NOT NULL, found TEXT NOT NULL, root TEXT NOT NULL, head TEXT NOT NULL, created TEXT NOT NULL, changed TEXT NOT NULL,
  UNIQUE (owner, id)
);
CREATE TABLE nodes (
  number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, owner TEXT NOT NULL, session TEXT NOT NULL, parent TEXT,
  edit TEXT NOT NULL, size INTEGER NOT NULL, name TEXT NOT NULL, favourite INTEGER NOT NULL, said TEXT NOT NULL, words TEXT NOT NULL,
  found TEXT NOT NULL, went TEXT, client TEXT, created TEXT NOT NULL,
  UNIQUE (session, id), UNIQUE (session, client),
  FOREIGN KEY (owner, session) REFERENCES sessions (owner, id) ON DELETE CASCADE,
  FOREIGN KEY (session, parent) REFERENCES nodes (session, id) DEFERRABLE INITIALLY DEFERRED
);
CREATE INDEX nodes_by_parent ON nodes (session, parent);
CREATE INDEX nodes_by_owner ON nodes (owner, size);
CREATE TABLE blobs (
  owner TEXT NOT NULL, sha256 TEXT NOT NULL, size INTEGER NOT NULL, text BLOB NOT NULL, PRIMARY KEY (owner, sha256)
);
CREATE INDEX blobs_by_owner ON blobs (owner, size);
CREATE TABLE uses (
  owner TEXT NOT NULL, sha256 TEXT NOT NULL, session TEXT NOT NULL, node TEXT NOT NULL, PRIMARY KEY (owner, sha256, session, node),
  FOREIGN KEY (session, node) REFERENCES nodes (session, id) ON DELETE CASCADE,
  FOREIGN KEY (owner, sha256) REFERENCES blobs (owner, sha256)
) WITHOUT ROWID;
CREATE INDEX uses_by_node ON uses (session, node);
"""


class Table:
    """Statements on one SQLite file, from any thread."""

    def __init__(self, path: str | Path) -> None:
        self.name = shown(path)
        self._lock = threading.RLock()
        with self._named_errors():
            folder = os.path.dirname(os.path.abspath(path))
            os.makedirs(folder, mode=0o700, exist_ok=True)
            if not os.path.exists(path):  # drawings are private
                os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
            self._db = sqlite3.connect(path, timeout=PATIENCE, isolation_level=None, check_same_thread=False)
        try:
            with self._named_errors():
                self._prepare()
        except BaseException:
            self._db.close()
            raise

    def _prepare(self) -> None:
        self._db.execute("PRAGMA trusted_schema = OFF")
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.execute("PRAGMA fullfsync = ON")  # elsewhere than on macOS it says nothing
        self._db.execute("PRAGMA foreign_keys = ON")
        self._db.execute("BEGIN IMMEDIATE")
        try:
            version = self._db.execute("PRAGMA user_version").fetchone()[0]
            others = self._db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
            if version > VERSION or (version == 0 and others):
                what = "was written by a newer Gesso" if version > VERSION else "is another program's database"
                raise GessoError(f"this file {what}", where=self.name, fix="update Gesso, or name another file")
            if version == 0:
                for statement in SCHEMA.split(";\n"):
                    self._db.execute(statement)
                self._db.execute(f"PRAGMA user_version = {VERSION}")
            self._db.execute("COMMIT")
        except BaseException:
            self._db.execute("ROLLBACK")
            raise

    def rows(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with self._lock, self._named_errors():
            return self._db.execute(statement, values).fetchall()

    def row(self, statement: str, values: Sequence[Any] = ()) -> tuple[Any, ...] | None:
        with self._lock, self._named_errors():
            found: tuple[Any, ...] | None = self._db.execute(statement, values).fetchone()
            return found

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """All of what is done inside, durably, or nothing of it."""
        with self._lock, self._named_errors():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    def close(self) -> None:
        with self._lock, self._named_errors():
            self._db.close()

    @contextmanager
    def _named_errors(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            if is_full(error):
                raise DiskFull("sessions cannot be kept: the disk is full", where=self.name, fix="free some space") from error
            reason = getattr(error, "strerror", None) or str(error)
            raise GessoError(f"sessions cannot be kept here: {reason}", where=self.name, fix="check the disk and the file") from error
