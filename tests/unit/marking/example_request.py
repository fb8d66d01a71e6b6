"""Signing requests and files for tests of marking."""

from __future__ import annotations

import io
import zipfile
import zlib
from typing import Any

import numpy as np

from gesso.marking.signing_request import PNG, Branch, Input, SigningRequest
from gesso.media.layers import layered
from gesso.media.picture import encode_png
from gesso.media.png import chunks
from gesso.media.psd import encode_psd

A, B, C = "a" * 64, "b" * 64, "c" * 64


def example_request(**more: Any) -> SigningRequest:
    """A request for a picture that was made from a drawing."""
    facts: dict[str, Any] = {
        "format": PNG,
        "output": "image",
        "recipe": "colorize",
        "gesso": "0.1.0",
        "time": "2026-11-21T10:00:00+00:00",
        "request": A,
        "record": B,
        "inputs": (
            Input(condition="sketch", kind="sketch", sha256=A, stays=True),
            Input(condition="reference", kind="picture", sha256=C),
        ),
        "branch": Branch.of("session", ["root", "leaf"]),
    }
    return SigningRequest(**(facts | more))


def picture(seed: int = 0, side: int = 24) -> bytes:
    return encode_png(np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8))


def openraster() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("mimetype", "image/openraster")
        archive.writestr("stack.xml", "<image/>")
        archive.writestr("mergedimage.png", picture())
    return out.getvalue()


def photoshop() -> bytes:
    page = np.full((24, 24), 255, np.uint8)
    return encode_psd(layered(page, np.repeat(page[..., None], 3, -1)))


def without_manifest(data: bytes) -> bytes:
    return data[:8] + b"".join(bytes(one.whole) for one in chunks(data) if one.kind != b"caBX")


def with_checksums(data: bytes) -> bytes:
    """As a forger would leave it: every chunk's checksum right again."""
    return data[:8] + b"".join(bytes(one.whole[:-4]) + zlib.crc32(one.whole[4:-4]).to_bytes(4, "big") for one in chunks(data))
