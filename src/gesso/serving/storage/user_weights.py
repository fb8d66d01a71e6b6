"""Weights that users trained or sent, kept as long as one of their sessions uses them, even after the training is deleted."""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import time
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from gesso.errors import GessoError
from gesso.media.file import DiskFull, is_full, link_or_copy, printable, sync_folder, write_atomic
from gesso.serving.http_errors import UnknownId
from gesso.weights.store import card_of, read_weights

SUFFIX = ".safetensors"
MOST_BYTES = 2**32  # of one owner
UNUSED_SECONDS = 3600.0  # after which unused weights are deleted


class UserWeights(NamedTuple):
    """A weights file that a user trained or sent."""

    sha256: str
    path: Path


class SentWeights(NamedTuple):
    """What a weights file of a user says of itself."""

    sha256: str
    recipe: str
    preset: str
    title: str
    ended: float

    def to_json(self) -> dict[str, Any]:
        return {"id": "", "title": self.title, "ended": self.ended, "sha256": self.sha256, "preset": self.preset}


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
        link_or_copy(own.path, partial)
        if hashlib.sha256(partial.read_bytes()).hexdigest() != own.sha256:  # the training has continued meanwhile
            partial.unlink()
            raise GessoError("have just changed", where="weights", fix="create the session again with the current weights")
        os.replace(partial, target)
        for folder in (target.parent, self._home, self._home.parent):
            sync_folder(folder)

    def put(self, owner: str, data: bytes, known: Mapping[str, Collection[str]]) -> SentWeights:
        """Check and store a file that a user sent; `known` maps the recipes that take weights to their presets.

        GessoError if it is not a weights file of such a recipe, or there is no room; files stored before are then unchanged.
        """
        folder = self._folder(owner)
        partial = folder / f"{os.getpid()}-{secrets.token_hex(8)}.half"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if self._num_bytes(owner) + len(data) > MOST_BYTES:
                raise GessoError("there is no room left for your weights", fix="delete sessions, then try again in an hour")
            write_atomic(partial, data)
            held = read_weights(partial)
            _check_known(held.card, known)
            target = self._path(owner, held.sha256)
            os.replace(partial, target)
            sync_folder(folder)
        except OSError as error:
            if is_full(error):
                raise DiskFull("the disk is full", where="weights", fix="free some space there, and try again") from error
            raise
        except GessoError as error:
            error.where = "weights"
            raise
        finally:
            with contextlib.suppress(OSError):
                partial.unlink()
        return _described(held.sha256, held.card, target)

    def delete(self, owner: str, sha256: str) -> None:
        """Delete a file of the owner. UnknownId if there is none."""
        try:
            self._path(owner, sha256).unlink()
        except FileNotFoundError:
            raise UnknownId("there are no such weights", where="sha256") from None

    def _num_bytes(self, owner: str) -> int:
        """The size of all files of an owner, in bytes."""
        total = 0
        for path in self._folder(owner).iterdir():
            with contextlib.suppress(FileNotFoundError):  # another upload has just ended
                total += path.stat().st_size
        return total

    def sent(self, owner: str, recipe: str) -> list[SentWeights]:
        """The owner's files of a recipe, the latest first."""
        found = []
        for path in self._folder(owner).glob(f"*{SUFFIX}"):
            with contextlib.suppress(OSError, GessoError):
                one = _described(path.stem, card_of(path), path)
                if one.recipe == recipe:
                    found.append(one)
        return sorted(found, key=lambda one: -one.ended)

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


def _check_known(card: Mapping[str, Any], known: Mapping[str, Collection[str]]) -> None:
    recipe, preset = str(card.get("recipe", "")), str(card.get("preset", ""))
    if recipe not in known:
        what = f"are weights of {printable(recipe[:60])!r}, which is no recipe here"
        raise GessoError(what, fix=f"weights of one of {', '.join(known)}")
    if preset and preset not in known[recipe]:
        what = f"are weights of the preset {printable(preset[:60])!r}, which {recipe} does not have"
        raise GessoError(what, fix=f"weights of one of its presets: {', '.join(known[recipe])}")


def _described(sha256: str, card: Mapping[str, Any], path: Path) -> SentWeights:
    title = printable(str(card.get("title") or card.get("data") or "")[:100])
    return SentWeights(sha256, str(card.get("recipe", "")), str(card.get("preset", "")), title, path.stat().st_mtime)
