"""Thumbnails of nodes: stored after rendering, made on request, bounded, and private to their owner."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from PIL import Image

from gesso.serving.live.frame import pack, unpack
from gesso.serving.render.thumbnails import SIDE, Thumbnails


@pytest.fixture
def begun(ann: TestClient, picture: Callable[..., bytes]) -> dict[str, Any]:
    page = ann.post("/api/uploads", content=picture(400, 300)).json()["id"]
    edits = [{"op": "set", "slot": "page", "value": {"upload": page}}]
    return ann.post("/api/sessions", json={"recipe": "dots", "edits": edits}).json()["session"]


def noise(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (200, 300, 3), dtype=np.uint8)


def test_it_is_made_where_it_is_asked_for(ann: TestClient, begun: dict[str, Any], app: FastAPI):
    address = f"/api/sessions/{begun['id']}/thumbs/{begun['head']}"
    assert ann.get(address, params={"make": "false"}).status_code == 204
    made = ann.get(address)
    assert made.status_code == 200 and Image.open(io.BytesIO(made.content)).size == (SIDE, SIDE * 3 // 4)
    app.state.services.renderer.render = None
    assert ann.get(address, params={"make": "false"}).content == ann.get(address).content == made.content


def test_what_was_painted_is_kept(ann: TestClient, begun: dict[str, Any]):
    with ann.websocket_connect(f"/api/live?session={begun['id']}", headers={"Host": "127.0.0.1:8765"}) as socket:
        socket.send_bytes(pack({"type": "show", "seq": 1, "node": None}))
        while unpack(socket.receive_bytes())[0]["type"] != "frame":
            pass
        address = f"/api/sessions/{begun['id']}/thumbs/{begun['head']}?make=false"
        for _ in range(200):
            if ann.get(address).status_code == 200:
                return
            time.sleep(0.01)
    raise AssertionError("it was not kept")


def test_another_owners_is_not_there_and_a_deleted_one_is_gone(ann: TestClient, bob: TestClient, begun: dict[str, Any], app: FastAPI):
    address = f"/api/sessions/{begun['id']}/thumbs/{begun['head']}"
    assert ann.get(address).status_code == 200
    assert bob.get(address).status_code == 404
    assert app.state.services.thumbnails.find("bob", begun["id"], begun["head"]) is None
    ann.delete(f"/api/sessions/{begun['id']}")
    assert ann.get(address).status_code == 404
    assert app.state.services.thumbnails.find("ann", begun["id"], begun["head"]) is None


def test_what_lacks_something_has_none(ann: TestClient):
    begun = ann.post("/api/sessions", json={"recipe": "dots"}).json()["session"]
    assert ann.get(f"/api/sessions/{begun['id']}/thumbs/{begun['head']}").status_code == 204


def test_the_oldest_make_room(tmp_path: Path):
    thumbnails = Thumbnails(tmp_path / "thumbs.sqlite", most_bytes=4_000_000)
    for number in range(150):
        thumbnails.put("ann", "one", str(number), noise(number))
    assert thumbnails.find("ann", "one", "0") is None and thumbnails.find("ann", "one", "149") is not None
    thumbnails.close()
    again = Thumbnails(tmp_path / "thumbs.sqlite")
    assert again.find("ann", "one", "149") is not None
    again.close()
    assert again.find("ann", "one", "149") is None, "later requests find no thumbnail"


def test_a_given_picture_is_shown_smaller_and_says_its_size(ann: TestClient, begun: dict[str, Any]):
    shown = ann.get(f"/api/sessions/{begun['id']}/nodes/{begun['head']}/given/page", params={"max_side": 100})
    assert Image.open(io.BytesIO(shown.content)).size == (100, 75) and shown.headers["X-Page"] == "400 300"


def test_a_disk_that_takes_nothing_more_costs_no_picture(tmp_path: Path):
    thumbnails = Thumbnails(tmp_path / "thumbs.sqlite")
    rows = thumbnails._database._db
    pages = rows.execute("pragma page_count").fetchone()[0]
    rows.execute(f"pragma max_page_count = {pages}")
    assert thumbnails.put("ann", "s", "n", noise(1))[:4] == b"\x89PNG" and thumbnails.find("ann", "s", "n") is None
    thumbnails.close()
    thumbnails.delete_session("ann", "s")
