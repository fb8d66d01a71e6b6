"""Downloads have content credentials or say that they have none; a client cannot have its own bytes signed."""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("c2pa", reason="the extra gesso[studio] is not installed: nothing is signed")

from gesso.errors import GessoError
from gesso.marking import marker as marking
from gesso.marking.manifest import MADE_BY_MODEL
from gesso.marking.reading import manifest_in
from gesso.media.picture import read_picture, read_png_text
from gesso.record import KEYWORD, record_in
from gesso.serving.render.outputs import output_file
from gesso.serving.render.renderer import RenderJob

LAYERS = Path(__file__).parents[1] / "layered.py"


@pytest.fixture(scope="module")
def key(tmp_path_factory):
    return tmp_path_factory.mktemp("signer") / "home"


@pytest.fixture
def signing(make_app, key):
    """A server that signs; its key is made once for all tests here."""
    return make_app(home=key, sign=True, recipes=[Path(__file__).parents[1] / "dots.py", LAYERS])


@pytest.fixture
def ann(signing, client_of):
    return client_of(signing, "ann")


def given(client, picture, recipe="dots"):
    upload = client.post("/api/uploads", content=picture(12, 10)).json()["id"]
    return {"recipe": recipe, "conditions": {"page": {"upload": upload}}}


def seen(signing, data, beside=None):
    return manifest_in(data, beside, folder=signing.state.services.settings.home / "signing")


def test_a_picture_made_is_signed_and_says_what_went_in(signing, ann, picture):
    answer = ann.post("/api/generate", json=given(ann, picture), headers={"Accept": "image/png"})
    assert answer.headers["Gesso-Signed"] == "inside"
    told = seen(signing, answer.content)
    assert told.state == "intact" and told.own == ann.get("/api/signing").json()["fingerprint"]
    assert [(one["title"], one["relationship"]) for one in told.ingredients] == [("page", "inputTo")]
    assert told.source_types == (MADE_BY_MODEL,) and told.generation["recipe"] == "dots"
    assert KEYWORD in read_png_text(io.BytesIO(answer.content))


def test_every_kept_output_is_signed(signing, ann, picture):
    outputs = ann.post("/api/generate", json=given(ann, picture)).json()["outputs"]
    ids = [one["id"] for one in (outputs["image"], outputs["pieces"], *outputs["several"]["items"])]
    for id in ids:
        assert seen(signing, ann.get(f"/api/outputs/{id}").content).own
    assert "unsigned" not in outputs["image"]


@pytest.mark.parametrize("kind", ["b64_json", "url"])
def test_pictures_for_openais_clients_are_signed(signing, ann, picture, kind):
    files = {"image": ("a.png", picture(12, 10), "image/png")}
    made = ann.post("/v1/images/edits", files=files, data={"model": "dots", "response_format": kind}).json()["data"][0]
    data = base64.b64decode(made["b64_json"]) if kind == "b64_json" else ann.get("/" + made["url"].split("/", 3)[3]).content
    assert seen(signing, data).own and "unsigned" not in made


def session_of(client, picture):
    payload = given(client, picture)
    edits = [{"op": "set", "slot": "page", "value": payload["conditions"]["page"]}]
    begun = client.post("/api/sessions", json={"recipe": "dots", "edits": edits})
    assert begun.status_code == 201, begun.text
    begun = begun.json()
    id, parent = begun["session"]["id"], begun["session"]["head"]
    dots = {"marks": [{"x": 2, "y": 3, "color": "#ff0000"}]}
    edit = client.post(f"/api/sessions/{id}/edits", json={"edit": {"op": "set", "slot": "dots", "value": dots}, "parent": parent})
    assert edit.status_code == 201, edit.text
    return id, parent, edit.json()["node"]["id"]


def test_a_sessions_picture_names_its_branch(signing, ann, picture):
    id, root, node = session_of(ann, picture)
    answer = ann.get(f"/api/sessions/{id}/nodes/{node}/image")
    branch = seen(signing, answer.content).generation["branch"]
    assert branch == {"session": id, "nodes": [root, node], "num_nodes": 2}
    smaller = ann.get(f"/api/sessions/{id}/nodes/{node}/image?max_side=6")
    assert seen(signing, smaller.content).state == "intact"


def test_a_clean_copy_has_neither_record_nor_marks(signing, ann, picture):
    id, _, node = session_of(ann, picture)
    clean = ann.get(f"/api/sessions/{id}/nodes/{node}/image?clean=true")
    assert clean.headers["Gesso-Signed"] == "clean"
    assert seen(signing, clean.content).state == "absent" and not read_png_text(io.BytesIO(clean.content))
    marked = ann.get(f"/api/sessions/{id}/nodes/{node}/image")
    assert np.array_equal(read_picture(clean.content, least_side=1), read_picture(marked.content, least_side=1))


@pytest.mark.parametrize("format", ["ora", "psd"])
def test_layers_carry_their_record_and_a_clean_copy_has_none(signing, ann, picture, format):
    edits = [{"op": "set", "slot": "page", "value": given(ann, picture, "layered")["conditions"]["page"]}]
    begun = ann.post("/api/sessions", json={"recipe": "layered", "edits": edits}).json()["session"]
    address = f"/api/sessions/{begun['id']}/nodes/{begun['head']}/layers?format={format}"
    marked, clean = ann.get(address), ann.get(f"{address}&clean=true")
    assert marked.headers["Gesso-Signed"] == ("inside" if format == "ora" else "beside") and clean.headers["Gesso-Signed"] == "clean"
    assert record_in(marked.content, where="marked").request.recipe == "layered"
    with pytest.raises(GessoError, match="carries no record"):
        record_in(clean.content, where="clean")
    assert b"parameters" not in clean.content and b"gesso" not in clean.content.lower()


def test_layers_are_signed_inside_or_by_a_manifest_beside(signing, ann, picture):
    payload = given(ann, picture, "layered")
    inside = ann.post("/api/generate", json=payload, headers={"Accept": "image/openraster"})
    assert inside.headers["Gesso-Signed"] == "inside" and seen(signing, inside.content).own
    beside = ann.post("/api/generate", json=payload, headers={"Accept": "image/vnd.adobe.photoshop"})
    assert beside.headers["Gesso-Signed"] == "beside"
    address = re.fullmatch(r'<(/api/outputs/[\w-]+)>; rel="c2pa-manifest"', beside.headers["Link"])[1]
    manifest = ann.get(address)
    assert manifest.headers["Content-Type"] == "application/c2pa"
    assert seen(signing, beside.content, manifest.content).own


def test_another_owner_does_not_get_the_manifest_beside(signing, ann, client_of, picture):
    beside = ann.post("/api/generate", json=given(ann, picture, "layered"), headers={"Accept": "image/vnd.adobe.photoshop"})
    address = beside.headers["Link"].split(">")[0][1:]
    assert client_of(signing, "bob").get(address).status_code == 404


def test_whose_key_it_is_is_told_to_owners_only(signing, ann, client_of):
    told = ann.get("/api/signing").json()
    assert told["signs"] and told["trusted"] is False and re.fullmatch("[0-9a-f]{64}", told["fingerprint"])
    assert told["chain"].count("BEGIN CERTIFICATE") == 2 and "PRIVATE" not in str(told)
    assert client_of(signing).get("/api/signing").status_code == 401
    assert ann.get("/api/health").json() == {"status": "ok", "signing": "on"}


def test_no_route_signs_what_a_stranger_brings(signing, ann, picture):
    """Every route that takes a body is given a foreign picture, also as one of ours would look: nothing comes back signed by this key."""
    foreign = picture(12, 10, seed=7)
    paths = [(route.path, method) for route in signing.routes for method in getattr(route, "methods", ()) if method not in ("GET", "HEAD")]
    assert len(paths) > 8
    for path, method in paths:
        address = re.sub(r"\{\w+\}", "x" * 22, path)
        form, text = {"file": ("a.png", foreign, "image/png")}, {"data": base64.b64encode(foreign).decode()}
        for body in ({"content": foreign}, {"files": form}, {"json": text}):
            answer = ann.request(method, address, **body)
            assert b"gesso.generation" not in answer.content and b"Gesso signer" not in answer.content
    upload = ann.post("/api/uploads", content=foreign).json()["id"]
    assert seen(signing, ann.get(f"/api/uploads/{upload}").content).state == "absent"
    assert ann.get(f"/api/outputs/{upload}").status_code == 404


def test_a_signed_picture_brought_back_is_an_ingredient_like_any_other(signing, ann, picture):
    """An upload's own credentials end with its bytes: it is decoded and written anew, and nothing is claimed of it."""
    signed = ann.post("/api/generate", json=given(ann, picture), headers={"Accept": "image/png"}).content
    upload = ann.post("/api/uploads", content=signed).json()["id"]
    again = ann.post("/api/generate", json={"recipe": "dots", "conditions": {"page": {"upload": upload}}}, headers={"Accept": "image/png"})
    told = seen(signing, again.content)
    assert told.own and [one["title"] for one in told.ingredients] == ["page"] and len(told.says["manifests"]) == 1


def test_a_signer_that_fails_is_never_silent(signing, ann, picture, monkeypatch):
    monkeypatch.setattr(signing.state.services.marker, "_ask", broken)
    answer = ann.post("/api/generate", json=given(ann, picture), headers={"Accept": "image/png"})
    assert answer.status_code == 200 and answer.headers["Gesso-Signed"] == "no; the key is gone"
    assert KEYWORD in read_png_text(io.BytesIO(answer.content))  # the record still says what made it
    assert ann.post("/api/generate", json=given(ann, picture)).json()["outputs"]["image"]["unsigned"] == "the key is gone"
    id, _, node = session_of(ann, picture)
    shown = ann.get(f"/api/sessions/{id}/nodes/{node}/image")
    assert shown.headers["Gesso-Signed"].startswith("no") and "max-age" not in shown.headers.get("Cache-Control", "")
    assert "gesso_outputs_unsigned_total" in ann.get("/api/metrics").text


def broken(*_):
    raise marking.ProtocolError("the key is gone")


def test_without_the_extra_outputs_are_as_before_and_it_is_said(make_app, client_of, picture, monkeypatch):
    monkeypatch.setattr(marking, "NEEDED", ("no_such_package",))
    app = make_app(sign=True)
    ann = client_of(app, "ann")
    answer = ann.post("/api/generate", json=given(ann, picture), headers={"Accept": "image/png"})
    assert answer.headers["Gesso-Signed"] == "no; install gesso[studio]"
    assert KEYWORD in read_png_text(io.BytesIO(answer.content))
    assert ann.get("/api/signing").json() == {"signs": False, "state": "missing", "why": "install gesso[studio]", "trusted": False}
    assert ann.get("/api/health").json()["signing"] == "missing"


def test_jobs_can_mark_what_they_write(signing, ann, picture):
    services = signing.state.services
    request = services.sanitizer.sanitize_request("ann", given(ann, picture))
    result = services.renderer.submit("ann", ("job", "ann"), RenderJob("ann", request, ("job", "ann"))).future.result()
    file = output_file(services.marker, result, "image")
    assert file.unsigned is None and seen(signing, file.data).own
