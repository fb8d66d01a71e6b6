"""Processes that decode untrusted files; run as `python -m gesso.serving.decode.decode_worker`.

The process that the server starts never reads such files: it loads the decoders, waits on a control socket, and forks a worker for each
data socket that it receives. A worker enters the sandbox, reads one picture or palette, answers with four bytes of length, JSON, and the
raw pixels, and exits. So a file that compromises its decoder cannot affect another upload.
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
from gesso.serving.decode.midi_upload import read_score_json

GRACE_SECONDS = 1.0  # after a worker's own timeout, before the parent kills it
Reader = Callable[[bytes, Budget], tuple[dict[str, Any], Any]]
ENCODINGS = ("ascii", "latin-1", "utf-8", "utf-8-sig", "utf-16", "utf-16-be", "cp437", "unicode_escape")


def serve(control: socket.socket, config: dict[str, Any]) -> None:
    """Fork a worker for each (kind, socket) received on the control socket, until it is closed."""
    preload_decoders()
    children: dict[int, float] = {}  # process → deadline
    control.settimeout(GRACE_SECONDS)
    while True:
        try:
            kind, handed, _, _ = socket.recv_fds(control, 1, 1)
        except TimeoutError:
            _reap(children)
            continue
        if not kind:
            break
        with socket.socket(fileno=handed[0]) as data_socket:
            child = os.fork()
            if child == 0:
                control.close()
                _run_and_exit(lambda given=data_socket, name=kind: _decode_one(given, config[name.decode()], config))  # type: ignore[misc]
        children[child] = time.monotonic() + config[kind.decode()]["wall"] + GRACE_SECONDS
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
    """Run the work and exit, so that code of the parent never continues in the child."""
    status = 1
    try:
        sandbox.die_with_parent()
        work()
        status = 0
    finally:
        os._exit(status)


def _decode_one(data_socket: socket.socket, limits: dict[str, Any], config: dict[str, Any]) -> None:
    sandbox.enter(limits["seconds"], config["memory"], limits["wall"])
    file = data_socket.fileno()
    pieces = []
    while piece := os.read(file, 2**20):
        pieces.append(piece)
    data = b"".join(pieces)
    del pieces
    for part in answer(limits["does"], data, config["budget"]):
        rest = memoryview(part)
        while rest:
            rest = rest[os.write(file, rest) :]


def decode_once(does: str, config: dict[str, Any]) -> None:
    """Decode one file from stdin and answer on stdout, for systems without fork."""
    preload_decoders()
    sandbox.enter(config["seconds"], config["memory"], config["wall"])
    for part in answer(does, sys.stdin.buffer.read(), config["budget"]):
        sys.stdout.buffer.write(part)
    sys.stdout.buffer.flush()


def answer(does: str, data: bytes, budget: dict[str, int]) -> tuple[bytes, Any]:
    """The encoded head and the pixels of `data`; the head says why if it cannot be decoded."""
    pixels: Any = b""
    try:
        readers: dict[str, Reader] = {"picture": read_picture_rows, "palette": read_palette_json, "notes": read_score_json}
        head, pixels = readers[does](data, Budget(**budget))
    except GessoError as error:
        head = {"what": error.what, "where": error.where, "fix": error.fix}
    except MemoryError:
        head = {"what": "it takes too much memory to read", "where": None, "fix": "make it smaller"}
    encoded = json.dumps(head).encode()
    return struct.pack("<I", len(encoded)) + encoded, pixels


def read_picture_rows(data: bytes, budget: Budget) -> tuple[dict[str, Any], Any]:
    """The shape and DPI of a picture, and its pixels: uint8, row by row from the top."""
    from gesso.media.picture import read_sheet

    sheet = read_sheet(data, where="picture", budget=budget, least_side=1)
    return {"shape": sheet.pixels.shape, "dpi": sheet.dpi}, sheet.pixels.reshape(-1).data


def read_palette_json(data: bytes, budget: Budget) -> tuple[dict[str, Any], bytes]:
    """An empty head, and the name and colours of a palette as JSON in place of pixels."""
    from gesso.media.layers import hex_of
    from gesso.media.palette_file import read_palette

    found = read_palette(data, where="palette")
    return {}, json.dumps({"name": found.name, "colours": [{"color": hex_of(rgb), "name": name} for rgb, name in found.swatches]}).encode()


def preload_decoders() -> None:
    """Use every decoder once: a sandboxed worker cannot open files, so all code must be loaded before."""
    import colorsys  # noqa: F401  imported late by the palette reader

    from PIL import Image, ImageCms

    import gesso.media.palette_file  # noqa: F401
    from gesso.media.decode import FORMATS
    from gesso.media.picture import read_sheet

    for name in ENCODINGS:
        codecs.lookup(name)
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for format in FORMATS:
        for mode in ("L", "RGB"):
            buffer = io.BytesIO()
            Image.new(mode, (8, 8)).save(buffer, format, **({} if format == "BMP" else {"icc_profile": profile}))
            read_sheet(buffer.getvalue(), least_side=1)
    for compression in ("tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg"):
        buffer = io.BytesIO()
        Image.new("RGB", (8, 8)).save(buffer, "TIFF", compression=compression)
        read_sheet(buffer.getvalue(), least_side=1)


if __name__ == "__main__":
    config = json.loads(sys.argv[2])
    if sys.argv[1] == "serve":
        serve(socket.socket(fileno=config["control"]), config)
    else:
        decode_once(sys.argv[1], config)
