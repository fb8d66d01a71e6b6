"""SQLite files shared by threads and processes: whole transactions, schema versions, and one writer at a time.

By hand, over `sqlite3` and filelock: sqlite-utils 4 (looked at) records migrations in a table of its own, which files with a `user_version`
do not have, and reads it outside the transaction; Alembic needs all of SQLAlchemy. Neither lets processes take turns.

Why writers take turns: SQLite 3.7.0 to 3.51.2 (except 3.44.6 and 3.50.7) can lose a commit for good when one connection copies the
write-ahead log back while another restarts it (sqlite.org/wal.html, "The WAL-Reset Bug"), and Python will ship such versions for years.
Both happen only inside a commit, so a lock around each write excludes it.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock

from gesso.errors import GessoError
from gesso.media.file import printable

PATIENCE = 15.0  # seconds to wait for another process that writes
POLL = 0.002  # seconds between two attempts
PRAGMAS = (
    "PRAGMA trusted_schema = OFF",
    "PRAGMA journal_mode = WAL",
    "PRAGMA fullfsync = ON",  # has an effect on macOS only
    "PRAGMA foreign_keys = ON",
)


@dataclass(frozen=True)
class Schema:
    """The tables of a file, and the way to them from each earlier version. A version is stored in the file as `PRAGMA user_version`.

    `create` is the SQL of the present version. `upgrades[n]` is the SQL that leads from version n + 1 to n + 2; it may neither commit nor
    begin. `unversioned` is the SQL of version 1 for schemas whose first files were written before versions were stored (and so have version
    0): it creates, "if not exists", what such a file lacks. A file of version 0 with any other table is another program's.
    """

    create: str
    upgrades: tuple[str, ...] = ()
    unversioned: str = ""

    @property
    def version(self) -> int:
        return 1 + len(self.upgrades)


class Database:
    """One connection to an SQLite file, for any number of threads; other processes may have the same file open.

    The file is created where there is none, readable by its user alone, and migrated to `schema`'s version. When `writing` ends, its
    changes are on disk (WAL, synchronous FULL); with `durable=False` a power cut may lose the last changes, and the file stays whole.
    `explain` turns an SQLite, system or lock error (`filelock.Timeout`) into the error that callers see; for None the original is raised.
    `turns=False` is for files that only one process opens.
    """

    def __init__(
        self,
        path: str | Path,
        schema: Schema,
        *,
        explain: Callable[[Exception], GessoError | None],
        durable: bool = True,
        turns: bool = True,
    ) -> None:
        self.name = printable(path)
        self._explain, self._lock = explain, threading.RLock()
        place = Path(os.path.abspath(path))
        self._turn = FileLock(place.with_name(f".{place.name}-turn"), mode=0o600, poll_interval=POLL) if turns else None
        with self._explained():
            place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with self._taking_turns():
                if not place.exists():
                    os.close(os.open(place, os.O_CREAT | os.O_RDWR, 0o600))
                self._db = sqlite3.connect(place, timeout=PATIENCE, isolation_level=None, check_same_thread=False)
                try:
                    for pragma in (*PRAGMAS, f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}"):
                        self._db.execute(pragma)
                    with self._transaction():
                        migrate(self._db, schema, where=self.name)
                except BaseException:
                    self._db.close()
                    raise

    def read(self, query: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """All rows of a query. Never waits for other processes."""
        with self._lock, self._explained():
            return self._db.execute(query, values).fetchall()

    def read_one(self, query: str, values: Sequence[Any] = ()) -> tuple[Any, ...] | None:
        """The first row of a query, or None."""
        with self._lock, self._explained():
            row: tuple[Any, ...] | None = self._db.execute(query, values).fetchone()
            return row

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction: all that is done inside is kept, or, after an exception, nothing. No other process writes meanwhile."""
        with self._lock, self._explained(), self._taking_turns(), self._transaction():
            yield self._db

    def close(self) -> None:
        with self._lock, self._explained():
            self._db.close()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:  # a COMMIT that failed may have ended it
                self._db.execute("ROLLBACK")
            raise

    @contextmanager
    def _taking_turns(self) -> Iterator[None]:
        if self._turn is None:
            yield
            return
        self._turn.acquire(timeout=PATIENCE)
        try:
            yield
        finally:
            self._turn.release()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            explained = self._explain(error)
            if explained is None:
                raise
            raise explained from error


def migrate(db: sqlite3.Connection, schema: Schema, *, where: str) -> None:
    """Create a new file's tables, or bring an older file's up to date, inside the caller's transaction.

    GessoError, and nothing is changed, where the file is of a newer version or of another program.
    """
    stored = version = db.execute("PRAGMA user_version").fetchone()[0]
    tables = _tables(db)
    if version > schema.version:
        raise GessoError("this file was written by a newer Gesso", where=where, fix="update Gesso, or name another file")
    if version == 0 and not tables:
        _run(db, schema.create)
        version = schema.version
    elif version == 0:
        if not tables <= _tables_of(schema.unversioned):
            raise GessoError("this file is another program's database", where=where, fix="name another file")
        _run(db, schema.unversioned)
        version = 1
    for upgrade in schema.upgrades[version - 1 :]:
        _run(db, upgrade)
    if stored != schema.version:  # opening a present file writes nothing, so it also works on a full disk
        db.execute(f"PRAGMA user_version = {schema.version}")


def _tables(db: sqlite3.Connection) -> set[str]:
    names = db.execute("SELECT name FROM sqlite_master WHERE type IN ('table', 'view')")
    return {name for (name,) in names if not name.startswith("sqlite_")}


def _tables_of(script: str) -> set[str]:
    with closing(sqlite3.connect(":memory:")) as db:
        _run(db, script)
        return _tables(db)


def _run(db: sqlite3.Connection, script: str) -> None:
    """Execute the statements of a script one by one: `executescript` would commit the transaction first."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            db.execute(statement)
            statement = ""
    if statement.strip():
        db.execute(statement)
