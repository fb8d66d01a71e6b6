"""A new one-time link from a running server, for users who can read its home folder: `gesso studio --link`.

The key of a link works once, so that a link left in a browser history or a terminal log is useless. A second browser, or one whose
cookies were cleared, needs a new key, which only the server can make. So the server writes its address and a token of the first owner,
valid until the server ends, into its home folder, readable by its own user only, who could read the drawings and logins there anyway.
The token is sent only while the lock of the folder is held, so only to the server that wrote it, not to another that took its port.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import stat
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from gesso.errors import GessoError
from gesso.media.file import parse_json
from gesso.storage.lock import take

FILE, LOCK = ".server-link", ".server"
ROUTE = "api/link"
PATIENCE = 10.0  # seconds
MOST_BYTES = 4096


class LinkFile:
    """The server's side: a token, and the file that holds it while the server runs."""

    def __init__(self, home: Path, address: str) -> None:
        self._path, self._address = home / FILE, address
        self.token = secrets.token_urlsafe(32)

    def open(self) -> None:
        """Write the file atomically, never readable by other users. If that fails, only `--link` does not work."""
        with contextlib.suppress(OSError):
            beside = self._path.with_name(f"{FILE}-{secrets.token_hex(8)}")
            held = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(held, "w", encoding="utf-8") as file:
                json.dump({"address": self._address, "token": self.token}, file)
            os.replace(beside, self._path)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._path.unlink(missing_ok=True)


def fresh_link(home: Path) -> str:
    """A one-time link from the server that runs in this folder. GessoError if none runs there, or if it does not answer."""
    if not _is_running(home):
        raise GessoError("no studio is running in this folder", where=home, fix="gesso studio starts it, and prints its link")
    server = _read(home / FILE)
    request = urllib.request.Request(
        server["address"] + ROUTE, method="POST", headers={"Authorization": f"Bearer {server['token']}", "Content-Length": "0"}
    )
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=PATIENCE) as answer:
            link = parse_json(answer.read(MOST_BYTES), where=home).get("link")
    except (OSError, urllib.error.URLError, AttributeError, GessoError) as error:
        raise GessoError("the studio in this folder gives no link", where=home, fix="stop it with Ctrl-C, and start it again") from error
    if not isinstance(link, str) or not link.startswith(server["address"]) or not link.isprintable():
        raise GessoError("what answers is not the studio of this folder", where=home, fix="start the studio again")
    return link


def _is_running(home: Path) -> bool:
    """Whether a server holds the lock of this folder."""
    try:
        held = os.open(home / LOCK, os.O_RDWR)
    except OSError:
        return False
    try:
        take(held)
    except OSError:
        return True
    finally:
        os.close(held)
    return False


def _read(path: Path) -> dict[str, Any]:
    """The server's address and token; GessoError if other users could have read or written the file."""
    fix = "stop the studio with Ctrl-C, and start it again"
    try:
        held = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
        with os.fdopen(held, "rb") as file:
            about = os.fstat(file.fileno())
            data = file.read(MOST_BYTES)
    except OSError as error:
        raise GessoError("the studio in this folder left no way to ask it", where=path, fix=fix) from error
    if not stat.S_ISREG(about.st_mode) or (hasattr(os, "geteuid") and (about.st_uid != os.geteuid() or about.st_mode & 0o077)):
        raise GessoError("others may read or write this file", where=path, fix=fix)
    read = parse_json(data, where=path)
    is_valid = isinstance(read, dict) and all(isinstance(read.get(name), str) and read[name].isascii() for name in ("address", "token"))
    if not is_valid or not read["address"].startswith("http://") or not read["token"].isprintable():
        raise GessoError("this file is damaged", where=path, fix=fix)
    return dict(read)
