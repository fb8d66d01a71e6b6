"""One server a home. Two would each hold drawings in memory that the other changes, and write one database through two connections."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from gesso.errors import GessoError
from gesso.serving.linking import LOCK, LinkSecret
from gesso.storage.lock import take


class Claim:
    """A hold on a home, from `take` to `drop` or to the end of this process, however it ends."""

    def __init__(self, home: Path, address: str) -> None:
        self._home, self._address = home, address
        self._held: int | None = None
        self.links = LinkSecret(home, address)

    def take(self) -> None:
        """Again where it is held already, it does nothing; GessoError, saying where the other answers, where another server has it."""
        if self._held is not None:
            return
        try:
            self._home.mkdir(parents=True, exist_ok=True, mode=0o700)
            held = os.open(self._home / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            what = f"nothing can be kept in this folder: {(error.strerror or 'refused').lower()}"
            raise GessoError(what, where=self._home, fix="free some space there, or choose another: --home, or GESSO_HOME") from error
        try:
            take(held)
        except OSError as error:
            other = self._other()
            os.close(held)
            raise GessoError(
                f"another Gesso server is running in this folder{f', at {other}' if other else ''}",
                where=self._home,
                fix="open that one, or stop it; or give this one a folder of its own: --home, or GESSO_HOME",
            ) from error
        self._held = held
        with contextlib.suppress(OSError):
            (self._home / ".server-address").write_text(self._address, encoding="utf-8")
        self.links.open()

    def drop(self) -> None:
        if self._held is not None:
            self.links.close()
            os.close(self._held)
            self._held = None

    def _other(self) -> str:
        with contextlib.suppress(OSError, ValueError):
            told = (self._home / ".server-address").read_text(encoding="utf-8")[:100]
            return told if told.startswith("http://") and told.isprintable() else ""
        return ""
