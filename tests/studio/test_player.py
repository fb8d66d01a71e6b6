"""Music in the studio: a session of chorale shows its roll, plays it, and saves it as MIDI."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from visits import Visit, serving

from gesso import recipes

MELODY = "C5:4 D5:4 E5:4 F5:4 G5:8 E5:8 D5:4 E5:4 D5:4 B4:4 C5:16"
CREATE = """async (body) => {
  const headers = {"Content-Type": "application/json"};
  return (await fetch("/api/sessions", {method: "POST", headers, body: JSON.stringify(body)})).json();
}"""


@pytest.fixture
def composing(browser: Any, tmp_path: Path) -> Iterator[Any]:
    """A page with a session of chorale and a given melody."""
    context = browser.new_context(viewport={"width": 1280, "height": 800}, locale="en-GB")
    context.add_init_script("localStorage.setItem('gesso.guided', '1')")
    with serving(tmp_path, ["chorale"]) as app:
        visit = Visit(context.new_page())
        visit.page.goto(app.state.services.access.link("me"))
        visit.page.locator("#start .recipe").first.wait_for()
        melody = recipes.find("chorale").card.slot("melody").read(MELODY).model_dump(mode="json")
        edit = {"op": "set", "slot": "melody", "value": melody}
        made = visit.page.evaluate(CREATE, {"recipe": "chorale", "edits": [edit]})
        visit.page.evaluate("(id) => { location.hash = id; }", made["session"]["id"])
        yield visit
        assert visit.complaints == []
        context.close()


def test_music_plays_and_is_saved_as_midi(composing: Any) -> None:
    page = composing.page
    page.locator("#player canvas").wait_for()
    assert page.locator("#player output").inner_text() == "bar 1/4"
    page.locator("#player [data-act=play]").click()
    page.wait_for_function("() => document.querySelector('#player output').textContent !== 'bar 1/4'")
    page.locator("#player [data-act=play]").click()
    page.locator(".save-menu summary").click()
    with page.expect_download() as started:
        page.locator("[data-act=mid]").click()
    assert Path(started.value.path()).read_bytes().startswith(b"MThd") and started.value.suggested_filename.endswith(".mid")
