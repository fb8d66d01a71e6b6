"""Pages larger than the screen: a strip scrolls and takes strokes in page pixels; no canvas and no message contains all of its pixels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw

WIDE, TALL = 240, 6000


@pytest.fixture
def strip(tmp_path: Path) -> Path:
    page = Image.new("L", (WIDE, TALL), 255)
    pen = ImageDraw.Draw(page)
    for y in range(0, TALL, 300):
        pen.rectangle((40, y + 60, 200, y + 220), outline=0, width=3)
    page.save(tmp_path / "strip.png")
    return tmp_path / "strip.png"


def give(page: Any, file: Path) -> None:
    with page.expect_file_chooser() as chooser:
        page.locator(".drop").first.click()
    chooser.value.set_files(str(file))


def sides(visit: Any) -> list[list[int]]:
    script = "() => [...document.querySelectorAll('canvas')].map((c) => [c.width, c.height])"
    return [list(one) for one in visit.page.evaluate(script)]


def test_a_strip_scrolls_and_takes_strokes_in_page_pixels(visit: Any, strip: Path) -> None:
    page = visit.page
    give(page, strip)
    visit.painted()
    page.locator("#strip").wait_for()
    page.click("[data-act=marks]")
    page.mouse.move(*visit.place(0.5, 0.5))
    page.mouse.wheel(0, 2500)
    page.fill(".code", "#2266cc")
    page.press(".code", "Enter")
    visit.stroke((0.5, 0.5), (0.5, 0.52))
    visit.until(0.5, 0.53, lambda pixel: pixel[2] > 150 and pixel[0] < 80)
    visit.wait_nodes(2)
    mark = page.evaluate(
        "async () => { const s = location.hash.slice(1); const all = await (await fetch(`/api/sessions/${s}`)).json();"
        " return all.nodes.at(-1).edit.value.marks[0]; }"
    )
    assert 2000 < mark["y"] < 4000, "in page pixels"
    assert all(max(one) <= 4096 for one in sides(visit))
    assert visit.complaints == []


def test_the_minimap_moves_by_keys(visit: Any, strip: Path) -> None:
    page = visit.page
    give(page, strip)
    visit.painted()
    bar = page.locator("#strip")
    bar.focus()
    before = int(bar.get_attribute("aria-valuenow"))
    page.keyboard.press("PageDown")
    page.keyboard.press("PageDown")
    page.wait_for_function(f"() => Number(document.getElementById('strip').getAttribute('aria-valuenow')) > {before + 5}")
    page.keyboard.press("Home")
    page.wait_for_function("() => Number(document.getElementById('strip').getAttribute('aria-valuenow')) < 20")


def test_a_page_that_fits_has_no_minimap(visit: Any) -> None:
    visit.begin()
    assert visit.page.locator("#strip").is_hidden()
