"""Every route that reads anything, given what no honest client sends: a reason each time, no bug, and nothing of this machine in it."""

from __future__ import annotations

import copy
import json
import random
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

import gesso
from gesso import studio
from gesso.serving.live.frame import unpack
from hostile_text import POLYGLOTS

DEEP = 10_000
# JSON texts, because a library would not write half of them.
VALUES = {
    "null": "null",
    "true": "true",
    "zero": "0",
    "minus one": "-1",
    "a half": "0.5",
    "2^53": str(2**53),
    "2^63": str(2**63),
    "2^64": str(2**64),
    "-2^63-1": str(-(2**63) - 1),
    "1e308": "1e308",
    "1e999": "1e999",
    "-0.0": "-0.0",
    "a thousand digits": "9" * 1000,
    "ten thousand digits": "9" * 10_000,
    "NaN": "NaN",
    "Infinity": "-Infinity",
    "empty": '""',
    "space": '" "',
    "nul": '"\\u0000"',
    "a lone surrogate": '"\\ud800"',
    "another": '"x\\udfffy"',
    "right to left": '"\\u202egnp.exe"',
    "newlines": '"a\\r\\nSet-Cookie: a=b"',
    "a megabyte": json.dumps("a" * 2**20),
    "a megabyte of quotes": json.dumps('"' * 2**20),
    "many combining": json.dumps("a" + "\u0301" * 5000),
    "no list": "[]",
    "no object": "{}",
    "a list of null": "[null]",
    "an empty name": '{"": ""}',
    "deep lists": "[" * DEEP + "]" * DEEP,
    "deep objects": '{"a":' * DEEP + "1" + "}" * DEEP,
    "a hundred deep": "[" * 100 + "]" * 100,
    "a surrogate for a name": '{"\\ud800": 1}',
    "a path": '"/etc/passwd"',
    "a way up": '"../../../../etc/passwd"',
    "a data url": '"data:image/png;base64,AAAA"',
    "an upload": '{"upload": "x"}',
    "a blob": '{"$blob": "0"}',
    "a class": '{"__class__": "x", "__proto__": 1, "constructor": 2}',
    "sql": json.dumps("'; drop table kept; --"),
    "a template": '"{0.__class__} %s %n ${7*7} {{7*7}}"',
    "wide": json.dumps(list(range(5000))),
    "many names": json.dumps({str(n): n for n in range(5000)}),
} | {f"polyglot {n}": json.dumps(text) for n, text in enumerate(POLYGLOTS)}
BODIES = {
    "none": b"",
    "a number": b"1",
    "a text": b'"x"',
    "a list": b"[]",
    "null": b"null",
    "two": b"{}{}",
    "cut": b'{"recipe": "do',
    "no UTF-8": b'{"a": "\xff"}',
    "UTF-16": '{"a": 1}'.encode("utf-16"),
    "a mark": b"\xef\xbb\xbf{}",
    "nothing but nul": b"\0" * 100,
    "deep": b"[" * 100_000,
    "deep objects": b'{"a":' * 100_000,
    "not closed": b'{"a": "' + b"x" * 2**16,
    "twice": b'{"recipe": "a", "recipe": "b"}',
    "a comment": b"{/**/}",
    "NaN": b'{"recipe": NaN}',
}
HOLE = "\x01here\x01"


def dot(**more: Any) -> dict[str, Any]:
    return {"op": "merge", "slot": "dots", "value": {"marks": [{"x": 1, "y": 2, "color": "#112233", **more}]}}


def bodies(ids: dict[str, str]) -> dict[tuple[str, str], list[Any]]:
    """What each route that reads JSON is sent by honest people; every place in it is a place for something else."""
    job = {"recipe": "dots", "title": "t", "client": "k"}
    page = {"upload": ids["upload"]}
    return {
        ("POST", "/api/sessions"): [{"recipe": "dots", "title": "t", "edits": [{"op": "set", "slot": "page", "value": page}, dot()]}],
        ("PATCH", "/api/sessions/{id}"): [{"title": "t"}],
        ("POST", "/api/sessions/{id}/edits"): [
            {"edit": dot(), "parent": ids["node"], "client": "a"},
            {"edit": {"op": "group", "edits": [dot(), {"op": "setting", "name": "num_steps", "value": 2}]}},
            {"edit": {"op": "set", "slot": "mood", "value": {"name": "calm"}}},
            {"edit": {"op": "seed", "seed": 3}},
            {"edit": {"op": "clear", "slot": "dots"}},
        ],
        ("PUT", "/api/sessions/{id}/head"): [{"node": ids["node"]}, {"move": "undo"}],
        ("PATCH", "/api/sessions/{id}/nodes/{node}"): [{"name": "n", "favourite": True}],
        ("POST", "/api/sessions/{id}/merge"): [{"node": ids["node"], "wins": "this"}],
        ("POST", "/api/sessions/{id}/ranks/{node}"): [{"seeds": [1, 2]}],
        ("POST", "/api/generate"): [
            {
                "recipe": "dots",
                "conditions": {"page": page, "mood": "calm"},
                "seed": 1,
                "settings": {"num_steps": 1},
                "preset": "small",
                "weights": {"a": "b"},
            }
        ],
        ("POST", "/v1/images/generations"): [
            {
                "model": "dots",
                "prompt": "calm",
                "n": 1,
                "size": "auto",
                "response_format": "url",
                "seed": 1,
                "conditions": {"page": page},
                "settings": {},
            }
        ],
        ("POST", "/api/palettes"): [{"name": "p", "colours": [{"color": "#112233", "name": "hair"}]}],
        ("PUT", "/api/palettes/{id}"): [{"name": "p", "colours": [{"color": "#112233", "name": "hair"}]}],
        ("POST", "/api/jobs"): [
            {
                **job,
                "kind": "batch",
                "files": [{"upload": ids["upload"], "name": "a.png"}],
                "each": "page",
                "format": "png",
                "conditions": {"mood": "calm"},
                "settings": {"num_steps": 1},
                "seed": 1,
                "weights": ids["job"],
                "preset": "small",
            },
            {**job, "kind": "train", "files": [{"upload": ids["upload"], "name": "a.png"}], "steps": 1, "minutes": 0.1, "seed": 1},
            {**job, "kind": "fit", "conditions": {"page": page}, "settings": {"num_steps": 1}, "seed": 1, "weights": "w"},
            {**job, "kind": "measure", "which": "w", "files": [], "options": {"num": 1, "list": [1, 2]}, "weights": "w"},
        ],
    }


@pytest.fixture
def app(make_app: Callable[..., FastAPI]) -> FastAPI:
    """The studio's whole application; jobs are taken, and wait."""
    limits = {"jobs_waiting_each": 10**6, "jobs_kept_each": 10**6, "kept_items": 10**6}
    return make_app(extend=studio._extend, jobs="off", limits=limits)


@pytest.fixture
def ids(ann: TestClient, picture: Callable[..., bytes]) -> dict[str, str]:
    upload = ann.post("/api/uploads", content=picture()).json()["id"]
    edits = [{"op": "set", "slot": "page", "value": {"upload": upload}}]
    session = ann.post("/api/sessions", json={"recipe": "dots", "edits": edits}).json()["session"]
    job = ann.post("/api/jobs", json={"kind": "batch", "recipe": "dots", "files": [{"upload": upload, "name": "a.png"}]}).json()
    palette = ann.post("/api/palettes", json={"name": "p"}).json()
    return {"upload": upload, "session": session["id"], "node": session["head"], "job": job["id"], "palette": palette["id"]}


def address(path: str, ids: dict[str, str]) -> str:
    kind = path.split("/")[2].rstrip("s")
    return path.replace("{id}", ids.get(kind, "")).replace("{node}", ids["node"]).replace("{name}", "dots")


def places(value: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield way
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, one in inner:
        yield from places(one, (*way, name))


def put(value: Any, way: tuple[Any, ...], text: str) -> str:
    """The JSON of `value` with `text` at the end of the way."""
    if not way:
        return text
    changed = copy.deepcopy(value)
    at = changed
    for name in way[:-1]:
        at = at[name]
    at[way[-1]] = HOLE
    return json.dumps(changed).replace(json.dumps(HOLE), text)


SECRETS = tuple(
    str(Path(one).resolve()) for one in (gesso.__path__[0], sys.prefix, Path(__file__).parent, "/tmp", Path.home()) if str(one) != "/"
)


class Judge:
    """What was wrong with answers: a bug, or a no without a reason, or one that tells where this server lies."""

    def __init__(self) -> None:
        self.wrong: list[Any] = []
        self.num = 0

    def hear(self, answer: Any, *asked: Any) -> None:
        self.num += 1
        text = answer.text if answer.status_code >= 400 else ""
        bad = answer.status_code >= 500 or len(text) > 6000
        bad |= answer.status_code >= 400 and not answer.json().get("error", {}).get("what")
        bad |= any(one in text for one in ("Traceback", 'File "', ".py", *SECRETS))
        if bad:
            self.wrong.append((*asked, answer.status_code, text[:300]))

    def is_content(self, least: int) -> None:
        assert self.num >= least
        print(f"{self.num} asked")
        assert self.wrong == [], f"{len(self.wrong)} of {self.num}, first: {self.wrong[:5]}"


@pytest.fixture
def judge() -> Judge:
    return Judge()


def json_routes(app: FastAPI) -> set[tuple[str, str]]:
    found = set()
    for path, methods in app.openapi()["paths"].items():
        for method, told in methods.items():
            if "application/json" in told.get("requestBody", {}).get("content", {}):
                found.add((method.upper(), path))
    return found


def test_every_route_that_reads_json_is_tried(app: FastAPI, ids: dict[str, str]):
    assert json_routes(app) == set(bodies(ids)), "add what honest people send to a new route"


def test_honest_bodies_are_taken(ann: TestClient, ids: dict[str, str]):
    """Else the fuzz below would only knock at the door."""
    taken = {
        asked: [ann.request(asked[0], address(asked[1], ids), json=one).status_code for one in given]
        for asked, given in bodies(ids).items()
    }
    refused = {asked: told for asked, told in taken.items() if asked != ("POST", "/api/jobs") and not any(one < 300 for one in told)}
    sessions = {("POST", "/api/sessions/{id}/merge"), ("POST", "/api/sessions/{id}/ranks/{node}")}  # one branch, and no words
    assert set(refused) <= {("POST", "/api/generate"), *sessions}, refused  # the first asks for weights that are not here


@pytest.mark.parametrize("kind", ["bodies", "names", "some values", pytest.param("all values", marks=pytest.mark.slow)])
def test_no_body_is_a_bug(ann: TestClient, ids: dict[str, str], kind: str, judge: Judge):
    dice, values = random.Random(9), list(VALUES.items())
    names = [("names", json.dumps({"\ud800": 1, "__class__": 2, "x" * 2000: 3}))]
    for (method, path), given in bodies(ids).items():
        where = address(path, ids)

        def ask(name: Any, data: bytes, method: str = method, where: str = where) -> None:
            answer = ann.request(method, where, content=data, headers={"Content-Type": "application/json"})
            judge.hear(answer, method, where, name)

        if kind == "bodies":
            for name, data in BODIES.items():
                ask(name, data)
            continue
        for honest in given:
            for way in places(honest):
                for name, text in names if kind == "names" else values if kind == "all values" else dice.sample(values, 4):
                    ask((way, name), put(honest, way, text).encode("utf-8", "surrogatepass"))
    assert ann.get("/api/health").status_code == 200
    judge.is_content(100)


WORDS = [
    "",
    " ",
    "-1",
    "1e9",
    "9" * 400,
    "NaN",
    "\x00",
    "\ud800".encode("utf-8", "surrogatepass"),
    "%",
    "%zz",
    "a" * 5000,
    "../../x",
    "\r\na: b",
    "[]",
    "null",
    "true",
    "\u202e",
    "'; --",
    *POLYGLOTS,
]


def test_no_question_is_a_bug(app: FastAPI, ann: TestClient, ids: dict[str, str], judge: Judge):
    """Each parameter of each route, in the address and after it."""
    for path, methods in app.openapi()["paths"].items():
        for method, told in methods.items():
            for parameter in told.get("parameters", ()):
                for word in WORDS:
                    text = quote(word, safe="")
                    where = (
                        address(path.replace("{" + parameter["name"] + "}", text), ids) if parameter["in"] == "path" else address(path, ids)
                    )
                    asked = where if parameter["in"] == "path" else f"{where}?{parameter['name']}={text}"
                    answer = ann.request(method.upper(), re.sub(r"\{\w+\}", "image", asked))
                    judge.hear(answer, method, asked[:200])
    judge.is_content(500)


def test_no_form_is_a_bug(ann: TestClient, picture: Callable[..., bytes], judge: Judge):
    honest = {
        "model": "dots",
        "prompt": "",
        "n": "1",
        "size": "auto",
        "response_format": "url",
        "seed": "1",
        "conditions": "{}",
        "user": "x",
    }
    for name in honest:
        for word in [*WORDS, "1" * 19, "a" * 40_000]:
            data = {**honest, name: word.decode("latin-1") if isinstance(word, bytes) else word}
            judge.hear(ann.post("/v1/images/edits", data=data, files={"image": ("x.png", picture())}), name, word[:50])
    for filename in ("", "../../x.png", "a\r\nb.png", "\u202egnp.exe", "a" * 3000, *POLYGLOTS):
        judge.hear(ann.post("/api/uploads", files={"file": (filename, picture())}), filename[:50])
        judge.hear(ann.post("/api/palettes/file", content=b"no palette", params={"name": filename}), filename[:50])
    judge.is_content(100)


def test_no_header_is_a_bug(app: FastAPI, ann: TestClient, ids: dict[str, str]):
    for name in (
        "Accept",
        "Content-Type",
        "Cookie",
        "Range",
        "If-None-Match",
        "Content-Encoding",
        "Transfer-Encoding",
        "Expect",
        "Accept-Language",
        "X-Forwarded-For",
    ):
        for value in (
            b"",
            b"\xff\xfe",
            b"a" * 8000,
            b"multipart/form-data; boundary=",
            b"image/png;q=\xff",
            b"gesso-8765=" + b'"\\' * 500,
            b"bytes=0-1,5-2",
            b"application/json; charset=\x00",
        ):
            for path in ("/api/sessions", f"/api/uploads/{ids['upload']}", "/api/generate", "/"):
                for method in ("GET", "POST"):
                    answer = ann.request(method, path, headers={name: value}, content=b"{}" if method == "POST" else None)
                    assert answer.status_code < 500, (name, value[:40], path, answer.text[:300])


def test_no_message_is_a_bug(app: FastAPI, ann: TestClient, ids: dict[str, str], caplog: pytest.LogCaptureFixture):
    honest = [
        {"type": "edit", "seq": 1, "parent": None, "edit": dot(), "commit": True, "client": "c"},
        {
            "type": "edit",
            "seq": 1,
            "parent": ids["node"],
            "edit": {"op": "set", "slot": "page", "value": {"upload": ids["upload"]}},
            "commit": False,
        },
        {"type": "show", "seq": 1, "node": ids["node"]},
        {"type": "want", "outputs": ["image"], "max_side": 64, "view": [0, 0, 5, 5]},
    ]
    dice = random.Random(3)
    for message in honest:
        for way in places(message):
            with ann.websocket_connect(f"/api/live?session={ids['session']}", headers={"Host": "127.0.0.1:8765"}) as line:
                for number, text in enumerate(VALUES.values()):
                    asked = put({**message, "seq": 10 * number + 1} if "seq" in message else message, way, text).encode(
                        "utf-8", "surrogatepass"
                    )
                    if len(asked) < 500_000:
                        line.send_bytes(len(asked).to_bytes(4, "little") + asked)
                for _ in range(20):
                    line.send_bytes(dice.randbytes(dice.randrange(40)))
                last = json.dumps({"type": "show", "seq": 10**6, "node": ids["node"]}).encode()
                line.send_bytes(len(last).to_bytes(4, "little") + last)
                while True:
                    header = unpack(line.receive_bytes())[0]
                    if header["type"] == "error":
                        assert "went wrong in the server" not in header["what"], (way, header)
                        assert not [one for one in SECRETS if one in json.dumps(header)], header
                    if header["type"] == "node" and header["seq"] == 10**6:
                        break
    assert "bug" not in caplog.text
