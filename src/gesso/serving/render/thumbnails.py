"""Thumbnails of nodes: stored when a node is rendered, or made on request."""

from __future__ import annotations

import contextlib
import io
import sqlite3
import time
from pathlib import Path

import numpy as np

from gesso.errors import GessoError
from gesso.serving.render.outputs import smaller
from gesso.storage.sqlite import Database, Schema

SIDE = 128  # pixels
MOST_BYTES = 128 * 2**20  # in all; the oldest are deleted to make room
TABLE = """
create table if not exists thumbs (
    session text not null, node text not null, owner text not null, png blob not null, made real not null, primary key (session, node)
) without rowid;
create index if not exists thumbs_by_age on thumbs (made);
"""


class Thumbnails:
    """An SQLite file of PNGs, their sides at most SIDE pixels. Lost ones are made again, so writes are not flushed to the disk."""

    def __init__(self, path: Path, most_bytes: int = MOST_BYTES) -> None:
        schema = Schema(TABLE, unversioned=TABLE)  # earlier files have no schema version
        try:
            self._database = Database(path, schema, explain=lambda error: None, durable=False, turns=False)
        except (OSError, sqlite3.Error) as error:
            raise GessoError(f"the thumbnails cannot be opened: {error}", where=path, fix="delete that file") from error
        self._most_bytes, self._closed = most_bytes, False
        self._bytes = self._sum()

    def find(self, owner: str, session: str, node: str) -> bytes | None:
        query = "select png from thumbs where session = ? and node = ? and owner = ?"
        try:
            row = self._database.read_one(query, (session, node, owner))
        except sqlite3.ProgrammingError:
            if self._closed:
                return None
            raise
        return None if row is None else bytes(row[0])

    def put(self, owner: str, session: str, node: str, pixels: np.ndarray) -> bytes:
        """Store the thumbnail of a node. A node never changes, so an existing one is returned as it is."""
        kept = self.find(owner, session, node)
        if kept is not None:
            return kept
        png = _png(smaller(pixels, SIDE))
        with contextlib.suppress(sqlite3.Error), self._database.writing() as db:  # on a full disk it is made again on request
            row = session, node, owner, png, time.time()
            added = len(png) * db.execute("insert or ignore into thumbs values (?, ?, ?, ?, ?)", row).rowcount
            self._bytes += added - self._make_room(db, self._bytes + added)
        return png

    def delete_session(self, owner: str, session: str) -> None:
        with contextlib.suppress(sqlite3.Error), self._database.writing() as db:
            db.execute("delete from thumbs where session = ? and owner = ?", (session, owner))
            self._bytes = self._sum()

    def close(self) -> None:
        self._closed = True
        self._database.close()

    def _sum(self) -> int:
        """Bytes of all thumbnails."""
        row = self._database.read_one("select coalesce(sum(length(png)), 0) from thumbs")
        return 0 if row is None else int(row[0])

    def _make_room(self, db: sqlite3.Connection, present: int) -> int:
        """Delete the oldest until `present` bytes are few enough; gives how many bytes were deleted."""
        deleted = 0
        while present - deleted > self._most_bytes:
            oldest = db.execute("select session, node, length(png) from thumbs order by made limit 64").fetchall()
            db.executemany("delete from thumbs where session = ? and node = ?", [row[:2] for row in oldest])
            deleted += sum(row[2] for row in oldest)
        return deleted


def _png(pixels: np.ndarray) -> bytes:
    from PIL import Image

    held = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(held, "PNG")
    return held.getvalue()
