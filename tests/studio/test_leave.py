"""A user leaves a session before all edits are saved, or opens two at once: nothing is lost, and no edit goes to another session."""

from __future__ import annotations

import json
from typing import Any


def nodes(visit: Any, id: str) -> int:
    return int(visit.page.evaluate("id => fetch(`/api/sessions/${id}`).then(a => a.json()).then(told => told.nodes.length)", id))


def opened(visit: Any) -> str:
    return str(visit.page.evaluate("location.hash")).removeprefix("#")


def test_pending_strokes_are_saved_after_leaving_the_session(visit: Any) -> None:
    page, held, told = visit.page, list[tuple[Any, bytes]](), {"holds": False}

    def between(browser: Any) -> None:
        server = browser.connect_to_server()

        def answered(data: Any) -> None:
            header = json.loads(data[4 : 4 + int.from_bytes(data[:4], "little")]) if isinstance(data, bytes) else {}
            if told["holds"] and header.get("type") == "node":
                held.append((browser, data))
            else:
                browser.send(data)

        server.on_message(answered)

    page.route_web_socket("**/api/live*", between)
    visit.begin()
    id = opened(visit)
    told["holds"] = True
    for number in range(3):  # one is sent, two wait for its answer
        visit.stroke((0.4, 0.4 + 0.05 * number), (0.5, 0.4 + 0.05 * number))
    visit.wait_until(lambda: held, "no stroke was answered")
    page.click("[data-act=home]")
    page.locator("[data-sample]").first.wait_for()
    told["holds"] = False
    for browser, data in held:
        browser.send(data)
    page.wait_for_function("id => fetch(`/api/sessions/${id}`).then(a => a.json()).then(told => told.nodes.length === 4)", arg=id)
    page.evaluate("id => (location.hash = id)", id)
    visit.painted()
    visit.wait_nodes(4)
    assert visit.num_nodes() == 4 and not visit.complaints


def test_of_two_sessions_opened_at_once_the_later_stays(visit: Any) -> None:
    page, ids = visit.page, []
    for title in ("the slow one", "the quick one"):
        visit.begin()
        ids.append(opened(visit))
        page.fill("input.title", title)
        with page.expect_response(lambda answer: answer.request.method == "PATCH"):
            page.keyboard.press("Tab")
        page.click("[data-act=home]")
        page.locator("[data-sample]").first.wait_for()
    slow, quick = ids
    held: list[Any] = []
    page.route(f"**/api/sessions/{slow}", lambda route: held.append(route))
    page.evaluate("id => (location.hash = id)", slow)
    visit.wait_until(lambda: held, "the slow session was not requested")
    page.evaluate("id => (location.hash = id)", quick)
    visit.painted()
    assert held
    with page.expect_response(lambda answer: "/api/recipes/" in answer.url) as card:  # the last request for the slow one
        for route in held:
            route.continue_()
    card.value.finished()
    page.unroute(f"**/api/sessions/{slow}")
    page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    assert page.input_value("input.title") == "the quick one" and opened(visit) == quick
    before = nodes(visit, slow)
    visit.stroke((0.4, 0.4), (0.5, 0.4))
    visit.wait_nodes(2)
    assert nodes(visit, slow) == before and nodes(visit, quick) == 2


def test_a_malformed_address_leads_to_the_start_page(visit: Any) -> None:
    visit.page.evaluate("location.hash = '%E0%A4%A'")
    visit.page.locator("[data-sample]").first.wait_for()
    assert not [one for one in visit.complaints if "404" not in one]


def test_a_recipe_that_cannot_be_read_does_not_hide_the_others(visit: Any) -> None:
    page = visit.page
    recipes = page.evaluate("fetch('/api/recipes').then(a => a.json()).then(told => told.recipes.map(one => one.name))")
    page.route(f"**/api/recipes/{recipes[-1]}", lambda route: route.fulfill(status=500, json={"error": {"what": "a broken card"}}))
    page.reload()
    page.locator("[data-recipe]").first.wait_for()
    assert page.locator("[data-recipe]").count() == len(recipes) - 1
    assert "a broken card" in page.locator(".notice.wrong").first.inner_text()
    assert not [one for one in visit.complaints if "500" not in one]
