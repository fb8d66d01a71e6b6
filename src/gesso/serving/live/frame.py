"""Messages of the live socket: four bytes of length, a JSON header, a payload; and the changed box of a picture as PNG."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from typing import Any

import numpy as np

from gesso.errors import GessoError
from gesso.media.png import quick
from gesso.serving.http.json_text import parse

Box = tuple[int, int, int, int]  # left, top, right, bottom in pixels


def pack(header: Mapping[str, Any], payload: bytes = b"") -> bytes:
    head = json.dumps(header, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode("utf-8", "backslashreplace")
    return struct.pack("<I", len(head)) + head + payload


def unpack(data: bytes) -> tuple[dict[str, Any], bytes]:
    """The header and the payload; GessoError if the message is malformed."""
    length = struct.unpack_from("<I", data)[0] if len(data) >= 4 else 2**32
    if length > len(data) - 4:
        raise GessoError("is cut short", where="message", fix="u32 little-endian n, n bytes of JSON, payload")
    header = parse(data[4 : 4 + length], where="message")
    if not isinstance(header, dict):
        raise GessoError(f"its header is a JSON object, not {type(header).__name__}", where="message")
    return header, data[4 + length :]


def changed(before: np.ndarray | None, now: np.ndarray) -> Box:
    """The smallest box that holds all changes: one pixel if there are none, the whole if the shape differs."""
    height, width = now.shape[:2]
    if before is None or before.shape != now.shape:
        return 0, 0, width, height
    one, other = (np.ascontiguousarray(pixels).reshape(height, -1) for pixels in (before, now))
    wide = np.uint64 if one.shape[1] % 8 == 0 else np.uint8  # eight bytes at a time
    rows = np.flatnonzero((one.view(wide) != other.view(wide)).any(1))
    if not len(rows):
        return 0, 0, 1, 1
    changed_rows = slice(rows[0], rows[-1] + 1)
    columns = np.flatnonzero((one[changed_rows] != other[changed_rows]).any(0).reshape(width, -1).any(1))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def quick_png(pixels: np.ndarray, box: Box) -> bytes:
    """The box of the pixels as a lossless PNG, compressed for speed rather than size."""
    left, top, right, bottom = box
    return quick(pixels[top:bottom, left:right])
