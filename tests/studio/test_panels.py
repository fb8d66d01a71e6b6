"""The panels around the canvas: history, comparison, sessions, before and after, stopping; and all of them in Korean."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

# Names, formats and keys that are written so in Korean too
LATIN = "Gesso|EN|PNG|ora|psd|px|Ctrl|Shift|Esc|Enter|Alt|gpl|ase|aco|zip|JSON|C2PA|PgUp|PgDn|rrggbb|Delete|Toy|CSP|Krita|OpenRaster"
SCAN = (Path(__file__).parent / "latin.js").read_text("utf-8").split("\n", 1)[1].rstrip().removesuffix(";")


def leftover(page: Any) -> list[Any]:
    return list(page.evaluate(f"([allowed]) => ({SCAN})(allowed)", [LATIN]))


def use(page: Any, colour: str) -> None:
    page.fill(".code", colour)
    page.press(".code", "Enter")


def two_branches(visit: Any) -> None:
    visit.begin()
    for number, colour in enumerate(("#aa2222", "#2222aa"), 2):
        use(visit.page, colour)
        visit.stroke((0.4 + number / 30, 0.5), (0.42 + number / 30, 0.5))
        visit.wait_nodes(number)
    visit.page.keyboard.press("Control+z")
    use(visit.page, "#22aa22")
    visit.stroke((0.6, 0.6), (0.61, 0.6))
    visit.wait_nodes(4)


def test_the_history_of_a_reopened_session_is_shown(visit: Any) -> None:
    page = visit.page
    two_branches(visit)
    page.reload()
    visit.painted()
    page.click("#history-tab")
    page.wait_for_function("() => document.querySelectorAll('.node .thumb canvas').length === 4")
    assert page.locator(".node .thumb.empty").count() == 0
    assert page.locator(".node svg.lanes circle").count() == 4
    assert len(set(page.eval_on_selector_all("svg.lanes circle", "all => all.map((one) => one.getAttribute('cx'))"))) == 2, "two columns"


def test_nodes_can_be_named_found_and_starred(visit: Any) -> None:
    page = visit.page
    two_branches(visit)
    page.click("#history-tab")
    page.locator(".node").nth(1).focus()
    page.keyboard.press("F2")
    page.keyboard.type("빨간 목도리")
    page.keyboard.press("Enter")
    page.locator(".node b", has_text="빨간 목도리").wait_for()
    page.fill("#history input[type=search]", "목도리")
    assert page.locator(".node").count() == 1
    page.fill("#history input[type=search]", "")
    page.locator(".node").nth(2).focus()
    page.keyboard.press("f")
    page.click(".tree-bar button")
    assert page.locator(".node").count() == 2, "the named node and the favourite"


def test_two_nodes_are_compared_by_text_and_picture(visit: Any) -> None:
    page = visit.page
    two_branches(visit)
    page.click("#history-tab")
    page.locator(".node").nth(1).focus()
    page.keyboard.press("c")
    page.locator(".changes li").first.wait_for()
    assert page.locator(".changes").inner_text().startswith("Dots:")
    page.wait_for_function("() => document.querySelector('.wipe canvas').width > 300")
    page.check("#compare-difference")
    differs = (
        "() => { const c = document.querySelector('.wipe canvas'); const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;"
    )
    assert page.evaluate(differs + " return d.some((v, i) => i % 4 < 3 && v > 40); }")
    page.locator(".wipe-names select").first.select_option(index=3)
    page.locator(".changes li", has_text="the same").wait_for()


def test_before_and_after_are_shown_side_by_side(visit: Any) -> None:
    page = visit.page
    visit.begin()
    page.click("[data-act=marks]")
    use(page, "#2266cc")
    visit.stroke((0.5, 0.5), (0.52, 0.5))
    blue = lambda pixel: pixel[2] > 150 and pixel[0] < 80  # noqa: E731
    visit.until(0.5, 0.52, blue)
    page.keyboard.press("v")
    page.locator("#wipe").wait_for()
    page.focus("#wipe")
    page.keyboard.press("End")
    visit.until(0.5, 0.52, lambda pixel: not blue(pixel))
    page.keyboard.press("Home")
    visit.until(0.5, 0.52, blue)
    page.keyboard.press("Escape")
    assert page.locator("#wipe").is_hidden()


def test_a_session_is_renamed_deleted_and_restored(visit: Any) -> None:
    page = visit.page
    visit.begin()
    page.click("[data-act=home]")
    page.locator(".session .more summary").first.click()
    page.locator(".session [data-act=rename]").first.click()
    page.keyboard.type("Winter")
    page.keyboard.press("Enter")
    page.locator(".session b", has_text="Winter").wait_for()
    num = page.locator(".session").count()
    page.locator(".session", has_text="Winter").locator("summary").click()
    page.locator(".session", has_text="Winter").locator("[data-act=delete]").click()
    page.wait_for_function(f"() => document.querySelectorAll('.session').length === {num - 1}")
    page.click(".notice-act")
    page.locator(".session b", has_text="Winter").wait_for()
    assert visit.complaints == []


@pytest.mark.parametrize("size", [(1280, 720), (1024, 768)])
def test_all_texts_are_in_korean(visit: Any, size: tuple[int, int]) -> None:
    page = visit.page
    page.set_viewport_size({"width": size[0], "height": size[1]})
    page.click("#start .language")
    assert leftover(page) == []
    two_branches(visit)
    assert leftover(page) == []
    page.eval_on_selector_all("details", "all => all.forEach((one) => (one.open = true))")
    assert leftover(page) == []
    page.eval_on_selector_all("details.more", "all => all.forEach((one) => (one.open = false))")
    page.click("#history-tab")
    assert leftover(page) == []
    page.locator(".node").nth(1).focus()
    page.keyboard.press("c")
    page.locator(".changes li").first.wait_for()
    assert leftover(page) == []
    page.keyboard.press("Escape")
    page.keyboard.press("p")
    page.locator("[data-choice='3']:not([disabled])").wait_for()
    assert leftover(page) == []
    page.keyboard.press("Escape")
    page.click("[data-act=help]")
    assert leftover(page) == []
    page.locator("dialog .primary").click()
    for _ in range(5):
        assert leftover(page) == []
        page.locator(".guide .primary").click()
    page.click("[data-act=home]")
    page.locator(".session").first.wait_for()
    assert leftover(page) == []


def test_the_tour_starts_on_the_start_page_and_detects_what_was_tried(visit: Any) -> None:
    page = visit.page
    page.click("#start [data-act=guide]")
    page.locator(".guide").wait_for()
    page.locator("#foot button").first.click()
    page.locator(".guide-try.tried").wait_for()
    page.keyboard.press("Escape")  # works anywhere
    assert page.locator(".guide").count() == 0
