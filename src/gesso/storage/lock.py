"""Locks on files and folders between processes. The system releases a lock when its process ends, in whatever way it ends."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from filelock import lock_descriptor

from gesso.errors import GessoError


@contextlib.contextmanager
def locked(folder: Path, other: str = "another training") -> Iterator[None]:
    """Lock a folder against other processes that write into it; never waits.

    GessoError where it is locked already; `other` names the holder in the message.
    """
    descriptor = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o666)
    try:
        try:
            take(descriptor)
        except OSError as error:
            raise GessoError(f"{other} is writing into this folder", where=folder, fix="wait for it, or choose another --out") from error
        yield
    finally:
        os.close(descriptor)


def take(descriptor: int) -> None:
    """Lock an open file until it is closed; never waits. BlockingIOError where another descriptor has the lock, OSError where the
    file system has no locks."""
    if not lock_descriptor(descriptor, blocking=False):
        raise BlockingIOError("the file is locked")
