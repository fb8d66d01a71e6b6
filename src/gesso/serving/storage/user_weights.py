"""Weights that users trained, kept as long as one of their sessions uses them, even after the training is deleted."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import time
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

from gesso.errors import GessoError
from gesso.media.file import sync_folder

SUFFIX = ".safetensors"
UNUSED_SECONDS = 3600.0  # after which unused weights are deleted


class UserWeights(NamedTuple):
    """A weights file that a user trained."""

    sha256: str
    path: Path


class UserWeightsStore:
    """Files by owner and hash. Each is a hard link to the file of the training, or a copy if the disk has no hard links."""

    def __init__(self, home: Path) -> None:
        self._home = home

    def add(self, owner: str, own: UserWeights) -> None:
        """Keep the weights until `delete_unused` removes them. GessoError if the file has changed since it was hashed."""
        target = self._path(owner, own.sha256)
        if target.is_file():
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_suffix(f".{os.getpid()}.half")
        partial.unlink(missing_ok=True)
        try:
            os.link(own.path, partial)
        except OSError:
            shutil.copyfile(own.path, partial)
        if hashlib.sha256(partial.read_bytes()).hexdigest() != own.sha256:  # the training has continued meanwhile
            partial.unlink()
            raise GessoError("have just changed", where="weights", fix="create the session again with the current weights")
        os.replace(partial, target)
        for folder in (target.parent, self._home, self._home.parent):
            sync_folder(folder)

    def find(self, owner: str, sha256: str) -> UserWeights | None:
        path = self._path(owner, sha256)
        return UserWeights(sha256, path) if path.is_file() else None

    def delete_unused(self, owner: str, used: Collection[str]) -> None:
        """Delete weights whose hash is not in `used`, except those of the last hour: a deleted session may be restored."""
        for path in self._folder(owner).glob("*"):
            with contextlib.suppress(OSError):
                if path.stem not in used and path.stat().st_ctime < time.time() - UNUSED_SECONDS:
                    path.unlink()

    def _folder(self, owner: str) -> Path:
        return self._home / hashlib.sha256(owner.encode("utf-8", "surrogatepass")).hexdigest()[:32]

    def _path(self, owner: str, sha256: str) -> Path:
        """Invalid hashes map to a fixed name, so input never reaches the path."""
        plain = sha256 if len(sha256) == 64 and all(letter in "0123456789abcdef" for letter in sha256) else "none"
        return self._folder(owner) / f"{plain}{SUFFIX}"
