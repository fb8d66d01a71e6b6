"""Making over HTTP: requests in, pictures with their records out, strangers apart, overload and bugs answered."""

from __future__ import annotations

import base64
import io
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import CancelledError
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from PIL import Image

from gesso.errors import GessoError, Stopped
from gesso.media.png import read_text
from gesso.serving.http.metrics import Metrics
from gesso.serving.http_errors import ServerBusy, TooManyRequests, redacted
from gesso.serving.render.renderer import Renderer, with_deadline
from gesso.serving.settings import Limits

Picture = Callable[..., bytes]


@pytest.fixture
def page(ann: TestClient, picture: Picture) -> dict[str, str]:
    return {"upload": ann.post("/api/uploads", content=picture()).json()["id"]}


def payload(page: Any, **more: Any) -> dict[str, Any]:
    return {"recipe": "dots", "conditions": {"page": page, "dots": {"marks": [{"x": 2, "y": 3, "color": "#123456"}]}}, **more}


def test_a_request_is_made_kept_and_recorded(ann: TestClient, bob: TestClient, page: Any):
    told = ann.post("/api/generate", json=payload(page, seed=7)).json()
    image = told["outputs"]["image"]
    assert (image["width"], image["height"]) == (12, 10) and told["record"]["request"]["seed"] == 7
    data = ann.get(f"/api/outputs/{image['id']}").content
    assert Image.open(io.BytesIO(data)).getpixel((2, 3)) == (0x12, 0x34, 0x56)
    assert json.loads(read_text(data)["gesso"])["request"]["seed"] == 7
    assert bob.get(f"/api/outputs/{image['id']}").status_code == 404
    pieces = Image.open(io.BytesIO(ann.get(f"/api/outputs/{told['outputs']['pieces']['id']}").content))
    assert pieces.getpixel((2, 3)) == (1, 0, 0), "numbers as 24 bits, red the lowest"
    assert len(told["outputs"]["several"]["items"]) == 2 and set(told["outputs"]["mean"]["value"]) == {"red"}


def test_a_png_is_given_to_who_asks_for_one(ann: TestClient, page: Any):
    answer = ann.post("/api/generate", json=payload(page), headers={"Accept": "image/png"})
    assert answer.headers["content-type"] == "image/png" and Image.open(io.BytesIO(answer.content)).size == (12, 10)
    assert ann.post("/api/generate", json=payload(page), headers={"Accept": "image/openraster"}).status_code == 400, "it makes no layers"


def test_another_owners_upload_is_not_there(bob: TestClient, page: Any):
    answer = bob.post("/api/generate", json=payload(page))
    assert answer.status_code == 404 and answer.json()["error"]["where"] == "page"


BAD: dict[str, Any] = {
    "nothing": {},
    "no recipe": {"recipe": "nothing"},
    "a path for a recipe": {"recipe": "../../dots.py"},
    "a number for a recipe": {"recipe": 5},
    "unknown field": {"recipe": "dots", "threads": 9},
    "missing condition": {"recipe": "dots"},
    "unknown condition": {"recipe": "dots", "conditions": {"nothing": 1}},
    "conditions are a list": {"recipe": "dots", "conditions": []},
    "a value is a number": {"recipe": "dots", "conditions": {"page": 5}},
    "an invalid upload id": {"recipe": "dots", "conditions": {"page": {"upload": "../../x"}}},
    "an upload that is a list": {"recipe": "dots", "conditions": {"page": {"upload": []}}},
    "a negative seed": {"recipe": "dots", "seed": -1},
    "a seed past JavaScript": {"recipe": "dots", "seed": 2**60},
    "an unknown setting": {"recipe": "dots", "settings": {"nothing": 1}},
    "a setting out of range": {"recipe": "dots", "settings": {"num_steps": 10**9}},
    "another preset": {"recipe": "dots", "preset": "huge"},
    "other weights": {"recipe": "dots", "weights": {"dots": "0" * 64}},
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_request_is_answered_with_its_reason(ann: TestClient, page: Any, name: str):
    body = BAD[name] if "condition" in name or "value" in name or "upload" in name else {**payload(page), **BAD[name]} if BAD[name] else {}
    answer = ann.post("/api/generate", json=body)
    assert answer.status_code in (400, 404) and answer.json()["error"]["what"] and answer.json()["error"]["where"], answer.text


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"null", b'{"recipe": NaN}', b"\xff\xfe", b"[" * 100_000, b'{"seed": ' + b"9" * 5000 + b"}", b'"' + b"a" * 100],
)
def test_what_is_no_json_is_answered(ann: TestClient, body: bytes):
    for path in ("/api/generate", "/api/sessions", "/v1/images/generations"):
        answer = ann.post(path, content=body, headers={"Content-Type": "application/json"})
        assert answer.status_code == 400 and answer.json()["error"]["what"], (path, answer.text)


def test_a_form_of_another_site_is_not_json(ann: TestClient):
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""):
        assert ann.post("/api/generate", content=b'{"recipe": "dots"}', headers={"Content-Type": kind}).status_code == 415, kind


def test_a_bug_says_nothing_of_the_inside(ann: TestClient, page: Any, caplog: pytest.LogCaptureFixture):
    answer = ann.post("/api/generate", json=payload(page, settings={"boom": True}))
    assert answer.status_code == 500 and "secret" not in answer.text and "srv" not in answer.text
    number = answer.json()["error"]["what"].rpartition(" ")[2].rstrip(")")
    assert number in caplog.text and "secret" in caplog.text, "the log says more"
    assert ann.post("/api/generate", json=payload(page)).status_code == 200


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("/srv/ann/x/secret.txt is gone", "secret.txt is gone"),
        ("no /etc/passwd", "no passwd"),
        (r"C:\Users\ann\x.png is gone", "x.png is gone"),
        ("and/or, 1/2, text/html, http://127.0.0.1:8765/api/x", "and/or, 1/2, text/html, http://127.0.0.1:8765/api/x"),
        ("DELETE /api/uploads/…", "DELETE /api/uploads/…"),
        ("two\nlines\x1b[31m", "two\\nlines\\x1b[31m"),
        ("x" * 5000, "x" * 599 + "…"),
        (None, None),
    ],
)
def test_messages_name_no_places(text: str | None, shown: str | None):
    told = redacted(text)
    assert told == shown or (text == "x" * 5000 and told is not None and len(told) <= 600)


def test_recipes_tell_their_cards_in_both_languages(ann: TestClient):
    assert [one["name"] for one in ann.get("/api/recipes").json()["recipes"]] == ["dots"]
    card = ann.get("/api/recipes/dots").json()
    assert card["title"]["ko"] == "점" and card["conditions"][1]["control"]["tool"] == "brush" and card["conditions"][0]["required"]
    assert card["settings"]["properties"]["num_steps"]["minimum"] == 1 and card["ready"]
    for name in ("nothing", "..", "dots.py", "%00"):
        assert ann.get(f"/api/recipes/{name}").status_code in (404, 405)


def test_recipes_that_are_named_must_be_there(make_app: Callable[..., FastAPI]):
    with pytest.raises(GessoError, match="no recipe 'nothing'"):
        make_app(recipes=["nothing"])


def test_the_description_and_its_page_are_our_own(ann: TestClient, app: FastAPI):
    told = ann.get("/api/openapi.json").json()
    described = set(told["paths"])
    served = {route.path for route, policy in app.state.policies if getattr(route, "include_in_schema", False)}
    assert described == served and "/api/generate" in described and "/api/docs" not in described
    bodies = [route.get("requestBody") for methods in told["paths"].values() for route in methods.values()]
    assert any(bodies) and "$ref" not in json.dumps(bodies)
    page = ann.get("/api/docs").text + ann.get("/api/docs/docs.js").text + ann.get("/api/docs/docs.css").text
    assert "http://" not in page.replace("${location.origin}", "") and "https://" not in page and "innerHTML" not in page


def test_metrics_are_counted(ann: TestClient, page: Any):
    ann.post("/api/generate", json=payload(page))
    text = ann.get("/api/metrics").text
    assert 'gesso_requests_total{method="POST",path="/api/generate",status="200"} 1' in text and "gesso_render_seconds_count 1" in text


def test_sessions_over_http(ann: TestClient, bob: TestClient, page: Any):
    begun = ann.post(
        "/api/sessions", json={"recipe": "dots", "title": "여우", "edits": [{"op": "set", "slot": "page", "value": page}]}
    ).json()
    id, root = begun["session"]["id"], begun["session"]["root"]
    step = {"edit": {"op": "merge", "slot": "dots", "value": {"marks": [{"x": 2, "y": 3, "color": "#123456"}]}}, "client": "a"}
    made = ann.post(f"/api/sessions/{id}/edits", json=step)
    node = made.json()["node"]["id"]
    assert made.status_code == 201 and ann.post(f"/api/sessions/{id}/edits", json=step).json()["node"]["id"] == node
    assert ann.put(f"/api/sessions/{id}/head", json={"move": "undo"}).json()["head"] == root
    assert ann.put(f"/api/sessions/{id}/head", json={"move": "redo"}).json()["head"] == node
    assert ann.put(f"/api/sessions/{id}/head", json={"node": root}).json()["head"] == root
    for wrong in ({}, {"node": root, "move": "undo"}, {"move": "sideways"}, {"node": "nothing"}):
        assert ann.put(f"/api/sessions/{id}/head", json=wrong).status_code in (400, 404)
    named = ann.patch(f"/api/sessions/{id}/nodes/{node}", json={"name": "blue eye", "favourite": True}).json()
    assert named["name"] == "blue eye" and named["favourite"]
    assert [one["node"] for one in ann.get("/api/search", params={"q": "BLUE"}).json()["found"]] == [node]
    assert ann.get("/api/search", params={"q": "여우"}).json()["found"] and not bob.get("/api/search", params={"q": "blue"}).json()["found"]
    assert ann.get(f"/api/sessions/{id}/compare", params={"a": root, "b": node}).json()["differences"][0]["slot"] == "dots"
    seen = ann.get(f"/api/sessions/{id}/nodes/{node}").json()
    assert seen["conditions"]["dots"]["marks"][0]["color"] == "#123456" and seen["missing"] == []
    given = ann.get(seen["conditions"]["page"]["pixels"]["url"])
    assert Image.open(io.BytesIO(given.content)).size == (12, 10)
    image = ann.get(f"/api/sessions/{id}/nodes/{node}/image").content
    assert Image.open(io.BytesIO(image)).getpixel((2, 3)) == (0x12, 0x34, 0x56) and "gesso" in read_text(image)
    assert "gesso" not in read_text(ann.get(f"/api/sessions/{id}/nodes/{node}/image?clean=true").content)
    small = Image.open(io.BytesIO(ann.get(f"/api/sessions/{id}/nodes/{node}/image?max_side=6").content))
    assert small.size == (6, 5)
    assert ann.get(f"/api/sessions/{id}/nodes/{node}/several?index=2").status_code == 400
    file = ann.get(f"/api/sessions/{id}/export").content
    brought = bob.post("/api/sessions/import", content=file).json()
    assert brought["session"]["title"] == "여우" and len(brought["nodes"]) == 2
    theirs = bob.get(f"/api/sessions/{brought['session']['id']}/nodes/{brought['session']['head']}/image").content
    first = ann.get(f"/api/sessions/{id}/nodes/{root}/image").content  # the head was moved back to it
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(theirs))), np.asarray(Image.open(io.BytesIO(first))))
    assert ann.delete(f"/api/sessions/{id}").status_code == 204 and ann.get(f"/api/sessions/{id}").status_code == 404


def test_nothing_crosses_between_two_strangers(app: FastAPI, ann: TestClient, bob: TestClient, page: Any):
    """Every route with an id in it, from the table."""
    session = ann.post("/api/sessions", json={"recipe": "dots", "edits": [{"op": "set", "slot": "page", "value": page}]}).json()["session"]
    output = ann.post("/api/generate", json=payload(page)).json()["outputs"]["image"]["id"]
    ids = {"sessions": session["id"], "uploads": page["upload"], "outputs": output}
    bodies = {
        "/edits": {"edit": {"op": "seed", "value": 1}},
        "/head": {"move": "undo"},
        "/nodes/": {"name": "mine"},
        "/merge": {"node": "other"},
        "/ranks/": {"seeds": [1]},
    }
    tried = 0
    for route, _ in app.state.policies:
        kind = route.path.split("/")[2] if route.path.startswith("/api/") else ""
        if "{" not in route.path or kind not in ids:
            continue
        path = (
            route.path.replace("{id}", ids[kind]).replace("{node}", session["root"]).replace("{output}", "image").replace("{slot}", "page")
        )
        for method in route.methods:
            body = next((one for part, one in bodies.items() if part in path), {}) if method in ("POST", "PUT", "PATCH") else None
            answer = bob.request(method, path, params={"a": session["root"], "b": session["root"]}, json=body)
            assert answer.status_code == 404, (method, path, answer.status_code, answer.text)
            tried += 1
    assert tried >= 13
    assert bob.get("/api/sessions").json() == {"sessions": []}
    assert ann.get(f"/api/sessions/{session['id']}").json()["session"]["num_nodes"] == 1


def test_openais_clients_are_understood(ann: TestClient, picture: Picture):
    assert [one["id"] for one in ann.get("/v1/models").json()["data"]] == ["dots"]
    form = {"model": "dots", "prompt": "wild", "n": "2", "seed": "3"}
    told = ann.post("/v1/images/edits", data=form, files={"image": ("a.png", picture(9, 8))}).json()
    assert len(told["data"]) == 2 and told["created"] > 0
    data = base64.b64decode(told["data"][1]["b64_json"])
    request = json.loads(read_text(data)["gesso"])["request"]
    assert Image.open(io.BytesIO(data)).size == (9, 8) and request["seed"] == 4 and request["conditions"]["mood"] == {"name": "wild"}
    refused = ann.post("/v1/images/generations", json={"model": "dots", "prompt": "a fox in the snow"})
    error = refused.json()["error"]
    assert refused.status_code == 400 and error["message"] and error["type"] == "invalid_request_error" and "calm, wild" in error["fix"]
    url = ann.post("/v1/images/edits", data={"model": "dots", "response_format": "url"}, files={"image": ("a.png", picture())}).json()[
        "data"
    ][0]["url"]
    assert ann.get(url).status_code == 200
    for files, more in (
        ({}, {}),
        ({"image": ("a.png", b"x")}, {}),
        ({"image": ("a.png", picture())}, {"n": "many"}),
        ({"image": ("a.png", picture())}, {"size": "9x9"}),
    ):
        assert ann.post("/v1/images/edits", data={"model": "dots"} | more, files=files).status_code in (400, 415)


class Held:
    """Work that lasts until it is let go."""

    def __init__(self) -> None:
        self.go, self.began = threading.Event(), threading.Event()

    def __call__(self, stopped: Callable[[], bool]) -> str:
        self.began.set()
        while not self.go.wait(0.01):
            if stopped():
                raise Stopped
        return "done"


@pytest.fixture
def renderer() -> Any:
    made = Renderer(None, Limits(waiting=4, waiting_each=2), Metrics())  # type: ignore[arg-type]
    yield made
    made.close()


def test_lines_are_served_in_turn(renderer: Renderer):
    held, order = Held(), list[str]()
    renderer.submit("x", "first", held)
    held.began.wait(5)
    tickets = [renderer.submit(owner, owner, lambda stopped, owner=owner: order.append(owner)) for owner in ("ann", "ann", "bob", "cy")]
    held.go.set()
    for ticket in tickets:
        ticket.future.result(5)
    assert order == ["ann", "bob", "cy", "ann"]


def test_many_lines_of_one_owner_are_one_owners_turn(renderer: Renderer):
    held, order = Held(), list[str]()
    renderer.submit("x", "first", held)
    held.began.wait(5)
    asked = (("ann", "one"), ("ann", "two"), ("bob", "three"))
    tickets = [renderer.submit(owner, line, lambda stopped, line=line: order.append(line)) for owner, line in asked]
    held.go.set()
    for ticket in tickets:
        ticket.future.result(5)
    assert order == ["one", "three", "two"]


def test_too_much_is_refused_at_once(renderer: Renderer):
    held = Held()
    renderer.submit("x", "first", held)
    held.began.wait(5)
    for owner in ("ann", "ann", "bob"):
        renderer.submit(owner, owner, lambda stopped: None)
    with pytest.raises(TooManyRequests) as refused:
        renderer.submit("ann", "ann", lambda stopped: None)
    assert refused.value.retry_after
    last = renderer.submit("cy", "cy", lambda stopped: None)
    with pytest.raises(ServerBusy):
        renderer.submit("di", "di", lambda stopped: None)
    last.stop()
    renderer.submit("di", "di", lambda stopped: None)
    held.go.set()


def test_work_that_no_client_waits_for_ends(renderer: Renderer):
    held = Held()
    ticket = renderer.submit("ann", "ann", held)
    held.began.wait(5)
    ticket.stop()
    assert renderer.submit("bob", "bob", lambda stopped: "next").future.result(5) == "next"
    with pytest.raises((Stopped, CancelledError)):
        ticket.future.result(0)


def test_work_may_not_take_for_ever():
    check = with_deadline(0.01, lambda: False)
    assert check() is False
    time.sleep(0.02)
    with pytest.raises(GessoError, match="longer than"):
        check()


def test_serving_is_light_to_import_and_says_what_is_missing():
    code = (
        "import sys\n"
        "class Absent:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.split('.')[0] in ('fastapi', 'starlette', 'uvicorn'): raise ModuleNotFoundError(name, name=name)\n"
        "sys.meta_path.insert(0, Absent())\n"
        "import gesso, gesso.serving\n"
        "assert 'torch' not in sys.modules\n"
        "try: gesso.serving.create_app\n"
        "except gesso.GessoError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment())
    assert "pip install 'gesso[studio]'" in done.stdout, done.stderr


def environment() -> dict[str, str]:
    import os

    import gesso

    return {**os.environ, "PYTHONPATH": str(Path(gesso.__file__).parents[1])}


def test_what_there_is_to_say_is_told_beside_the_outputs(ann: TestClient, page: Any):
    mood = payload(page)
    mood["conditions"]["mood"] = {"name": "wild"}
    told = ann.post("/api/generate", json=mood).json()
    assert told["notes"] == [{"note": "wild", "words": {"en": "It is wild.", "ko": "사납습니다."}}]
    assert "notes" not in told["outputs"] and "notes" not in told["record"]["output"]
    assert ann.post("/api/generate", json=mood, headers={"Accept": "image/png"}).headers["gesso-notes"] == "wild"
    assert ann.post("/api/generate", json=payload(page)).json()["notes"] == []
