"""The server's SQLite files. TABLES are those of the first: logins, stored files and their owners, palettes."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from filelock import Timeout

from gesso.errors import GessoError
from gesso.media.file import DiskFull, is_full
from gesso.serving.http_errors import ServerBusy
from gesso.storage import sqlite

TABLES = """
create table if not exists logins (hash blob primary key, owner text not null, made real not null);
create table if not exists kept (
    id text primary key, owner text not null, kind text not null, medium text not null, suffix text not null,
    width integer, height integer, bytes integer not null, made real not null);
create table if not exists palettes (
    id text primary key, owner text not null, name text not null, colours text not null, made real not null);
create index if not exists kept_of on kept (owner, kind, made);
"""


class ServerDatabase(sqlite.Database):
    """A database of the server, in its private folder. A file that several processes write is opened `shared`: they write in turn.

    Errors while reading and writing have an HTTP status: DiskFull, or ServerBusy where the disk or another process refuses.
    """

    def __init__(self, path: Path, tables: str = TABLES, *, shared: bool = False) -> None:
        schema = sqlite.Schema(tables, unversioned=tables)  # earlier files have no schema version
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            os.chmod(path.parent, 0o700)
            super().__init__(path, schema, explain=lambda error: None, turns=shared)
        except (OSError, sqlite3.Error) as error:
            raise GessoError(
                f"the server's database cannot be opened: {error}",
                where=path,
                fix="free some space there, or choose another folder: --home, or GESSO_HOME",
            ) from error
        self._explain = _with_status


def _with_status(error: Exception) -> GessoError | None:
    """The error for clients; None for a bug, which is raised as it is."""
    if isinstance(error, Timeout):
        return ServerBusy("another process is writing", where="disk", fix="try again in a moment", retry_after=5)
    if not isinstance(error, sqlite3.OperationalError):
        return None
    if is_full(error):
        return DiskFull("the server cannot keep it: its disk is full", where="disk", fix="free some space there")
    return ServerBusy(f"the server cannot keep it now: {error}", where="disk", fix="check its disk", retry_after=30)
