"""Thumbnails of nodes: stored when a node is rendered, or made on request."""

from __future__ import annotations

import contextlib
import io
import sqlite3
import threading
import time
from pathlib import Path

import numpy as np

from gesso.errors import GessoError
from gesso.serving.render.outputs import smaller

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
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._rows = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=10)
            self._rows.executescript("pragma journal_mode=wal; pragma synchronous=normal;" + TABLE)
        except (OSError, sqlite3.Error) as error:
            raise GessoError(f"the thumbnails cannot be opened: {error}", where=path, fix="delete that file") from error
        self._lock, self._most_bytes, self._closed = threading.Lock(), most_bytes, False
        self._bytes = self._rows.execute("select coalesce(sum(length(png)), 0) from thumbs").fetchone()[0]

    def find(self, owner: str, session: str, node: str) -> bytes | None:
        query = "select png from thumbs where session = ? and node = ? and owner = ?"
        with self._lock:
            row = None if self._closed else self._rows.execute(query, (session, node, owner)).fetchone()
        return None if row is None else bytes(row[0])

    def put(self, owner: str, session: str, node: str, pixels: np.ndarray) -> bytes:
        """Store the thumbnail of a node. A node never changes, so an existing one is returned as it is."""
        kept = self.find(owner, session, node)
        if kept is not None:
            return kept
        png = _png(smaller(pixels, SIDE))
        with self._lock, contextlib.suppress(sqlite3.Error):  # on a full disk it is made again on request
            if not self._closed:
                row = session, node, owner, png, time.time()
                self._bytes += len(png) * self._rows.execute("insert or ignore into thumbs values (?, ?, ?, ?, ?)", row).rowcount
                self._make_room()
        return png

    def delete_session(self, owner: str, session: str) -> None:
        with self._lock, contextlib.suppress(sqlite3.Error):
            self._rows.execute("delete from thumbs where session = ? and owner = ?", (session, owner))
            self._bytes = self._rows.execute("select coalesce(sum(length(png)), 0) from thumbs").fetchone()[0]

    def close(self) -> None:
        with self._lock:
            self._closed = True
            self._rows.close()

    def _make_room(self) -> None:
        while self._bytes > self._most_bytes:
            oldest = self._rows.execute("select session, node, length(png) from thumbs order by made limit 64").fetchall()
            self._rows.executemany("delete from thumbs where session = ? and node = ?", [row[:2] for row in oldest])
            self._bytes -= sum(row[2] for row in oldest)


def _png(pixels: np.ndarray) -> bytes:
    from PIL import Image

    held = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(held, "PNG")
    return held.getvalue()
