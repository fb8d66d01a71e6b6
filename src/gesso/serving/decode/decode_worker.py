"""The processes in which strangers' bytes are decoded; run as `python -m gesso.serving.decode.decode_worker`.

The one that the server starts never sees such bytes: it has read the decoders, waits on a line (a descriptor), and forks a child for each
socket that it is handed. A child locks itself in (`cell`), reads a picture or a palette to its end, answers with four bytes of
length, JSON, and the pixels as they are, and is gone; so nothing that one upload does to its decoder meets the next.
"""

from __future__ import annotations

import codecs
import io
import json
import os
import signal
import socket
import struct
import sys
import time
from collections.abc import Callable
from typing import Any

from gesso.errors import GessoError
from gesso.media.budget import Budget
from gesso.serving.decode import sandbox

LATER = 1.0  # seconds that the forking process gives a child beyond its own clock
ENCODINGS = ("ascii", "latin-1", "utf-8", "utf-8-sig", "utf-16", "utf-16-be", "cp437", "unicode_escape")


def serve(control: socket.socket, config: dict[str, Any]) -> None:
    """Fork a child for each (kind, socket) that comes over the line, until the line is closed."""
    preload_decoders()
    children: dict[int, float] = {}  # process → when it must be gone
    control.settimeout(LATER)
    while True:
        try:
            kind, handed, _, _ = socket.recv_fds(control, 1, 1)
        except TimeoutError:
            _reap(children)
            continue
        if not kind:
            break
        with socket.socket(fileno=handed[0]) as stranger:
            child = os.fork()
            if child == 0:
                control.close()
                _run_and_exit(lambda given=stranger, name=kind: _decode_one(given, config[name.decode()], config))  # type: ignore[misc]
        children[child] = time.monotonic() + config[kind.decode()]["wall"] + LATER
        _reap(children)
    for child in children:
        os.kill(child, signal.SIGKILL)


def _reap(children: dict[int, float]) -> None:
    now = time.monotonic()
    for child, end in list(children.items()):
        if now > end:
            os.kill(child, signal.SIGKILL)
        if os.waitpid(child, os.WNOHANG)[0]:
            del children[child]


def _run_and_exit(work: Callable[[], None]) -> None:
    """Whatever happens inside, nothing of the parent's goes on in the child."""
    status = 1
    try:
        sandbox.die_with_parent()
        work()
        status = 0
    finally:
        os._exit(status)


def _decode_one(stranger: socket.socket, mine: dict[str, Any], config: dict[str, Any]) -> None:
    sandbox.enter(mine["seconds"], config["memory"], mine["wall"])
    file = stranger.fileno()
    pieces = []
    while piece := os.read(file, 2**20):
        pieces.append(piece)
    data = b"".join(pieces)
    del pieces
    for part in answer(mine["does"], data, config["budget"]):
        rest = memoryview(part)
        while rest:
            rest = rest[os.write(file, rest) :]


def decode_once(does: str, config: dict[str, Any]) -> None:
    """The same for systems that do not fork: one picture from stdin, its answer to stdout."""
    preload_decoders()
    sandbox.enter(config["seconds"], config["memory"], config["wall"])
    for part in answer(does, sys.stdin.buffer.read(), config["budget"]):
        sys.stdout.buffer.write(part)
    sys.stdout.buffer.flush()


def answer(does: str, data: bytes, budget: dict[str, int]) -> tuple[bytes, Any]:
    """The head, and the pixels' memory: what is in `data`, or why it cannot be read."""
    pixels: Any = b""
    try:
        told, pixels = (read_palette_json if does == "palette" else read_picture_rows)(data, Budget(**budget))
    except GessoError as error:
        told = {"what": error.what, "where": error.where, "fix": error.fix}
    except MemoryError:
        told = {"what": "it takes too much memory to read", "where": None, "fix": "make it smaller"}
    head = json.dumps(told).encode()
    return struct.pack("<I", len(head)) + head, pixels


def read_picture_rows(data: bytes, budget: Budget) -> tuple[dict[str, Any], Any]:
    """A picture's shape and DPI, and its pixels: uint8 in rows from the top."""
    from gesso.media.picture import read_sheet

    sheet = read_sheet(data, where="picture", budget=budget, least_side=1)
    return {"shape": sheet.pixels.shape, "dpi": sheet.dpi}, sheet.pixels.reshape(-1).data


def read_palette_json(data: bytes, budget: Budget) -> tuple[dict[str, Any], bytes]:
    """A palette's name and colours, as JSON where a picture has its pixels."""
    from gesso.media.layers import hex_of
    from gesso.media.palette_file import read_palette

    found = read_palette(data, where="palette")
    return {}, json.dumps({"name": found.name, "colours": [{"color": hex_of(rgb), "name": name} for rgb, name in found.swatches]}).encode()


def preload_decoders() -> None:
    """Read every decoder once: a child can open no file any more, so not its code either."""
    import colorsys  # noqa: F401  what a palette imports late

    from PIL import Image, ImageCms

    import gesso.media.palette_file  # noqa: F401
    from gesso.media.decode import FORMATS
    from gesso.media.picture import read_sheet

    for name in ENCODINGS:
        codecs.lookup(name)
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for format in FORMATS:
        for mode in ("L", "RGB"):
            held = io.BytesIO()
            Image.new(mode, (8, 8)).save(held, format, **({} if format == "BMP" else {"icc_profile": profile}))
            read_sheet(held.getvalue(), least_side=1)
    for compression in ("tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg"):
        held = io.BytesIO()
        Image.new("RGB", (8, 8)).save(held, "TIFF", compression=compression)
        read_sheet(held.getvalue(), least_side=1)


if __name__ == "__main__":
    config = json.loads(sys.argv[2])
    if sys.argv[1] == "serve":
        serve(socket.socket(fileno=config["control"]), config)
    else:
        decode_once(sys.argv[1], config)
