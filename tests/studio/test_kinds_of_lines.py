"""A drawing with white lines on black: the page shows how it was read, and tools find its ink."""

from __future__ import annotations

import io
from typing import Any

import pytest
from flats_sheet import RED, Sheet, drawing
from PIL import Image, ImageOps

BLACK = (0, 0, 0)


@pytest.fixture
def negative(visit: Any, app: Any) -> Any:
    held = io.BytesIO()
    ImageOps.invert(Image.open(io.BytesIO(drawing()))).save(held, "PNG")
    made = Sheet(visit, app, held.getvalue())
    yield made
    assert visit.complaints == []
    made.store.delete("me", made.id)


def test_the_detected_kind_of_drawing_is_shown_and_can_be_changed(negative: Sheet) -> None:
    negative.page.locator(".notice", has_text="Light lines.").wait_for()
    negative.seen(20, 20, BLACK)
    negative.some(45, 95, "r > 240 && g > 240 && b > 240")
    negative.page.locator(".language").last.click()
    choice = negative.page.locator("[data-field=lines] select")
    negative.page.locator("[data-field=lines]", has_text="선의 종류").wait_for(state="attached")
    choice.evaluate("(box) => { box.closest('details') && (box.closest('details').open = true); }")
    choice.select_option("dark")
    negative.page.locator(".notice", has_text="전체가 선입니다.").wait_for()
    negative.page.keyboard.press("Control+z")
    negative.page.locator(".language").last.click()


def test_tools_snap_to_light_lines_on_dark_paper(negative: Sheet) -> None:
    negative.take("walls-bridge")
    negative.click(359, 100)
    (_, y1), (_, y2) = negative.given("walls").strokes[0].path
    assert {y1 < 91, y2 < 91} == {True, False} and max(y1, y2) > 109
    negative.take("dots", "#cc2222")
    negative.click(320, 100)
    negative.seen(320, 70, RED)
    negative.seen(380, 100, BLACK)
