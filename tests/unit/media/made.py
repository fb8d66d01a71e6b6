"""Files made on the fly: small pictures, and small files that claim to be large ones."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
from PIL import Image

SIGNATURE = b"\x89PNG\r\n\x1a\n"


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    """uint8 noise, so that a lost or moved pixel shows."""
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def saved(picture: np.ndarray | Image.Image, kind: str, **options: Any) -> bytes:
    """The file that Pillow writes."""
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, bits: int, colour: int, rows: bytes = b"", *, before: bytes = b"") -> bytes:
    """A PNG of rows as they lie in the file (each begins with its filter byte), with chunks put before the pixels."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0))
    return SIGNATURE + head + before + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def rows_of(samples: np.ndarray) -> bytes:
    """Rows of a PNG, not filtered, of samples of 8 or 16 bits [h w] or [h w c]."""
    lines = samples.astype(">u2" if samples.dtype == np.uint16 else np.uint8).reshape(len(samples), -1)
    return b"".join(b"\x00" + line.tobytes() for line in lines)


def interlaced_png(samples: np.ndarray) -> bytes:
    """A PNG in the seven passes of Adam7, of uint8 [h w] or [h w 3], or of bool [h w] at 1 bit."""
    passes = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
    parts = [samples[top::down, left::across] for left, top, across, down in passes]
    bits = 1 if samples.dtype == bool else 8
    rows = b"".join(rows_of(np.packbits(part, axis=1) if bits == 1 else part) for part in parts if part.size)
    data = bytearray(png(samples.shape[1], samples.shape[0], bits, 2 if samples.ndim == 3 else 0, rows))
    data[28] = 1
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    return bytes(data)


def zeros(num_bytes: int) -> bytes:
    """A zlib stream of that many zeros, made without holding them."""
    packer, out = zlib.compressobj(9), []
    for start in range(0, num_bytes, 2**20):
        out.append(packer.compress(bytes(min(2**20, num_bytes - start))))
    return b"".join([*out, packer.flush()])


def png_bomb(width: int = 13300, height: int = 13400) -> bytes:
    """22 KB, 1 bit a pixel; 178 million pixels, just under what Pillow refuses by itself; whole and sound."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0))
    return SIGNATURE + head + chunk(b"IDAT", zeros(height * (1 + (width + 7) // 8))) + chunk(b"IEND", b"")


def gif_bomb(width: int = 40000, height: int = 40000, *, canvas: int = 16) -> bytes:
    """A GIF whose page is small and whose first frame claims to be huge."""
    colours = bytes(6)
    frame = b"\x2c" + struct.pack("<HHHHB", 0, 0, width, height, 0) + b"\x02\x02\x4c\x01\x00"
    return b"GIF89a" + struct.pack("<HHBBB", canvas, canvas, 0x80, 0, 0) + colours + frame + b";"


def bmp_bomb(width: int = 40000, height: int = 40000) -> bytes:
    head = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, 0, 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 54, 0, 0, 54) + head


def tiff(tags: dict[int, tuple[int, int]], data: bytes = bytes(64)) -> bytes:
    """A little-endian TIFF of one page: tag to (type, value), type 3 short, 4 long; `data` lies at byte 8."""
    entries = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, (kind, value) in sorted(tags.items()))
    return b"II*\x00" + struct.pack("<I", 8 + len(data)) + data + struct.pack("<H", len(tags)) + entries + bytes(4)


def tiff_bomb(width: int = 40000, height: int = 40000, **tile: int) -> bytes:
    """A deflated grey TIFF; `tile=40000` makes it a small page of huge tiles."""
    tags = {256: (4, width), 257: (4, height), 258: (3, 8), 259: (3, 8), 262: (3, 1), 277: (3, 1)}
    if tile:
        side = tile["tile"]
        tags |= {322: (4, side), 323: (4, side), 324: (4, 8), 325: (4, 64)}
    else:
        tags |= {273: (4, 8), 278: (4, height), 279: (4, 64)}
    return tiff(tags, zeros(1000).ljust(64, b"\x00"))


def webp_bomb(kind: str, side: int = 16384) -> bytes:
    """A WebP of a few bytes that claims side x side pixels in its header."""
    if kind == "VP8X":
        body = b"VP8X" + struct.pack("<I", 10) + bytes(4) + (side - 1).to_bytes(3, "little") * 2
    elif kind == "VP8L":
        body = b"VP8L" + struct.pack("<I", 6) + b"\x2f" + ((side - 1) | (side - 1) << 14).to_bytes(4, "little") + b"\x00"
    else:
        body = b"VP8 " + struct.pack("<I", 10) + b"\x10\x02\x00\x9d\x01\x2a" + struct.pack("<HH", side - 1, side - 1)
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body


def jpeg_bomb(width: int = 40000, height: int = 40000) -> bytes:
    """A small JPEG whose frame header claims more."""
    data = bytearray(saved(noise(16, 16, 3), "JPEG"))
    at = data.index(b"\xff\xc0") + 5
    data[at : at + 4] = struct.pack(">HH", height, width)
    return bytes(data)
