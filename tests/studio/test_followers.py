"""Followers, pieces that took a mark's colour without a mark: shown, counted, accepted or undone in one edit. And dials with named ends."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import pytest
from flats_sheet import BLUE, RED, WHITE, H, Sheet, W
from PIL import Image, ImageDraw

LIKE = ((70, 60), (170, 60), (270, 60), (70, 160))  # the middles of four rooms of one size
OTHER = (270, 190)
CHIP, KEEP, ONLY = "#followers", "[data-act=followers-keep]", "[data-act=followers-only]"


def rooms() -> bytes:
    page = Image.new("L", (W, H), 255)
    pen = ImageDraw.Draw(page)
    for x, y in LIKE:
        pen.rectangle((x - 40, y - 40, x + 40, y + 40), outline=0, width=3)
    pen.rectangle((OTHER[0] - 80, OTHER[1] - 70, OTHER[0] + 80, OTHER[1] + 70), outline=0, width=3)
    held = io.BytesIO()
    page.save(held, "PNG")
    return held.getvalue()


@pytest.fixture
def likes(visit: Any, app: Any) -> Iterator[Sheet]:
    made = Sheet(visit, app, rooms(), "likes")
    yield made
    assert visit.complaints == []
    made.store.delete("me", made.id)


def mark(likes: Sheet, place: tuple[int, int], colour: str) -> None:
    likes.take("dots", colour)
    likes.click(*place)


def shown(likes: Sheet, x: float, y: float) -> bool:
    """Whether the piece at a point of the page has stripes or an outline."""
    box = likes.page.locator("#canvas").bounding_box()
    left, top = likes.at(x, y)
    script = """([x, y]) => {
      const veil = document.querySelector(".followers-veil");
      const { data } = veil.getContext("2d").getImageData(x - 12, y - 12, 24, 24);
      return !veil.hidden && data.some((value, i) => i % 4 === 3 && value > 0);
    }"""
    return bool(likes.page.evaluate(script, [round(left - box["x"]), round(top - box["y"])]))


def test_followers_are_shown_counted_and_announced(likes: Sheet) -> None:
    page = likes.page
    mark(likes, LIKE[0], "#cc2222")
    page.locator(CHIP, has_text="3 similar pieces took this colour").wait_for()
    assert [shown(likes, *place) for place in (*LIKE, OTHER)] == [False, True, True, True, False]
    assert page.locator("#said").inner_text() == "3 similar pieces took this colour"
    assert page.locator("#said").get_attribute("aria-live") == "polite"
    box, (_, foot) = page.locator(CHIP).bounding_box(), likes.at(*LIKE[3])
    assert box["y"] > foot or box["y"] + box["height"] < foot, "the chip hides none of the followers"
    page.locator(KEEP).click()
    page.locator(CHIP).wait_for(state="hidden")
    assert page.evaluate("document.activeElement.id") == "canvas"
    likes.seen(*LIKE[3], RED)
    assert len(likes.given("dots").marks) == 1 and not likes.given("dots").marks[0].alone


def test_only_here_is_one_edit_that_can_be_undone(likes: Sheet) -> None:
    page = likes.page
    mark(likes, LIKE[0], "#cc2222")
    page.locator(ONLY).click()
    page.locator(CHIP).wait_for(state="hidden")
    (only,) = likes.given("dots", lambda value: value is not None and value.marks[0].alone).marks
    assert only.color == "#cc2222"
    likes.seen(*LIKE[1], WHITE)
    likes.visit.wait_nodes(3)
    page.locator("#history-tab").click()
    page.locator(".node", has_text="Dots, only here").wait_for()
    page.keyboard.press("Control+z")
    likes.given("dots", lambda value: not value.marks[0].alone)
    likes.seen(*LIKE[1], RED)
    assert page.locator(CHIP).is_hidden(), "undo shows no followers"
    page.keyboard.press("Control+Shift+z")
    likes.given("dots", lambda value: value.marks[0].alone)


def test_only_here_is_one_edit_with_a_new_seed_too(likes: Sheet) -> None:
    page = likes.page
    page.locator(".lock").click()
    mark(likes, LIKE[0], "#cc2222")
    page.locator(ONLY).click()
    likes.given("dots", lambda value: value is not None and value.marks[0].alone)
    likes.visit.wait_nodes(3)
    assert likes.visit.num_nodes() == 3 and not page.locator(".notice.wrong").count()
    page.locator(".lock").click()


def test_a_second_colour_shows_the_followers_that_change(likes: Sheet) -> None:
    page = likes.page
    mark(likes, LIKE[0], "#cc2222")
    page.locator(CHIP, has_text="3 similar").wait_for()
    mark(likes, LIKE[1], "#2244cc")
    page.locator(CHIP, has_text="2 similar pieces").wait_for()
    likes.seen(*LIKE[3], BLUE)
    assert [shown(likes, *place) for place in LIKE] == [False, False, True, True]
    page.locator(ONLY).click()
    likes.seen(*LIKE[3], RED)
    assert [one.alone for one in likes.given("dots", lambda value: value.marks[-1].alone).marks] == [False, True]
    mark(likes, OTHER, "#22aa22")
    likes.given("dots", lambda value: len(value.marks) == 3)
    likes.seen(*OTHER, (0x22, 0xAA, 0x22))
    assert page.locator(CHIP).is_hidden(), "without new followers there is no chip"


def test_followers_work_by_keyboard_and_in_korean(likes: Sheet) -> None:
    page = likes.page
    page.locator(".language").last.click()
    likes.take("dots", "#cc2222")
    page.locator("#canvas").focus()
    for _ in range(4):
        page.keyboard.press("Shift+ArrowUp")  # from the middle of the page into the second room
    page.keyboard.press("Enter")
    page.locator(CHIP, has_text="비슷한 영역 3곳도 같은 색이 됐습니다").wait_for()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "유지"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "여기만"
    page.keyboard.press("Enter")
    likes.given("dots", lambda value: value.marks[0].alone)
    page.locator(".language").last.click()


def test_a_new_stroke_accepts_followers_and_reduced_motion_is_respected(likes: Sheet) -> None:
    page = likes.page
    page.emulate_media(reduced_motion="reduce")
    mark(likes, LIKE[0], "#cc2222")
    page.locator(CHIP).wait_for()
    assert page.evaluate("getComputedStyle(document.querySelector('.followers-veil')).animationName") == "followers-still"
    mark(likes, OTHER, "#22aa22")
    page.locator(CHIP).wait_for(state="hidden")
    assert [one.alone for one in likes.given("dots", lambda value: len(value.marks) == 2).marks] == [False, False]


def test_a_dial_has_named_ends(likes: Sheet) -> None:
    page = likes.page
    dial = page.get_by_label("Boldness")
    assert dial.is_visible() and not page.locator("[data-field=grey]").is_visible(), "dials are visible, other settings are folded"
    for word in ("only what is sure", "colour everything"):
        assert page.locator(".dial-ends", has_text=word).is_visible()
    assert dial.get_attribute("aria-valuetext") == "never worse than white"
    dial.focus()
    page.keyboard.press("End")
    likes.seen(*OTHER, (200, 200, 200))
    assert dial.get_attribute("aria-valuetext") == "colour everything"
    page.keyboard.press("Control+z")
    likes.seen(*OTHER, WHITE)
    assert dial.input_value() == "0.5"
    page.keyboard.press("ArrowLeft")
    likes.true("document.querySelector('[data-field=bold] input').getAttribute('aria-valuetext') === '45 %'")
    page.locator(".language").last.click()
    assert page.locator(".dial-ends", has_text="전부 칠하기").is_visible()
    page.locator(".language").last.click()


def test_a_dial_previews_while_moved_and_is_one_edit(likes: Sheet) -> None:
    page = likes.page
    box = page.get_by_label("Boldness").bounding_box()
    y = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] / 2, y)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] - 2, y, steps=6)
    likes.seen(*OTHER, (200, 200, 200))
    assert likes.visit.num_nodes() == 1, "a preview is not saved"
    page.mouse.up()
    likes.visit.wait_nodes(2)
    page.locator("#history-tab").click()
    page.locator(".node", has_text="Boldness colour everything").wait_for()
