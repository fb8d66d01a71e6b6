"""Strangers' pictures: decoded in a child process with limits, so that nothing they hold can harm the server."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import os
import struct
import subprocess
import sys
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any, NamedTuple

from gesso.errors import GessoError
from gesso.media.picture import DATA_URL
from gesso.serving.refusal import Busy
from gesso.serving.settings import Limits

FRESH_SECONDS = 5.0  # for Python itself to start
REMEMBERED = 512
ZIP_LONGER = 6  # a session holds many pictures


class Clean(NamedTuple):
    """A picture as our own PNG, and its sides in pixels."""

    png: bytes
    width: int
    height: int


class Decoder:
    """A few children at once; more must wait, and too many are refused."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._free = threading.Semaphore(limits.decoding)
        self._lock, self._waiting = threading.Lock(), 0
        self._known: OrderedDict[bytes, None] = OrderedDict()  # hashes of pictures that a child has written

    def clean(self, data: bytes, *, where: str = "picture") -> Clean:
        """The picture in `data`; GessoError with its reason where there is none, or where it is too large. Blocks."""
        self._limits.picture.check_bytes(len(data), where=where)
        told, png = self._ask("picture", data, where)
        self._remember(png)
        return Clean(png, told["width"], told["height"])

    def clean_url(self, url: str, *, where: str) -> str:
        """A data URL whose picture was decoded by a child; those that a child wrote are as good as they come."""
        match = DATA_URL.match(url)
        if match is None:
            raise GessoError("this is not a data URL of a picture", where=where, fix="it begins data:image/png;base64,")
        self._limits.picture.check_bytes((len(url) - match.end()) * 3 // 4 - 2, where=where)
        try:
            data = base64.b64decode(url[match.end() :], validate=True)
        except (binascii.Error, ValueError):
            raise GessoError("the base64 text of the data URL is damaged", where=where, fix="encode the file again") from None
        return data_url_of(data if self.knows(data) else self.clean(data, where=where).png)

    def knows(self, data: bytes) -> bool:
        with self._lock:
            return hashlib.sha256(data).digest() in self._known

    def trust(self, data: bytes) -> None:
        """These bytes were written by this program."""
        self._remember(data)

    def vet_zip(self, data: bytes) -> None:
        """GessoError where a picture inside could not be decoded harmlessly."""
        self._ask("zip", data, "body")

    def _remember(self, data: bytes) -> None:
        with self._lock:
            self._known[hashlib.sha256(data).digest()] = None
            while len(self._known) > REMEMBERED:
                self._known.popitem(last=False)

    def _ask(self, kind: str, data: bytes, where: str) -> tuple[dict[str, Any], bytes]:
        limits = self._limits
        seconds = limits.decode_seconds * (ZIP_LONGER if kind == "zip" else 1)
        command = [sys.executable, "-B", "-m", "gesso.serving.child", str(seconds), str(limits.decode_bytes), kind]
        command.append(json.dumps(asdict(limits.picture)))
        with self._turn():
            try:
                done = subprocess.run(
                    command,
                    input=data,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    timeout=seconds + FRESH_SECONDS,
                    env=_environment(),
                    cwd=os.path.sep,
                )
            except subprocess.TimeoutExpired:
                raise GessoError("it takes too long to read", where=where, fix="save it again from an image editor") from None
        try:
            end = 4 + struct.unpack("<I", done.stdout[:4])[0]
            told = json.loads(done.stdout[4:end]) if not done.returncode else None
        except (struct.error, ValueError):
            told = None
        if not isinstance(told, dict):
            raise GessoError("it could not be read: its decoder gave up", where=where, fix="save it again from an image editor, as PNG")
        if "what" in told:
            raise GessoError(told["what"], where=where if told["where"] in (None, "picture") else told["where"], fix=told["fix"])
        return told, done.stdout[end:]

    @contextmanager
    def _turn(self) -> Iterator[None]:
        with self._lock:
            if self._waiting >= self._limits.decodes_waiting + self._limits.decoding:
                raise Busy("many pictures are being read already", fix="try again in a moment", retry_after=2)
            self._waiting += 1
        try:
            with self._free:
                yield
        finally:
            with self._lock:
                self._waiting -= 1


def data_url_of(png: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")


def _environment() -> dict[str, str]:
    """Nothing of the server's own: tokens may be among it."""
    kept = {name: os.environ[name] for name in ("PATH", "SYSTEMROOT", "LD_LIBRARY_PATH") if name in os.environ}
    one = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    return kept | one | {"PYTHONPATH": os.pathsep.join(os.path.abspath(p) for p in sys.path if p)}
