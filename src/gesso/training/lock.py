"""A lock on a folder, so that two trainings or batches never write the same files."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from gesso.errors import GessoError


@contextlib.contextmanager
def locked(folder: Path, other: str = "another training") -> Iterator[None]:
    """Lock the folder for this process. The system releases the lock when the process ends in any way.

    Raises GessoError, saying that `other` is writing there, if another process holds the lock.
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
    """Lock an open file until it is closed or the process ends. Raises OSError at once if another process holds it."""
    if os.name == "nt":
        import msvcrt

        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
        return
    import fcntl

    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
