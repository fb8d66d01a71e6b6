"""Files: reading within a size limit, and atomic writing."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import secrets
import shutil
import stat
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

from gesso.errors import GessoError
from gesso.media.budget import DEFAULT, in_megabytes

LONGEST_NAME = 400
FULL = {errno.ENOSPC, errno.EDQUOT}
SQLITE_FULL = 13
NO_FSYNC_OF_FOLDERS = {errno.EINVAL, errno.ENOTSUP, errno.EACCES, errno.EPERM, errno.EBADF}

REASONS = {
    errno.ENOENT: ("there is no such file", "check the spelling and the folder"),
    errno.ENOTDIR: ("a part of this path is a file, not a folder", "check the path"),
    errno.EISDIR: ("this is a folder", "give a file inside it"),
    errno.EACCES: ("this account may not read or write here", "change the permissions or choose another place"),
    errno.EPERM: ("this account may not read or write here", "change the permissions or choose another place"),
    errno.EROFS: ("this disk is read-only", "choose another place"),
    errno.ENOSPC: ("the disk is full", "free some space or choose another disk"),
    errno.EDQUOT: ("the disk quota of this account is used up", "free some space or choose another disk"),
    errno.EFBIG: ("the file would be larger than this system lets a file be", "raise the limit (ulimit -f) or write less"),
    errno.ENAMETOOLONG: ("the name is too long", "use a shorter name"),
    errno.ELOOP: ("the links in this path go round in a circle", "give the file itself"),
    errno.EIO: ("the disk reports an error", "check the disk, or choose another"),
    errno.EMFILE: ("too many files are open", "close some programs, or raise the limit (ulimit -n)"),
}


class DiskFull(GessoError):
    """The disk is full. Nothing was written, and the operation can be retried when there is room."""


def is_full(error: BaseException) -> bool:
    """Whether an error of the system or of SQLite means that the disk is full."""
    return getattr(error, "errno", None) in FULL or getattr(error, "sqlite_errorcode", None) == SQLITE_FULL


def printable(name: object) -> str:
    """A name that is safe to display: control characters are escaped, and the middle of a very long name is left out."""
    text = os.fsdecode(name) if isinstance(name, (bytes, os.PathLike)) else str(name)
    if len(text) > LONGEST_NAME:
        text = f"{text[: LONGEST_NAME // 2]}…{text[-LONGEST_NAME // 4 :]}"
    return "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode("ascii") for letter in text)


def read_bytes(path: str | Path, max_bytes: int = DEFAULT.max_bytes, where: object = None) -> bytes:
    """Read a regular file of at most `max_bytes`.

    Raises GessoError if the file is missing, a folder, a pipe or device, unreadable, or larger.
    """
    name = printable(path if where is None else where)
    if str(path) == "":
        raise GessoError("no file was named", where=name or None, fix="give the path of a file")
    try:
        with open(path, "rb", opener=_open_without_waiting) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise GessoError("this is a pipe or a device, not a file", where=name, fix="save it as a file first")
            data = read_bounded(file, max_bytes, expected=status.st_size) if status.st_size <= max_bytes else None
    except OSError as error:
        if os.path.isdir(path):  # Windows answers "permission denied" for a folder
            _refuse(IsADirectoryError(errno.EISDIR, "is a directory"), name)
        _refuse(error, name)
    except ValueError as error:
        if isinstance(error, GessoError):
            raise
        raise GessoError("a path cannot hold this character", where=name, fix="check the path") from error
    if data is None or len(data) > max_bytes:
        raise GessoError(f"the file is larger than {in_megabytes(max_bytes)}", where=name, fix="give a smaller file")
    return data


def read_bounded(file: BinaryIO, max_bytes: int, expected: int = 2**20) -> bytes:
    """What is left in an open file, and at most one byte more than `max_bytes`, so that the caller sees when there was more.

    `expected` is only where to begin: sizes lie (files under /proc say 0, others grow), and to ask for the limit at
    once would take that much memory for the smallest file.
    """
    pieces: list[bytes] = []
    left = max_bytes + 1
    while left > 0 and (piece := file.read(min(left, max(expected, 2**16) + 1))):
        pieces.append(piece)
        left -= len(piece)
    return pieces[0] if len(pieces) == 1 and isinstance(pieces[0], bytes) else b"".join(pieces)


def link_or_copy(source: Path, target: Path) -> None:
    """A hard link to a file at a new place, or a copy of it on a disk without hard links."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def read_json(path: str | Path, max_bytes: int = DEFAULT.max_text_bytes, where: object = None) -> Any:
    """Parse a JSON file (UTF-8, at most `max_bytes`); GessoError with line and column if it is not JSON."""
    return parse_json(read_bytes(path, max_bytes, where), where=path if where is None else where)


def parse_json(data: bytes | str, *, where: object = None) -> Any:
    """Parse a JSON text; GessoError with line and column if it is not JSON. NaN and Infinity are not JSON."""
    name = None if where is None else printable(where)
    try:
        text = data.decode("utf-8-sig") if isinstance(data, bytes) else data
        return json.loads(text, parse_constant=_refuse_constant)
    except UnicodeDecodeError as error:
        raise GessoError(f"this is not UTF-8 text (byte {error.start})", where=name, fix="save it as UTF-8") from error
    except json.JSONDecodeError as error:
        raise GessoError(
            f"this is not JSON: {error.msg} at line {error.lineno}, column {error.colno}", where=name, fix="mend it there"
        ) from error
    except RecursionError as error:
        raise GessoError("the JSON is nested too deep", where=name, fix="nest fewer brackets") from error
    except ValueError as error:
        raise GessoError(
            f"the JSON holds a number that cannot be read: {printable(error)}", where=name, fix="correct that number"
        ) from error


def write_atomic(path: str | Path, data: bytes | bytearray | memoryview) -> None:
    """Write a file atomically and durably: a temporary file beside it, fsync, rename, fsync of the folder.

    A link is followed, so that the file it names is replaced. Raises GessoError saying why where that cannot be
    (full disk, read-only, no such folder, a folder or device in the way); the old file is then as it was.
    """
    name = printable(path)
    if not os.path.basename(path):
        raise GessoError("cannot write: this names a folder", where=name or None, fix="give the name of a file")
    try:
        target = Path(os.path.realpath(path))
        mode = _mode_to_keep(target, name)
        temporary = target.parent / f".gesso-{secrets.token_hex(8)}.part"
        try:
            _write_durably(temporary, data, mode)
            os.replace(temporary, target)
        except BaseException:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise
        sync_folder(target.parent)
    except OSError as error:
        folder = os.path.dirname(path)
        if error.errno == errno.ENOENT and folder and not os.path.isdir(folder):
            raise GessoError("the folder does not exist", where=name, fix=f"make the folder {printable(folder)} first") from error
        _refuse(error, name, doing="cannot write: ")
    except ValueError as error:
        if isinstance(error, GessoError):
            raise
        raise GessoError("a path cannot hold this character", where=name, fix="check the path") from error


def _mode_to_keep(target: Path, name: str) -> int | None:
    try:
        mode = target.stat().st_mode
    except FileNotFoundError:
        return None
    if stat.S_ISDIR(mode):
        raise GessoError("cannot write: a folder of that name is in the way", where=name, fix="give the name of a file")
    if not stat.S_ISREG(mode):  # a rename onto /dev/null would remove the device
        raise GessoError("cannot write: this is a pipe or a device, not a file", where=name, fix="give the name of a file")
    return stat.S_IMODE(mode)


def _write_durably(path: Path, data: bytes | bytearray | memoryview, mode: int | None) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
    with os.fdopen(os.open(path, flags, 0o666), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    if mode is not None:
        with contextlib.suppress(OSError):  # the file belongs to another user; writing its contents matters more than its mode
            os.chmod(path, mode)


def sync_folder(folder: Path) -> None:
    """Sync a folder to the disk, if the system can sync folders."""
    if os.name == "nt":  # folders cannot be opened there
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in NO_FSYNC_OF_FOLDERS:
            raise
    finally:
        os.close(descriptor)


def _open_without_waiting(path: str, flags: int) -> int:
    # Otherwise, opening a named pipe without a writer would block for ever.
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _refuse(error: OSError, name: str, doing: str = "") -> NoReturn:
    what, fix = REASONS.get(error.errno or 0, ((error.strerror or "the system refused").lower(), None))
    raise (DiskFull if is_full(error) else GessoError)(f"{doing}{what}", where=name, fix=fix) from error


def _refuse_constant(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a JSON number")
