"""A studio on a port of its own, and a page of it in Chromium."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flats_sheet import PATIENCE

SLOW = 1000 * PATIENCE  # milliseconds


@contextmanager
def serving(home: Path, recipes: list[Any], **more: Any) -> Iterator[Any]:
    """A studio with these recipes (and `more` settings), on a port of its own, in a thread."""
    pytest.importorskip("fastapi", reason="the extra studio is not installed: the page is not tried")
    uvicorn = pytest.importorskip("uvicorn")
    from gesso.serving import Settings
    from gesso.serving.run import bind, configuration
    from gesso.studio import create_app

    settings = Settings(home=home, port=18765, recipes=recipes, **more)
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
        # The time of an earlier session's picture is still there, and would be taken for this one's.
        self.page.evaluate("() => document.querySelector('.speed')?.replaceChildren()")
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
