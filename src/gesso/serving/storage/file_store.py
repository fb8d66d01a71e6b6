"""Uploads and outputs: files under random ids, each with its owner."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, NamedTuple

from gesso.errors import GessoError
from gesso.media.file import read_bytes, sync_folder, write_atomic
from gesso.media.medium import content_type
from gesso.serving.database import ServerDatabase
from gesso.serving.http_errors import TooManyRequests, UnknownId
from gesso.serving.settings import Limits

ID = re.compile(r"[A-Za-z0-9_-]{22}")
Kind = Literal["upload", "output", "film"]
ORPHAN_SECONDS = 3600.0  # after which a file without a row is deleted
# For how long a file is never deleted to make room. A film is large, and a job has its own link to it.
KEPT_SECONDS: Mapping[Kind, float] = {"upload": 86_400.0, "film": 3600.0, "output": 0.0}


class StoredFile(NamedTuple):
    """A stored file: its medium as named in cards, and the sides in pixels of a picture."""

    id: str
    medium: str
    suffix: str
    width: int | None
    height: int | None
    num_bytes: int

    @property
    def content_type(self) -> str:
        return content_type(f".{self.suffix}")

    def to_json(self) -> dict[str, object]:
        sides = {} if self.width is None else {"width": self.width, "height": self.height}
        return {"id": self.id, "medium": self.medium, **sides}


class FileStore:
    """All queries name the owner; files of other owners count as missing."""

    def __init__(self, folder: Path, database: ServerDatabase, limits: Limits) -> None:
        self._folder, self._database, self._limits = folder, database, limits

    def put(
        self, owner: str, kind: Kind, data: bytes, *, medium: str = "picture", suffix: str = "png", size: tuple[int, int] | None = None
    ) -> StoredFile:
        """Store `data`; `size` is (width, height). Files older than `KEPT_SECONDS` are deleted to make room; else TooManyRequests."""
        self.make_room(owner, kind, len(data))
        width, height = size or (None, None)
        item = StoredFile(secrets.token_urlsafe(16), medium, suffix, width, height, len(data))
        path = self._path(item)
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            write_atomic(path, data)
        except GessoError as error:
            error.where = kind
            raise
        return self._enter(owner, kind, item)

    def incoming(self) -> Path:
        """A path for a file that is being received; it is deleted as an orphan unless `adopt` takes it."""
        path = self._folder / "in" / secrets.token_urlsafe(16)
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def adopt(self, owner: str, kind: Kind, path: Path, *, medium: str, suffix: str, size: tuple[int, int]) -> StoredFile:
        """Store the file at `path`, which `incoming` gave and which moves; else as `put`."""
        num_bytes = path.stat().st_size
        self.make_room(owner, kind, num_bytes)
        item = StoredFile(secrets.token_urlsafe(16), medium, suffix, *size, num_bytes)
        target = self._path(item)
        target.parent.mkdir(parents=True, exist_ok=True)
        os.replace(path, target)
        sync_folder(target.parent)
        return self._enter(owner, kind, item)

    def _enter(self, owner: str, kind: Kind, item: StoredFile) -> StoredFile:
        """The row of a file that lies at its place."""
        values = (item.id, owner, kind, item.medium, item.suffix, item.width, item.height, item.num_bytes, time.time())
        try:
            with self._database.writing() as rows:
                rows.execute("insert into kept values (?, ?, ?, ?, ?, ?, ?, ?, ?)", values)
        except BaseException:  # without a row the file would never be deleted
            self._path(item).unlink(missing_ok=True)
            raise
        return item

    def find(self, owner: str, kind: Kind, id: str) -> StoredFile:
        rows = (
            self._database.read(
                "select id, medium, suffix, width, height, bytes from kept where id = ? and owner = ? and kind = ?", (id, owner, kind)
            )
            if isinstance(id, str) and ID.fullmatch(id)
            else []
        )
        if not rows:
            raise UnknownId(f"there is no such {kind}", where="id")
        return StoredFile(*rows[0])

    def read(self, owner: str, kind: Kind, id: str) -> tuple[StoredFile, bytes]:
        item = self.find(owner, kind, id)
        try:
            return item, read_bytes(self._path(item), max_bytes=2**30, where=kind)
        except GessoError:
            raise UnknownId(f"there is no such {kind}", where="id") from None

    def path(self, owner: str, kind: Kind, id: str) -> Path:
        """The path of a stored file, for services that read it later."""
        path = self._path(self.find(owner, kind, id))
        if not path.is_file():
            raise UnknownId(f"there is no such {kind}", where="id")
        return path

    def delete(self, owner: str, kind: Kind, id: str) -> None:
        self._remove(self.find(owner, kind, id))

    def delete_orphans(self) -> None:
        """Delete files that a kill left without a row; recent ones may still be being written."""
        known = {f"{id}.{suffix}" for id, suffix in self._database.read("select id, suffix from kept")}
        old = time.time() - ORPHAN_SECONDS
        for path in self._folder.glob("*/*"):
            with contextlib.suppress(OSError):
                if path.name not in known and path.stat().st_mtime < old:
                    path.unlink()

    def make_room(self, owner: str, kind: Kind, num_bytes: int) -> None:
        """Delete what may be deleted until `num_bytes` more fit; TooManyRequests where they do not."""
        limits, now = self._limits, time.time()
        rows = self._database.read(
            "select id, medium, suffix, width, height, bytes, made from kept where owner = ? and kind = ? order by made", (owner, kind)
        )
        total, num = sum(row[5] for row in rows), len(rows)
        for row in rows:
            if total + num_bytes <= limits.kept_bytes and num < limits.kept_items:
                return
            if now - row[6] < KEPT_SECONDS[kind]:
                break
            self._remove(StoredFile(*row[:6]))
            total, num = total - row[5], num - 1
        if total + num_bytes > limits.kept_bytes or num >= limits.kept_items:
            raise TooManyRequests(
                f"there is no room left for your {kind}s", where=kind, fix=f"delete some: DELETE /api/{kind}s/…", retry_after=3600
            )

    def _remove(self, item: StoredFile) -> None:
        self._path(item).unlink(missing_ok=True)  # first: on a full disk, deleting the row needs the space
        with self._database.writing() as rows:
            rows.execute("delete from kept where id = ?", (item.id,))

    def _path(self, item: StoredFile) -> Path:
        return self._folder / item.id[:2] / f"{item.id}.{item.suffix}"
