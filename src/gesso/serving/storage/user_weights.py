"""What people's own trainings learned, for as long as a session of theirs draws with it, whatever becomes of the training."""

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
LATELY = 3600.0  # seconds


class UserWeights(NamedTuple):
    """A weights file of somebody's own."""

    sha256: str
    path: Path


class UserWeightsStore:
    """Files by owner and hash in a folder of their own. A file is a second name of the training's, or a copy where a disk knows no such."""

    def __init__(self, home: Path) -> None:
        self._home = home

    def add(self, owner: str, own: UserWeights) -> None:
        """Once this returns it stays, until it is let go of."""
        target = self._path(owner, own.sha256)
        if target.is_file():
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        half = target.with_suffix(f".{os.getpid()}.half")
        half.unlink(missing_ok=True)
        try:
            os.link(own.path, half)
        except OSError:
            shutil.copyfile(own.path, half)
        if hashlib.sha256(half.read_bytes()).hexdigest() != own.sha256:  # the training went on meanwhile
            half.unlink()
            raise GessoError("have just become others", where="weights", fix="begin again with those that are there now")
        os.replace(half, target)
        for folder in (target.parent, self._home, self._home.parent):
            sync_folder(folder)

    def find(self, owner: str, sha256: str) -> UserWeights | None:
        path = self._path(owner, sha256)
        return UserWeights(sha256, path) if path.is_file() else None

    def delete_unused(self, owner: str, wanted: Collection[str]) -> None:
        """All but those that are `wanted`, by their hashes, and those of the last hour: a deleted session may be fetched back."""
        for path in self._folder(owner).glob("*"):
            with contextlib.suppress(OSError):
                if path.stem not in wanted and path.stat().st_ctime < time.time() - LATELY:
                    path.unlink()

    def _folder(self, owner: str) -> Path:
        return self._home / hashlib.sha256(owner.encode("utf-8", "surrogatepass")).hexdigest()[:32]

    def _path(self, owner: str, sha256: str) -> Path:
        """A hash that is none names no file: what it is called is made of what it says."""
        plain = sha256 if len(sha256) == 64 and all(letter in "0123456789abcdef" for letter in sha256) else "none"
        return self._folder(owner) / f"{plain}{SUFFIX}"
