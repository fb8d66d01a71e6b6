"""Weights of a user's own: sent as a file, or learned by a fit from a folder of this machine; used by their owner only."""

from __future__ import annotations

import errno
import io
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from PIL import Image

import gesso
from gesso.conditions.camera import orbit
from gesso.serving.jobs.worker import run_job
from gesso.weights.safe import read_tensors, write_tensors
from gesso.weights.store import card_of, read_weights

SETTINGS = {"num_steps": 2, "size": 16}
QUICK = {"settings": SETTINGS, "preset": "tiny"}


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return gesso.fit("scene", out=tmp_path_factory.mktemp("w") / "balls", **QUICK).weights  # type: ignore[arg-type,return-value]


@pytest.fixture
def app(make_app: Callable[..., FastAPI], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FastAPI:
    folder = tmp_path / "data" / "yard"
    (folder / "images").mkdir(parents=True)
    for number in range(3):
        Image.fromarray(np.full((12, 16, 3), 40 * number, np.uint8)).save(folder / "images" / f"{number}.png")
    frames = [{"file_path": f"images/{n}.png", "transform_matrix": orbit(40 * n, 20, 3).tolist()} for n in range(3)]
    (folder / "transforms.json").write_text(json.dumps({"camera_angle_x": 0.8, "frames": frames}))
    (tmp_path / "data" / "other").mkdir()
    monkeypatch.setenv("GESSO_DATA", str(tmp_path / "data"))
    return make_app(jobs="off", recipes=["scene"])


def open_with(client: TestClient, sha256: str) -> Any:
    edits = [{"op": "setting", "name": "size", "value": 16}]
    return client.post("/api/sessions", json={"recipe": "scene", "weights": {"scene": sha256}, "edits": edits})


def test_weights_are_sent_listed_and_opened_by_their_owner_only(ann: TestClient, bob: TestClient, weights: Path):
    assert ann.get("/api/recipes/scene").json()["missing"] == ["scene"]
    sent = ann.post("/api/weights", content=weights.read_bytes())
    assert sent.status_code == 201 and sent.json()["recipe"] == "scene" and sent.json()["sha256"] == read_weights(weights).sha256
    listed = ann.get("/api/recipes/scene").json()["trained"]
    assert [one["sha256"] for one in listed] == [sent.json()["sha256"]] and bob.get("/api/recipes/scene").json()["trained"] == []
    assert open_with(bob, sent.json()["sha256"]).status_code == 400
    begun = open_with(ann, sent.json()["sha256"])
    assert begun.status_code == 201, begun.text
    session = begun.json()["session"]
    shown = ann.get(f"/api/sessions/{session['id']}/nodes/{session['head']}/image")
    assert shown.status_code == 200 and shown.content.startswith(b"\x89PNG")


@pytest.mark.parametrize("cut", [0, 4, 200, -9])
def test_what_is_no_weights_file_is_refused_and_nothing_is_kept(ann: TestClient, app: FastAPI, weights: Path, cut: int):
    for data in (weights.read_bytes()[:cut], b"PK\x03\x04" + bytes(50), b"\x80\x04pickle"):
        answer = ann.post("/api/weights", content=data)
        assert answer.status_code == 400 and answer.json()["error"]["where"] == "weights", answer.text
    assert not [path for path in (app.state.services.settings.home / "learned").rglob("*") if path.is_file()]


def test_one_owners_weights_are_limited(ann: TestClient, weights: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("gesso.serving.storage.user_weights.MOST_BYTES", weights.stat().st_size + 10)
    assert ann.post("/api/weights", content=weights.read_bytes()).status_code == 201
    answer = ann.post("/api/weights", content=weights.read_bytes())
    assert answer.status_code == 400 and "no room" in answer.text


def test_weights_of_a_recipe_that_is_not_here_are_refused(ann: TestClient, app: FastAPI, weights: Path):
    data = weights.read_bytes().replace(b'\\"recipe\\": \\"scene\\"', b'\\"recipe\\": \\"ocean\\"')
    assert data != weights.read_bytes()
    answer = ann.post("/api/weights", content=data)
    assert answer.status_code == 400 and "ocean" in answer.text
    assert not [path for path in (app.state.services.settings.home / "learned").rglob("*") if path.is_file()]


def with_card(weights: Path, **changes: Any) -> bytes:
    """The file with other values in its card."""
    tensors, metadata = read_tensors(weights.read_bytes(), where="w")
    return write_tensors(tensors, metadata | {"card": json.dumps(json.loads(metadata["card"]) | changes)})


@pytest.mark.parametrize("changes", [{"title": "\ud800"}, {"data": "\udfff"}, {"preset": "\ud800"}, {"facts": {"names": ["\ud800"]}}])
def test_text_that_is_not_unicode_does_not_break_the_recipe(ann: TestClient, app: FastAPI, weights: Path, changes: dict[str, Any]):
    answer = ann.post("/api/weights", content=with_card(weights, **changes))
    assert answer.status_code == 400 and "not Unicode" in answer.text
    folder = app.state.services.user_weights._folder("ann")
    (folder / f"{'0' * 64}.safetensors").write_bytes(with_card(weights, **changes))  # as an earlier server stored it
    told = ann.get("/api/recipes/scene")
    assert told.status_code == 200 and told.json()["trained"] == []


def test_a_title_is_printable_and_a_preset_is_one_of_the_recipes(ann: TestClient, weights: Path):
    assert ann.post("/api/weights", content=with_card(weights, title="a\x1b[2J선")).json()["title"] == "a\\x1b[2J선"
    answer = ann.post("/api/weights", content=with_card(weights, preset="huge"))
    assert answer.status_code == 400 and "huge" in answer.text


def test_a_refused_upload_leaves_the_weights_of_a_session(ann: TestClient, app: FastAPI, weights: Path, monkeypatch: pytest.MonkeyPatch):
    sha256 = ann.post("/api/weights", content=weights.read_bytes()).json()["sha256"]
    assert open_with(ann, sha256).status_code == 201
    monkeypatch.setattr(app.state.services.catalogue, "recipes", dict)
    assert ann.post("/api/weights", content=weights.read_bytes()).status_code == 400
    assert app.state.services.user_weights.find("ann", sha256)


def test_sent_weights_are_deleted_where_no_session_uses_them(ann: TestClient, bob: TestClient, weights: Path):
    sha256 = ann.post("/api/weights", content=weights.read_bytes()).json()["sha256"]
    session = open_with(ann, sha256).json()["session"]["id"]
    assert ann.delete(f"/api/weights/{sha256}").status_code == 409
    ann.delete(f"/api/sessions/{session}")
    assert bob.delete(f"/api/weights/{sha256}").status_code == 404
    assert ann.delete(f"/api/weights/{sha256}").status_code == 204
    assert ann.get("/api/recipes/scene").json()["trained"] == [] and ann.delete(f"/api/weights/{sha256}").status_code == 404


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_weights_on_a_full_disk_are_refused(ann: TestClient, app: FastAPI, weights: Path, monkeypatch: pytest.MonkeyPatch, call: str):
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as disk:
        disk.setattr(os, call, full)
        answer = ann.post("/api/weights", content=weights.read_bytes())
    assert answer.status_code == 507 and answer.json()["error"]["where"] == "weights", answer.text
    assert not [path for path in (app.state.services.settings.home / "learned").rglob("*") if path.is_file()]


def test_a_file_that_another_upload_moves_is_not_counted(ann: TestClient, app: FastAPI, weights: Path, monkeypatch: pytest.MonkeyPatch):
    folder = app.state.services.user_weights._folder("ann")
    folder.mkdir(parents=True)
    there = Path.iterdir
    monkeypatch.setattr(Path, "iterdir", lambda self: [*there(self), *([self / "moved.half"] if self == folder else [])])
    assert ann.post("/api/weights", content=weights.read_bytes()).status_code == 201


def test_a_fit_from_a_folder_leaves_weights_to_open(ann: TestClient, app: FastAPI):
    card = ann.get("/api/recipes/scene").json()
    assert card["folders"] == ["yard"] and card["fits_data"]
    for name in ("other", "../yard", "/etc", "nowhere"):
        refused = ann.post("/api/jobs", json={"kind": "fit", "recipe": "scene", "data": name, **QUICK})
        assert refused.status_code == 400 and refused.json()["error"]["where"] == "data"
    job = ann.post("/api/jobs", json={"kind": "fit", "recipe": "scene", "data": "yard", "title": "Yard", **QUICK}).json()
    desk = app.state.services.jobs
    claimed = desk.store.claim("here")
    assert run_job(desk.config, claimed.id, claimed.token) == "done"
    told = ann.get(f"/api/jobs/{job['id']}").json()
    assert told["has_weights"] and told["asked"]["data"] == "yard"
    assert len(ann.get(f"/api/jobs/{job['id']}/samples").json()["samples"]) >= 1
    mine = ann.get("/api/recipes/scene").json()["trained"]
    assert [(one["id"], one["title"]) for one in mine] == [(job["id"], "Yard")]
    assert open_with(ann, mine[0]["sha256"]).status_code == 201


def test_a_card_is_read_without_its_tensors(weights: Path):
    assert card_of(weights) == read_weights(weights).card


def test_a_training_from_a_folder_of_this_machine(
    make_app: Callable[..., FastAPI], client_of: Callable[..., TestClient], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    for name in ("mine", "other"):
        (tmp_path / "data" / name).mkdir(parents=True)
    for number in range(12):
        Image.fromarray(np.full((12, 16, 3), 20 * number, np.uint8)).save(tmp_path / "data" / "mine" / f"{number}.png")
    monkeypatch.setenv("GESSO_DATA", str(tmp_path / "data"))
    app = make_app(jobs="off", recipes=["gan"])
    ann = client_of(app, "ann")
    card = ann.get("/api/recipes/gan").json()
    assert card["folders"] == ["mine"] and card["trains_data"] and not card["fits_data"]
    train = {"kind": "train", "recipe": "gan", "preset": "tiny", "steps": 2}
    for name in ("other", "../mine", "nowhere"):
        refused = ann.post("/api/jobs", json={**train, "data": name})
        assert refused.status_code == 400 and refused.json()["error"]["where"] == "data"
    job = ann.post("/api/jobs", json={**train, "data": "mine"}).json()
    desk = app.state.services.jobs
    claimed = desk.store.claim("here")
    assert run_job(desk.config, claimed.id, claimed.token) == "done"
    told = ann.get(f"/api/jobs/{job['id']}").json()
    assert told["has_weights"] and told["asked"]["data"] == "mine" and "signs" not in told
    log = "\n".join(ann.get(f"/api/jobs/{job['id']}/log").json()["lines"])
    assert "12 pictures" in log, "the folder was looked at before the first step"


def test_a_fit_with_sent_weights_gives_the_value_that_it_found(
    make_app: Callable[..., FastAPI], client_of: Callable[..., TestClient], tmp_path: Path, picture: Callable[..., bytes]
):
    """A picture is found in a generator whose weights its owner sent and names by their hash; the value makes it again."""
    app = make_app(jobs="off", recipes=["stylegan2"])
    ann, bob = client_of(app, "ann"), client_of(app, "bob")
    trained = gesso.train("stylegan2", preset="tiny", steps=1, out=tmp_path / "w", quiet=True).weights
    hashed = ann.post("/api/weights", content=trained.read_bytes()).json()["sha256"]
    upload = ann.post("/api/uploads", content=picture()).json()["id"]
    ask = {"kind": "fit", "recipe": "stylegan2", "conditions": {"picture": {"pixels": {"upload": upload}}}, "settings": {"num_steps": 3}}
    assert bob.post("/api/jobs", json={**ask, "conditions": {}, "weights": hashed}).status_code in (400, 404), "another's"
    job = ann.post("/api/jobs", json={**ask, "weights": hashed}).json()
    desk = app.state.services.jobs
    claimed = desk.store.claim("here")
    assert run_job(desk.config, claimed.id, claimed.token) == "done"
    found = ann.get(f"/api/jobs/{job['id']}/outputs/request").json()
    assert found["weights"] == {"stylegan2": hashed} and len(found["conditions"]["place"]["rows"][0]) == 16
    edits = [{"op": "set", "slot": "place", "value": found["conditions"]["place"]}]
    begun = ann.post("/api/sessions", json={"recipe": "stylegan2", "weights": {"stylegan2": hashed}, "edits": edits}).json()["session"]
    shown = ann.get(f"/api/sessions/{begun['id']}/nodes/{begun['head']}/image")
    made = ann.get(f"/api/jobs/{job['id']}/outputs/result")
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(shown.content))), np.asarray(Image.open(io.BytesIO(made.content))))
