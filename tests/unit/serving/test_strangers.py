"""Two strangers in one studio: whatever is whose is another's as little as what does not exist. Generated from the route table.

A new route, parameter or field that this file has no word for fails a test here: say whether it names something that has an owner.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import secrets
import zipfile
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from gesso import studio
from gesso.serving.jobs.worker import run_job
from gesso.serving.live.frame import pack, unpack
from gesso.serving.storage.user_weights import UserWeights

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "BREW")
# What each parameter of an address names, by the address's second part; None: nothing that has an owner.
IN_ADDRESSES = {
    ("recipes", "name"): None,
    ("uploads", "id"): "upload",
    ("films", "id"): "film",
    ("outputs", "id"): "output",
    ("sessions", "id"): "session",
    ("sessions", "node"): "node",
    ("sessions", "slot"): None,
    ("sessions", "output"): None,
    ("jobs", "id"): "job",
    ("jobs", "sample"): None,
    ("jobs", "output"): None,
    ("palettes", "id"): "palette",
    ("weights", "sha256"): "sent",
}
PARTS = {"slot": "page", "output": "image", "sample": "0", "name": "dots"}  # the parts that are equal for all users
OF_JOBS = {"output": "0"}
# Fields and questions that may name what has an owner, tried below by hand; and those that cannot.
NAMING = {"edits", "edit", "parent", "client", "node", "into", "conditions", "files", "upload", "weights", "a", "b"}
PLAIN = set(
    """
    recipe title move name favourite seed settings preset kind each format steps minutes processes which options colours model prompt n size
    wins seeds best response_format output_format color q part max_side index clean make after image mask file data
""".split()
)


def dot(x: int = 1) -> dict[str, Any]:
    return {"op": "merge", "slot": "dots", "value": {"marks": [{"x": x, "y": 2, "color": "#112233"}]}}


def made_up(ids: dict[str, str]) -> dict[str, str]:
    """Ids of the same format that do not exist."""
    return {
        kind: secrets.token_hex(len(id) // 2) if kind in ("session", "node", "sent") else secrets.token_urlsafe(16)
        for kind, id in ids.items()
    }


@pytest.fixture
def app(make_app: Callable[..., FastAPI]) -> FastAPI:
    return make_app(extend=studio._extend, jobs="off")


def belongings(app: FastAPI, client: TestClient, owner: str, picture: bytes) -> dict[str, str]:
    """One of everything, really there: a drawing with a stroke, an output, a job that is done, a training with weights."""
    services = app.state.services
    upload = client.post("/api/uploads", content=picture).json()["id"]
    begun = {"recipe": "dots", "title": f"secret of {owner}", "edits": [{"op": "set", "slot": "page", "value": {"upload": upload}}]}
    session = client.post("/api/sessions", json=begun).json()["session"]
    node = client.post(f"/api/sessions/{session['id']}/edits", json={"edit": dot(), "client": "same key"}).json()["node"]["id"]
    made = client.post("/api/generate", json={"recipe": "dots", "conditions": {"page": {"upload": upload}}}).json()
    batch = {"kind": "batch", "recipe": "dots", "files": [{"upload": upload, "name": f"secret of {owner}.png"}], "client": "same key"}
    job = client.post("/api/jobs", json=batch).json()["id"]
    claimed = services.jobs.store.claim("test")
    assert claimed.id == job and run_job(services.jobs.config, job, claimed.token) == "done"
    training = secrets.token_urlsafe(16)
    services.jobs.store.add(
        owner, training, "train", "", {"recipe": "dots", "names": [], "preset": "", "steps": 1}, total=0, client=None, body=""
    )
    services.jobs.store.end(training, services.jobs.store.claim("test").token, "done")
    weights = services.jobs.config.folder(training) / "out" / "weights.safetensors"
    weights.parent.mkdir(parents=True)
    weights.write_bytes(b"numbers")
    palette = client.post("/api/palettes", json={"name": f"secret of {owner}"}).json()["id"]
    output = made["outputs"]["image"]["id"]
    sent = hashlib.sha256(owner.encode()).hexdigest()
    own = services.settings.home / f"{owner}.sent"
    own.write_bytes(owner.encode())
    services.user_weights.add(owner, UserWeights(sent, own))
    film = services.files.incoming()
    film.write_bytes(b"frames")
    return {
        "upload": upload,
        "film": services.files.adopt(owner, "film", film, medium="video", suffix="mp4", size=(2, 2)).id,
        "session": session["id"],
        "node": node,
        "output": output,
        "job": job,
        "training": training,
        "palette": palette,
        "sent": sent,
    }


@pytest.fixture
def anns(app: FastAPI, ann: TestClient, picture: Callable[..., bytes]) -> dict[str, str]:
    return belongings(app, ann, "ann", picture(seed=1))


@pytest.fixture
def bobs(app: FastAPI, bob: TestClient, picture: Callable[..., bytes]) -> dict[str, str]:
    return belongings(app, bob, "bob", picture(seed=2))


def paths(app: FastAPI) -> list[str]:
    return [route.path for route, _ in app.state.policies]


def filled(path: str, ids: dict[str, str]) -> str:
    part = path.split("/")[2]
    for name in re.findall(r"\{(\w+)\}", path):
        kind = IN_ADDRESSES[part, name]
        plain = OF_JOBS.get(name, PARTS.get(name, "")) if part == "jobs" else PARTS.get(name, "")
        path = path.replace("{" + name + "}", plain if kind is None else ids[kind])
    return path


BODIES = {
    ("POST", "/api/sessions/{id}/edits"): {"edit": dot(3)},
    ("PUT", "/api/sessions/{id}/head"): {"move": "undo"},
    ("POST", "/api/sessions/{id}/merge"): {"node": "of another branch"},
    ("PATCH", "/api/sessions/{id}/nodes/{node}"): {"name": "mine"},
    ("POST", "/api/sessions/{id}/ranks/{node}"): {"seeds": [1]},
    ("PATCH", "/api/sessions/{id}"): {"title": "mine"},
    ("PUT", "/api/palettes/{id}"): {"name": "mine"},
}
QUESTIONS = {"/api/sessions/{id}/compare": "?a={node}&b={node}"}


def ask(client: TestClient, method: str, path: str, ids: dict[str, str]) -> Any:
    address = filled(path, ids) + QUESTIONS.get(path, "").replace("{node}", ids["node"])
    return client.request(method, address, json=BODIES[method, path]) if (method, path) in BODIES else client.request(method, address)


def told(answer: Any, ids: dict[str, str]) -> tuple[int, str, dict[str, str]]:
    """What a stranger learns: with the ids that were asked for taken out."""
    text = answer.text
    for kind, id in ids.items():
        text = text.replace(id, kind)
    return answer.status_code, text, {k: v for k, v in answer.headers.items() if k not in ("date", "content-length")}


def same(answer: Any, ids: dict[str, str], other: Any, none: dict[str, str]) -> bool:
    """Something of another's, and nothing at all, are told alike."""
    return told(answer, ids) == told(other, none)


def properties(schema: Any) -> Iterator[str]:
    """Every field that a body may have, at any depth."""
    if isinstance(schema, dict):
        for name, one in schema.items():
            yield from one if name == "properties" else ()
            yield from properties(one)
    elif isinstance(schema, list):
        for one in schema:
            yield from properties(one)


def test_this_file_has_a_word_for_everything_that_may_name_something(app: FastAPI):
    parameters = {(path.split("/")[2], name) for path in paths(app) for name in re.findall(r"\{(\w+)", path)}
    assert parameters == set(IN_ADDRESSES)
    fields: set[str] = set()
    for methods in app.openapi()["paths"].values():
        for about in methods.values():
            fields |= {one["name"] for one in about.get("parameters", ()) if one["in"] == "query"}
            for content in about.get("requestBody", {}).get("content", {}).values():
                fields |= set(properties(content["schema"]))
    assert {"edits", "files", "weights", "a"} <= fields and fields == NAMING | PLAIN
    sockets = [route.path for route, _ in app.state.policies if "websocket" in type(route).__name__.lower()]
    assert sockets == ["/api/live"]


def with_owner(app: FastAPI) -> Iterator[tuple[str, str]]:
    """Each method at each address that names something that has an owner."""
    for path in dict.fromkeys(paths(app)):
        named = [IN_ADDRESSES[path.split("/")[2], name] for name in re.findall(r"\{(\w+)\}", path)]
        for method in METHODS if any(named) else ():
            yield method, path


def test_what_is_anns_is_nothing_to_bob(app: FastAPI, ann: TestClient, bob: TestClient, anns: dict[str, str], bobs: dict[str, str]):
    declared = {(method, route.path) for route, _ in app.state.policies for method in getattr(route, "methods", None) or ()}
    none = made_up(anns)
    num = 0
    for method, path in with_owner(app):
        answer, other = ask(bob, method, path, anns), ask(bob, method, path, none)
        assert same(answer, anns, other, none), (method, path, answer.text[:200], other.text[:200])
        assert answer.status_code == (404 if (method, path) in declared else 405), (method, path, answer.status_code)
        num += (method, path) in declared
        assert "secret of ann" not in answer.text
    assert num >= 25
    for path in ("/api/sessions/{id}/nodes/{node}", "/api/sessions/{id}/thumbs/{node}", "/api/sessions/{id}/nodes/{node}/{output}",
                 "/api/sessions/{id}/nodes/{node}/given/{slot}", "/api/sessions/{id}/compare"):  # fmt: skip
        for mixed in ({"node": anns["node"]}, {"session": anns["session"]}):
            ids, unknown = bobs | mixed, bobs | {kind: none[kind] for kind in mixed}
            answer = ask(bob, "GET", path, ids)
            assert answer.status_code == 404 and same(answer, ids, ask(bob, "GET", path, unknown), unknown), (path, mixed)
    # And all of it is there: ann's own are answered, the ones that take away last.
    for method, path in sorted(with_owner(app), key=lambda asked: (asked[0] == "DELETE", asked[1].count("{"))):
        if (
            (method, path) in declared
            and path not in ("/api/jobs/{id}/resume", "/api/sessions/{id}/merge", "/api/sessions/{id}/ranks/{node}")
            and (method, path) != ("DELETE", "/api/sessions/{id}")
        ):
            answer = ask(ann, method, path, anns)
            assert answer.status_code < 300 or path == "/api/jobs/{id}/cancel", (method, path, answer.text[:300])
    assert ask(ann, "DELETE", "/api/sessions/{id}", anns).status_code == 204


def bodies(anns: dict[str, str], bobs: dict[str, str]) -> list[tuple[str, str, dict[str, Any]]]:
    """Ids of ann's wherever a body or a question of bob's may hold one."""
    upload, job = {"upload": anns["upload"]}, {"recipe": "dots", "kind": "batch"}
    begin = {"recipe": "dots"}
    mine, files = f"/api/sessions/{bobs['session']}", [{"upload": bobs["upload"]}]
    return [
        *(("POST", "/api/sessions", begin | {"edits": [{"op": "set", "slot": "page", "value": v}]}) for v in (upload, {"pixels": upload})),
        *(("POST", f"{mine}/edits", {"edit": {"op": "set", "slot": "page", "value": value}}) for value in (upload, {"pixels": upload})),
        ("POST", f"{mine}/edits", {"edit": {"op": "group", "edits": [{"op": "set", "slot": "page", "value": upload}]}}),
        ("POST", f"{mine}/edits", {"edit": dot(5), "parent": anns["node"]}),
        ("PUT", f"{mine}/head", {"node": anns["node"]}),
        ("POST", f"{mine}/merge", {"node": anns["node"]}),
        ("POST", f"{mine}/merge", {"node": bobs["node"], "into": anns["node"]}),
        ("GET", f"{mine}/compare?a={anns['node']}&b={bobs['node']}", {}),
        ("GET", f"{mine}/compare?a={bobs['node']}&b={anns['node']}", {}),
        *(("POST", "/api/generate", {"recipe": "dots", "conditions": {"page": value}}) for value in (upload, {"pixels": upload})),
        ("POST", "/v1/images/generations", {"model": "dots", "conditions": {"page": upload}}),
        ("POST", "/api/jobs", {**job, "files": [upload]}),
        ("POST", "/api/jobs", {**job, "files": [*files, upload]}),
        ("POST", "/api/jobs", {**job, "kind": "film", "files": [{"upload": anns["film"]}]}),
        ("POST", "/api/jobs", {**job, "files": files, "each": "page", "conditions": {"mood": upload}}),
        ("POST", "/api/jobs", {**job, "files": files, "weights": anns["training"]}),
        ("POST", "/api/jobs", {**job, "files": files, "weights": anns["job"]}),
    ]  # fmt: skip


def test_an_id_of_anns_in_a_body_of_bobs_is_unknown(app: FastAPI, bob: TestClient, anns: dict[str, str], bobs: dict[str, str]):
    none = made_up(anns)
    before = bob.get("/api/sessions").json(), bob.get("/api/jobs").json()
    for (method, path, body), (_, other_path, other_body) in zip(bodies(anns, bobs), bodies(none, bobs), strict=True):
        answer, other = (bob.request(method, at, json=one or None) for at, one in ((path, body), (other_path, other_body)))
        assert same(answer, anns, other, none), (method, path, body, answer.text[:200], other.text[:200])
        assert answer.status_code in (400, 404), (method, path, body, answer.text[:200])
        assert answer.status_code == 404 or "mood" in json.dumps(body)
    assert (bob.get("/api/sessions").json(), bob.get("/api/jobs").json()) == before, "nor is anything half begun"
    own = bob.post(
        "/api/jobs", json={"recipe": "dots", "kind": "batch", "files": [{"upload": bobs["upload"]}], "weights": bobs["training"]}
    )
    assert own.status_code == 201, own.text


def test_lists_and_searches_hold_ones_own(ann: TestClient, bob: TestClient, anns: dict[str, str], bobs: dict[str, str]):
    for path in ("/api/sessions", "/api/jobs", "/api/palettes", "/api/search?q=secret", "/api/search?q=dots"):
        text = bob.get(path).text
        assert not [one for one in (*anns.values(), "of ann") if one in text], path
        assert any(one in text for one in bobs.values()), path


def test_the_same_key_is_not_the_same_thing(bob: TestClient, anns: dict[str, str], bobs: dict[str, str]):
    """Both used "same key" for a stroke and for a job."""
    assert anns["node"] != bobs["node"] and anns["job"] != bobs["job"]
    assert len(bob.get("/api/jobs").json()["jobs"]) == 2


def first_of(client: TestClient, session: str, *messages: dict[str, Any]) -> list[Any]:
    heard = []
    with client.websocket_connect(f"/api/live?session={session}", headers={"Host": "127.0.0.1:8765"}) as line:
        try:
            for message in messages or ({"type": "show", "seq": 1, "node": None},):
                line.send_bytes(pack(message))
                heard.append(unpack(line.receive_bytes())[0])
            if not messages:
                heard.append(line.receive_bytes())
        except WebSocketDisconnect as closed:
            heard.append(closed.code)
    return heard


def test_the_live_line(bob: TestClient, anns: dict[str, str], bobs: dict[str, str]):
    none = made_up(anns)
    refused = first_of(bob, anns["session"])
    assert refused == first_of(bob, none["session"]) and refused[0]["type"] == "error" and refused[1] == 4404
    for ids in (anns, none):
        page = {"op": "set", "slot": "page", "value": {"upload": ids["upload"]}}
        messages = [
            {"type": "show", "seq": 1, "node": ids["node"]},
            {"type": "edit", "seq": 2, "parent": ids["node"], "edit": dot(6), "commit": True},
            {"type": "edit", "seq": 3, "parent": ids["node"], "edit": dot(6), "commit": False},
            {"type": "edit", "seq": 4, "edit": page, "commit": True},
            {"type": "edit", "seq": 5, "edit": page, "commit": False},
        ]
        heard = first_of(bob, bobs["session"], *messages)
        assert [one["type"] for one in heard] == ["error"] * 5, heard
        if ids is anns:
            known = heard
    assert known == heard, "ids of another user are answered like ids that do not exist"


def rewritten(bundle: bytes, change: Callable[[str], str]) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(bundle)) as old, zipfile.ZipFile(held, "w") as new:
        for name in old.namelist():
            data = old.read(name)
            new.writestr(name, change(data.decode()).encode() if name.endswith(".json") else data)
    return held.getvalue()


def names_of(bundle: bytes) -> list[str]:
    return zipfile.ZipFile(io.BytesIO(bundle)).namelist()


def test_a_file_that_bob_brings_reaches_nothing_of_anns(
    app: FastAPI, ann: TestClient, bob: TestClient, anns: dict[str, str], bobs: dict[str, str], picture: Callable[..., bytes]
):
    """A bundle that names ann's session and nodes, and one that names a picture of hers by its hash, which it does not hold."""
    large = ann.post("/api/uploads", content=picture(200, 200, seed=7)).json()["id"]
    edit = {"edit": {"op": "set", "slot": "page", "value": {"upload": large}}}
    node = ann.post(f"/api/sessions/{anns['session']}/edits", json=edit).json()["node"]
    hashed = re.findall(r"[0-9a-f]{64}", json.dumps(node["edit"]))
    assert hashed, "a picture of this size is kept apart"
    for value in ({"$blob": hashed[0]}, {"pixels": {"$blob": hashed[0]}}):
        answers = [
            bob.post(f"/api/sessions/{bobs['session']}/edits", json={"edit": {"op": "set", "slot": "page", "value": json.loads(text)}})
            for text in (json.dumps(value), json.dumps(value).replace(hashed[0], "0" * 64))
        ]
        assert [one.status_code for one in answers] == [400, 400] and answers[0].text.replace(hashed[0], "") == answers[1].text.replace(
            "0" * 64, ""
        )

    kind = {"Content-Type": "application/zip"}
    bobs_large = bob.post("/api/uploads", content=picture(200, 200, seed=8)).json()["id"]
    bob.post(f"/api/sessions/{bobs['session']}/edits", json={"edit": {"op": "set", "slot": "page", "value": {"upload": bobs_large}}})
    bundle = bob.get(f"/api/sessions/{bobs['session']}/export").content
    before = ann.get(f"/api/sessions/{anns['session']}").json()
    swapped = bob.post(
        "/api/sessions/import", headers=kind, content=rewritten(bundle, lambda text: re.sub(r"[0-9a-f]{64}", hashed[0], text))
    )
    unknown = bob.post(
        "/api/sessions/import", headers=kind, content=rewritten(bundle, lambda text: re.sub(r"[0-9a-f]{64}", "0" * 64, text))
    )
    assert swapped.status_code == unknown.status_code == 400
    assert swapped.text.replace(hashed[0], "") == unknown.text.replace("0" * 64, "")

    def as_anns(text: str) -> str:
        return text.replace(bobs["session"], anns["session"]).replace(bobs["node"], anns["node"])

    claiming = rewritten(bundle, as_anns)
    assert anns["node"] in "".join(zipfile.ZipFile(io.BytesIO(claiming)).read(name).decode("latin-1") for name in names_of(claiming))
    brought = bob.post("/api/sessions/import", content=claiming, headers=kind)
    assert brought.status_code == 201, brought.text
    assert brought.json()["session"]["id"] != anns["session"] and anns["node"] not in brought.text
    assert ann.get(f"/api/sessions/{anns['session']}").json() == before
