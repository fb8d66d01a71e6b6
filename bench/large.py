"""Flats of pages as large as they come (16.8 million pixels), over the live socket of a real server: how long after an edit.

    python bench/large.py --strokes 5

A square of 4096×4096 and a webtoon's strip of 800×20,000, sent whole, not made smaller. Printed: the first picture, which reads the
page and thinks about all of it, and then the edits. The aim is 3 s for each edit. Nothing else should run meanwhile.
"""

from __future__ import annotations

import argparse
import io
import os
import random
import time

import numpy as np
from live import COLOURS, Server
from PIL import Image, ImageDraw
from websockets.sync.client import connect

from gesso.serving.live.frame import pack, unpack

SHAPES = ((4096, 4096), (800, 20_000))
CELL = 400  # pixels: a figure in each


def drawing(width: int, height: int, dice: random.Random) -> bytes:
    """Figures of closed shapes, some inside others, over the whole page."""
    page = Image.new("L", (width, height), 255)
    pen = ImageDraw.Draw(page)
    for top in range(0, height, CELL):
        for left in range(0, width, CELL):
            for _ in range(6):
                x, y, r = left + dice.uniform(0, CELL), top + dice.uniform(0, CELL), dice.uniform(20, CELL / 2)
                pen.ellipse((x - r, y - r * dice.uniform(0.5, 1), x + r, y + r), outline=0, width=4)
    held = io.BytesIO()
    page.save(held, "PNG")
    return held.getvalue()


def edits(server: Server, width: int, height: int, strokes: int) -> tuple[float, list[float]]:
    """Seconds until the first picture, and of each edit until its own."""
    dice = random.Random(0)
    page = server.call("POST", "/api/uploads", drawing(width, height, dice))["id"]
    given = [{"op": "set", "slot": "sketch", "value": {"upload": page}}]
    session = server.call("POST", "/api/sessions", {"recipe": "colorize", "edits": given})["session"]["id"]
    address = server.address.replace("http", "ws", 1) + f"/api/live?session={session}"
    with connect(address, additional_headers={"Authorization": f"Bearer {server.token}"}, max_size=None, compression=None) as socket:

        def until(seq: int) -> None:
            while True:
                header, _ = unpack(socket.recv())  # type: ignore[arg-type]
                if header["type"] == "error":
                    raise SystemExit(f"the server says: {header}")
                if header["type"] == "frame" and header["final"] and header["seq"] >= seq:
                    assert header["size"] == header["full"] == [width, height]
                    return

        began = time.perf_counter()
        socket.send(pack({"type": "want", "outputs": ["image"], "max_side": 2**15}))
        socket.send(pack({"type": "show", "seq": 0, "node": None}))
        until(0)
        first, taken = time.perf_counter() - began, []
        for seq in range(1, strokes + 1):
            mark = {"x": dice.uniform(0, width - 1), "y": dice.uniform(0, height - 1), "color": dice.choice(COLOURS), "radius": 8}
            began = time.perf_counter()
            edit = {"op": "merge", "slot": "hints", "value": {"marks": [mark]}}
            socket.send(pack({"type": "edit", "seq": seq, "edit": edit, "commit": True, "client": str(seq)}))
            until(seq)
            taken.append(time.perf_counter() - began)
    return first, taken


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    for name, default in (("strokes", 5), ("port", 8860)):
        parser.add_argument(f"--{name}", type=int, default=default)
    asked = parser.parse_args()
    server = Server(asked.port)
    try:
        for width, height in SHAPES:
            first, taken = edits(server, width, height, asked.strokes)
            line = f"first picture {first:.1f} s; {len(taken)} edits: median {np.median(taken):.2f} s, max {max(taken):.2f} s (aim: 3 s)"
            print(f"{width}×{height}: {line}", flush=True)
    finally:
        server.close()


if __name__ == "__main__":
    print(f"large.py, {os.cpu_count()} processors")
    main()
