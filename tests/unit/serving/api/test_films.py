"""Films over HTTP: sent to the disk, looked at in the sandbox, made by a job that stops and goes on, played in ranges."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("av", reason="PyAV is not installed: films are not tried")
from fastapi import FastAPI
from fastapi.testclient import TestClient
from PIL import Image

from gesso.media.video import Video, read_record
from gesso.record import parse_record
from gesso.serving.jobs.worker import run_job
from gesso.serving.settings import Limits
from unit.media.clip import clip, times

TOY = Path(__file__).resolve().parents[2] / "verbs" / "toy.py"
DOTS = Path(__file__).resolve().parents[1] / "dots.py"
BYTES = {"Content-Type": "application/octet-stream"}


@pytest.fixture
def app(make_app: Callable[..., FastAPI]) -> FastAPI:
    return make_app(jobs="off", recipes=[DOTS, TOY], limits={"film_bytes": 2**20, "kept_bytes": 2**21})


@pytest.fixture
def work(app: FastAPI) -> Callable[[], str]:
    """work(): the next job is done, here and now; how it came out."""

    def do() -> str:
        desk = app.state.services.jobs
        job = desk.store.claim("here")
        return run_job(desk.config, job.id, job.token)

    return do


def send(client: TestClient, path: Path) -> Any:
    answer = client.post("/api/films", content=path.read_bytes(), headers=BYTES)
    assert answer.status_code == 201, answer.text
    return answer.json()


def test_a_film_is_told_with_its_first_frames(ann: TestClient, tmp_path: Path):
    given = clip(tmp_path / "a.mp4", 60, sound="aac", rotation=-90)
    told = send(ann, given)
    wanted = {"medium": "video", "width": 32, "height": 48, "seconds": 2.4, "num_frames": 60, "rate": 25.0, "bits": 8}
    assert {name: told[name] for name in wanted} == wanted and told["sound"] == ["aac"] and told["codec"] == "h264"
    assert told["formats"] == ["mp4", "mov", "mkv"] and told["type"] == "video/mp4"
    first = Image.open(io.BytesIO(ann.get(f"/api/uploads/{told['first']['id']}").content))
    assert first.size == (32, 48), "upright, as players show it"
    with Video(given) as video:
        lying = next(video.frames()).rgb()
    assert np.array_equal(np.asarray(first), np.rot90(lying, -1))
    assert [one["seconds"] for one in told["frames"]] == [1.0, 2.0]


def test_a_player_seeks_in_it(ann: TestClient, bob: TestClient, tmp_path: Path):
    given = clip(tmp_path / "a.mp4", 30)
    data, at = given.read_bytes(), f"/api/films/{send(ann, given)['id']}"
    assert ann.get(at).content == data and ann.get(at).headers["accept-ranges"] == "bytes"
    part = ann.get(at, headers={"Range": "bytes=100-299"})
    assert part.status_code == 206 and part.content == data[100:300]
    assert part.headers["content-range"] == f"bytes 100-299/{len(data)}" and part.headers["content-type"] == "video/mp4"
    assert ann.get(at, headers={"Range": f"bytes={len(data)}-"}).status_code == 416
    assert bob.get(at).status_code == 404
    assert ann.delete(at).status_code == 204 and ann.get(at).status_code == 404


def test_a_job_makes_the_film_with_sound_and_record(ann: TestClient, app: FastAPI, work: Callable[[], str], tmp_path: Path):
    given = clip(tmp_path / "a.mp4", 9, sound="aac")
    film = send(ann, given)
    ask = {"kind": "film", "recipe": "toy", "files": [{"upload": film["id"], "name": "어느 날.mp4"}]}
    job = ann.post("/api/jobs", json=ask)
    assert job.status_code == 201, job.text
    at = f"/api/jobs/{job.json()['id']}"
    assert ann.delete(f"/api/films/{film['id']}").status_code == 204, "the job has a reference of its own"
    assert work() == "done"
    told = ann.get(at).json()
    assert told["done"] == told["total"] == 9 and told["asked"]["format"] == "mp4"
    outputs = ann.get(f"{at}/outputs").json()["outputs"]
    assert outputs == [{"id": "film", "name": "어느 날-toy.mp4", "state": "done"}]
    part = ann.get(f"{at}/outputs/film", headers={"Range": "bytes=0-99"})
    assert part.status_code == 206 and part.headers["content-type"] == "video/mp4"
    out = tmp_path / "b.mp4"
    out.write_bytes(ann.get(f"{at}/outputs/film").content)
    assert times(out) == times(given)
    record = parse_record(__import__("json").loads(read_record(out)), where="film")
    assert record.left["photo"].name == "어느 날.mp4" and record.request.recipe == "toy"


def test_a_cancelled_film_plays_and_goes_on(ann: TestClient, app: FastAPI, work: Callable[[], str], tmp_path: Path, monkeypatch):
    given = clip(tmp_path / "a.mp4", 30)
    film = send(ann, given)
    job = ann.post("/api/jobs", json={"kind": "film", "recipe": "toy", "files": [{"upload": film["id"]}]}).json()
    at = f"/api/jobs/{job['id']}"
    from gesso.serving.jobs.lease import JobLease

    told: list[int] = []

    def count(lease: JobLease, done: int, total: int, words: str = "") -> None:
        told.append(done)
        if done == 12 and len(told) == 12:
            lease.stop_reason = "cancel"
            ann.post(f"{at}/cancel")

    monkeypatch.setattr(JobLease, "report_progress", count)
    assert work() == "cancelled"
    out = tmp_path / "b.mp4"
    out.write_bytes(ann.get(f"{at}/outputs/film").content)
    assert times(out) == times(given)[:12]
    assert ann.post(f"{at}/resume").json()["state"] == "queued" and work() == "done"
    out.write_bytes(ann.get(f"{at}/outputs/film").content)
    assert times(out) == times(given)


def refusals(tmp_path: Path) -> dict[str, bytes]:
    whole = clip(tmp_path / "whole.mp4", 20).read_bytes()
    picture = io.BytesIO()
    Image.new("RGB", (40, 30)).save(picture, "PNG")
    playlist = f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile://{tmp_path / 'whole.mp4'}\n#EXT-X-ENDLIST\n".encode()
    return {
        "empty": b"",
        "text": b"this is a letter",
        "picture": picture.getvalue(),
        "no index": whole[: len(whole) // 2],
        "playlist": playlist,
        "concat": f"ffconcat version 1.0\nfile '{tmp_path / 'whole.mp4'}'\n".encode(),
        "too large": b"x" * (2**20 + 1),
    }


def test_what_is_no_film_is_refused_and_leaves_nothing(ann: TestClient, app: FastAPI, tmp_path: Path):
    for name, data in refusals(tmp_path).items():
        answer = ann.post("/api/films", content=data, headers=BYTES)
        assert answer.status_code == (413 if name == "too large" else 400), (name, answer.text)
        error = answer.json()["error"]
        assert len(error["what"]) > 8 and error["fix"] and str(tmp_path) not in answer.text, (name, error)
    home = app.state.services.settings.home
    assert not [one for one in (home / "kept").rglob("*") if one.is_file()]
    assert app.state.services.database.read("select count(*) from kept")[0][0] == 0
    good = send(ann, clip(tmp_path / "a.mp4"))
    assert good["num_frames"] == 12, "the next one is read"


def test_the_quota_is_kept(ann: TestClient, tmp_path: Path):
    given = clip(tmp_path / "a.mkv", 40, size=(96, 64), codec="ffv1")
    size = given.stat().st_size
    assert size > 30_000
    for _ in range(2**21 // size):
        send(ann, given)
    refused = ann.post("/api/films", content=given.read_bytes(), headers=BYTES)
    assert refused.status_code == 429 and "no room" in refused.json()["error"]["what"]


def test_jobs_of_films_are_checked_before_they_wait(ann: TestClient, bob: TestClient, picture: Callable[..., bytes], tmp_path: Path):
    film = send(ann, clip(tmp_path / "a.mp4"))
    upload = ann.post("/api/uploads", content=picture()).json()
    good = {"kind": "film", "recipe": "toy", "files": [{"upload": film["id"]}]}
    for client, change, status in (
        (ann, {"files": [{"upload": upload["id"]}]}, 404),
        (ann, {"files": []}, 400),
        (ann, {"files": good["files"] * 2}, 400),
        (ann, {"format": "avi"}, 400),
        (ann, {"recipe": "none"}, 404),
        (ann, {"settings": {"colour": 3}}, 400),
        (bob, {}, 404),
    ):
        answer = client.post("/api/jobs", json=good | change)
        assert answer.status_code == status, (change, answer.text)
    batch = {"kind": "batch", "recipe": "toy", "files": [{"upload": film["id"]}]}
    assert ann.post("/api/jobs", json=batch).status_code == 404, "a film is no picture"
    assert ann.get("/api/jobs").json()["jobs"] == []


def test_an_old_upload_of_a_film_makes_room_after_an_hour(ann: TestClient, app: FastAPI, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    given = clip(tmp_path / "a.mp4", 6)
    monkeypatch.setattr(app.state.services.files, "_limits", Limits(kept_bytes=given.stat().st_size * 3 // 2))
    old = send(ann, given)
    assert ann.post("/api/films", content=given.read_bytes(), headers=BYTES).status_code == 429
    with app.state.services.database.writing() as rows:
        rows.execute("update kept set made = made - 3700 where id = ?", (old["id"],))
    send(ann, given)
    assert ann.get(f"/api/films/{old['id']}").status_code == 404
    assert ann.get(f"/api/uploads/{old['first']['id']}").status_code == 200, "a picture stays for a day"


def test_a_film_begun_with_other_weights_is_begun_again(ann: TestClient, app: FastAPI, work: Callable[[], str], tmp_path: Path):
    film = send(ann, clip(tmp_path / "a.mp4", 5))
    job = ann.post("/api/jobs", json={"kind": "film", "recipe": "toy", "files": [{"upload": film["id"]}]}).json()
    parts = app.state.services.jobs.config.folder(job["id"]) / "out" / "film.mp4.parts"
    parts.mkdir(parents=True)
    look = {"width": 48, "height": 32, "bits": 8, "time_base": "1/12800", "rate": "25", "aspect": "1", "rotation": 0}
    look["colours"] = {"range": 1, "matrix": 1, "primaries": 1, "transfer": 1}
    (parts / "plan.json").write_text(json.dumps({"film": "other", "request": {}, "look": look, "segment": 96}))
    (parts / "000000.json").write_text(json.dumps({"number": 0, "frames": 1, "first": 0, "last": 0, "sha256": "0" * 64}))
    assert work() == "done", ann.get(f"/api/jobs/{job['id']}").json()
    assert ann.get(f"/api/jobs/{job['id']}").json()["done"] == 5
    assert any("begun again" in line for line in ann.get(f"/api/jobs/{job['id']}/log").json()["lines"])


def test_no_film_is_made_on_ray(ann: TestClient, app: FastAPI, work: Callable[[], str], tmp_path: Path, monkeypatch):
    """A worker of Ray's is not confined."""
    ask = {"kind": "film", "recipe": "toy", "files": [{"upload": send(ann, clip(tmp_path / "a.mp4", 3))["id"]}]}
    earlier = ann.post("/api/jobs", json=ask).json()
    desk = app.state.services.jobs
    monkeypatch.setattr(desk, "_settings", replace(desk._settings, jobs="ray"))
    told = ann.post("/api/jobs", json=ask)
    assert told.status_code == 400 and "not made on Ray" in told.text and "--jobs here" in told.text
    monkeypatch.setattr("gesso.serving.jobs.handlers.on_ray", lambda: True)
    assert work() == "failed" and "not made on Ray" in ann.get(f"/api/jobs/{earlier['id']}").text
