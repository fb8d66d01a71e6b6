"""Another link into a running studio, only for users who may read its folder."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from gesso.errors import GessoError
from gesso.serving.access.links import FILE, fresh_link

DOTS = Path(__file__).parents[1] / "dots.py"
SERVER = """
import sys
from pathlib import Path
from gesso.serving import Settings, serve
settings = Settings(home=Path(sys.argv[1]), port=int(sys.argv[2]), tokens={"me": "t" * 30}, recipes=[sys.argv[3]], sign=False)
serve(settings, on_start=lambda link: print(link, flush=True))
"""
PATHS = os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}


@pytest.fixture
def running(tmp_path: Path) -> Iterator[tuple[Path, str, subprocess.Popen[str]]]:
    """A server of its own: its home, its first link, its process."""
    words = [sys.executable, "-c", SERVER, str(tmp_path / "home"), "18931", str(DOTS)]
    child = subprocess.Popen(words, env=PATHS, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    yield tmp_path / "home", child.stdout.readline().strip(), child
    child.send_signal(signal.SIGINT)
    try:
        child.wait(20)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def enter(link: str) -> tuple[int, str]:
    """Follow a link as a browser without a cookie does; the status, and the cookie that was given."""

    class Stay(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *given: Any) -> None:
            return None

    try:
        answer = urllib.request.build_opener(urllib.request.ProxyHandler({}), Stay).open(link, timeout=20)
    except urllib.error.HTTPError as error:
        answer = error
    return answer.status, answer.headers.get("Set-Cookie", "")


def test_each_further_link_lets_one_browser_in(running: tuple[Path, str, Any], gesso: Callable[..., Any], refused: Callable[..., str]):
    home, first, child = running
    status, cookie = enter(first)
    assert status == 303 and cookie
    status, again = enter(first)
    assert not again, "a link opens once"
    said = gesso("studio", "--link", "--home", home)
    assert said.code == 0 and said.out.count("\n") == 1, said.err
    link = said.out.strip()
    assert link.startswith(first.split("?")[0]) and link != first
    status, second = enter(link)
    assert status == 303 and second and second != cookie
    assert not enter(link)[1]
    if os.name != "nt":
        assert stat.S_IMODE((home / FILE).stat().st_mode) == 0o600
    child.send_signal(signal.SIGINT)
    child.wait(20)
    assert not (home / FILE).exists()
    assert "no studio is running" in refused("studio", "--link", "--home", home)


def test_after_a_kill_no_server_is_asked(running: tuple[Path, str, Any]):
    home, _, child = running
    child.kill()
    child.wait()
    assert (home / FILE).exists(), "a killed server cannot remove it"
    with pytest.raises(GessoError, match="no studio is running"):
        fresh_link(home)


def test_no_folder_and_no_studio(tmp_path: Path, refused: Callable[..., str]):
    assert "no studio is running" in refused("studio", "--link", "--home", tmp_path / "none")
    assert not (tmp_path / "none").exists()


@pytest.fixture
def held(app: FastAPI) -> FastAPI:
    app.state.services.home_lock.acquire()
    return app


def secret_of(app: FastAPI) -> str:
    return str(json.loads((app.state.services.settings.home / FILE).read_text())["token"])


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.mark.parametrize("given", [None, "", "x", "a" * 43])
def test_strangers_get_no_link(held: FastAPI, stranger: TestClient, given: str | None):
    answer = stranger.post("/api/link", headers={} if given is None else bearer(given))
    assert answer.status_code == 401 and "key=" not in answer.text
    assert "gesso studio --link" in answer.text


def test_a_page_of_another_site_gets_no_link(held: FastAPI, stranger: TestClient):
    token = secret_of(held)
    assert stranger.post("/api/link", headers=bearer(token)).status_code == 200
    for more in ({"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Host": "evil.example"}):
        answer = stranger.post("/api/link", headers={**bearer(token), **more})
        assert answer.status_code in (403, 421) and "key=" not in answer.text


def test_a_cookie_cannot_ask_for_a_link(held: FastAPI, stranger: TestClient, ann: TestClient):
    stranger.get(held.state.services.access.link("ann"))
    assert stranger.get("/api/recipes").status_code == 200
    assert stranger.post("/api/link", headers={"Origin": "http://127.0.0.1:8765"}).status_code == 401
    assert "key=" in ann.post("/api/link").json()["link"], "a token may"


def test_the_secret_of_an_earlier_start_opens_nothing(make_app: Callable[..., FastAPI], client_of: Callable[..., TestClient]):
    first = make_app()
    first.state.services.home_lock.acquire()
    secret = secret_of(first)
    first.state.services.home_lock.release()
    second = make_app()
    second.state.services.home_lock.acquire()
    assert secret_of(second) != secret
    assert client_of(second).post("/api/link", headers=bearer(secret)).status_code == 401


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
def test_a_file_that_others_may_touch_is_not_believed(held: FastAPI):
    home = held.state.services.settings.home
    path, good = home / FILE, (home / FILE).read_bytes()
    for mode in (0o644, 0o660, 0o602):
        path.chmod(mode)
        with pytest.raises(GessoError, match="others may read or write"):
            fresh_link(home)
    path.chmod(0o600)
    for spoilt in (b"", b"{", b"[]", b'{"address": 1, "token": "x"}', b'{"address": "file:///etc/", "token": "x"}', good[:-5]):
        path.write_bytes(spoilt)
        with pytest.raises(GessoError):
            fresh_link(home)
    path.unlink()
    path.symlink_to("/etc/passwd")
    with pytest.raises(GessoError, match="left no way"):
        fresh_link(home)


def test_an_old_link_says_what_to_do(held: FastAPI, stranger: TestClient):
    link = held.state.services.access.link("ann")
    assert stranger.get(link).status_code == 303
    stranger.cookies.clear()
    answer = stranger.get(link)
    assert answer.status_code == 401 and "gesso studio --link" in answer.json()["error"]["fix"]
    assert "gesso studio --link" in stranger.get("/api/recipes").json()["error"]["fix"]
