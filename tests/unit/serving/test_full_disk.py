"""A real full disk of a few megabytes: each operation fails with a clear error, writes nothing partial, and succeeds once there is room."""

from __future__ import annotations

import base64
import errno
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

import gesso.media.file

HERE = Path(__file__).parent
MOUNT = 'mount -t tmpfs -o size=6m none "$1" && exec "$2" "$3" "$1" "$4"'


def can_mount(folder: Path) -> bool:
    """A private file system needs a system that allows mount namespaces."""
    try:
        tried = subprocess.run(["unshare", "-rm", "mount", "-t", "tmpfs", "none", str(folder)], capture_output=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return tried.returncode == 0


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What happened on the small disk: see full_disk.py."""
    home = tmp_path_factory.mktemp("disk")
    if not can_mount(home):
        pytest.skip("this system mounts no disk of our own: unshare -rm mount -t tmpfs")
    command = ["unshare", "-rm", "sh", "-c", MOUNT, "sh", str(home), sys.executable, str(HERE / "full_disk.py"), str(HERE / "dots.py")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    held: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return held


def test_everything_on_a_full_disk(told: dict[str, Any]):
    for name, (status, text) in told["full"].items():
        assert status == 507 and "full" in text and "free some" in text, (name, status, text)
    assert told["seen on a full disk"] == 200, "what is there is shown still"
    assert told["small picture"] == 200
    assert "full" in told["stroke"]["what"] and told["stroke"]["type"] == "error"
    assert told["nodes while full"] == told["nodes before"], "a stroke that was refused is not there"
    assert told["left over"] == [], "nothing half-written, no file without a row, no folder without a job"
    assert set(told["after"].values()) == {200, 201, 204}, told["after"]
    assert told["nodes after"] == told["nodes before"] + 1, "told again with its key, the stroke is there once"
    assert told["integrity"] == ["ok", "ok", "ok"]


def test_a_job_on_a_full_disk_goes_on_when_there_is_room(told: dict[str, Any]):
    """Its worker cannot even say that it failed; the lease runs out, and the next makes what is missing."""
    assert told["job's worker"] in ("DiskFull", "failed") and told["job while full"] in ("running", "queued", "failed")
    assert told["halves"] == [], "a picture is there whole or not at all"
    assert told["job after"] == "done" and told["made"] == told["wanted"]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_file_that_cannot_be_kept(
    app: FastAPI, ann: TestClient, picture: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch, call: str, number: int
):
    home = app.state.services.settings.home

    def refuse(*given: Any, **more: Any) -> Any:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as broken:
        broken.setattr(gesso.media.file.os, call, refuse)
        answer = ann.post("/api/uploads", content=picture())
    assert answer.status_code == 507 and answer.json()["error"]["where"] == "upload", answer.text
    assert [path for path in (home / "kept").rglob("*") if path.is_file()] == []
    assert app.state.services.database.read("select * from kept") == []
    assert ann.post("/api/uploads", content=picture()).status_code == 201


def full(app: FastAPI, more: int) -> None:
    """No page more than there are in the server's database, or so many."""
    pages = app.state.services.database.read("pragma page_count")[0][0]
    app.state.services.database.read(f"pragma max_page_count = {pages + more}")


def test_a_row_that_cannot_be_kept_takes_its_file_along(app: FastAPI, ann: TestClient, picture: Callable[..., bytes]):
    home = app.state.services.settings.home
    with app.state.services.database.writing() as rows:  # fill the pages that there are
        rows.execute("create table filler (x text)")
    full(app, 0)
    kept, refused = [], 0
    for seed in range(200):
        answer = ann.post("/api/uploads", content=picture(4, 4, seed=seed))
        assert answer.status_code in (201, 507), answer.text
        kept += [answer.json()["id"]] if answer.status_code == 201 else []
        refused += answer.status_code == 507
        if refused == 3:
            break
    assert refused == 3
    files = {path.stem for path in (home / "kept").rglob("*") if path.is_file()}
    assert files == set(kept) == {row[0] for row in app.state.services.database.read("select id from kept")}
    full(app, 1000)
    assert ann.post("/api/uploads", content=picture()).status_code == 201


def test_who_cannot_be_let_in_may_use_the_link_again(app: FastAPI, stranger: TestClient, monkeypatch: pytest.MonkeyPatch):
    key = app.state.services.access.link("ann").partition("?")[2]
    with monkeypatch.context() as broken:
        broken.setattr(app.state.services.database, "writing", lambda: (_ for _ in ()).throw(OSError(errno.ENOSPC, "full")))
        assert stranger.get(f"/?{key}").status_code == 507
    assert stranger.get(f"/?{key}").status_code == 303, "the link was not spent"


def test_pictures_inside_json_are_no_way_around(ann: TestClient, picture: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch):
    url = "data:image/png;base64," + base64.b64encode(picture()).decode()
    with monkeypatch.context() as broken:
        broken.setattr(gesso.media.file.os, "fsync", lambda number: (_ for _ in ()).throw(OSError(errno.ENOSPC, "full")))
        answer = ann.post("/api/generate", json={"recipe": "dots", "conditions": {"page": {"pixels": url}}})
    assert answer.status_code == 507 and "/" not in answer.json()["error"]["what"]


def test_a_form_that_finds_no_room_for_its_file(ann: TestClient, picture: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch):
    """Large files of a form lie in the system's own temporary folder while they come in, which may be full as well."""

    def no_room(*given: Any, **more: Any) -> Any:
        raise OSError(errno.ENOSPC, "No space left on device", "/tmp/secret")

    data = picture(900, 900)
    assert len(data) > 2**20
    with monkeypatch.context() as broken:
        broken.setattr(tempfile, "TemporaryFile", no_room)
        answer = ann.post("/api/uploads", files={"file": ("x.png", data)})
    assert answer.status_code == 507 and "secret" not in answer.text and "free some space" in answer.json()["error"]["fix"], answer.text
    assert ann.post("/api/uploads", files={"file": ("x.png", data)}).status_code == 201
