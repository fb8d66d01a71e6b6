"""Strokes with a pointer in a real Chromium on the real studio: how long from the hand to the picture.

    python bench/page.py --size 256 --strokes 200 --people 1
    python bench/page.py --cold 3

Each person has a browser context and a drawing of their own and draws stroke after stroke, a new colour each time, with rests.
Timed are the pen's lift (pointerup's own time stamp) and, while it is down, the newest movement that a preview was asked with; both
until the animation frame in which a picture with it was drawn on the visible canvas, and in which the finished one was. The page sets
these marks itself (studio/page/live/timing.js), always. Nothing else should run meanwhile.

With --cold N no strokes are drawn: a server is started N times and a browser opens its link. Two times are measured: until the start
page shows its cards (in a new home, and in a home that a server has used before), and from the click on a sample to its first finished
picture (a click at once, and a click after some seconds). --weights FILE replaces colorize's shipped weights.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from typing import Any, NamedTuple

import numpy as np
from live import COLOURS, drawing

CHROMIUM = os.environ.get("GESSO_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
SERVER = """
import json, os, sys
from gesso.serving import Settings, serve
from gesso.studio import create_app

def create(settings):
    app = create_app(settings)
    links = {owner: app.state.services.access.link(owner) for owner in settings.tokens}
    print(json.dumps({"address": settings.address, "links": links}), flush=True)
    return app

weights = {"colorize": os.environ["WEIGHTS"]} if os.environ.get("WEIGHTS") else {}
serve(Settings(port=int(sys.argv[1]), tokens=json.loads(os.environ["TOKENS"]), weights=weights), create=create)
"""
# Every time stamp of a pointer and every mark of the page, in the order in which they came.
LISTEN = """
localStorage.getItem("gesso.guided") ?? localStorage.setItem("gesso.guided", "1");
window.heard = { moves: [], ups: [], asked: [], painted: [] };
for (const [name, list] of [["pointermove", "moves"], ["pointerup", "ups"]])
  addEventListener(name, (event) => heard[list].push(event.timeStamp), { capture: true });
let look = () => {};
new PerformanceObserver((list) => {
  for (const one of list.getEntries()) {
    if (one.name === "gesso:asked") heard.asked.push([one.startTime, one.detail]);
    if (one.name === "gesso:painted") heard.painted.push([one.startTime, one.detail]);
  }
  look();
}).observe({ type: "mark", buffered: true });
/** When a finished picture is seen that has this many strokes in it. */
window.seen = (strokes) => new Promise((done) => {
  look = () => {
    const commits = heard.asked.filter(([, what]) => what.commit);
    const newest = heard.painted.findLast(([, what]) => what.final);
    if (newest && commits.length >= strokes && newest[1].seq >= (commits[strokes - 1]?.[1].seq ?? 0)) done();
  };
  look();
});
"""
REST = (0.08, 0.4)  # seconds between strokes
STEPS = 8  # movements of a stroke, one a frame
PATIENCE = 60_000  # milliseconds


class Studio:
    """A studio's server in a process and a home of its own, or in a given one, with as many owners as people."""

    def __init__(self, port: int, people: int, home: tempfile.TemporaryDirectory[str] | None = None) -> None:
        self.home = home or tempfile.TemporaryDirectory()
        self.began = time.perf_counter()
        self.tokens = {f"person{n}": secrets.token_urlsafe(32) for n in range(people)}
        env = os.environ | {"GESSO_HOME": self.home.name, "TOKENS": json.dumps(self.tokens)}
        self.process = subprocess.Popen([sys.executable, "-c", SERVER, str(port)], env=env, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        told = json.loads(self.process.stdout.readline())
        self.address, self.links = told["address"].rstrip("/"), told["links"]

    def call(self, owner: str, path: str, body: Any) -> Any:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        kind = "application/octet-stream" if isinstance(body, bytes) else "application/json"
        headers = {"Authorization": f"Bearer {self.tokens[owner]}", "Content-Type": kind}
        return json.loads(urllib.request.urlopen(urllib.request.Request(self.address + path, data, headers)).read())

    def begin(self, owner: str, page: bytes) -> str:
        """A new session on the drawing; its id."""
        id = self.call(owner, "/api/uploads", page)["id"]
        edits = [{"op": "set", "slot": "sketch", "value": {"upload": id}}]
        return str(self.call(owner, "/api/sessions", {"recipe": "colorize", "edits": edits})["session"]["id"])

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(10)

    def close(self) -> None:
        self.stop()
        self.home.cleanup()


async def draw(browser: Any, studio: Studio, owner: str, asked: argparse.Namespace, ready: asyncio.Barrier) -> dict[str, Any]:
    """One person's afternoon: what the page heard."""
    dice = random.Random(owner)
    session = await asyncio.to_thread(studio.begin, owner, drawing(asked.size, dice))
    context = await browser.new_context(viewport={"width": 1280, "height": 720}, locale="en-GB")
    await context.add_init_script(LISTEN)
    page = await context.new_page()
    page.set_default_timeout(PATIENCE)
    await page.goto(studio.links[owner])
    await page.goto(f"{studio.address}/#{session}")
    await page.evaluate("seen(0)")
    box = await page.locator("#canvas").bounding_box()
    side = min(box["width"], box["height"]) - 60  # the page is shown whole, with a margin
    left, top = box["x"] + (box["width"] - side) / 2, box["y"] + (box["height"] - side) / 2
    await ready.wait()
    for number in range(asked.strokes):
        await page.fill(".code", COLOURS[number % len(COLOURS)])
        await page.press(".code", "Enter")
        x, y = left + dice.uniform(0.05, 0.9) * side, top + dice.uniform(0.05, 0.9) * side
        await page.mouse.move(x, y)
        await page.mouse.down()
        for step in range(1, STEPS + 1):
            await page.mouse.move(x + step * side / 200, y + step * side / 400)
            await asyncio.sleep(0.016)
        await page.mouse.up()
        await asyncio.wait_for(page.evaluate("num => seen(num)", number + 1), PATIENCE / 1000)
        await asyncio.sleep(dice.uniform(*REST))
    heard: dict[str, Any] = await page.evaluate("heard")
    await context.close()
    return heard


class Cold(NamedTuple):
    """Milliseconds after a cold start: from the process to the start page's cards, and from a click on a sample to its first proposal."""

    cards: float
    proposal: float


async def begin_cold(browser: Any, asked: argparse.Namespace, home: tempfile.TemporaryDirectory[str], look: float) -> Cold:
    """A server started anew and a browser that never saw it; the person looks at the start page for `look` seconds."""
    studio = await asyncio.to_thread(Studio, asked.port, 1, home)
    context = await browser.new_context(viewport={"width": 1280, "height": 720}, locale="en-GB")
    try:
        await context.add_init_script(LISTEN)
        page = await context.new_page()
        page.set_default_timeout(PATIENCE)
        await page.goto(studio.links["person0"], wait_until="commit")
        await page.locator("[data-recipe]").first.wait_for()
        cards = 1000 * (time.perf_counter() - studio.began)
        await page.locator("[data-sample]").first.wait_for()
        await asyncio.sleep(look)
        await page.evaluate("addEventListener('click', (event) => (heard.clicked ??= event.timeStamp), { capture: true })")
        await page.locator("[data-sample]").first.click()
        await asyncio.wait_for(page.evaluate("seen(0)"), PATIENCE / 1000)
        return Cold(cards, await page.evaluate("heard.painted.find(([, what]) => what.final)[0] - heard.clicked"))
    finally:
        await context.close()
        await asyncio.to_thread(studio.stop)


async def run_cold(asked: argparse.Namespace) -> dict[str, list[Cold]]:
    from playwright.async_api import async_playwright

    found: dict[str, list[Cold]] = {"new home": [], "known home": [], "after a look": []}
    async with async_playwright() as started:
        browser = await started.chromium.launch(executable_path=CHROMIUM, headless=True, args=["--no-sandbox"])
        for _ in range(asked.cold):
            with tempfile.TemporaryDirectory() as folder:
                home = tempfile.TemporaryDirectory(dir=folder)
                for name, look in (("new home", 0.0), ("known home", 0.0), ("after a look", asked.look)):
                    found[name].append(await begin_cold(browser, asked, home, look))
    return found


class Times(NamedTuple):
    """Milliseconds: from a lift to a picture with the stroke in it, to the finished one, and from a movement to its preview."""

    strokes: list[float]
    finished: list[float]
    previews: list[float]
    older: int  # how often an older picture came after a newer one


def times(heard: dict[str, Any]) -> Times:
    strokes, finished, previews = list[float](), list[float](), list[float]()
    for since, what in heard["asked"]:
        by_hand = [stamp for stamp in heard["ups" if what["commit"] else "moves"] if stamp <= since]
        shown = [(at, painted) for at, painted in heard["painted"] if painted["seq"] >= what["seq"]]
        if not by_hand or not shown:
            continue
        if not what["commit"]:
            previews += [at - by_hand[-1] for at, painted in shown[:1] if painted["seq"] == what["seq"]]
            continue
        strokes.append(shown[0][0] - by_hand[-1])
        finished += [at - by_hand[-1] for at, painted in shown if painted["final"]][:1]
    seqs = [painted["seq"] for _, painted in heard["painted"]]
    return Times(strokes, finished, previews, sum(later < earlier for earlier, later in zip(seqs, seqs[1:], strict=False)))


async def run(asked: argparse.Namespace) -> list[dict[str, Any]]:
    from playwright.async_api import async_playwright

    studio = Studio(asked.port, asked.people)
    try:
        async with async_playwright() as started:
            flags = ["--no-sandbox", "--disable-renderer-backgrounding", "--disable-backgrounding-occluded-windows"]
            browser = await started.chromium.launch(executable_path=CHROMIUM, headless=True, args=flags)
            ready = asyncio.Barrier(asked.people)
            return await asyncio.gather(*(draw(browser, studio, owner, asked, ready) for owner in studio.tokens))
    finally:
        studio.close()


def told(milliseconds: list[float]) -> str:
    if not milliseconds:
        return "none"
    middle, late = np.percentile(milliseconds, [50, 95])
    return f"{len(milliseconds)}: median {middle:.0f} ms, p95 {late:.0f} ms, max {max(milliseconds):.0f} ms"


def aim(size: int, people: int) -> str:
    if people > 1:
        return "p95 ≤ 600 ms with four people at 256²"
    return {256: "median ≤ 60 ms, p95 ≤ 150 ms", 1024: "p95 ≤ 400 ms"}.get(size, "none for this size")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    for name, default in (("size", 256), ("strokes", 200), ("people", 1), ("port", 8830)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--weights", default="", help="a .safetensors file of colorize's")
    parser.add_argument("--cold", type=int, default=0, help="so many cold starts, and no strokes")
    parser.add_argument("--look", type=float, default=3.0, help="seconds for which the start page is looked at before a sample is taken")
    asked = parser.parse_args()
    if CHROMIUM is None:
        raise SystemExit("there is no chromium here; GESSO_CHROMIUM names one")
    os.environ["WEIGHTS"] = asked.weights
    if asked.cold:
        found = asyncio.run(run_cold(asked))
        print("after a cold start; the aims: cards ≤ 1000 ms, first proposal ≤ 1500 ms")
        for name in ("new home", "known home"):
            print(f"  start page cards, {name:24} {told([one.cards for one in found[name]])}")
        for name, times_ in found.items():
            when = f"after {asked.look:g} s" if name == "after a look" else f"{name}, at once"
            print(f"  first proposal of a sample, {when:20} {told([one.proposal for one in times_])}")
        return
    all_, parts = Times([], [], [], 0), list[dict[str, float]]()
    for heard in asyncio.run(run(asked)):
        one = times(heard)
        if len(one.finished) != asked.strokes:
            raise SystemExit(f"{len(one.finished)} strokes of {asked.strokes} were painted")
        all_ = Times(*(whole + part for whole, part in zip(all_, one, strict=True)))
        parts += [painted["ms"] for _, painted in heard["painted"] if painted.get("ms")]
    print(f"{asked.size}², {asked.people} drawing; the aim: {aim(asked.size, asked.people)}")
    print(f"  pen lifted to a picture with the stroke  {told(all_.strokes)}")
    print(f"  pen lifted to the finished picture       {told(all_.finished)}")
    print(f"  movement to its preview                  {told(all_.previews)}")
    for name in sorted({name for one in parts for name in one}):
        print(f"    the server's {name}: {told([one[name] for one in parts if name in one])}")
    print(f"  an older picture after a newer one: {all_.older} (the aim: 0)")


if __name__ == "__main__":
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    print(f"page.py, {os.cpu_count()} processors")
    main()
