"""The protocol between the server and the signer: frames of JSON and bytes over two pipes, each authenticated.

A frame is a head (magic, length of the JSON, length of the data), an HMAC-SHA256 over its number and contents, the JSON, the data.
By hand: multiprocessing.connection authenticates a connection when it opens, not each message.
"""

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


class ProtocolError(Exception):
    """The other process has ended, or sent an invalid frame."""


class SignerChannel:
    """One end of two pipes. `secret` is new at each start; the authentication covers a frame's number, so no frame can be replayed."""

    def __init__(self, reading: IO[bytes], writing: IO[bytes], secret: bytes) -> None:
        self._reading, self._writing, self._secret = reading, writing, secret
        self._sent = self._read = 0

    def send(self, message: dict[str, Any], data: bytes = b"") -> None:
        text = json.dumps(message, ensure_ascii=False).encode()
        if len(text) > MOST_JSON or len(data) > MOST_DATA:
            raise ValueError("too large to be signed")
        head = HEAD.pack(MAGIC, len(text), len(data))
        for part in (head, self._digest(self._sent, head, text, data), text, data):
            self._writing.write(part)
        self._writing.flush()
        self._sent += 1

    def receive(self) -> Frame:
        """The next frame; ProtocolError at the end of the pipe and for a frame that is not authentic."""
        head = self._read_exactly(HEAD.size)
        magic, text_length, data_length = HEAD.unpack(head)
        if magic != MAGIC or text_length > MOST_JSON or data_length > MOST_DATA:
            raise ProtocolError("the frame's head is invalid")
        digest, text, data = self._read_exactly(32), self._read_exactly(text_length), self._read_exactly(data_length)
        if not hmac.compare_digest(digest, self._digest(self._read, head, text, data)):
            raise ProtocolError("the frame is not authentic")
        self._read += 1
        try:
            message = json.loads(text)
        except ValueError as error:
            raise ProtocolError("the frame holds no JSON") from error
        if not isinstance(message, dict):
            raise ProtocolError("the frame holds no JSON object")
        return message, data

    def _digest(self, number: int, head: bytes, text: bytes, data: bytes) -> bytes:
        made = hmac.new(self._secret, number.to_bytes(8, "big") + head + text, hashlib.sha256)
        made.update(data)
        return made.digest()

    def _read_exactly(self, length: int) -> bytes:
        held = self._reading.read(length) if length else b""
        if len(held) != length:
            raise ProtocolError("the other process has ended")
        return held
