"""Names that contain code (of sessions, nodes, palettes, jobs, files) are shown as text, and nothing in them runs."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from gesso.media.picture import encode_png
from gesso.serving.jobs.store import new_id
from hostile_text import POLYGLOTS

LISTEN = """
window.ran = [];
window.pwned = (number) => ran.push(`ran ${number}`);
addEventListener("securitypolicyviolation", (event) => ran.push(`refused ${event.violatedDirective} ${event.blockedURI}`));
"""
# What only markup that was believed could have put into the page.
STRANGE = """() => {
  const all = [...document.querySelectorAll("*")];
  const tags = "script, iframe, object, embed, base, meta[http-equiv], form[action], math, style, a[href^=java i]";
  const strange = all.filter((one) => one.matches(tags) && one.getAttribute("src") !== "/main.js");
  const listening = all.filter((one) => [...one.attributes].some((about) => about.name.startsWith("on")));
  return [...strange, ...listening].map((one) => one.outerHTML.slice(0, 100));
}"""
FIRST = POLYGLOTS[0]
NEEDLE = "needle <img src=x onerror=pwned(99)>"


class Calls:
    """The server's routes, with its token, and what to delete at the end."""

    def __init__(self, app: Any) -> None:
        settings = app.state.services.settings
        self.app, self.address, self.token = app, settings.address.rstrip("/"), settings.tokens["me"]
        self.made: list[str] = []

    def __call__(self, method: str, path: str, body: Any = None) -> Any:
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        kind = "application/octet-stream" if isinstance(body, bytes) else "application/json"
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": kind}
        read = urllib.request.urlopen(urllib.request.Request(self.address + path, data, headers, method=method)).read()
        return json.loads(read) if read else None

    def job(self, title: str, names: list[str]) -> str:
        """A failed job, each of whose texts is a polyglot."""
        desk, id = self.app.state.services.jobs, new_id()
        ask = {"recipe": "toy", "preset": "", "each": "sheet", "format": "png", "names": names}
        out = desk.config.folder(id) / "out"
        out.mkdir(parents=True)
        lines = [{"target": f"{n:05}.png", "state": "failed", "why": name} for n, name in enumerate(names)]
        (out / "batch.jsonl").write_text("".join(json.dumps(one) + "\n" for one in lines))
        (out.parent / "log.txt").write_text("".join(name.replace("\n", " ") + "\n" for name in names))
        with desk.store._rows.writing() as rows:
            rows.execute(
                "insert into jobs (id, owner, kind, title, ask, state, made, ended, body, done, total, words, what, fix, num_failed)"
                " values (?, 'me', 'batch', ?, ?, 'failed', ?, ?, '', 1, ?, ?, ?, ?, ?)",
                (id, title, json.dumps(ask), time.time(), time.time(), len(names), title, title, title, len(names)),
            )
        self.made.append(f"/api/jobs/{id}")
        return id


@pytest.fixture
def session(app: Any) -> Iterator[str]:
    """A session with a node for each polyglot, more sessions, palettes and a job with such names; all are deleted at the end."""
    call = Calls(app)
    upload = call("POST", "/api/uploads", encode_png(np.full((40, 40, 3), 255, np.uint8)))["id"]
    page = {"op": "set", "slot": "sheet", "value": {"upload": upload}}
    for name in reversed(POLYGLOTS):
        begun = call("POST", "/api/sessions", {"recipe": "toy", "title": name, "edits": [page]})["session"]
        call.made.append(f"/api/sessions/{begun['id']}")
    path = f"/api/sessions/{begun['id']}"
    for number, name in enumerate((*POLYGLOTS, NEEDLE)):
        dot = {"op": "merge", "slot": "dots", "value": {"marks": [{"x": number, "y": 9, "color": "#112233"}]}}
        node = call("POST", f"{path}/edits", {"edit": dot})["node"]["id"]
        call("PATCH", f"{path}/nodes/{node}", {"name": name[:200], "favourite": True})
    colours = [{"color": f"#1122{n:02x}", "name": name} for n, name in enumerate(POLYGLOTS)]
    for name in POLYGLOTS[:3]:
        call.made.append(f"/api/palettes/{call('POST', '/api/palettes', {'name': name, 'colours': colours})['id']}")
    call.job(FIRST, list(POLYGLOTS))
    yield begun["id"]
    for path in call.made:
        call("DELETE", path)
    call("DELETE", f"/api/uploads/{upload}")


@pytest.mark.parametrize("language", ["en", "ko"])
def test_hostile_names_are_shown_as_text_and_run_nothing(visit: Any, session: str, language: str) -> None:
    page, dialogs = visit.page, []
    page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    page.add_init_script(LISTEN)
    page.reload()
    page.locator(f"[data-session='{session}']").wait_for()
    if language == "ko":
        page.click("#start .language")
    shown = 0

    def unharmed(place: str) -> None:
        nonlocal shown
        assert page.evaluate("ran") == [] and page.evaluate(STRANGE) == [] and len(page.frames) == 1, place
        shown += 1

    titles = page.locator(".session b").all_inner_texts()
    assert set(POLYGLOTS) <= set(titles), "shown unchanged"
    unharmed("the start page")
    page.fill(".before input[type=search]", "needle")
    page.locator(".session small", has_text=NEEDLE).first.wait_for()
    unharmed("what was found")
    page.fill(".before input[type=search]", "")
    page.locator(".job-line b", has_text=FIRST).click()
    page.locator("dialog.job .job-failures b", has_text=FIRST).wait_for()
    page.locator("dialog.job summary").click()
    page.locator("dialog.job .job-log", has_text="pwned(2)").wait_for()
    assert page.locator("dialog.job h2").inner_text() == FIRST
    unharmed("a job")
    page.keyboard.press("Escape")

    files = [{"name": name, "mimeType": "image/png", "buffer": encode_png(np.full((30, 30), 255, np.uint8))} for name in POLYGLOTS[1:4]]
    with page.expect_file_chooser() as chooser:
        page.click("[data-act=choose-files]")
    chooser.value.set_files(files)
    page.locator("dialog [data-act=start-batch]").wait_for()
    unharmed("files of a folder")
    page.keyboard.press("Escape")

    page.locator(f"[data-session='{session}'] .session-open").click()
    visit.painted()
    page.click("#history-tab")
    page.locator(".node b", has_text=FIRST).wait_for()
    assert {name[:200] for name in POLYGLOTS} <= set(page.locator(".node b").all_inner_texts())
    unharmed("the history")
    page.locator(".node").nth(1).focus()
    page.keyboard.press("c")
    page.locator(".changes li").first.wait_for()
    assert FIRST in page.locator(".wipe-names").inner_text()
    unharmed("a comparison")
    page.keyboard.press("Escape")
    page.click("#controls-tab")
    page.locator(".palette select").select_option(label=FIRST)
    page.locator(".palette .swatch[data-colour='#112201']").wait_for()
    assert page.locator(".palette .swatch[data-colour='#112201']").get_attribute("title").startswith(POLYGLOTS[1][:20])
    unharmed("palettes")
    page.click("#bar .language")
    unharmed("the other language")
    page.click("[data-act=home]")
    page.locator(f"[data-session='{session}']").wait_for()
    assert dialogs == [] and visit.complaints == [] and visit.hosts == {"127.0.0.1"} and shown == 8


def test_the_detector_sees_scripts_that_run(visit: Any) -> None:
    """The listeners above, with a page that inserts names as HTML."""
    page = visit.page
    page.add_init_script(LISTEN)
    page.reload()
    page.locator("[data-sample]").first.wait_for()
    page.evaluate("(text) => document.getElementById('said').innerHTML = text", "".join(POLYGLOTS[1:3]))
    page.wait_for_function("() => ran.length > 0")
    assert page.evaluate(STRANGE) != []
    assert not [one for one in page.evaluate("ran") if one.startswith("ran")], "even then the content security policy blocks scripts"
