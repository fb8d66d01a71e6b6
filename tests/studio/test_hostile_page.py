"""A hostile page in the browser of a user who is drawing: it can read, change and frame nothing, and drawing continues."""

from __future__ import annotations

import base64
import contextlib
import json
import socket
import socketserver
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

HERE = Path(__file__).parent
REBOUND = "evil.test"  # conftest makes the browser resolve it to 127.0.0.2, which is this machine too
ATTACK = (HERE / "attack.js").read_text(encoding="utf-8")
PNG = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==")
DOCUMENT = "<!doctype html><title>win a prize</title><body><script src=/attack.js></script>"


class Site(socketserver.BaseRequestHandler):
    """An attacker's web site. With `studio` set, other requests than those for its page are forwarded there byte by byte, which simulates
    DNS rebinding: a name that led to the attacker leads to this machine afterwards (the browser of a test asks DNS only once).
    """

    studio: tuple[str, int] | None = None

    def handle(self) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            piece = self.request.recv(65536)
            if not piece:
                return
            head += piece
        path = head.split(b" ", 2)[1]
        if path in (b"/prize", b"/attack.js") or self.studio is None:
            kind, data = ("text/javascript", ATTACK) if path == b"/attack.js" else ("text/html", DOCUMENT)
            about = f"Content-Type: {kind}; charset=utf-8\r\nContent-Length: {len(data.encode())}\r\nConnection: close"
            said = f"HTTP/1.1 200 OK\r\n{about}\r\n\r\n"
            self.request.sendall(said.encode() + data.encode())
            return
        with socket.create_connection(self.studio) as studio:
            studio.sendall(head)
            back = threading.Thread(target=pipe, args=(studio, self.request), daemon=True)
            back.start()
            pipe(self.request, studio)
            back.join(10)


def pipe(one: socket.socket, other: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while piece := one.recv(65536):
            other.sendall(piece)
    with contextlib.suppress(OSError):
        other.shutdown(socket.SHUT_WR)


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = allow_reuse_address = True


@contextlib.contextmanager
def serving(host: str, port: int, studio: tuple[str, int] | None = None) -> Iterator[int]:
    """The attacker's site, at this port or any; its port."""
    try:
        server = Server((host, port), type("Mine", (Site,), {"studio": studio}))
    except OSError:
        pytest.skip(f"this system has no address {host}")
    with server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


def everything(app: Any) -> Any:
    """All rows of the server's databases."""
    services = app.state.services
    rows = {name: services.database.read(f"select * from {name} order by 1") for name in ("kept", "palettes", "logins")}
    rows["jobs"] = services.jobs.store._rows.read("select * from jobs order by 1")
    rows["sessions"] = services.sessions._database.read("select * from sessions order by id")
    rows["nodes"] = services.sessions._database.read("select * from nodes order by id")
    return rows


def refusals(app: Any) -> int:
    """The number of requests that were refused for their token, origin or host."""
    samples = [sample for metric in app.state.services.metrics._requests.collect() for sample in metric.samples]
    refused = (s.value for s in samples if s.name.endswith("_total") and s.labels["status"] in ("401", "403", "421"))
    return int(sum(refused))


@pytest.fixture
def drawing(visit: Any, app: Any) -> dict[str, Any]:
    """Ids that an attacker cannot know, given to the attacker nevertheless."""
    visit.begin()
    visit.stroke((0.5, 0.5), (0.52, 0.52))
    visit.wait_nodes(2)
    visit.page.locator(".saved, #canvas").first.wait_for()
    session = visit.page.evaluate("location.hash.slice(1)")
    head = app.state.services.sessions.session("me", session).head
    upload = visit.page.evaluate(
        "async (data) => (await (await fetch('/api/uploads', {method: 'POST', body: Uint8Array.from(data)})).json()).id", list(PNG)
    )
    return {"session": session, "node": head, "upload": upload, "png": "not a picture"}


def settled(app: Any, visit: Any) -> Any:
    """The server's rows, when it has answered all earlier requests; thumbnails are not among them."""
    visit.page.locator(".saved", has_text="Saved").wait_for()
    found: list[Any] = [everything(app)]

    def unchanged() -> bool:
        visit.page.evaluate("fetch('/api/health').then((answer) => answer.status)")  # answered after earlier requests
        found.append(everything(app))
        return found[-1] == found[-2]

    visit.wait_until(unchanged, "the server's rows keep changing")
    return found[-1]


def still_drawing(visit: Any) -> None:
    nodes = visit.num_nodes()
    visit.page.bring_to_front()
    visit.stroke((0.4, 0.5), (0.42, 0.52))
    visit.wait_nodes(nodes + 1)


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", REBOUND])
def test_a_page_of_another_origin_is_refused(visit: Any, app: Any, drawing: dict[str, Any], name: str) -> None:
    """From another port of this machine (the cookie is sent there: ports are one site), another name of it, and another machine."""
    address = app.state.services.settings.address.rstrip("/")
    before, refused = settled(app, visit), refusals(app)
    page = visit.page.context.new_page()
    with serving("127.0.0.2" if name == REBOUND else "127.0.0.1", 0) as site:
        page.goto(f"http://{name}:{site}/")
        told = page.evaluate("([address, ids]) => attack(address, ids)", [address, drawing])
    reached = {attempt: outcome for attempt, outcome in told.items() if not outcome.startswith("no")}
    assert reached == {} and len(told) > 100, json.dumps(reached, indent=1)
    assert all(one.url.startswith(("chrome-error:", "about:", f"http://{name}:{site}/")) for one in page.frames), [
        f.url for f in page.frames
    ]
    assert refusals(app) - refused > 60, "the server refused them, not only the browser"
    assert settled(app, visit) == before
    opened = [one for one in page.context.pages if one not in (visit.page, page)]
    assert all(one.evaluate("window.opener === null") for one in opened if one.url.startswith(address))
    for one in [*opened, page]:
        one.close()
    still_drawing(visit)


def test_dns_rebinding_is_refused(visit: Any, app: Any, drawing: dict[str, Any]) -> None:
    """The attacker's page has the studio's port, so to the browser both are one origin; only the host name is wrong."""
    port = urlsplit(app.state.services.settings.address).port
    before, refused = settled(app, visit), refusals(app)
    origin = f"http://{REBOUND}:{port}"
    page = visit.page.context.new_page()
    with serving("127.0.0.2", port, ("127.0.0.1", port)):
        page.goto(f"{origin}/prize")
        script = "async (paths) => Promise.all(paths.map(async (path) => [(await fetch(path)).status, await (await fetch(path)).text()]))"
        for status, text in page.evaluate(script, ["/", "/api/sessions", "/api/health", "/main.js"]):
            assert status == 421 and "does not go by that name" in text, "the attacker can read only this"
        told = page.evaluate("([address, ids]) => attack(address, ids)", [origin, drawing])
    reached = {attempt: outcome for attempt, outcome in told.items() if not outcome.startswith("no")}
    own = {attempt for attempt, outcome in reached.items() if "does not go by that name" in outcome}  # the refusal, from its own origin
    assert own <= {"frame", "window"} and set(reached) == own, json.dumps(reached, indent=1)
    assert refusals(app) - refused > 60 and settled(app, visit) == before
    for one in [one for one in page.context.pages if one is not visit.page]:
        one.close()
    still_drawing(visit)


def test_the_cookie_is_http_only_and_the_key_is_not_stored(visit: Any) -> None:
    cookies = visit.page.context.cookies()
    assert cookies and all(one["httpOnly"] and one["sameSite"] == "Strict" for one in cookies), cookies
    assert visit.page.evaluate("document.cookie") == ""
    assert "key=" not in visit.page.evaluate("location.href"), "the key of the link is not left in the address"
    kept = visit.page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}])")
    assert not [one for one in cookies if one["value"] in kept]
