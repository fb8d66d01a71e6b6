"""Intent over many steps on the page: branches merged by button and key, a colour refused, a region locked, the reach."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flats_sheet import BLUE, RED, WHITE, H, Sheet, W, drawing
from visits import Visit, serving

import gesso

LEFT, RIGHT = (100, 100), (200, 100)
OF_LEFT, OF_RIGHT = (70, 130), (230, 130)  # in the same rooms, where no mark is drawn over the picture
SHOTS = os.environ.get("GESSO_SHOTS")  # a folder for screenshots to look at


class Colouring(Sheet):
    """An open session of `colorize`, whose hints are a condition of networks."""

    def __init__(self, visit: Any, app: Any) -> None:
        self.visit, self.page = visit, visit.page
        services = app.state.services
        upload = services.files.put("me", "upload", drawing(), size=(W, H))
        edit = {"op": "set", "slot": "sketch", "value": {"pixels": {"upload": upload.id}}}
        edit = services.sanitizer.sanitize_edit("me", services.catalogue.card("colorize"), edit)
        self.id, self.store = services.sessions.create("me", "colorize", "Branches", [edit]).id, services.sessions
        self.page.evaluate(f"location.hash = '{self.id}'")
        visit.painted()


@pytest.fixture
def colouring(browser: Any, tmp_path: Path) -> Iterator[Colouring]:
    context = browser.new_context(viewport={"width": 1280, "height": 900}, locale="en-GB")
    context.add_init_script("localStorage.setItem('gesso.guided', '1')")
    with serving(tmp_path, ["colorize"]) as app:
        visit = Visit(context.new_page())
        visit.page.goto(app.state.services.access.link("me"))
        visit.page.locator("[data-sample]").first.wait_for()
        yield Colouring(visit, app)
        assert visit.complaints == []
        context.close()


def shot(sheet: Sheet, name: str) -> None:
    if SHOTS:
        sheet.page.screenshot(path=str(Path(SHOTS) / f"{name}.png"))


def branched(sheet: Sheet) -> None:
    """Red on the left in one branch, blue on the right in another, which is shown."""
    sheet.take("dots", "#cc2222")
    sheet.click(*LEFT)
    sheet.given("dots", lambda value: value is not None and len(value.marks) == 1)
    sheet.visit.wait_nodes(2)
    sheet.page.keyboard.press("Control+z")
    sheet.given("dots", lambda value: value is None)
    sheet.take("dots", "#2244cc")
    sheet.click(*RIGHT)
    sheet.given("dots", lambda value: value is not None and value.marks[0].color == "#2244cc")
    sheet.visit.wait_nodes(3)
    sheet.page.locator("#history-tab").click()


@pytest.mark.parametrize("how", ["button", "key"])
def test_a_branch_is_merged_into_what_is_shown(sheet: Sheet, how: str) -> None:
    branched(sheet)
    page = sheet.page
    assert page.locator("[data-act=merge]").count() == 1, "only the other branch can be merged"
    row = page.locator(".node", has=page.locator("[data-act=merge]"))
    if how == "button":
        row.hover()
        shot(sheet, "merge")
        row.locator("[data-act=merge]").click()
    else:
        row.focus()
        page.keyboard.press("m")
    merged = sheet.given("dots", lambda value: value is not None and len(value.marks) == 2)
    assert [mark.color for mark in merged.marks] == ["#cc2222", "#2244cc"], "the newer step last"
    sheet.seen(*OF_LEFT, RED)
    sheet.seen(*OF_RIGHT, BLUE)
    page.locator(".notice", has_text="Both branches had changed: Dots").wait_for()
    shot(sheet, f"merged-{how}")
    sheet.visit.wait_nodes(4)
    page.keyboard.press("Control+z")
    sheet.seen(*OF_LEFT, WHITE)


def test_a_locked_region_is_kept_while_the_rest_varies(sheet: Sheet) -> None:
    page = sheet.page
    sheet.take("dots", "#cc2222")
    sheet.click(*LEFT)
    sheet.seen(*OF_LEFT, RED)
    page.click("[data-mode=keep]")
    sheet.click(*LEFT)
    kept = sheet.given("guard")
    assert kept.mask[LEFT[1], LEFT[0]] and not kept.mask[RIGHT[1], RIGHT[0]]
    sheet.take("dots", "#2244cc")
    for place in (LEFT, RIGHT):
        sheet.click(*place)
    sheet.given("dots", lambda value: len(value.marks) == 3)
    sheet.seen(*OF_RIGHT, BLUE)
    sheet.seen(*OF_LEFT, RED)


def pixel(sheet: Colouring, place: tuple[int, int]) -> np.ndarray:
    """What the model makes of the session's head, at a point of the page."""
    made = gesso.load("colorize").make(sheet.store.request("me", sheet.id))
    return np.asarray(made.image)[place[1], place[0]]


def test_a_colour_is_refused_by_a_click_and_the_reach_is_chosen(colouring: Colouring) -> None:
    page = colouring.page
    before = pixel(colouring, OF_LEFT)
    page.click("[data-tool=avoid]")
    colouring.click(*LEFT)
    (mark,) = colouring.given("avoid").marks
    assert mark.color == "#{:02x}{:02x}{:02x}".format(*before), "the colour that is shown there"
    after = pixel(colouring, OF_LEFT)
    assert np.abs(after.astype(int) - before).max() > 16
    colouring.seen(*OF_LEFT, tuple(int(value) for value in after))
    shot(colouring, "avoided")
    page.get_by_text("Only what takes the same colour").first.wait_for(state="attached")
