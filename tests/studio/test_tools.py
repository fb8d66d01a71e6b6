"""Each tool by real events of mouse, pen, touch and keyboard: its edits, and its effect on the picture."""

from __future__ import annotations

from typing import Any

from flats_sheet import BLUE, RED, RIM, WHITE, H, Sheet, W, tinted


def test_a_lasso_colours_all_selected_pieces_in_one_edit(sheet: Sheet) -> None:
    sheet.take("lasso", "#cc2222")
    sheet.stroke((40, 40), (260, 40), (260, 160), (40, 160), (40, 60))
    sheet.page.click("[data-chosen=dots]")
    marks = sheet.given("dots").marks
    sheet.visit.wait_nodes(2)  # the store has it before the page
    assert [mark.color for mark in marks] == ["#cc2222"] * 2 and sheet.visit.num_nodes() == 2
    sheet.seen(60, 140, RED)
    sheet.seen(240, 140, RED)
    sheet.seen(270, 100, WHITE)


def test_pieces_are_not_requested_before_the_page_size_is_known(sheet: Sheet) -> None:
    page, held, asked, holds = sheet.page, list[Any](), list[str](), [True]

    def between(browser: Any) -> None:
        server = browser.connect_to_server()
        server.on_message(lambda data: held.append((browser, data)) if holds and isinstance(data, bytes) else browser.send(data))

    page.route_web_socket("**/api/live*", between)
    page.route("**/given/**", lambda route: held.append(route) if holds else route.continue_())
    address = page.url
    page.goto(page.evaluate("location.origin") + "/icon.svg")  # requests of the page as it was do not count
    page.on("request", lambda request: request.url.endswith("/areas") and asked.append(request.url))
    page.clock.install()
    page.goto(address)
    page.locator("[data-tool=lasso]").click()
    sheet.visit.wait_until(lambda: held, "no frame was sent")
    page.clock.run_for(5000)  # on the page's clock: several of the pauses after which it would load pieces
    page.evaluate("fetch('/api/health').then((answer) => answer.status)")  # earlier requests are known by now
    assert not asked
    holds.clear()
    for one in held:
        one.continue_() if hasattr(one, "continue_") else one[0].send(one[1])
    sheet.true("document.querySelector('.speed').textContent")
    sheet.stroke((92, 212), (112, 212), (112, 232), (92, 232), (92, 214))
    page.get_by_text("Pieces: 1").wait_for()


def test_a_lasso_adds_pieces_by_click_and_can_blank_coloured_ones(sheet: Sheet) -> None:
    sheet.take("dots", "#cc2222")
    sheet.click(100, 100)
    sheet.seen(60, 140, RED)
    sheet.page.keyboard.press("l")
    sheet.click(80, 80)
    sheet.click(200, 100)
    sheet.page.get_by_text("Pieces: 2").wait_for()
    sheet.page.click("[data-chosen=blank]")
    assert len(sheet.given("blank").strokes) == 2
    assert sheet.given("dots", lambda value: value is None) is None, "the colour is removed in the same edit"
    sheet.seen(60, 140, WHITE)
    sheet.page.keyboard.press("Control+z")
    sheet.seen(60, 140, RED)


def test_a_gap_is_closed_by_a_click(sheet: Sheet) -> None:
    sheet.take("walls-bridge")
    sheet.click(359, 100)
    (x1, y1), (x2, y2) = sheet.given("walls").strokes[0].path
    assert {y1 < 91, y2 < 91} == {True, False} and max(y1, y2) > 109 and 355 <= x1 <= 362 and 355 <= x2 <= 362
    sheet.take("dots", "#cc2222")
    sheet.click(320, 100)
    sheet.seen(320, 70, RED)
    sheet.seen(380, 100, WHITE)


def test_a_gap_is_closed_by_a_line_whose_ends_snap_to_the_ink(sheet: Sheet) -> None:
    sheet.take("walls-bridge")
    sheet.stroke((358, 95), (359, 105))
    path = sheet.given("walls").strokes[0].path
    assert min(y for _, y in path) < 91 and max(y for _, y in path) > 109
    sheet.take("dots", "#cc2222")
    sheet.click(320, 100)
    sheet.seen(320, 70, RED)
    sheet.seen(380, 100, WHITE)


def test_a_line_through_a_piece_splits_it(sheet: Sheet) -> None:
    sheet.take("walls-split")
    sheet.stroke((100, 75), (100, 125))
    path = sheet.given("walls").strokes[0].path
    assert path[0][1] <= 53 and path[-1][1] >= 147, "it was extended to the ink"
    sheet.take("dots", "#2244cc")
    sheet.click(70, 100)
    sheet.seen(70, 60, BLUE)
    sheet.seen(130, 60, WHITE)


def test_pieces_are_merged_by_two_clicks_and_by_a_drag(sheet: Sheet) -> None:
    sheet.take("unions")
    sheet.click(100, 100)
    sheet.true("[...document.querySelectorAll('.notice')].some((one) => one.textContent === 'Now the other piece.')")
    sheet.click(200, 100)
    assert len(sheet.given("unions").strokes) == 1
    sheet.take("dots", "#cc2222")
    sheet.click(70, 140)
    sheet.seen(240, 60, RED)
    sheet.page.keyboard.press("Control+z")
    sheet.page.keyboard.press("Control+z")
    sheet.given("unions", lambda value: value is None)
    sheet.take("unions")
    sheet.stroke((100, 100), (200, 100))
    assert len(sheet.given("unions").strokes[0].path) > 2
    sheet.take("dots")
    sheet.click(70, 140)
    sheet.seen(240, 60, RED)


def test_a_piece_is_protected_by_a_click_and_freed_by_another(sheet: Sheet) -> None:
    sheet.take("dots", "#cc2222")
    sheet.click(100, 100)
    sheet.seen(60, 140, RED)
    sheet.take("guard")
    sheet.click(100, 100)
    kept = sheet.given("guard")
    assert kept.mask[100, 100] and not kept.mask[100, 200] and tuple(kept.pixels[140, 60]) == RED
    sheet.take("dots", "#2244cc")
    sheet.click(80, 80)
    sheet.click(200, 100)
    sheet.seen(240, 140, BLUE)
    sheet.seen(60, 140, RED)
    sheet.take("guard")
    sheet.click(100, 100)
    sheet.given("guard", lambda value: value is None)
    sheet.take("dots")
    sheet.seen(60, 140, BLUE)


def test_blank_removes_the_colour_of_a_piece(sheet: Sheet) -> None:
    sheet.take("dots", "#cc2222")
    sheet.click(100, 100)
    sheet.click(200, 100)
    sheet.seen(240, 140, RED)
    sheet.take("blank")
    sheet.click(80, 80)
    sheet.seen(60, 140, WHITE)
    assert [mark.x > 150 for mark in sheet.given("dots").marks] == [True]
    sheet.stroke((170, 80), (230, 120))
    sheet.seen(240, 140, WHITE)


def test_a_mark_fills_the_background_if_the_switch_is_on(sheet: Sheet) -> None:
    sheet.take("dots", "#2244cc")
    sheet.click(30, 200)
    assert not sheet.given("dots").marks[0].fill
    sheet.page.keyboard.press("f")
    sheet.click(30, 250)
    assert sheet.given("dots", lambda value: len(value.marks) == 2).marks[1].fill
    sheet.seen(380, 280, BLUE)


def test_a_mark_is_alone_if_proposals_are_to_stay(sheet: Sheet) -> None:
    sheet.take("dots", "#2244cc")
    sheet.page.click("[data-alone=true]")
    sheet.click(30, 200)
    assert sheet.given("dots").marks[0].alone
    sheet.page.keyboard.press("g")
    sheet.click(30, 250)
    assert not sheet.given("dots", lambda value: len(value.marks) == 2).marks[1].alone


def test_a_lasso_selects_a_speck_and_not_its_surroundings(sheet: Sheet) -> None:
    sheet.take("lasso", "#cc2222")
    sheet.stroke((92, 212), (112, 212), (112, 232), (92, 232), (92, 214))
    sheet.page.click("[data-chosen=dots]")
    (mark,) = sheet.given("dots").marks
    assert max(abs(mark.x - 102), abs(mark.y - 222)) <= 1 and mark.radius < 3
    sheet.page.keyboard.press("m")
    sheet.some(100, 220, "r > 180 && g < 60")
    sheet.seen(112, 222, WHITE)


def test_the_selection_is_hatched_and_cleared_by_undo(sheet: Sheet) -> None:
    sheet.take("dots", "#cc2222")
    sheet.page.mouse.move(*sheet.at(220, 80))
    sheet.some(145, 95, RIM)
    sheet.click(100, 100)
    sheet.visit.wait_nodes(2)
    sheet.take("lasso")
    sheet.click(220, 80)
    sheet.page.get_by_text("Pieces: 1").wait_for()
    sheet.some(200, 110, "b - r > 60 && r > 60")
    sheet.page.keyboard.press("Control+z")
    sheet.page.locator("#chosen").wait_for(state="hidden")
    # The map of this node is used again, not that of the node before undo.
    sheet.page.mouse.move(*sheet.at(80, 80))
    sheet.seen(120, 120, tinted(WHITE))


def test_a_piece_under_the_pointer_is_outlined_but_not_tinted(sheet: Sheet) -> None:
    sheet.take("dots", "#cc2222")
    sheet.click(100, 100)
    sheet.visit.wait_nodes(2)
    sheet.some(45, 80, RIM)
    sheet.seen(120, 120, RED)


def test_a_closed_gap_gives_no_notice_about_the_background(sheet: Sheet) -> None:
    sheet.take("dots", "#cc2222")
    sheet.page.mouse.move(*sheet.at(100, 80))
    sheet.some(45, 80, RIM)  # the map from before the gap is closed has arrived
    sheet.take("walls-bridge")
    sheet.stroke((360, 86), (360, 114))
    sheet.visit.wait_nodes(2)
    sheet.page.keyboard.press("1")
    sheet.click(320, 75)
    sheet.seen(300, 140, RED)
    assert sheet.page.locator("#notices").inner_text() == ""


def test_replaced_marks_are_not_mentioned_in_the_history(sheet: Sheet) -> None:
    sheet.take("dots", "#cc2222")
    sheet.click(100, 100)
    sheet.visit.wait_nodes(2)
    sheet.take("lasso", "#2244cc")
    sheet.click(80, 80)
    sheet.page.click("[data-chosen=dots]")
    sheet.seen(60, 140, BLUE)
    sheet.page.click("#history-tab")
    assert sheet.page.locator(".node[aria-current=true] .said > span").text_content() == "Dots"


def test_the_selection_bar_does_not_hide_the_selection(sheet: Sheet) -> None:
    sheet.take("lasso")
    sheet.click(100, 100)
    sheet.page.get_by_text("Pieces: 1").wait_for()
    middle = sheet.at(W / 2, H / 2)[1]
    bar = sheet.page.locator("#chosen")
    assert (bar.bounding_box() or {})["y"] > middle
    sheet.click(200, 270)  # the background, down to the bottom
    sheet.page.get_by_text("Pieces: 2").wait_for()
    assert (bar.bounding_box() or {})["y"] < middle
