"""Make `home.zip` and `expected.json`: a server's folder as an older Gesso left it, and the answers that Gesso gave from it.

Run once, at commit 4751195, from the root of the repository: `PYTHONPATH=src python tests/old/serving/make_home.py`. The server runs in
a process of its own and is spoken to over HTTP alone. At the end it and its worker are killed, so that one job is left running under
a lease. Run again it describes the present code, so do that only to add a second file beside these.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.request
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
RECIPES = [ROOT / "tests" / "unit" / "serving" / "dots.py", ROOT / "examples" / "my_recipe.py"]
TOKENS = {"ann": "a" * 15 + "0123456789", "bob": "b" * 15 + "0123456789"}
PORT = 18799
SERVER = """
import json, sys
from pathlib import Path
from gesso.serving import Settings, serve
given = json.loads(sys.argv[1])
serve(Settings(home=Path(given["home"]), port=given["port"], tokens=given["tokens"], recipes=given["recipes"], sign=False))
"""
SKIPPED = (".server", "signing", "-shm", "-wal", ".lock", "-turn", "checkpoints", "tensorboard", "curve.png")  # of one start, or large


def call(owner: str, method: str, path: str, body: Any = None) -> Any:
    """The answer's JSON, or its bytes."""
    raw = isinstance(body, bytes)
    data = body if raw or body is None else json.dumps(body).encode()
    headers = {"Authorization": f"Bearer {TOKENS[owner]}", "Content-Type": "application/octet-stream" if raw else "application/json"}
    request = urllib.request.Request(f"http://127.0.0.1:{PORT}{path}", data, headers, method=method)
    with urllib.request.urlopen(request, timeout=60) as answer:
        read = answer.read()
        return json.loads(read) if answer.headers["content-type"] == "application/json" else read


def until(holds: Callable[[], Any], seconds: float = 120.0) -> None:
    end = time.monotonic() + seconds
    while True:
        try:
            if holds():
                return
        except OSError:
            pass
        if time.monotonic() > end:
            raise TimeoutError
        time.sleep(0.1)


def picture(seed: int) -> bytes:
    held = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (10, 12, 3), dtype=np.uint8)).save(held, "PNG")
    return held.getvalue()


def fill(home: Path) -> list[tuple[str, str]]:
    """Uploads, outputs, palettes, sessions, and a job in each state. Gives the (owner, path) of what is to be compared."""
    uploads = [call("ann", "POST", "/api/uploads", picture(seed))["id"] for seed in range(3)]
    paths = [("ann", f"/api/uploads/{id}") for id in uploads]
    page = {"page": {"upload": uploads[0]}, "dots": {"marks": [{"x": 3, "y": 4, "color": "#ff0000"}]}}
    made = call("ann", "POST", "/api/generate", {"recipe": "dots", "conditions": page, "seed": 5})
    paths.append(("ann", f"/api/outputs/{made['outputs']['image']['id']}"))
    for owner in ("ann", "bob"):
        call(owner, "POST", "/api/palettes", {"name": f"머리 {owner}", "colours": [{"color": "#a1b2c3", "name": "hair"}]})
        paths.append((owner, "/api/palettes"))
    session = call("ann", "POST", "/api/sessions", {"recipe": "dots", "title": "쪽 1", "edits": [
        {"op": "set", "slot": "page", "value": {"upload": uploads[1]}}]})["session"]  # fmt: skip
    dot = {"op": "merge", "slot": "dots", "value": {"marks": [{"x": 5, "y": 6, "color": "#00ff00"}]}}
    node = call("ann", "POST", f"/api/sessions/{session['id']}/edits", {"edit": dot, "client": "key"})["node"]["id"]
    call("ann", "GET", f"/api/sessions/{session['id']}/thumbs/{node}")
    paths += [("ann", f"/api/sessions/{session['id']}{rest}") for rest in ("", f"/nodes/{node}", f"/thumbs/{node}?make=false")]

    files = [{"upload": id, "name": f"쪽 {number}.png"} for number, id in enumerate(uploads)]

    def submit(owner: str = "ann", **body: Any) -> str:
        return str(call(owner, "POST", "/api/jobs", body)["id"])

    def wait(id: str) -> None:
        until(lambda: call("ann", "GET", f"/api/jobs/{id}")["state"] not in ("queued", "running"))

    batch = submit(kind="batch", recipe="dots", files=files, title="My page", client="once", seed=3)
    wait(batch)
    train = submit(kind="train", recipe="moon", steps=20, seed=2, title="Mine")
    wait(train)
    broken = submit(kind="batch", recipe="dots", files=files[:1], settings={"boom": True}, title="A bug")
    wait(broken)
    slow = {"kind": "batch", "recipe": "dots", "files": files, "settings": {"num_steps": 10, "pause": 1.0}}
    failed = submit(**slow, title="Killed three times")
    for _ in range(3):
        until(lambda: call("ann", "GET", f"/api/jobs/{failed}")["state"] == "running" and workers())
        for pid in workers():
            os.kill(pid, signal.SIGKILL)
        time.sleep(1.5)
    wait(failed)
    running = submit(**slow, title="Left running")
    until(lambda: call("ann", "GET", f"/api/jobs/{running}")["state"] == "running")
    cancelled, waiting = submit(**slow, title="Cancelled"), submit(kind="train", recipe="moon", steps=7, title="Waiting")
    call("ann", "POST", f"/api/jobs/{cancelled}/cancel")
    submit("bob", kind="train", recipe="moon", steps=9, client="bobs")
    for id in (batch, train, broken, failed, running, cancelled, waiting):
        paths += [("ann", f"/api/jobs/{id}{rest}") for rest in ("", "/outputs", "/log", "/curve", "/samples")]
    return [*paths, ("ann", f"/api/jobs/{batch}/outputs/1"), ("ann", f"/api/jobs/{train}/outputs/weights"), ("ann", "/api/jobs"),
            ("bob", "/api/jobs"), ("ann", "/api/sessions"), ("ann", "/api/recipes/moon")]  # fmt: skip


def workers() -> list[int]:
    """Processes of jobs."""
    listed = subprocess.run(["ps", "-eo", "pid,args"], capture_output=True, text=True).stdout.splitlines()
    return [int(line.split()[0]) for line in listed if "gesso.serving.jobs.work" in line and str(ROOT) != line]


def answered(owner: str, path: str) -> Any:
    """JSON as it is, other files by their hash."""
    got = call(owner, "GET", path)
    if path.startswith("/api/recipes/"):  # the card's words are not a server's to keep
        return {"trained": got["trained"]}
    return hashlib.sha256(got).hexdigest() if isinstance(got, bytes) else got


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        given = {"home": str(home), "port": PORT, "tokens": TOKENS, "recipes": [str(one) for one in RECIPES]}
        server = subprocess.Popen([sys.executable, "-c", SERVER, json.dumps(given)])
        try:
            until(lambda: call("ann", "GET", "/api/health"))
            paths = fill(home)
            before = [(owner, path, answered(owner, path)) for owner, path in paths]
        finally:
            server.kill()
            server.wait()
            for pid in workers():
                os.kill(pid, signal.SIGKILL)
        for path in home.glob("*.sqlite"):
            with sqlite3.connect(path) as rows:
                rows.execute("pragma wal_checkpoint(truncate)")
                rows.execute("vacuum")
            rows.close()
        with zipfile.ZipFile(HERE / "home.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=9) as held:
            for path in sorted(home.rglob("*")):
                name = path.relative_to(home).as_posix()
                if path.is_file() and not any(part in name for part in SKIPPED):
                    held.write(path, name)
        expected = [{"owner": owner, "path": path, "answer": answer} for owner, path, answer in before]
        (HERE / "expected.json").write_text(json.dumps(expected, ensure_ascii=False, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
