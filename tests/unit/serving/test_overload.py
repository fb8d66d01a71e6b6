"""Tenfold overload and a thousand disconnecting clients: fast refusals with Retry-After, and no work for clients that are gone."""

from __future__ import annotations

import asyncio
import json
import threading
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from gesso.serving.http.guard import RequestGuard
from gesso.serving.http.metrics import Metrics
from gesso.serving.http_errors import TooManyRequests
from gesso.serving.live.frame import pack
from gesso.serving.render.renderer import Renderer
from gesso.serving.settings import Limits

HEADERS = {"host": "127.0.0.1:8765", "authorization": "Bearer " + "a" * 15 + "0123456789", "content-type": "application/json"}
MANY = 640
GONE = 1000
Answer = tuple[int, dict[str, str], bytes]


def run(task: Coroutine[Any, Any, Any]) -> Any:
    """`asyncio.run` in a thread of its own: Playwright keeps an event loop in the one that runs the tests."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, task).result()


async def ask(app: FastAPI, path: str, body: bytes, *, leaves: bool = False) -> Answer:
    """POST without a client between; one who `leaves` is gone as soon as the body is read."""
    came = [{"type": "http.request", "body": body, "more_body": False}]
    told: Answer = (0, {}, b"")
    gone = asyncio.Event()

    async def receive() -> Any:
        if came:
            return came.pop()
        if not leaves:
            await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        nonlocal told
        status, headers, held = told
        if message["type"] == "http.response.start":
            status, headers = message["status"], {k.decode(): v.decode() for k, v in message["headers"]}
        told = status, headers, held + message.get("body", b"")

    raw = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
    scope = {"type": "http", "method": "POST", "path": path, "headers": raw, "query_string": b"", "http_version": "1.1", "scheme": "http",
             "server": ("127.0.0.1", 8765), "root_path": "", "state": {}}  # fmt: skip
    await app(scope, receive, send)
    return told


def payload(client: TestClient, picture: Callable[..., bytes], **settings: Any) -> bytes:
    page = client.post("/api/uploads", content=picture()).json()["id"]
    return json.dumps({"recipe": "dots", "conditions": {"page": {"upload": page}}, "settings": settings}).encode()


@pytest.fixture
def loaded(make_app: Callable[..., FastAPI], client_of: Callable[..., TestClient], picture: Callable[..., bytes]) -> Iterator[Any]:
    """loaded(limits, **settings): an application, its client, and a valid request."""

    def make(limits: dict[str, int], **settings: Any) -> tuple[FastAPI, TestClient, bytes]:
        app = make_app(limits=limits)
        client = client_of(app, "ann")
        return app, client, payload(client, picture, **settings)

    yield make


def test_ten_times_too_much_is_refused_with_a_time_to_come_again(loaded: Any):
    app, _, body = loaded({"waiting": 8, "waiting_each": 8, "requests": 48, "requests_each": 48}, num_steps=2, pause=0.01)

    async def flood() -> list[Answer]:
        return await asyncio.gather(*(ask(app, "/api/generate", body) for _ in range(MANY)))

    answers = run(flood())
    metrics = Counter(status for status, _, _ in answers)
    assert set(metrics) <= {200, 429, 503} and metrics[200] >= 8 and metrics[429] + metrics[503] >= MANY * 0.8, metrics
    for status, headers, told in answers:
        if status != 200:
            assert int(headers["retry-after"]) >= 1 and json.loads(told)["error"]["fix"]
    assert app.state.services.renderer.num_waiting() == 0
    assert run(ask(app, "/api/generate", body))[0] == 200, "and then all is as before"


def test_one_owner_cannot_take_the_place_of_all(make_app: Callable[..., FastAPI], client_of: Callable[..., TestClient], picture: Any):
    app = make_app(limits={"requests_each": 4, "waiting_each": 4})
    bob = client_of(app, "bob")
    body = payload(client_of(app, "ann"), picture, num_steps=1, pause=0.3)

    async def flood() -> tuple[list[Answer], int]:
        greedy = [asyncio.create_task(ask(app, "/api/generate", body)) for _ in range(100)]
        await asyncio.sleep(0.05)
        other = await asyncio.to_thread(bob.get, "/api/recipes")
        return [await one for one in greedy], other.status_code

    answers, others = run(flood())
    assert others == 200 and Counter(status for status, _, _ in answers) == {200: 4, 429: 96}


def test_a_thousand_who_go_away_leave_nothing_behind(loaded: Any):
    """Each wants ten seconds of work; where any of it went on, this test would take hours."""
    ample = {"waiting": GONE, "waiting_each": GONE, "requests": GONE, "requests_each": GONE}
    app, _, body = loaded(ample, num_steps=1000, pause=0.01)

    async def leave() -> list[Answer]:
        return await asyncio.gather(*(ask(app, "/api/generate", body, leaves=True) for _ in range(GONE)))

    answers = run(leave())
    assert {status for status, _, _ in answers} <= {400, 429, 503}
    renderer = app.state.services.renderer
    renderer.submit("x", "x", lambda stopped: None).future.result(20)  # the thread is free again
    assert renderer.num_waiting() == 0 and not renderer._owners
    assert app.state.services.metrics.count("clients_gone") == GONE
    assert run(ask(app, "/api/recipes", b""))[0] == 405, "it still answers"


def test_sockets_that_break_leave_nothing_behind(loaded: Any):
    app, client, body = loaded({"sockets_each": 100}, num_steps=1000, pause=0.01)
    edits = [{"op": "set", "slot": "page", "value": json.loads(body)["conditions"]["page"]}]
    edits += [{"op": "setting", "name": name, "value": value} for name, value in (("num_steps", 1000), ("pause", 0.01))]
    session = client.post("/api/sessions", json={"recipe": "dots", "edits": edits}).json()["session"]["id"]
    for _ in range(30):
        with client.websocket_connect(f"/api/live?session={session}", headers={"Host": HEADERS["host"]}) as socket:
            socket.send_bytes(pack({"type": "show", "seq": 0, "node": None}))
            socket.receive_bytes()
    services = app.state.services
    services.renderer.submit("x", "x", lambda stopped: None).future.result(20)
    assert services.renderer.num_waiting() == 0 and sum(services.sockets.values()) == 0


def test_what_is_given_up_is_not_held_while_something_long_runs():
    """Else thousands of pages would lie in memory until a picture of a minute is finished."""
    go, began = threading.Event(), threading.Event()
    renderer = Renderer(None, Limits(waiting=4, waiting_each=4), Metrics())  # type: ignore[arg-type]
    try:
        renderer.submit("x", "long", lambda stopped: (began.set(), go.wait(30)))
        began.wait(10)
        for number in range(1000):
            renderer.submit("ann", number, lambda stopped: None).stop()
        assert renderer.num_waiting() <= 1
        last = renderer.submit("bob", "last", lambda stopped: "made")
        go.set()
        assert last.future.result(10) == "made"
    finally:
        go.set()
        renderer.close()


def test_bodies_together_take_so_much_memory(
    make_app: Callable[..., FastAPI], client_of: Callable[..., TestClient], picture: Any, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("gesso.serving.http.guard.SMALL", 1000)
    app = make_app(limits={"body_bytes": 9000, "body_bytes_each": 6000})
    ann, bob = client_of(app, "ann"), client_of(app, "bob")
    guard: Any = app.build_middleware_stack()
    app.middleware_stack = guard
    while not isinstance(guard, RequestGuard):
        guard = guard.app
    for _ in range(8):
        assert ann.post("/api/uploads", content=picture(30, 30)).status_code == 201, "what was answered is held no longer"
    with guard._limit_bodies("ann") as count_bytes:
        count_bytes(900)
        with guard._limit_bodies("ann") as more, pytest.raises(TooManyRequests):
            more(5500)
        count_bytes(4000)
        assert bob.post("/api/uploads", content=b"x" * 3000).status_code == 400, "others have their own part"
        refused = bob.post("/api/uploads", content=b"x" * 5000)
        assert refused.status_code == 503 and int(refused.headers["retry-after"]) > 0, "until all together are too much"
        assert ann.post("/api/uploads", content=picture(3, 3)).status_code == 201, "what is small always comes in"
    assert bob.post("/api/uploads", content=picture(30, 30)).status_code == 201 and not guard.body_bytes
