"""One server per home folder: two would cache sessions that the other changes, and write one database through two connections."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from gesso.errors import GessoError
from gesso.serving.access.links import LOCK, LinkFile
from gesso.storage.lock import take


class HomeLock:
    """An exclusive lock on a home folder, from `acquire` to `release` or to the end of this process, even by a kill."""

    def __init__(self, home: Path, address: str) -> None:
        self._home, self._address = home, address
        self._held: int | None = None
        self.links = LinkFile(home, address)

    def acquire(self) -> None:
        """No effect if it is held already. GessoError, with the address of the other server, if another server holds it."""
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
            other = self._other_address()
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

    def release(self) -> None:
        if self._held is not None:
            self.links.close()
            os.close(self._held)
            self._held = None

    def _other_address(self) -> str:
        with contextlib.suppress(OSError, ValueError):
            address = (self._home / ".server-address").read_text(encoding="utf-8")[:100]
            return address if address.startswith("http://") and address.isprintable() else ""
        return ""
