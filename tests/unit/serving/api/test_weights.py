"""Weights of a user's own: sent as a file, or learned by a fit from a folder of this machine; used by their owner only."""

from __future__ import annotations

import json
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
