"""Files made to do harm: bombs by hand, and mutants that know how their format is built."""

from __future__ import annotations

import io
import random
import struct
import zipfile
import zlib
from collections.abc import Callable
from functools import cache

import numpy as np
from PIL import Image

SIGNATURE = b"\x89PNG\r\n\x1a\n"


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, *more: bytes, bits: int = 8, colour: int = 0, data: bytes = b"\0" * 100) -> bytes:
    head = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    return SIGNATURE + chunk(b"IHDR", head) + b"".join(more) + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")


def zipped(**members: bytes) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in members.items():
            file.writestr(name, data)
    return held.getvalue()


def ora(picture: bytes) -> bytes:
    return zipped(mimetype=b"image/openraster", **{"stack.xml": b"<image/>", "mergedimage.png": picture, "data/layer0.png": picture})


def animated(format: str, frames: int) -> bytes:
    held = io.BytesIO()
    pages = [Image.new("L", (64, 64), 6 * number % 256) for number in range(frames)]
    pages[0].save(held, format, save_all=True, append_images=pages[1:])
    return held.getvalue()


def tiff(*entries: tuple[int, int, int, int], after: int = 0, data: bytes = b"") -> bytes:
    """Little-endian, of one directory: entries of (tag, type, count, value)."""
    head = b"II*\0\x08\0\0\0" + struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", *one) for one in entries)
    return head + struct.pack("<I", after) + data


def greyscale_tiff(width: int, height: int, packing: int, *more: tuple[int, int, int, int], data: bytes = b"\0" * 100) -> bytes:
    num = 8 + len(more)
    start = 8 + 2 + 12 * num + 4
    plain = ((256, 4, 1, width), (257, 4, 1, height), (258, 3, 1, 8), (259, 3, 1, packing), (262, 3, 1, 1), (273, 4, 1, start),
             (278, 4, 1, height), (279, 4, 1, len(data)))  # fmt: skip
    return tiff(*sorted(plain + more), data=data)


def jpeg_claim(width: int, height: int) -> bytes:
    held = io.BytesIO()
    Image.new("RGB", (16, 16)).save(held, "JPEG")
    data = bytearray(held.getvalue())
    at = data.index(b"\xff\xc0") + 5
    data[at : at + 4] = struct.pack(">HH", height, width)
    return bytes(data)


def gif_claim(width: int, height: int) -> bytes:
    held = io.BytesIO()
    Image.new("L", (16, 16)).save(held, "GIF")
    data = bytearray(held.getvalue())
    data[6:10] = struct.pack("<HH", width, height)
    at = data.index(b"\x2c\0\0\0\0\x10\0\x10\0") + 5
    data[at : at + 4] = struct.pack("<HH", width, height)
    return bytes(data)


BOMBS: dict[str, Callable[[], bytes]] = {
    "nothing": lambda: b"",
    "one byte": lambda: b"\x89",
    "text": lambda: b"this is not a picture",
    "html": lambda: b"<!doctype html><script>alert(1)</script>",
    "svg": lambda: b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>',
    "svg in xml": lambda: b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "b">]><svg/>',
    "pdf": lambda: b"%PDF-1.7 " + b"0" * 500,
    "photoshop": lambda: b"8BPS\0\1" + b"\0" * 100,
    "postscript": lambda: b"%!PS-Adobe (a) run",
    "zip": lambda: zipped(a=b"0" * 100_000),
    "an openraster of bombs": lambda: ora(png(60_000, 60_000)),
    "an openraster in openrasters": lambda: ora(ora(ora(png(8, 8, data=b"\0" * 72)))),
    "gzip": lambda: b"\x1f\x8b\x08" + b"\0" * 100,
    "icon": lambda: b"\0\0\1\0\1\0" + b"\0" * 100,
    "fits": lambda: b"SIMPLE  =                    T" + b" " * 5000,
    "avif": lambda: b"\0\0\0\x20ftypavif" + b"\0" * 100,
    "mp4": lambda: b"\0\0\0\x20ftypisom" + b"\0" * 100,
    "elf": lambda: b"\x7fELF" + b"\0" * 200,
    "pickle": lambda: b"\x80\x04\x95" + b"\0" * 50,
    "a wide claim": lambda: png(2**31 - 1, 1),
    "a tall claim": lambda: png(1, 2**31 - 1),
    "a huge claim": lambda: png(60_000, 60_000),
    "no width": lambda: png(0, 10),
    "13,300 x 13,400 of one bit": lambda: png(13_300, 13_400, bits=1, data=b"\0" * (13_400 * 1664)),
    "rows missing": lambda: png(100, 100),
    "too much text": lambda: png(8, 8, chunk(b"zTXt", b"a\0\0" + zlib.compress(b"0" * 2**27)), data=b"\0" * 72),
    "much text in many": lambda: png(8, 8, *[chunk(b"zTXt", b"a\0\0" + zlib.compress(b"0" * 2**21))] * 100, data=b"\0" * 72),
    "a profile bomb": lambda: png(8, 8, chunk(b"iCCP", b"a\0\0" + zlib.compress(b"0" * 2**27)), data=b"\0" * 72),
    "wrong checksum": lambda: png(8, 8, data=b"\0" * 72)[:-20] + b"\0" * 20,
    "an animated png": lambda: png(8, 8, chunk(b"acTL", struct.pack(">II", 5000, 0)), data=b"\0" * 72),
    "many frames": lambda: animated("GIF", 40),
    "many frames of a webp": lambda: animated("WEBP", 40),
    "many pages": lambda: animated("TIFF", 40),
    "a gif's claim": lambda: gif_claim(65_535, 65_535),
    "a jpeg's claim": lambda: jpeg_claim(65_500, 65_500),
    "a bmp claim": lambda: b"BM" + struct.pack("<IHHIIiiHHIIiiII", 100, 0, 0, 54, 40, 2**30, 2**30, 1, 24, 0, 0, 0, 0, 0, 0),
    "a packed bmp's claim": lambda: b"BM" + struct.pack("<IHHIIiiHHIIiiII", 100, 0, 0, 54, 40, 30_000, 30_000, 1, 8, 1, 0, 0, 0, 0, 0),
    "a tiff in a circle": lambda: tiff((256, 3, 1, 9), after=8),
    "a tiff's claim": lambda: greyscale_tiff(2**31, 2**31, 1),
    "a tiff of huge tiles": lambda: greyscale_tiff(64, 64, 5, (322, 4, 1, 2**30), (323, 4, 1, 2**30), (324, 4, 1, 8), (325, 4, 1, 8)),
    "a tiff packed in a rare way": lambda: greyscale_tiff(64, 64, 32809),
    "a tiff of too few bytes": lambda: greyscale_tiff(4000, 4000, 5),
    "a tiff whose tag has a billion values": lambda: greyscale_tiff(64, 64, 1, (305, 2, 2**30, 8)),
    "a webp claim": lambda: b"RIFF" + struct.pack("<I", 100) + b"WEBPVP8X" + struct.pack("<I", 10) + b"\0\0\0\0" + b"\xff" * 6 + b"\0" * 80,
    "a lossless webp's claim": lambda: b"RIFF" + struct.pack("<I", 100) + b"WEBPVP8L" + struct.pack("<I", 80) + b"\x2f" + b"\xff" * 79,
    "half a surrogate": lambda: b"\xff\xd8\xff\xe0" + b"\xed\xa0\x80" * 40,
}


def lying_zip() -> bytes:
    """Its directory says ten bytes where a hundred million lie."""
    data = bytearray(zipped(a=b"0" * 10**8))
    at = data.rindex(b"PK\1\2") + 24
    data[at : at + 4] = struct.pack("<I", 10)
    return bytes(data)


SESSION_BOMBS: dict[str, Callable[[], bytes]] = {
    "nothing": lambda: b"",
    "no zip": lambda: b"PK\x03\x04" + b"\0" * 50,
    "cut": lambda: zipped(a=b"0" * 2**20)[:-30],
    "zeros without end": lambda: zipped(**dict.fromkeys("abc", b"0" * 2**28)),
    "many members": lambda: zipped(**{str(n): b"" for n in range(10_001)}),
    "a picture's bomb": lambda: zipped(**{"a.png": BOMBS["a huge claim"]()}),
    "a tiff's bomb": lambda: zipped(**{"a.tif": BOMBS["a tiff in a circle"]()}),
    "a zip in a zip": lambda: zipped(**{"session.json": zipped(a=zipped(b=b"0" * 2**20))}),
    "names that climb": lambda: zipped(**{"../../../tmp/gesso-escaped": b"x", "/etc/gesso-escaped": b"x"}),
    "a lie of its size": lying_zip,
    "brackets": lambda: zipped(**{"session.json": b"[" * 10**6}),
}


# Mutants


@cache
def seeds(format: str) -> tuple[bytes, ...]:
    """Small sound files of many sorts."""
    noise = np.random.default_rng(0).integers(0, 256, (24, 40, 4), dtype=np.uint8)
    noise[8:] = noise[8:9]  # parts that pack well
    image = Image.fromarray(noise, "RGBA")
    modes, sorts = SORTS[format]
    made = []
    for mode in modes:
        for more in sorts:
            held = io.BytesIO()
            sixteen = Image.fromarray(np.arange(960, dtype=np.uint16).reshape(24, 40) * 60)
            (sixteen if mode == "I;16" else image.convert(mode)).save(held, format, **more)
            made.append(held.getvalue())
    return tuple(made)


EXIF = b"Exif\0\0" + tiff((274, 3, 1, 6), (305, 2, 4, 0x41414141))
SORTS: dict[str, tuple[tuple[str, ...], tuple[dict[str, object], ...]]] = {
    "PNG": (("1", "L", "LA", "P", "RGB", "RGBA", "I;16"), ({"dpi": (300, 300)}, {"optimize": True})),
    "JPEG": (("L", "RGB"), ({"exif": EXIF}, {"progressive": True}, {"subsampling": 0, "restart_marker_rows": 1})),
    "WEBP": (("RGB", "RGBA"), ({}, {"lossless": True}, {"exif": EXIF})),
    "GIF": (("L", "P"), ({}, {"transparency": 3}, {"interlace": 1})),
    "BMP": (("1", "L", "P", "RGB", "RGBA"), ({},)),
    "TIFF": (("L", "RGB"), ({}, {"compression": "tiff_lzw"}, {"compression": "tiff_adobe_deflate"}, {"compression": "packbits"},
                            {"compression": "jpeg"})),
}  # fmt: skip


def mutant(format: str, dice: random.Random) -> bytes:
    """A damaged file of this format whose checksums are corrected, so that only deeper checks can find the damage."""
    parts = PARTS[format](dice.choice(seeds(format)))
    for _ in range(dice.choice((1, 1, 2, 3, 8))):
        _change(parts, dice)
    data = JOIN.get(format, lambda parts, dice: b"".join(parts))(parts, dice)
    if dice.random() < 0.1:
        data = data[: dice.randrange(len(data) + 1)]
    return data


def _change(parts: list[bytes], dice: random.Random) -> None:
    at = dice.randrange(len(parts))
    part = bytearray(parts[at])
    way = dice.choice(("number", "number", "number", "bytes", "cut", "grow", "drop", "again", "swap", "other"))
    place = dice.randrange(min(len(part), 40)) if part and dice.random() < 0.8 else dice.randrange(len(part)) if part else 0
    if way == "number":
        width, order = dice.choice((1, 2, 4)), dice.choice("<>")
        value = dice.choice((0, 1, 2, 7, 127, 128, 255, 256, 32767, 65535, 2**24, 2**31 - 1, 2**31, 2**32 - 1, dice.getrandbits(32)))
        part[place : place + width] = struct.pack(order + {1: "B", 2: "H", 4: "I"}[width], value % 256**width)
    elif way == "bytes":
        part[place : place + dice.randint(1, 8)] = dice.randbytes(dice.randint(0, 8))
    elif way == "cut":
        del part[place:]
    elif way == "grow":
        part[place:place] = dice.choice((bytes, dice.randbytes))(dice.choice((1, 4, 100, 5000)))
    elif way == "drop":
        part = bytearray()
    elif way == "again":
        part *= dice.choice((2, 3, 50))
    elif way == "swap":
        other = dice.randrange(len(parts))
        parts[other], part = bytes(part), bytearray(parts[other])
    else:
        format = dice.choice(tuple(SORTS))
        part = bytearray(dice.choice(PARTS[format](dice.choice(seeds(format)))))
    parts[at] = bytes(part)


def _png_parts(data: bytes) -> list[bytes]:
    """Type and content of each chunk; the pixels unpacked."""
    parts, at = [], 8
    while at < len(data):
        (length,) = struct.unpack_from(">I", data, at)
        kind, content = data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        parts.append(kind + (zlib.decompress(content) if kind == b"IDAT" else content))
        at += length + 12
    return parts


def _png(parts: list[bytes], dice: random.Random) -> bytes:
    chunks = [SIGNATURE]
    for part in parts:
        kind, content = part[:4].ljust(4, b"\0"), part[4:]
        if kind == b"IDAT":
            content = zlib.compress(content)[: dice.choice((None, None, None, 5))]
        made = chunk(kind, content)
        chunks.append(made if dice.random() > 0.02 else made[:-1] + b"!")
    return b"".join(chunks)


def _jpeg_parts(data: bytes) -> list[bytes]:
    """Each marker with what follows it."""
    parts, at = [], 0
    for place in range(2, len(data) - 1):
        if data[place] == 0xFF and data[place + 1] not in (0, 0xFF):
            parts.append(data[at:place])
            at = place
    return [*parts, data[at:]]


def _webp_parts(data: bytes) -> list[bytes]:
    parts, at = [], 12
    while at + 8 <= len(data):
        length = struct.unpack_from("<I", data, at + 4)[0]
        parts.append(data[at : at + 8 + length + length % 2])
        at += 8 + length + length % 2
    return parts


def _webp(parts: list[bytes], dice: random.Random) -> bytes:
    mended = [p[:4] + struct.pack("<I", len(p) - 8) + p[8:] if len(p) >= 8 and dice.random() < 0.7 else p for p in parts]
    body = b"WEBP" + b"".join(mended)
    return b"RIFF" + struct.pack("<I", len(body) if dice.random() < 0.9 else dice.getrandbits(32)) + body


def _gif_parts(data: bytes) -> list[bytes]:
    table = 13 + (3 << (data[10] & 7) + 1 if data[10] & 128 else 0)
    image = data.index(b"\x2c", table)
    return [data[:13], data[13:table], data[table:image], data[image : image + 10], data[image + 10 : -1], data[-1:]]


def _bmp_parts(data: bytes) -> list[bytes]:
    start = struct.unpack_from("<I", data, 10)[0]
    return [data[:14], data[14:54], data[54:start], data[start:]]


def _tiff_parts(data: bytes) -> list[bytes]:
    """Header, each entry of the directory, and what lies around it."""
    at = struct.unpack_from("<I", data, 4)[0]
    num = struct.unpack_from("<H", data, at)[0]
    entries = [data[at + 2 + 12 * n : at + 14 + 12 * n] for n in range(num)]
    return [part for part in (data[:8], data[8:at], data[at : at + 2], *entries, data[at + 2 + 12 * num :]) if part]


PARTS: dict[str, Callable[[bytes], list[bytes]]] = {
    "PNG": _png_parts,
    "JPEG": _jpeg_parts,
    "WEBP": _webp_parts,
    "GIF": _gif_parts,
    "BMP": _bmp_parts,
    "TIFF": _tiff_parts,
}
JOIN: dict[str, Callable[[list[bytes], random.Random], bytes]] = {"PNG": _png, "WEBP": _webp}
