"""Uploads are decoded in the sandbox and become a new PNG, or a 4xx with a reason."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import sys
import zipfile
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from PIL import Image

from gesso.media import picture as media
from gesso.serving.decode.decode_pool import DecodePool
from gesso.serving.decode.decoder import Decoder
from gesso.serving.http_errors import ServerBusy
from gesso.serving.settings import Limits
from hostile_file import BOMBS, SESSION_BOMBS, zipped

Picture = Callable[..., bytes]


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_and_invalid_files_are_refused_with_a_reason(ann: TestClient, name: str):
    answer = ann.post("/api/uploads", content=BOMBS[name]())
    assert answer.status_code == 400, answer.text
    error = answer.json()["error"]
    assert len(error["what"]) > 8 and "Traceback" not in answer.text
    assert ann.get("/api/health").status_code == 200


@pytest.mark.parametrize(
    ("mode", "format"), [("RGB", "PNG"), ("RGBA", "PNG"), ("L", "PNG"), ("RGB", "JPEG"), ("RGBA", "WEBP"), ("RGB", "BMP")]
)
def test_an_upload_is_encoded_anew_as_png(ann: TestClient, picture: Picture, mode: str, format: str):
    data = picture(12, 10, mode=mode, format=format)
    answer = ann.post("/api/uploads", content=data)
    told = answer.json()
    assert answer.status_code == 201 and (told["width"], told["height"], told["medium"]) == (12, 10, "picture")
    back = ann.get(answer.headers["location"])
    assert back.headers["content-type"] == "image/png" and back.headers["content-disposition"].startswith("attachment")
    kept = Image.open(io.BytesIO(back.content))
    assert kept.format == "PNG" and np.array_equal(np.asarray(kept), np.asarray(Image.open(io.BytesIO(data))))


def test_metadata_is_removed_except_the_dpi(ann: TestClient):
    held = io.BytesIO()
    Image.new("RGB", (9, 9)).save(
        held, "JPEG", exif=b"Exif\0\0" + b"<script>secret-place</script>" * 9, comment=b"secret-place", dpi=(350, 350)
    )
    back = ann.get("/api/uploads/" + ann.post("/api/uploads", content=held.getvalue()).json()["id"]).content
    assert b"secret-place" not in back and round(Image.open(io.BytesIO(back)).info["dpi"][0]) == 350


def test_multipart_forms_are_accepted(ann: TestClient, picture: Picture):
    assert ann.post("/api/uploads", files={"file": ("../../etc/passwd.png", picture())}).status_code == 201
    two = [("file", ("a.png", picture())), ("file", ("b.png", picture()))]
    assert ann.post("/api/uploads", files=two).status_code == 400
    assert ann.post("/api/uploads", files={"file": ("a.svg", b"<svg/>", "image/png")}).status_code == 400
    assert ann.post("/api/uploads", content=b"x", headers={"Content-Type": "multipart/form-data"}).status_code == 400
    assert ann.post("/api/uploads", content=b"--b\r\nx", headers={"Content-Type": "multipart/form-data; boundary=b"}).status_code == 400


def test_uploads_are_invisible_to_other_owners(ann: TestClient, bob: TestClient, picture: Picture):
    id = ann.post("/api/uploads", content=picture()).json()["id"]
    assert bob.get(f"/api/uploads/{id}").status_code == bob.delete(f"/api/uploads/{id}").status_code == 404
    assert bob.get(f"/api/uploads/{id}").json() == bob.get(f"/api/uploads/{'A' * 22}").json(), "not even that it exists"
    assert ann.get(f"/api/outputs/{id}").status_code == 404, "an upload is not an output"
    assert ann.delete(f"/api/uploads/{id}").status_code == 204 and ann.get(f"/api/uploads/{id}").status_code == 404


@pytest.mark.parametrize(
    "id", ["..%2f..%2fserving.sqlite", "..", "%2e%2e%2f", "a" * 22 + "/../x", "A" * 21 + "%00", "'; drop table kept; --", "\u202e" * 22]
)
def test_ids_are_never_paths(ann: TestClient, id: str):
    for kind in ("uploads", "outputs", "sessions"):
        assert ann.get(f"/api/{kind}/{id}").status_code in (404, 405)


def test_the_uploads_of_an_owner_are_limited(make_app: Callable[..., FastAPI], client_of: Callable[..., TestClient], picture: Picture):
    app = make_app(limits={"kept_items": 2})
    ann, bob = client_of(app, "ann"), client_of(app, "bob")
    ids = [ann.post("/api/uploads", content=picture(seed=seed)).json()["id"] for seed in range(2)]
    full = ann.post("/api/uploads", content=picture())
    assert full.status_code == 429 and "Retry-After" in full.headers and "DELETE /api/uploads" in full.json()["error"]["fix"]
    assert bob.post("/api/uploads", content=picture()).status_code == 201, "other owners have their own limit"
    ann.delete(f"/api/uploads/{ids[0]}")
    assert ann.post("/api/uploads", content=picture()).status_code == 201
    with app.state.services.database.writing() as rows:
        rows.execute("update kept set made = made - 100000")
    assert ann.post("/api/uploads", content=picture()).status_code == 201, "after a day the oldest are deleted"
    assert ann.get(f"/api/uploads/{ids[1]}").status_code == 404


def test_too_many_concurrent_uploads_are_refused():
    decoder = Decoder(Limits(decoding=0, decodes_waiting=0))
    with pytest.raises(ServerBusy) as refused:
        decoder.clean(b"x")
    assert refused.value.retry_after


def test_pictures_inside_json_are_sandboxed_too(ann: TestClient, picture: Picture, monkeypatch: pytest.MonkeyPatch):
    url = "data:image/png;base64," + base64.b64encode(picture()).decode()
    payload = {"recipe": "dots", "conditions": {"page": {"pixels": url}}}
    children: list[bytes] = []
    ask = DecodePool.decode
    monkeypatch.setattr(DecodePool, "decode", lambda self, kind, data: (children.append(data), ask(self, kind, data))[1])
    assert ann.post("/api/generate", json=payload).status_code == 200
    assert children == [picture()]
    for wrong in (
        "data:image/png;base64,AAAA",
        "data:image/png;base64,!!!",
        "data:text/html,<script>",
        "DATA:image/svg+xml;base64,PHN2Zy8+",
        "data:",
    ):
        answer = ann.post("/api/generate", json={"recipe": "dots", "conditions": {"page": {"pixels": wrong}}})
        assert answer.status_code == 400 and answer.json()["error"]["where"] == "page", wrong


@pytest.mark.parametrize(
    "name", ["/etc/hostname", "file:///etc/hostname", "../../x.png", "http://127.0.0.1:1/x.png", "~/x.png", "\\\\host\\share"]
)
def test_no_file_is_opened_by_its_name(ann: TestClient, name: str):
    opened: list[Any] = []
    sys.addaudithook(lambda event, args: opened.append(args[0]) if event in ("open", "socket.connect") and LISTENING else None)
    for value in (name, {"pixels": name}, {"upload": name}, [name], {"pixels": {"upload": name}}):
        LISTENING.append(1)
        try:
            answer = ann.post("/api/generate", json={"recipe": "dots", "conditions": {"page": value}})
        finally:
            LISTENING.clear()
        assert answer.status_code in (400, 404), (value, answer.text)
    assert not [one for one in opened if isinstance(one, str) and (one == name or one.endswith(("hostname", "x.png")))]


LISTENING: list[int] = []


@pytest.mark.parametrize("name", SESSION_BOMBS)
def test_hostile_sessions_are_refused_with_a_reason(ann: TestClient, name: str):
    answer = ann.post("/api/sessions/import", content=SESSION_BOMBS[name](), headers={"Content-Type": "application/zip"})
    assert answer.status_code in (400, 413) and len(answer.json()["error"]["what"]) > 8, answer.text
    assert ann.get("/api/sessions").json()["sessions"] == []


SHORT = {"escaped": "d\\u0061ta:image\\/", "small letters and large": "DaTa:ImAgE/", "plain": "data:image/"}


@pytest.mark.parametrize("head", SHORT.values(), ids=SHORT)
@pytest.mark.parametrize("size", [(12, 10), (200, 150)], ids=["beside the edit", "apart from it"])
def test_pictures_of_a_session_file_are_decoded_in_the_sandbox(
    ann: TestClient, picture: Picture, monkeypatch: pytest.MonkeyPatch, head: str, size: Any
):
    """However it is written: a worker decodes it first, and the server reads only the result of the worker."""
    page = ann.post("/api/uploads", content=picture(*size)).json()["id"]
    edits = [{"op": "set", "slot": "page", "value": {"upload": page}}]
    session = ann.post("/api/sessions", json={"recipe": "dots", "edits": edits}).json()["session"]
    held = zipfile.ZipFile(io.BytesIO(ann.get(f"/api/sessions/{session['id']}/export").content))
    stranger = picture(*size, format="TIFF", seed=5)
    url = "data:image/tiff;base64," + base64.b64encode(stranger).decode()
    files = {name: held.read(name) for name in held.namelist()}
    [blob] = [name for name in files if name != "session.json"] or [""]
    if blob:
        del files[blob]
        files["blobs/" + hashlib.sha256(url.encode()).hexdigest()] = url.encode()
    index = json.loads(files["session.json"])
    value = {"$blob": hashlib.sha256(url.encode()).hexdigest()} if blob else "HERE"
    index["nodes"][0]["edit"]["edits"][0]["value"]["pixels"] = value
    files["session.json"] = json.dumps(index).replace("HERE", url.replace("data:image/", head)).encode()

    read: list[bytes] = []
    decode = media.decode
    monkeypatch.setattr(media, "decode", lambda data, *rest, **more: (read.append(data[:4]), decode(data, *rest, **more))[1])
    answer = ann.post("/api/sessions/import", content=zipped(**files), headers={"Content-Type": "application/zip"})
    assert answer.status_code == 201, answer.text
    assert read and set(read) == {b"\x89PNG"}
    told = answer.json()["session"]
    seen = ann.get(f"/api/sessions/{told['id']}/nodes/{told['head']}/given/page").content
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(seen))), np.asarray(Image.open(io.BytesIO(stranger))))


def test_a_session_file_with_too_many_pictures_is_refused(ann: TestClient, picture: Picture, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("gesso.serving.api.sessions.MOST_PICTURES", 2)
    session = ann.post("/api/sessions", json={"recipe": "dots"}).json()["session"]["id"]
    for seed in range(3):
        page = ann.post("/api/uploads", content=picture(seed=seed)).json()["id"]
        ann.post(f"/api/sessions/{session}/edits", json={"edit": {"op": "set", "slot": "page", "value": {"upload": page}}})
    file = ann.get(f"/api/sessions/{session}/export").content
    answer = ann.post("/api/sessions/import", content=file, headers={"Content-Type": "application/zip"})
    assert answer.status_code == 400 and "pictures" in answer.text


def test_files_left_by_a_kill_are_deleted(app: FastAPI, picture: Picture):
    keep = app.state.services.files
    kept = keep.put("ann", "upload", picture(), size=(12, 10))
    path = keep.path("ann", "upload", kept.id)
    young, lost, part = path.with_name("a" * 22 + ".png"), path.with_name("b" * 22 + ".png"), path.with_name(".gesso-0.part")
    for one in (young, lost, part):
        one.write_bytes(b"x")
    for one in (path, lost, part):
        os.utime(one, (1.0, 1.0))
    keep.delete_orphans()
    assert path.exists() and young.exists() and not lost.exists() and not part.exists()
