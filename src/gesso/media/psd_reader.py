"""Reading of Photoshop documents: the record among the image resources, and the merged picture that viewers show.

Every length in the file is a stranger's word and is checked against what is there before anything is sliced or set aside.
Source: Adobe Photoshop File Formats Specification (2019).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from gesso.errors import GessoError
from gesso.media.budget import DEFAULT, Budget, in_megabytes
from gesso.media.packbits import unpacked
from gesso.media.psd import RECORD, RECORD_NAME, RGB_MODE, RLE

SIGNATURE = b"8BPS"
HEADER = struct.Struct(">4sH6xHIIHH")
RESOURCE_KINDS = (b"8BIM", b"MeSa", b"AgHg", b"PHUT", b"DCSR")
MOST_RESOURCES = 10_000
FIX = "give the file as it was written"


class PsdHeader(NamedTuple):
    """The fields of the first 26 bytes."""

    version: int
    channels: int
    height: int
    width: int
    bits: int
    mode: int


def record_in_psd(data: bytes, *, budget: Budget = DEFAULT, where: object = None) -> str | None:
    """The record that `encode_psd` wrote, or None. The pixels are not read."""
    for number, name, contents in _resources(data, where):
        if number == RECORD and name == RECORD_NAME:
            if len(contents) > budget.max_text_bytes:
                limit = in_megabytes(budget.max_text_bytes)
                raise GessoError(f"the record in this Photoshop document is larger than {limit}", where=where, fix=FIX)
            return bytes(contents).decode("utf-8", "replace")
    return None


def merged_in_psd(data: bytes, *, budget: Budget = DEFAULT, where: object = None) -> np.ndarray:
    """The merged picture, uint8 [h w 3]; GessoError if its compression or colour mode is not supported."""
    header = _header(data, where)
    if (header.bits, header.mode) != (8, RGB_MODE) or not 3 <= header.channels <= 56:
        raise GessoError("this Photoshop document is not 8-bit RGB", where=where, fix="export it as PNG")
    budget.check_decoded(header.width, header.height, 3, where=where)
    position = _after_sections(data, 3, where)
    if data[position : position + 2] != struct.pack(">H", RLE):
        raise GessoError("the compression of the merged picture in this Photoshop document is not supported", where=where, fix=FIX)
    position += 2
    num = header.height * header.channels
    if position + 2 * num > len(data):
        raise _cut_short(where)
    sizes = np.frombuffer(data, ">u2", num, position).astype(np.int64)
    ends = position + 2 * num + np.cumsum(sizes)
    if ends[-1] > len(data):
        raise _cut_short(where)
    planes = np.empty((3, header.height, header.width), np.uint8)
    rows = planes.reshape(-1, header.width)
    for row, start, end in zip(rows, (ends - sizes).tolist(), ends.tolist(), strict=False):  # channels beyond the third are masks
        values = unpacked(data[start:end], header.width)
        if len(values) != header.width:
            raise GessoError("the merged picture in this Photoshop document is damaged", where=where, fix=FIX)
        row[:] = np.frombuffer(values, np.uint8)
    return np.ascontiguousarray(planes.transpose(1, 2, 0))


def _header(data: bytes, where: object) -> PsdHeader:
    if len(data) < HEADER.size:
        raise _cut_short(where)
    magic, *claims = HEADER.unpack_from(data)
    header = PsdHeader(*claims)
    if magic != SIGNATURE or header.version != 1:
        raise GessoError("this is not a Photoshop document, or it is a large one (.psb)", where=where, fix="give a .psd")
    return header


def _resources(data: bytes, where: object) -> Iterator[tuple[int, bytes, memoryview]]:
    """(number, name, contents) of each image resource; GessoError if the section is truncated or malformed."""
    _header(data, where)
    start, end = _section(data, _after_sections(data, 1, where), where)
    view = memoryview(data)[:end]
    for _ in range(MOST_RESOURCES):
        if start >= end:
            return
        kind, name_length = bytes(view[start : start + 4]), int(view[start + 6]) if start + 6 < end else 0
        after_name = start + 6 + (1 + name_length + 1) // 2 * 2
        if kind not in RESOURCE_KINDS or after_name + 4 > end:
            raise GessoError("the image resources of this Photoshop document are damaged", where=where, fix=FIX)
        number, size = int.from_bytes(view[start + 4 : start + 6], "big"), int.from_bytes(view[after_name : after_name + 4], "big")
        begin = after_name + 4
        if begin + size > end:
            raise GessoError("an image resource of this Photoshop document exceeds the section", where=where, fix=FIX)
        yield number, bytes(view[start + 7 : start + 7 + name_length]), view[begin : begin + size]
        start = begin + size + size % 2
    raise GessoError(f"this Photoshop document has more than {MOST_RESOURCES} image resources", where=where, fix=FIX)


def _after_sections(data: bytes, num: int, where: object) -> int:
    """The position after the first `num` sections (colours, image resources, layers)."""
    position = HEADER.size
    for _ in range(num):
        position = _section(data, position, where)[1]
    return position


def _section(data: bytes, position: int, where: object) -> tuple[int, int]:
    """The start and end of the contents of the section at `position`."""
    begin = position + 4
    end = begin + int.from_bytes(data[position:begin], "big")
    if begin > len(data) or end > len(data):
        raise _cut_short(where)
    return begin, end


def _cut_short(where: object) -> GessoError:
    return GessoError("the Photoshop document is cut short", where=where, fix="copy or download it again")
