"""The tables of a session store, and the words for what the disk refuses."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from filelock import Timeout

from gesso.errors import GessoError
from gesso.media.file import DiskFull, is_full, printable
from gesso.storage.sqlite import Database, Schema

# Every row has its owner, and nodes and uses belong to a session of the same owner.
# A node's parent is checked at the end of a transaction, because a session is deleted with all its nodes at once.
#
# summary      what the edit changed, JSON by language        words        the edit's own short texts
# search_text  name and words as a search compares them       redo_child   the child that redo goes to, None: the newest
# edit         JSON with {"$blob": sha256} in place of each long text, which is in blobs; uses lists the blobs that a node needs
CREATE = """
CREATE TABLE sessions (
  id TEXT PRIMARY KEY, owner TEXT NOT NULL, recipe TEXT NOT NULL, preset TEXT NOT NULL, weights TEXT NOT NULL,
  title TEXT NOT NULL, search_text TEXT NOT NULL, root TEXT NOT NULL, head TEXT NOT NULL, created TEXT NOT NULL, changed TEXT NOT NULL,
  UNIQUE (owner, id)
);
CREATE TABLE nodes (
  number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, owner TEXT NOT NULL, session TEXT NOT NULL, parent TEXT,
  edit TEXT NOT NULL, size INTEGER NOT NULL, name TEXT NOT NULL, favourite INTEGER NOT NULL, summary TEXT NOT NULL, words TEXT NOT NULL,
  search_text TEXT NOT NULL, redo_child TEXT, client TEXT, created TEXT NOT NULL,
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
TO_VERSION_2 = """
ALTER TABLE sessions RENAME COLUMN found TO search_text;
ALTER TABLE nodes RENAME COLUMN found TO search_text;
ALTER TABLE nodes RENAME COLUMN said TO summary;
ALTER TABLE nodes RENAME COLUMN went TO redo_child;
"""
SCHEMA = Schema(CREATE, upgrades=(TO_VERSION_2,))


def open_database(path: str | Path) -> Database:
    """The store's file, created or migrated where needed; GessoError where it cannot be used."""
    name = printable(path)

    def explain(error: Exception) -> GessoError:
        if is_full(error):
            return DiskFull("sessions cannot be saved: the disk is full", where=name, fix="free some space")
        if isinstance(error, Timeout):
            return GessoError("sessions cannot be saved: another process is writing", where=name, fix="try again in a moment")
        reason = str(error) if isinstance(error, sqlite3.Error) else getattr(error, "strerror", None) or str(error)
        return GessoError(f"sessions cannot be saved here: {reason}", where=name, fix="check the disk and the file")

    return Database(path, SCHEMA, explain=explain)
