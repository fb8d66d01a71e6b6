"""One training a folder, and one batch: two that wrote the same files would spoil both."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from gesso.errors import GessoError


@contextlib.contextmanager
def locked(folder: Path, other: str = "another training") -> Iterator[None]:
    """Hold the folder while this process works in it; the system lets go when the process ends, however it ends.

    GessoError, saying that `other` is writing there, where it is held.
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
    """Hold an open file until it is closed, or this process ends; OSError, at once, where another holds it."""
    if os.name == "nt":
        import msvcrt

        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
        return
    import fcntl

    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
