"""PackBits, the run-length encoding of rows in Photoshop and TIFF files.

Source: TIFF revision 6.0, section 9. Each row is packed for itself.
"""

from __future__ import annotations

import numpy as np

LONGEST = 128
SHORTEST_REPEAT = 3  # a repeat of two is no shorter than two bytes among others
STRIP_BYTES = 2**20


def packed(plane: np.ndarray) -> tuple[bytes, np.ndarray]:
    """Pack the rows of uint8 [h w]. Returns the bytes of all rows, and the number of bytes of each row, int64 [h]."""
    if plane.dtype != np.uint8 or plane.ndim != 2 or not plane.size:
        raise ValueError(f"rows are uint8 [h w], not {plane.dtype} {list(plane.shape)}")
    step = max(1, STRIP_BYTES // plane.shape[1])
    parts = [_packed_strip(np.ascontiguousarray(plane[top : top + step])) for top in range(0, len(plane), step)]
    return b"".join(data for data, _ in parts), np.concatenate([sizes for _, sizes in parts])


def packed_solid(value: int, height: int, width: int) -> tuple[bytes, np.ndarray]:
    """Like `packed`, for a plane of a single value."""
    row, _ = _packed_strip(np.full((1, width), value, np.uint8))
    return row * height, np.full(height, len(row), np.int64)


def unpacked(data: bytes, most: int) -> bytes:
    """Unpack one row, up to one run beyond `most` bytes, so that the caller can detect a wrong length."""
    parts: list[bytes] = []
    place, total = 0, 0
    while place < len(data) and total < most:
        head = data[place]
        if head > 128:
            part = data[place + 1 : place + 2] * (257 - head)
            place += 2
        elif head < 128:
            part = data[place + 1 : place + 2 + head]
            place += 2 + head
        else:  # 128 is a no-op
            part = b""
            place += 1
        parts.append(part)
        total += len(part)
    return b"".join(parts)


def _packed_strip(plane: np.ndarray) -> tuple[bytes, np.ndarray]:
    height, width = plane.shape
    flat = plane.reshape(-1)
    begins = np.empty(flat.size, bool)
    begins[0] = True
    np.not_equal(flat[1:], flat[:-1], out=begins[1:])
    begins[::width] = True
    start = np.flatnonzero(begins)
    length = np.diff(start, append=flat.size)
    repeats = length >= SHORTEST_REPEAT
    # Adjacent bytes without repeats form one literal run, unless a row begins between them.
    joined = np.zeros(len(start), bool)
    joined[1:] = ~repeats[1:] & ~repeats[:-1] & (start[1:] % width != 0)
    start, repeats = start[~joined], repeats[~joined]
    length = np.diff(start, append=flat.size)
    start, length, repeats = _cut(start, length, repeats)
    repeats &= length > 1  # the rest of a repeat may be a single byte
    sizes = np.where(repeats, 2, length + 1)
    place = np.cumsum(sizes) - sizes
    out = np.empty(int(sizes.sum()), np.uint8)
    out[place] = np.where(repeats, 257 - length, length - 1)
    out[place[repeats] + 1] = flat[start[repeats]]
    literal = np.repeat(~repeats, length)
    within = np.arange(flat.size) - np.repeat(start, length)
    out[(np.repeat(place, length) + 1 + within)[literal]] = flat[literal]
    return out.tobytes(), np.bincount(start // width, sizes, height).astype(np.int64)


def _cut(start: np.ndarray, length: np.ndarray, repeats: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Split runs into runs of at most `LONGEST` bytes."""
    pieces = -(-length // LONGEST)
    number = np.arange(pieces.sum()) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    left = np.repeat(length, pieces) - LONGEST * number
    return np.repeat(start, pieces) + LONGEST * number, np.minimum(left, LONGEST), np.repeat(repeats, pieces)
