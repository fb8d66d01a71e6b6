"""Strokes over the live socket of a real server: how long from a sent edit to a picture that is there again.

    python bench/live.py --size 256 --strokes 200 --people 1

Each person draws committed strokes one after another on a drawing of their own, every fifth of them a drag of previews first.
Printed: median and 95th percentile in milliseconds, until the stroke is in a picture (a draft, as a rule), until the picture is
finished, and of the server's own parts. Nothing else should run meanwhile.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import random
import secrets
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw
from websockets.sync.client import connect

from gesso.serving.live.frame import pack, unpack

COLOURS = ("#e8a33d", "#3d7be8", "#c0392b", "#27ae60", "#f5e6c8", "#8e44ad")
SERVER = """
import sys
from gesso.serving import Settings, serve
serve(Settings(port=int(sys.argv[1])), on_start=lambda link: print("ready", link.split("?")[0], flush=True))
"""


class Server:
    """A server of its own, in a home of its own."""

    def __init__(self, port: int) -> None:
        self.home, self.token = tempfile.TemporaryDirectory(), secrets.token_urlsafe(32)
        env = os.environ | {"GESSO_HOME": self.home.name, "GESSO_TOKEN": self.token}
        self.process = subprocess.Popen([sys.executable, "-c", SERVER, str(port)], env=env, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.address = self.process.stdout.readline().split()[1].rstrip("/")

    def call(self, method: str, path: str, body: Any = None) -> Any:
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        kind = "application/octet-stream" if isinstance(body, bytes) else "application/json"
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": kind}
        return json.loads(urllib.request.urlopen(urllib.request.Request(self.address + path, data, headers, method=method)).read())

    def close(self) -> None:
        self.process.terminate()
        self.process.wait(10)
        self.home.cleanup()


def drawing(size: int, dice: random.Random) -> bytes:
    """Ink on paper: closed shapes, some inside others."""
    page = Image.new("L", (size, size), 255)
    pen = ImageDraw.Draw(page)
    for _ in range(24):
        x, y, r = dice.uniform(0, size), dice.uniform(0, size), dice.uniform(size / 30, size / 5)
        pen.ellipse((x - r, y - r * dice.uniform(0.5, 1), x + r, y + r), outline=0, width=max(1, size // 170))
    held = io.BytesIO()
    page.save(held, "PNG")
    return held.getvalue()


def draw(server: Server, size: int, strokes: int, seed: int, taken: list[float], parts: list[dict[str, float]], edges: list[str]) -> None:
    """One person; appends the milliseconds of each stroke to `taken`, and the server's own account of it to `parts`."""
    dice = random.Random(seed)
    page = server.call("POST", "/api/uploads", drawing(size, dice))["id"]
    edits = [{"op": "set", "slot": "sketch", "value": {"upload": page}}]
    session = server.call("POST", "/api/sessions", {"recipe": "colorize", "edits": edits})["session"]["id"]
    address = server.address.replace("http", "ws", 1) + f"/api/live?session={session}"
    with connect(address, additional_headers={"Authorization": f"Bearer {server.token}"}, max_size=None, compression=None) as socket:
        socket.send(pack({"type": "show", "seq": 0, "node": None}))
        canvas, newest, seq = np.zeros((size, size, 3), np.uint8), 0, 0

        def paint_until(wanted: int) -> dict[str, Any]:
            nonlocal newest
            while True:
                header, payload = unpack(socket.recv())  # type: ignore[arg-type]
                if header["type"] == "error":
                    raise SystemExit(f"the server says: {header}")
                if header["type"] != "frame":
                    continue
                if header["seq"] < newest:
                    edges.append(f"an older picture ({header['seq']}) after a newer one ({newest})")
                newest = header["seq"]
                left, top, right, bottom = header["box"]
                canvas[top:bottom, left:right] = np.asarray(Image.open(io.BytesIO(payload)).convert("RGB"))
                if header["seq"] >= wanted and len(seen) < wanted_num:
                    seen.append((1000 * (time.perf_counter() - began), header["ms"]))
                if header["seq"] >= wanted and header["final"]:
                    return header

        began, wanted_num, seen = time.perf_counter(), 0, list[tuple[float, dict[str, float]]]()
        paint_until(0)
        for number in range(strokes):
            x, y = dice.uniform(0, size - 1), dice.uniform(0, size - 1)
            mark = {"x": x, "y": y, "color": dice.choice(COLOURS), "radius": max(2, size / 100)}
            if number % 5 == 4:
                for step in range(5):
                    seq += 1
                    moved = {**mark, "x": min(size - 1, x + step)}
                    edit = {"op": "merge", "slot": "hints", "value": {"marks": [moved]}}
                    socket.send(pack({"type": "edit", "seq": seq, "edit": edit, "commit": False}))
                    time.sleep(0.016)
            seq += 1
            edit = {"op": "merge", "slot": "hints", "value": {"marks": [mark]}}
            began, wanted_num = time.perf_counter(), number + 1
            socket.send(pack({"type": "edit", "seq": seq, "edit": edit, "commit": True, "client": f"{seed}-{number}"}))
            header = paint_until(seq)
            taken.append(1000 * (time.perf_counter() - began))
            parts.append(header["ms"] | {"first": seen[-1][0], "drafting": seen[-1][1]["render"]})


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    for name, default in (("size", 256), ("strokes", 200), ("people", 1), ("port", 8790)):
        parser.add_argument(f"--{name}", type=int, default=default)
    asked = parser.parse_args()
    server, taken, parts, edges = Server(asked.port), list[float](), list[dict[str, float]](), list[str]()
    try:
        people = [
            threading.Thread(target=draw, args=(server, asked.size, asked.strokes, seed, taken, parts, edges))
            for seed in range(asked.people)
        ]
        for one in people:
            one.start()
        for one in people:
            one.join()
    finally:
        server.close()
    if len(taken) < asked.strokes * asked.people:
        raise SystemExit(f"only {len(taken)} strokes came back")
    print(f"{asked.size}², {asked.people} drawing, {len(taken)} strokes; older after newer: {len(edges)}")
    print(f"  the stroke is in the picture: {told([one['first'] for one in parts])}")
    print(f"  the picture is finished: {told(taken)}")
    for name in ("wait", "drafting", "render", "encode"):
        print(f"  {name}: {told([one.get(name, 0.0) for one in parts])}")


def told(milliseconds: list[float]) -> str:
    return f"median {statistics.median(milliseconds):.0f} ms, p95 {np.percentile(milliseconds, 95):.0f} ms"


if __name__ == "__main__":
    print(f"{Path(sys.argv[0]).name}, {os.cpu_count()} processors")
    main()
