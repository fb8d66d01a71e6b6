"""Decoding of untrusted pictures, palettes and music in sandboxed processes, so that a malicious file cannot harm the server."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

from gesso.errors import GessoError
from gesso.media.budget import Budget
from gesso.media.density import kept_dpi
from gesso.media.picture import DATA_URL, encode_png
from gesso.serving.decode.decode_pool import DecodePool, split_answer
from gesso.serving.decode.midi_upload import WHERE, DecodedMusic, decoded_music
from gesso.serving.http_errors import ServerBusy
from gesso.serving.settings import Limits

MOST_TRUSTED = 512


class DecodedPicture(NamedTuple):
    """A picture encoded anew as PNG, and its sides in pixels."""

    png: bytes
    width: int
    height: int


class Decoder:
    """Decodes a few files at once; more wait, and too many are refused."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._free = threading.Semaphore(limits.decoding)
        self._lock, self._waiting = threading.Lock(), 0
        self._trusted: OrderedDict[bytes, None] = OrderedDict()  # hashes of pictures that this process encoded
        self._pool = DecodePool(limits)

    def start(self) -> None:
        """Start the decode pool before the first upload."""
        self._pool.start()

    def close(self) -> None:
        self._pool.close()

    def clean(self, data: bytes, *, where: str = "picture") -> DecodedPicture:
        """Decode a picture; GessoError if it is invalid or too large. Blocks."""
        self._limits.picture.check_bytes(len(data), where=where)
        with self._slot():
            head, rows = self._decode("P", data, where)
            pixels = _pixels(head, rows, self._limits.picture)
            if pixels is None:
                raise _decoder_failed(where)
            png = encode_png(pixels, dpi=kept_dpi(head.get("dpi")), compress_level=3)
        self._remember(png)
        return DecodedPicture(png, pixels.shape[1], pixels.shape[0])

    def clean_url(self, url: str, *, where: str) -> str:
        """A data URL, its picture decoded in the sandbox and encoded anew; pictures that this process encoded are passed through."""
        match = DATA_URL.match(url)
        if match is None:
            raise GessoError("this is not a data URL of a picture", where=where, fix="it begins data:image/png;base64,")
        self._limits.picture.check_bytes((len(url) - match.end()) * 3 // 4 - 2, where=where)
        try:
            data = base64.b64decode(url[match.end() :], validate=True)
        except (binascii.Error, ValueError):
            raise GessoError("the base64 text of the data URL is damaged", where=where, fix="encode the file again") from None
        return data_url_of(data if self.is_trusted(data) else self.clean(data, where=where).png)

    def is_trusted(self, data: bytes) -> bool:
        with self._lock:
            return hashlib.sha256(data).digest() in self._trusted

    def trust(self, data: bytes) -> None:
        """Mark bytes as encoded by this program, so that `clean_url` passes them through."""
        self._remember(data)

    def palette(self, data: bytes) -> Any:
        """The JSON of a palette file; GessoError if it is invalid. Its contents are untrusted."""
        with self._slot():
            _, head = self._decode("C", data, "palette")
        try:
            return json.loads(bytes(head))
        except ValueError:
            raise _decoder_failed("palette") from None

    def music(self, data: bytes) -> DecodedMusic:
        """A MIDI file written anew with what it holds; GessoError if it is invalid or too large. Blocks."""
        with self._slot():
            return decoded_music(bytes(self._decode("N", data, WHERE)[1]))

    def _remember(self, data: bytes) -> None:
        with self._lock:
            self._trusted[hashlib.sha256(data).digest()] = None
            while len(self._trusted) > MOST_TRUSTED:
                self._trusted.popitem(last=False)

    def _decode(self, kind: str, data: bytes, where: str) -> tuple[dict[str, Any], memoryview]:
        try:
            answer = split_answer(self._pool.decode(kind, data))
        except TimeoutError:
            raise GessoError("it takes too long to read", where=where, fix="save it again from the program that made it") from None
        if answer is None:
            raise _decoder_failed(where)
        head, rows = answer
        if "what" in head:
            what, place, fix = (None if head.get(name) is None else str(head[name]) for name in ("what", "where", "fix"))
            raise GessoError(what or "it cannot be read", where=where if place in (None, "picture") else place, fix=fix)
        return head, rows

    @contextmanager
    def _slot(self) -> Iterator[None]:
        with self._lock:
            if self._waiting >= self._limits.decodes_waiting + self._limits.decoding:
                raise ServerBusy("many files are being read already", fix="try again in a moment", retry_after=2)
            self._waiting += 1
        try:
            with self._free:
                yield
        finally:
            with self._lock:
                self._waiting -= 1


def data_url_of(png: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")


def _pixels(head: dict[str, Any], rows: memoryview, budget: Budget) -> np.ndarray | None:
    """The pixels in a worker's answer; None if it is inconsistent, as a compromised worker may answer anything."""
    shape = head.get("shape")
    if not isinstance(shape, list) or not all(type(side) is int and side > 0 for side in shape):
        return None
    if len(shape) not in (2, 3) or (len(shape) == 3 and shape[2] not in (3, 4)) or int(np.prod(shape, dtype=object)) != len(rows):
        return None
    budget.check_size(shape[1], shape[0], where="picture")
    return np.frombuffer(rows, np.uint8).reshape(shape)


def _decoder_failed(where: str) -> GessoError:
    return GessoError("it could not be read: its decoder failed", where=where, fix="save it again from the program that made it")
