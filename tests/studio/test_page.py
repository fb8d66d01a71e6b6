"""The page in a real browser: it loads from this server only, draws, undoes, has two languages, and works by keyboard."""

from __future__ import annotations

from typing import Any

import pytest


def close_to(colour: tuple[int, int, int]) -> Any:
    return lambda pixel: max(abs(a - b) for a, b in zip(pixel[:3], colour, strict=True)) <= 6


def use(page: Any, colour: str) -> None:
    page.fill(".code", colour)
    page.press(".code", "Enter")


def hide_marks(page: Any) -> None:
    page.click("[data-act=marks]")


def test_all_requests_go_to_the_server_and_there_are_no_errors(visit: Any) -> None:
    visit.begin()
    visit.stroke((0.5, 0.5), (0.52, 0.52))
    visit.wait_nodes(2)
    assert visit.hosts == {"127.0.0.1"}
    assert visit.complaints == []


def test_undo_restores_the_picture_before_a_stroke(visit: Any) -> None:
    visit.begin()
    hide_marks(visit.page)
    before = visit.pixel(0.5, 0.52)
    use(visit.page, "#2266cc")
    visit.stroke((0.5, 0.5), (0.5, 0.55))
    visit.until(0.5, 0.52, close_to((0x22, 0x66, 0xCC)))
    visit.wait_nodes(2)
    visit.page.keyboard.press("Control+z")
    visit.until(0.5, 0.52, lambda pixel: pixel == before)
    visit.page.keyboard.press("Control+Shift+z")
    visit.until(0.5, 0.52, close_to((0x22, 0x66, 0xCC)))


def test_a_preview_is_shown_while_the_pen_is_down(visit: Any) -> None:
    visit.begin()
    hide_marks(visit.page)
    use(visit.page, "#117733")
    mouse = visit.page.mouse
    mouse.move(*visit.place(0.5, 0.5))
    mouse.down()
    mouse.move(*visit.place(0.55, 0.5), steps=8)
    # Beside the pen, not on its own line
    visit.until(0.525, 0.52, close_to((0x11, 0x77, 0x33)))
    assert visit.num_nodes() == 1, "a preview is not saved"
    mouse.up()
    visit.wait_nodes(2)


def test_a_stroke_after_undo_starts_a_branch(visit: Any) -> None:
    page = visit.page
    visit.begin()
    hide_marks(page)
    page.click("#history-tab")
    page.click("#controls-tab")
    use(page, "#aa2222")
    visit.stroke((0.45, 0.5), (0.47, 0.5))
    visit.wait_nodes(2)
    page.keyboard.press("Control+z")
    page.wait_for_selector(".node[aria-selected=true] >> nth=0", state="attached")
    use(page, "#2222aa")
    visit.stroke((0.55, 0.5), (0.57, 0.5))
    visit.wait_nodes(3)
    page.click("#history-tab")
    assert page.locator(".node").count() == 3
    visit.until(0.56, 0.52, close_to((0x22, 0x22, 0xAA)))
    page.locator(".node").nth(1).click()
    visit.until(0.46, 0.52, close_to((0xAA, 0x22, 0x22)))
    page.reload()
    page.wait_for_selector(".tree > .node:nth-child(3)", state="attached")
    visit.until(0.46, 0.52, close_to((0xAA, 0x22, 0x22)))
    assert visit.complaints == []


def test_the_eraser_removes_a_mark(visit: Any) -> None:
    visit.begin()
    use(visit.page, "#cc8800")
    before = visit.pixel(0.5, 0.46)
    visit.stroke((0.5, 0.5), (0.5, 0.5))
    visit.until(0.5, 0.52, close_to((0xCC, 0x88, 0x00)))
    visit.wait_nodes(2)
    visit.page.keyboard.press("e")
    visit.stroke((0.49, 0.5), (0.51, 0.5))
    visit.wait_nodes(3)
    visit.until(0.5, 0.46, lambda pixel: pixel == before)


def test_a_control_without_a_widget_gets_a_form(visit: Any) -> None:
    page = visit.page
    visit.begin()
    form = page.locator("[data-slot=weather]")
    assert form.locator("input[type=range]").count() == 1 and form.locator("select").count() == 1
    form.locator("input[type=number]").fill("1")
    form.locator("input[type=number]").press("Enter")
    visit.wait_nodes(2)
    visit.until(0.37, 0.06, lambda pixel: pixel[2] < 80 and pixel[0] > 200)
    page.click("details.part > summary")
    page.fill("[data-field=shade] input[type=number]", "60")
    page.press("[data-field=shade] input[type=number]", "Enter")
    visit.wait_nodes(3)
    visit.until(0.37, 0.06, lambda pixel: pixel[0] < 200)


def test_a_proposal_can_be_chosen(visit: Any) -> None:
    page = visit.page
    visit.begin()
    page.keyboard.press("p")
    page.locator("[data-choice='3']:not([disabled])").click()
    visit.wait_nodes(2)
    visit.until(0.37, 0.06, lambda pixel: pixel[1] < 100 and pixel[0] > 200)


@pytest.mark.parametrize("size", [(1280, 720), (820, 1180)])
def test_languages_are_switched_in_place(visit: Any, size: tuple[int, int]) -> None:
    page = visit.page
    page.set_viewport_size({"width": size[0], "height": size[1]})
    visit.begin()
    assert page.locator("#history-tab").inner_text().strip() == "History"
    use(page, "#123456")
    page.click("#bar .language")
    assert page.locator("#history-tab").inner_text().strip() == "기록"
    assert page.locator("[data-act=undo]").get_attribute("aria-label").startswith("되돌리기")
    assert page.locator("html").get_attribute("lang") == "ko"
    assert page.input_value(".code") == "#123456", "values stay"
    overflow = page.evaluate("() => document.documentElement.scrollWidth > innerWidth + 1")
    assert not overflow


def test_everything_works_by_keyboard(visit: Any) -> None:
    page = visit.page
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("() => document.activeElement?.dataset.sample ?? ''"):
            break
    page.keyboard.press("Enter")
    visit.painted()
    page.locator("#canvas").focus()
    page.keyboard.press("1")
    page.keyboard.press("m")
    page.keyboard.press("Enter")
    visit.wait_nodes(2)
    visit.until(0.5, 0.52, close_to((0xE4, 0x57, 0x2E)))
    page.keyboard.press("Shift+Enter")
    for _ in range(6):
        page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("Enter")
    visit.wait_nodes(3)
    page.keyboard.press("Control+z")
    page.keyboard.press("Control+z")
    visit.until(0.5, 0.52, lambda pixel: not close_to((0xE4, 0x57, 0x2E))(pixel))
    assert visit.complaints == []


def test_every_control_has_an_accessible_name(visit: Any) -> None:
    visit.begin()
    script = """() => [...document.querySelectorAll("button, input, select, textarea, canvas, [role]")]
      .filter((e) => e.checkVisibility() && e.type !== "file")
      .filter((e) => !(e.getAttribute("aria-label") || e.textContent.trim() || e.labels?.length || e.getAttribute("aria-labelledby")
                       || ["tabpanel", "status", "none"].includes(e.getAttribute("role"))))
      .map((e) => e.outerHTML.slice(0, 120))"""
    assert visit.page.evaluate(script) == []


def test_the_tour_is_shown_once(visit: Any) -> None:
    page = visit.page
    visit.begin()
    page.click("[data-act=help]")
    page.locator("dialog .primary").click()
    for step in range(5):
        assert page.locator(".guide small").inner_text().startswith(f"Step {step + 1}")
        page.locator(".guide .primary").click()
    assert page.locator(".guide").count() == 0


def test_without_a_login_the_instructions_are_shown(app: Any, browser: Any) -> None:
    context = browser.new_context(locale="ko-KR")
    page = context.new_page()
    front = app.state.services.access.link("me").split("?")[0]
    for address in (front, f"{front}?key=used-long-ago"):
        page.goto(address)
        page.locator(".locked", has_text="gesso studio --link").wait_for()
        assert "key" not in page.url
    context.close()
