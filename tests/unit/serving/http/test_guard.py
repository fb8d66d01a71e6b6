"""The door: generated from the route table, so that no route, method or socket is left out."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI, WebSocket
from fastapi.testclient import TestClient
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocketDisconnect

from gesso.errors import GessoError
from gesso.serving import Settings
from gesso.serving.http.guard import OPEN, TOKEN
from gesso.serving.http.routes import Routes

HOST, ORIGIN = "127.0.0.1:8765", "http://127.0.0.1:8765"
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "BREW")
BAD_HOSTS = ("evil.example", "evil.example:8765", "127.0.0.1", "127.0.0.1:80", "127.0.0.1.nip.io:8765", "10.0.0.7:8765", "0.0.0.0:8765",
             "localhost.evil.example:8765", "127.0.0.1:8765@evil.example", "127.0.0.1:8765 ", "", "127.0.0.1:87650")  # fmt: skip
BAD_ORIGINS = ("null", "http://evil.example", "https://127.0.0.1:8765", "http://127.0.0.1", "http://127.0.0.1:9999", "file://", "",
               "http://127.0.0.1:8765.evil.example", "http://localhost:8765/", "HTTP://127.0.0.1:8765")  # fmt: skip
REFUSED = {400, 401, 403, 421}


def addresses(app: FastAPI) -> list[str]:
    """One address for each route, with made-up ids, and some that are no route."""
    paths = []
    for route, _ in app.state.policies:
        paths.append(re.sub(r"\{\w+(:int)?\}", "A" * 22, route.path))
    return [*paths, "/api/nothing", "/.env", "/api/../api/recipes", "//evil.example/"]


def statuses(
    app: FastAPI, headers: dict[str, str], methods: Iterable[str] = METHODS, paths: Iterable[str] = ()
) -> dict[tuple[str, str], int]:
    """What each method at each address answers, asked of the application without a client that would mend the headers."""
    told: dict[tuple[str, str], int] = {}

    async def ask(method: str, path: str) -> None:
        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                told[method, path] = message["status"]

        async def receive() -> Any:
            return {"type": "http.request", "body": b"", "more_body": False}

        raw = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()]
        more = {"query_string": b"", "root_path": "", "http_version": "1.1", "scheme": "http", "state": {}}
        scope = {"type": "http", "method": method, "path": path, "raw_path": path.encode(), "headers": raw, **more}
        await app(scope, receive, send)

    async def ask_all() -> None:
        for path in paths or addresses(app):
            for method in methods:
                await ask(method, path)

    with ThreadPoolExecutor(1) as thread:  # Playwright keeps an event loop in the one that runs the tests
        thread.submit(asyncio.run, ask_all()).result()
    assert len(told) >= 4 * len(tuple(methods))
    return told


def is_socket(route: Any) -> bool:
    return isinstance(route, WebSocketRoute) or "websocket" in type(route).__name__.lower()


def open_paths(app: FastAPI) -> set[str]:
    return {route.path for route, policy in app.state.policies if policy.who == OPEN}


def test_there_are_routes_to_try(app: FastAPI):
    assert len(addresses(app)) > 15


ANN = {"Host": HOST, "Authorization": "Bearer " + "a" * 15 + "0123456789"}


def test_the_matrix_would_see_an_open_door(app: FastAPI):
    assert 200 in statuses(app, ANN).values() and 404 in statuses(app, ANN).values()


@pytest.mark.parametrize("host", [*BAD_HOSTS, None])
def test_no_route_answers_to_another_name(app: FastAPI, host: str | None):
    headers = {name: value for name, value in (ANN | {"Host": host}).items() if value is not None}
    told = statuses(app, headers)
    assert {asked: status for asked, status in told.items() if status not in REFUSED} == {}


@pytest.mark.parametrize("origin", BAD_ORIGINS)
def test_no_route_answers_to_another_sites_page(app: FastAPI, origin: str):
    told = statuses(app, ANN | {"Origin": origin})
    assert {asked: status for asked, status in told.items() if status not in REFUSED} == {}


@pytest.mark.parametrize("site", ["cross-site", "same-site", "nonsense"])
@pytest.mark.parametrize(
    "mode", [{}, {"Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "script"}, {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"}]
)
def test_no_route_answers_to_what_a_browser_says_is_foreign(app: FastAPI, site: str, mode: dict[str, str]):
    told = statuses(app, ANN | {"Sec-Fetch-Site": site} | mode)
    assert {asked: status for asked, status in told.items() if status not in REFUSED} == {}


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer "},
        {"Authorization": "Bearer wrong-wrong-wrong-wrong-wrong"},
        {"Authorization": "Basic YW5uOmFubg=="},
        {"Cookie": "gesso-8765=wrong"},
        {"Cookie": "gesso-8765=" + "a" * 15 + "0123456789"},
        {"Origin": ORIGIN},
        {"X-Forwarded-For": "127.0.0.1", "X-Forwarded-Host": HOST},
    ],
    ids=str,
)
def test_without_a_token_only_open_routes_answer(app: FastAPI, headers: dict[str, str]):
    opened = open_paths(app)
    for (method, path), status in statuses(app, {"Host": HOST} | headers).items():
        if path in opened and method == "GET":
            assert status < 400, (method, path, status)
        else:
            assert status == 401, (method, path, status)


def test_open_routes_are_these(make_app: Callable[..., FastAPI]):
    assert open_paths(make_app()) == {"/", "/api/health", "/api/docs", "/api/docs/docs.css", "/api/docs/docs.js"}


def sockets(app: FastAPI) -> list[str]:
    return [route.path for route, _ in app.state.policies if is_socket(route)]


@pytest.mark.parametrize(
    "headers",
    [
        *({"Host": host} for host in BAD_HOSTS[:8]),
        *({"Origin": origin} for origin in BAD_ORIGINS),
        {"Authorization": "Bearer wrong-wrong-wrong-wrong-wrong", "Origin": ORIGIN},
        {"Authorization": "", "Origin": ORIGIN},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "websocket"},
    ],
    ids=str,
)
def test_no_socket_opens_to_strangers(app: FastAPI, ann: TestClient, headers: dict[str, str]):
    assert sockets(app) == ["/api/live"]
    for path in sockets(app):
        with pytest.raises(WebSocketDisconnect) as refused, ann.websocket_connect(path, headers={"Host": HOST, **headers}):
            pass
        assert refused.value.code == 1008


def logged_in(app: FastAPI, client: TestClient) -> TestClient:
    key = app.state.services.access.link("ann").partition("?")[2]
    assert client.get(f"/?{key}").status_code == 303
    return client


def test_a_cookie_changes_nothing_without_an_origin(app: FastAPI, stranger: TestClient):
    """A cookie alone may be sent by a page of another port of this machine."""
    browser = logged_in(app, stranger)
    cookie = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    changing = [method for method in METHODS if method not in ("GET", "HEAD")]
    told = statuses(app, {"Host": HOST, "Cookie": cookie}, changing, sorted(set(addresses(app)) - open_paths(app)))
    assert set(told.values()) == {403}
    assert 403 not in statuses(app, {"Host": HOST, "Cookie": cookie, "Origin": ORIGIN}, changing).values(), "its own page may"
    with pytest.raises(WebSocketDisconnect), browser.websocket_connect("/api/live", headers={"Host": HOST}):
        pass


HONEST: dict[str, Callable[[FastAPI, TestClient], int]] = {
    "a script reads": lambda app, ann: ann.get("/api/recipes").status_code,
    "a script writes": lambda app, ann: ann.post("/api/generate", json={"recipe": "none"}).status_code - 204,  # known as absent: 404
    "the name localhost": lambda app, ann: ann.get("/api/recipes", headers={"Host": "localhost:8765"}).status_code,
    "ipv6": lambda app, ann: ann.get("/api/recipes", headers={"Host": "[::1]:8765"}).status_code,
    "in capitals": lambda app, ann: ann.get("/api/recipes", headers={"Host": "LOCALHOST:8765"}).status_code,
    "a page's own script": lambda app, ann: (
        ann.get("/api/recipes", headers={"Origin": ORIGIN, "Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors"}).status_code
    ),
    "an address typed": lambda app, ann: ann.get("/api/docs", headers={"Authorization": "", "Sec-Fetch-Site": "none"}).status_code,
    "a watchdog without a token": lambda app, ann: ann.get("/api/health", headers={"Authorization": ""}).status_code,
    "a link on another site": lambda app, ann: (
        ann.get(
            "/", headers={"Authorization": "", "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
        ).status_code
        - 103
    ),
}


@pytest.mark.parametrize("name", HONEST)
def test_honest_people_come_in(app: FastAPI, ann: TestClient, name: str):
    assert HONEST[name](app, ann) == 200


def test_a_link_opens_once_and_leaves_a_cookie(app: FastAPI, stranger: TestClient, client_of: Callable[..., TestClient]):
    link = app.state.services.access.link("ann")
    first = stranger.get(link, headers={"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"})
    assert first.status_code == 303 and first.headers["location"] == "/"
    cookie = first.headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=Strict" in cookie and "gesso-8765=" in cookie
    assert stranger.get("/api/recipes").status_code == 200
    assert stranger.post("/api/uploads", content=b"x", headers={"Origin": ORIGIN}).status_code == 400, (
        "authorised, and the picture is invalid"
    )
    assert stranger.get(link).status_code == 303, "who is in already may open the link again"
    assert client_of(app).get(link).status_code == 401, "another user may not"


def test_a_login_outlives_the_server(
    app: FastAPI, make_app: Callable[..., FastAPI], stranger: TestClient, client_of: Callable[..., TestClient]
):
    browser = logged_in(app, stranger)
    later = client_of(make_app())
    later.cookies = browser.cookies
    assert later.get("/api/recipes").status_code == 200
    without_ann = client_of(make_app(tokens={"bob": "b" * 30}))
    without_ann.cookies = browser.cookies
    assert without_ann.get("/api/recipes").status_code == 401


def test_a_proxys_name_is_let_in(make_app: Callable[..., FastAPI], client_of: Callable[..., TestClient]):
    app = make_app(names=["studio.example.org"], behind_proxy=True)
    client = client_of(app, "ann")
    proxied = {"Host": "studio.example.org"}
    assert client.get("/api/recipes", headers=proxied | {"Origin": "https://studio.example.org"}).status_code == 200
    assert client.get("/api/recipes", headers=proxied | {"Origin": "http://studio.example.org"}).status_code == 403
    key = app.state.services.access.link("ann").partition("?")[2]
    assert "Secure" in client_of(app).get(f"/?{key}", headers=proxied).headers["set-cookie"]


def bare(routes: Routes, services: Any) -> None:
    routes.app.add_api_route("/api/forgotten", lambda: "all your pictures")


def bare_socket(routes: Routes, services: Any) -> None:
    async def forgotten(socket: WebSocket) -> None:
        await socket.accept()

    routes.app.add_api_websocket_route("/api/forgotten", forgotten)


@pytest.mark.parametrize("forget", [bare, bare_socket])
def test_a_route_without_a_policy_stops_the_server(make_app: Callable[..., FastAPI], forget: Any):
    with pytest.raises(GessoError, match=r"/api/forgotten: a route has no declared policy"):
        make_app(extend=forget)


def test_a_route_added_later_is_not_served_either(app: FastAPI, ann: TestClient):
    app.add_api_route("/api/forgotten", lambda: "all your pictures")
    assert ann.get("/api/forgotten").status_code == 400
    with pytest.raises(GessoError, match="no declared policy"), ann:
        pass


def test_a_policy_must_be_one_of_two(make_app: Callable[..., FastAPI]):
    with pytest.raises(GessoError, match="no policy 'everybody'"):
        make_app(extend=lambda routes, services: routes.http("GET", "/api/x", who="everybody")(lambda: "x") and None)


def test_bodies_are_bounded_before_they_are_read(make_app: Callable[..., FastAPI], client_of: Callable[..., TestClient]):
    ann = client_of(make_app(limits={"json_bytes": 1000}), "ann")
    assert ann.post("/api/generate", content=b" " * 1001, headers={"Content-Type": "application/json"}).status_code == 413
    assert ann.request("GET", "/api/recipes", content=b"x").status_code == 413
    sent = 0

    def pieces() -> Any:
        nonlocal sent
        for _ in range(1000):
            sent += 100
            yield b" " * 100

    assert ann.post("/api/generate", content=pieces(), headers={"Content-Type": "application/json"}).status_code == 413
    for length in ("-1", "1e3", "0x10", "99999999999999999999"):
        assert ann.post("/api/generate", content=b"{}", headers={"Content-Length": length}).status_code in (400, 413), length


def test_a_body_that_does_not_come_is_not_waited_for(make_app: Callable[..., FastAPI]):
    import anyio

    app, sent = make_app(limits={"body_pause": 0.05}), []

    async def never() -> Any:
        await anyio.sleep(5)

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"host", HOST.encode()), (b"authorization", b"Bearer " + b"a" * 15 + b"0123456789"), (b"content-type", b"application/json")]
    scope = {"type": "http", "method": "POST", "path": "/api/generate", "headers": headers, "query_string": b"", "http_version": "1.1",
             "scheme": "http", "server": ("127.0.0.1", 8765), "root_path": ""}  # fmt: skip
    with ThreadPoolExecutor(1) as pool:  # a page test before this one may have left an event loop in the main thread
        pool.submit(anyio.run, app, scope, never, send).result()
    assert sent[0]["status"] == 408


def test_every_answer_says_what_a_browser_may_do_with_it(app: FastAPI, ann: TestClient, stranger: TestClient):
    answers = [ann.get(path) for path in addresses(app)] + [stranger.get("/api/recipes"), ann.get("/", headers={"Host": "evil"})]
    for answer in answers:
        csp = answer.headers["content-security-policy"]
        assert "default-src 'none'" in csp and "frame-ancestors 'none'" in csp and "unsafe" not in csp and "*" not in csp
        assert answer.headers["x-content-type-options"] == "nosniff" and answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
        assert not answer.headers.get("content-type", "").startswith("image/svg") and "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"host": "0.0.0.0"}, "other machines could reach"),
        ({"host": "192.168.1.5"}, "other machines could reach"),
        ({"tokens": {}}, "no owner"),
        ({"tokens": {"ann": "short"}}, "could be guessed"),
        ({"tokens": {"../ann": "a" * 30}}, "owner's name"),
        ({"tokens": {"ann": "a" * 30, "bob": "a" * 30}}, "two owners"),
        ({"port": 0}, "port: 0 is not a whole number"),
        ({"names": ["evil.example/x"]}, "not a host name"),
    ],
)
def test_careless_settings_are_refused(tmp_path: Path, more: dict[str, Any], message: str):
    with pytest.raises(GessoError, match=message):
        Settings(home=tmp_path, **more)


def test_tokens_are_not_shown(tmp_path: Path):
    assert "secret" not in repr(Settings(home=tmp_path, tokens={"me": "secret" * 6}))
    assert TOKEN != OPEN
