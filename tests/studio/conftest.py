"""A real Chromium with a real server; tests are skipped, with the reason, if either is missing."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flats_sheet import PATIENCE, Sheet

SLOW = 1000 * PATIENCE  # milliseconds
HERE = Path(__file__).parent
RECIPES = [HERE / "toy_recipe.py", HERE / "flats_recipe.py", HERE / "likes_recipe.py", HERE.parents[1] / "examples" / "my_recipe.py"]
CHROMIUM = os.environ.get("GESSO_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
# An attacker's host name that resolves to this machine, for test_hostile_page.
ARGUMENTS = ["--no-sandbox", "--host-resolver-rules=MAP evil.test 127.0.0.2"]


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: the page is not tried")
    if CHROMIUM is None:
        pytest.skip("there is no chromium here: the page is not tried")
    with playwright.sync_playwright() as started:
        launched = started.chromium.launch(executable_path=CHROMIUM, headless=True, args=ARGUMENTS)
        yield launched
        launched.close()


@pytest.fixture(scope="session")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The studio with the toy recipe, on a port of its own, in a thread."""
    pytest.importorskip("fastapi", reason="the extra studio is not installed: the page is not tried")
    uvicorn = pytest.importorskip("uvicorn")
    from gesso.serving import Settings
    from gesso.serving.run import bind, configuration
    from gesso.studio import create_app

    settings = Settings(home=tmp_path_factory.mktemp("home"), port=18765, recipes=RECIPES)
    listener = bind(settings)
    settings = replace(settings, port=listener.getsockname()[1])
    made = create_app(settings)
    server = uvicorn.Server(configuration(made, settings))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    while not server.started and thread.is_alive():
        time.sleep(0.02)
    assert server.started, "the server did not start"
    yield made
    server.should_exit = True
    thread.join(10)


class Visit:
    """A page of the studio, its errors, and the hosts that it requested."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.complaints: list[str] = []
        self.hosts: set[str] = set()
        page.on("console", lambda message: self.complaints.extend([message.text] if message.type == "error" else []))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", lambda request: self._asked(request.url))
        page.on("websocket", lambda socket: self._asked(socket.url))
        page.set_default_timeout(SLOW)

    def _asked(self, address: str) -> None:
        from urllib.parse import urlsplit

        parts = urlsplit(address)
        if parts.scheme not in ("data", "blob"):
            self.hosts.add(parts.hostname or parts.scheme)

    def begin(self) -> None:
        """Open the first sample, and wait for its first picture."""
        self.page.locator("[data-sample]").first.click()
        self.painted()

    def painted(self) -> None:
        self.page.locator(".speed:not(:empty)").wait_for()

    def num_nodes(self) -> int:
        return int(self.page.locator(".node").count())

    def wait_nodes(self, num: int) -> None:
        self.page.wait_for_selector(f".tree > .node:nth-child({num})", state="attached")

    def wait_until(self, state: Callable[[], Any], what: Any = "", seconds: float = PATIENCE) -> Any:
        """Wait until `state()` is true, and return it; the test fails if that takes longer than `seconds`."""
        end = time.monotonic() + seconds
        while not (found := state()):
            assert time.monotonic() < end, what() if callable(what) else what
            self.page.wait_for_timeout(30)  # the events of the browser arrive meanwhile
        return found

    def pixel(self, x: float, y: float) -> tuple[int, ...]:
        """The canvas's colour at a share of its width and height."""
        script = """([x, y]) => {
          const c = document.getElementById("canvas");
          return [...c.getContext("2d").getImageData(Math.round(c.width * x), Math.round(c.height * y), 1, 1).data];
        }"""
        return tuple(self.page.evaluate(script, [x, y]))

    def until(self, x: float, y: float, wanted: Callable[[tuple[int, ...]], bool]) -> tuple[int, ...]:
        """Wait until `wanted(pixel)`, and return the pixel."""
        seen: list[tuple[int, ...]] = [()]

        def is_wanted() -> bool:
            seen[0] = self.pixel(x, y)
            return wanted(seen[0])

        self.wait_until(is_wanted, lambda: f"the picture stayed {seen[0]}")
        return seen[0]

    def place(self, x: float, y: float) -> tuple[float, float]:
        box = self.page.locator("#canvas").bounding_box()
        assert box is not None
        return box["x"] + box["width"] * x, box["y"] + box["height"] * y

    def stroke(self, *points: tuple[float, float]) -> None:
        mouse = self.page.mouse
        mouse.move(*self.place(*points[0]))
        mouse.down()
        for point in points[1:]:
            mouse.move(*self.place(*point), steps=5)
        mouse.up()


@pytest.fixture
def visit(app: Any, browser: Any) -> Iterator[Visit]:
    context = browser.new_context(viewport={"width": 1280, "height": 720}, locale="en-GB")
    context.add_init_script("localStorage.getItem('gesso.guided') ?? localStorage.setItem('gesso.guided', '1')")
    visit = Visit(context.new_page())
    visit.page.goto(app.state.services.access.link("me"))
    visit.page.locator("[data-sample]").first.wait_for()
    yield visit
    context.close()


@pytest.fixture
def sheet(visit: Any, app: Any) -> Iterator[Sheet]:
    made = Sheet(visit, app)
    yield made
    assert visit.complaints == []
    made.store.delete("me", made.id)  # the server is shared by all tests
    with app.state.services.database.writing() as rows:
        rows.execute("delete from palettes")
