"""Thousands of malformed uploads over HTTP: each becomes a 4xx with a reason or a new valid PNG, and the server is unaffected."""

from __future__ import annotations

import io
import json
import os
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from PIL import Image

from gesso.media.decode import FORMATS
from gesso.serving.decode import decode_pool
from hostile_file import BOMBS, PARTS, SESSION_BOMBS, SORTS, mutant

NIGHTLY = int(os.environ.get("GESSO_BAD_UPLOADS", "10000"))
# Makes the forking process report what each worker used: megabytes of memory and seconds of CPU time.
ACCOUNT = """
import json, os, socket, sys
from gesso.serving.decode import decode_worker

def waitpid(process, options):
    gone, status, used = os.wait4(process, options)
    if gone:
        with open({path!r}, "a") as file:
            file.write(json.dumps([used.ru_maxrss / 1024, used.ru_utime + used.ru_stime, status]) + "\\n")
    return gone, status

child.os = type("Os", (), {{**vars(os), "waitpid": staticmethod(waitpid)}})
wish = json.loads(sys.argv[2])
decode_worker.serve(socket.socket(fileno=wish["control"]), wish)
"""


def test_every_accepted_format_has_mutants():
    assert set(SORTS) == set(PARTS) == set(FORMATS)


def told(client: TestClient, data: bytes) -> str:
    """The outcome of an upload, which is checked."""
    answer = client.post("/api/uploads", content=data)
    if answer.status_code == 201:
        made = answer.json()
        back = client.get(answer.headers["location"])
        image = Image.open(io.BytesIO(back.content))
        image.load()
        assert image.format == "PNG" and image.size == (made["width"], made["height"])
        assert client.delete(answer.headers["location"]).status_code == 204
        return "read"
    assert answer.status_code == 400, answer.text
    error = answer.json()["error"]
    assert len(error["what"]) > 8 and error["fix"] and "Traceback" not in answer.text
    return "its worker died" if "decoder failed" in error["what"] else "took too long" if "too long" in error["what"] else "refused"


@pytest.mark.parametrize("format", FORMATS)
def test_fifty_mutants_of_each_format(ann: TestClient, format: str):
    dice = random.Random(format)
    metrics = Counter(told(ann, mutant(format, dice)) for _ in range(50))
    assert metrics["refused"] > 10 and metrics["took too long"] == 0, metrics
    assert ann.get("/api/health").status_code == 200


@pytest.mark.nightly
@pytest.mark.skipif(not decode_pool.FORKS, reason="this system does not fork")
def test_ten_thousand_mutants_and_all_bombs(
    make_app: Callable[..., FastAPI], client_of: Callable[..., TestClient], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Prints the outcomes, and the most memory and time that a worker used."""
    account = tmp_path / "account"
    monkeypatch.setattr(decode_pool, "PROGRAM", ("-B", "-c", ACCOUNT.format(path=str(account))))
    app = make_app()
    ann, metrics = client_of(app, "ann"), Counter[str]()
    ann.post("/api/uploads", content=b"warm")
    process = app.state.services.decoder._pool._process
    for number in range(NIGHTLY):
        format = FORMATS[number % len(FORMATS)]
        metrics[f"{format}: {told(ann, mutant(format, random.Random(number)))}"] += 1
    for name, make in BOMBS.items():
        assert told(ann, make()) != "read", name
    for name, make in SESSION_BOMBS.items():
        answer = ann.post("/api/sessions/import", content=make(), headers={"Content-Type": "application/zip"})
        assert answer.status_code in (400, 413) and len(answer.json()["error"]["what"]) > 8, (name, answer.text)
    assert ann.get("/api/health").status_code == 200
    assert app.state.services.decoder._pool._process is process and process.poll() is None, "nothing was restarted"
    ann.post("/api/uploads", content=b"the last one reaps the others")
    lines = [json.loads(line) for line in account.read_text().splitlines()]
    assert len(lines) > NIGHTLY
    memory, seconds = max(line[0] for line in lines), max(line[1] for line in lines)
    summary: dict[str, Any] = dict(sorted(metrics.items()))
    print(
        f"\n{summary}\nbombs: {len(BOMBS)} pictures, {len(SESSION_BOMBS)} sessions; a worker used at most {memory:.0f} MB, {seconds:.1f} s"
    )
    assert memory <= 1024 and seconds <= 11
