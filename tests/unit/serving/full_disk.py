"""A server on a disk of six megabytes that is filled to its last byte; run by test_full_disk. Its last line is what was seen, as JSON."""

from __future__ import annotations

import io
import json
import os
import sqlite3
import sys
from pathlib import Path
from typing import Any

import numpy as np
from fastapi.testclient import TestClient
from PIL import Image

from gesso.errors import GessoError
from gesso.serving import Settings, create_app
from gesso.serving.jobs.worker import run_job
from gesso.serving.live.frame import pack, unpack

HOME, RECIPE, TOKEN = Path(sys.argv[1]), sys.argv[2], "t" * 30
HOST = "127.0.0.1:8765"
DOT = {"op": "merge", "slot": "dots", "value": {"marks": [{"x": 1, "y": 2, "color": "#112233"}]}}


def draw(side: int, seed: int = 0) -> bytes:
    held = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)).save(held, "PNG")
    return held.getvalue()


def fill() -> None:
    filler = os.open(HOME / "filler", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    for size in (2**16, 4096, 1):
        try:
            while True:
                os.write(filler, b"x" * size)
        except OSError:
            pass
    os.close(filler)


def make_room() -> None:
    (HOME / "filler").unlink()


def brief(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.text[:500]


def main() -> dict[str, Any]:
    seen: dict[str, Any] = {}
    app = create_app(Settings(home=HOME, tokens={"ann": TOKEN}, recipes=[RECIPE], sign=False, jobs="off"))
    services, headers = app.state.services, {"Authorization": f"Bearer {TOKEN}"}
    ann = TestClient(app, base_url=f"http://{HOST}", headers=headers, raise_server_exceptions=False, follow_redirects=False)
    uploads = [ann.post("/api/uploads", content=draw(200, seed)).json()["id"] for seed in range(4)]
    edits = [{"op": "set", "slot": "page", "value": {"upload": uploads[0]}}]
    session = ann.post("/api/sessions", json={"recipe": "dots", "edits": edits}).json()["session"]
    tree = f"/api/sessions/{session['id']}"
    bundle = ann.get(f"{tree}/export").content
    batch = {"kind": "batch", "recipe": "dots", "files": [{"upload": one} for one in uploads]}
    job = ann.post("/api/jobs", json=batch).json()["id"]
    palette = ann.post("/api/palettes", json={"name": "p"}).json()["id"]
    many = {"name": "p", "colours": [{"color": "#112233", "name": f"{n}" * 30} for n in range(100)]}
    before = {one.name for one in (HOME / "jobs").iterdir()}, services.database.read("select id from kept")
    seen["nodes before"] = len(ann.get(tree).json()["nodes"])
    claimed = services.jobs.store.claim("test")
    fill()

    full = {
        "upload": ann.post("/api/uploads", content=draw(300)),
        "session": ann.post("/api/sessions", json={"recipe": "dots", "edits": edits}),
        "edit": ann.post(f"{tree}/edits", json={"edit": DOT}),
        "name": ann.patch(f"{tree}/nodes/{session['head']}", json={"name": "n"}),
        "import": ann.post("/api/sessions/import", content=bundle),
        "job": ann.post("/api/jobs", json=batch),
        "palette": ann.post("/api/palettes", json=many),
        "palette anew": ann.put(f"/api/palettes/{palette}", json=many),
        "output": ann.post("/api/generate", json={"recipe": "dots", "conditions": {"page": {"upload": uploads[0]}}}),
        "login": TestClient(app, base_url=f"http://{HOST}", follow_redirects=False).get(services.access.link("ann")),
    }
    seen["full"] = {name: brief(answer) for name, answer in full.items()}
    seen["seen on a full disk"] = ann.get(tree).status_code
    seen["small picture"] = ann.get(f"{tree}/thumbs/{session['head']}").status_code
    stroke = {"type": "edit", "seq": 1, "edit": DOT, "commit": True, "client": "one"}
    with ann.websocket_connect(f"/api/live?session={session['id']}", headers={"Host": HOST}) as line:
        line.send_bytes(pack(stroke))
        seen["stroke"] = unpack(line.receive_bytes())[0]
    seen["nodes while full"] = len(ann.get(tree).json()["nodes"])
    assert claimed is not None
    try:
        seen["job's worker"] = run_job(services.jobs.config, job, claimed.token)
    except GessoError as error:
        seen["job's worker"] = type(error).__name__
    seen["job while full"] = ann.get(f"/api/jobs/{job}").json()["state"]
    seen["halves"] = [str(path.relative_to(HOME)) for path in (HOME / "jobs").rglob("*.part")]
    rows = {row[0] for row in services.database.read("select id from kept")}
    jobs = {one.name for one in (HOME / "jobs").iterdir()}
    files = {path.stem for path in (HOME / "kept").rglob("*") if path.is_file()}
    seen["left over"] = sorted((jobs - before[0]) | (files ^ rows) | (rows - {row[0] for row in before[1]}))
    make_room()

    with ann.websocket_connect(f"/api/live?session={session['id']}", headers={"Host": HOST}) as line:
        line.send_bytes(pack(stroke))
        line.send_bytes(pack(stroke | {"seq": 2}))
        heard = [unpack(line.receive_bytes())[0]["type"] for _ in range(2)]
        assert "node" in heard, heard
    seen["nodes after"] = len(ann.get(tree).json()["nodes"])
    if claimed is not None and ann.get(f"/api/jobs/{job}").json()["state"] == "running":
        services.jobs.store.worker_died(job, claimed.token)  # as whoever watches it says, or the lease that runs out
    if ann.get(f"/api/jobs/{job}").json()["state"] == "failed":
        ann.post(f"/api/jobs/{job}/resume")
    again = services.jobs.store.claim("test")
    assert again is not None
    run_job(services.jobs.config, job, again.token)
    seen["job after"] = ann.get(f"/api/jobs/{job}").json()["state"]
    made = ann.get(f"/api/jobs/{job}/outputs").json()["outputs"]
    seen["made"], seen["wanted"] = sum(one["state"] == "done" for one in made), len(uploads)
    after = {
        "upload": ann.post("/api/uploads", content=draw(300)),
        "edit": ann.post(f"{tree}/edits", json={"edit": DOT}),
        "import": ann.post("/api/sessions/import", content=bundle),
        "job": ann.post("/api/jobs", json=batch),
        "palette": ann.put(f"/api/palettes/{palette}", json=many),
        "delete": ann.delete(f"/api/uploads/{uploads[0]}"),
    }
    seen["after"] = {name: answer.status_code for name, answer in after.items()}
    services.close()
    seen["integrity"] = []
    for name in ("serving", "sessions", "jobs"):
        with sqlite3.connect(HOME / f"{name}.sqlite") as file:
            seen["integrity"].append(file.execute("pragma integrity_check").fetchone()[0])
    return seen


if __name__ == "__main__":
    print(json.dumps(main()))
