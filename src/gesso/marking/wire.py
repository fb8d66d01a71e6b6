"""The line between a server and its signer: frames of JSON and bytes, each proved to come from the other end."""

from __future__ import annotations

import hashlib
import hmac
import json
import struct
from typing import IO, Any

HEAD = struct.Struct(">4sIQ")
MAGIC = b"GSW1"
MOST_JSON = 2**20
MOST_DATA = 2**29  # bytes of one file
SECRET_BYTES = 32
Frame = tuple[dict[str, Any], bytes]


class Broken(Exception):
    """The other end is gone, or says what it may not."""


class Line:
    """One direction each of two pipes. `secret` is new at each start; a frame's proof covers its number, so none can be sent twice."""

    def __init__(self, reading: IO[bytes], writing: IO[bytes], secret: bytes) -> None:
        self._reading, self._writing, self._secret = reading, writing, secret
        self._sent = self._read = 0

    def send(self, told: dict[str, Any], data: bytes = b"") -> None:
        text = json.dumps(told, ensure_ascii=False).encode()
        if len(text) > MOST_JSON or len(data) > MOST_DATA:
            raise ValueError("too large to be signed")
        head = HEAD.pack(MAGIC, len(text), len(data))
        for part in (head, self._proof(self._sent, head, text, data), text, data):
            self._writing.write(part)
        self._writing.flush()
        self._sent += 1

    def receive(self) -> Frame:
        """The next frame; Broken where there is none, or where its proof is wrong."""
        head = self._exactly(HEAD.size)
        magic, text_length, data_length = HEAD.unpack(head)
        if magic != MAGIC or text_length > MOST_JSON or data_length > MOST_DATA:
            raise Broken("a frame of another kind")
        proof, text, data = self._exactly(32), self._exactly(text_length), self._exactly(data_length)
        if not hmac.compare_digest(proof, self._proof(self._read, head, text, data)):
            raise Broken("a frame from somebody else")
        self._read += 1
        try:
            told = json.loads(text)
        except ValueError as error:
            raise Broken("a frame that is no JSON") from error
        if not isinstance(told, dict):
            raise Broken("a frame that is no object")
        return told, data

    def _proof(self, number: int, head: bytes, text: bytes, data: bytes) -> bytes:
        made = hmac.new(self._secret, number.to_bytes(8, "big") + head + text, hashlib.sha256)
        made.update(data)
        return made.digest()

    def _exactly(self, length: int) -> bytes:
        held = self._reading.read(length) if length else b""
        if len(held) != length:
            raise Broken("the line ended")
        return held
