"""Why a file cannot be opened as a film, from its first bytes and the boxes of its container: ffmpeg says only "invalid data"."""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import BinaryIO

PICTURES = {b"\x89PNG": "a PNG picture", b"\xff\xd8\xff": "a JPEG picture", b"GIF8": "a GIF picture", b"BM": "a BMP picture"}
LISTS = (b"#EXTM3U", b"ffconcat", b"<?xml", b"<MPD")
MOST_BOXES = 10_000
CUT_OFF = "the file is cut off: {}"
MEND = "copy or download it again, or let the camera finish the recording"

Fault = tuple[str, str]  # what is wrong, and the fix


def fault_of(source: Path | BinaryIO) -> Fault | None:
    """What is wrong with a file that ffmpeg refuses; None where its bytes tell nothing. Reads a few bytes of each box."""
    try:
        if not isinstance(source, Path):
            source.seek(0)
            return _fault(source)
        with open(source, "rb") as file:
            return _fault(file)
    except (OSError, ValueError):
        return None


def _fault(file: BinaryIO) -> Fault | None:
    head = file.read(64)
    if not head:
        return "the file is empty", "give a film"
    kind = next((name for mark, name in PICTURES.items() if head.startswith(mark)), None)
    if kind:
        return f"this is {kind}, not a film", "give it as a picture, or give an MP4, MOV or MKV"
    if head.startswith(LISTS):
        return "this is a list of films, not a film", "give the film's own file"
    if head[4:8] == b"ftyp":
        return _boxes(file)
    if all(byte in b"\t\n\r" or byte >= 32 for byte in head) and b"\x00" not in head:
        return "this is text, not a film", "give an MP4, MOV or MKV"
    return None


def _boxes(file: BinaryIO) -> Fault | None:
    """What the boxes of an MP4 or MOV lack."""
    size = file.seek(0, io.SEEK_END)
    at, found = 0, list[str]()
    while at + 8 <= size and len(found) < MOST_BOXES:
        file.seek(at)
        length, name = struct.unpack(">I4s", file.read(8))
        if length == 1:
            length = struct.unpack(">Q", file.read(8).rjust(8, b"\0"))[0]
        length = size - at if length == 0 else length
        if length < 8 or not (name.isascii() and name.decode().isprintable()):
            if "moov" not in found:
                return f"the file is damaged: at byte {at} there is no part of an MP4", MEND
            break
        found.append(name.decode())
        if at + length > size:
            what = f"its part {name.decode()!r} should go on for {at + length - size} bytes more"
            return CUT_OFF.format(what), MEND
        at += length
    if "moov" not in found:
        return "its index (moov) is missing: the recording or the copy did not end", MEND
    return None
