"""The field for words: typed text is an edit like others, undone, redone and cleared; what is refused is told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from visits import Visit, serving

from gesso.card import Card, Out, Slot, wordbook
from gesso.conditions.words import MAX_LETTERS, Words
from gesso.families.family import Output
from gesso.ports import Frame
from gesso.recipes.recipe import Recipe

FIELD = "input[data-slot=words]"


class Nothing:
    def sample(self, networks: Any, inputs: Any, rng: Any, settings: Any) -> Iterator[Output]:
        yield Output({}, final=True)


def finish(request: Any, made: Sequence[Any]) -> Mapping[str, Any]:
    """A sheet as dark as the text is long."""
    text = request.conditions["words"].text if "words" in request.conditions else ""
    return {"image": np.full((64, 64, 3), 255 - min(250, 10 * len(text)), np.uint8)}


RECIPE = Recipe(
    card=Card(
        name="writer",
        title={"en": "Writer", "ko": "글"},
        summary={"en": "Darkens a sheet.", "ko": "종이를 어둡게 합니다."},
        conditions=(Slot(name="words", kind=Words, options={"vocabulary": (), "length": 40}),),
        outputs=(Out(name="image", medium="picture", help={"en": "a sheet", "ko": "종이"}),),
        words=wordbook("words | Words | 글 | what to draw | 그릴 것"),
    ),
    presets={"small": None},
    build=lambda preset: {},
    family=lambda preset: Nothing(),  # type: ignore[arg-type, return-value]
    frames=lambda request, preset: [Frame((64, 64))],
    finish=finish,
)


@pytest.fixture
def visiting(browser: Any, tmp_path: Path) -> Iterator[Visit]:
    context = browser.new_context(viewport={"width": 1280, "height": 800}, locale="ko-KR")
    context.add_init_script("localStorage.setItem('gesso.guided', '1')")
    with serving(tmp_path, [RECIPE, "clip"]) as app:
        visit = Visit(context.new_page())
        visit.page.goto(app.state.services.access.link("me"))
        visit.page.locator("[data-recipe=writer]").click()
        visit.page.locator("[data-act=begin]").click()
        visit.painted()
        yield visit
        context.close()


def test_words_are_typed_undone_and_cleared(visiting: Visit) -> None:
    page = visiting.page
    field = page.locator(FIELD)
    assert field.get_attribute("maxlength") == str(MAX_LETTERS) and "한국어" in (field.get_attribute("placeholder") or "")
    nodes = visiting.num_nodes()
    field.fill("  빨간   사과 ")
    field.press("Enter")
    visiting.wait_nodes(nodes + 1)
    visiting.until(0.5, 0.5, lambda pixel: pixel[0] == 255 - 50)
    field.fill("a red apple")
    field.press("Tab")
    visiting.wait_nodes(nodes + 2)
    visiting.until(0.5, 0.5, lambda pixel: pixel[0] == 255 - 110)
    page.locator("#canvas").focus()
    page.keyboard.press("Control+z")
    visiting.wait_until(lambda: field.input_value() == "빨간 사과", "undone")
    visiting.until(0.5, 0.5, lambda pixel: pixel[0] == 255 - 50)
    field.fill("")
    field.press("Enter")
    visiting.until(0.5, 0.5, lambda pixel: pixel[0] == 255)
    assert visiting.complaints == []


def test_a_text_that_is_too_long_for_the_networks_is_told(visiting: Visit) -> None:
    page = visiting.page
    field = page.locator(FIELD)
    field.fill("q" * 80)
    field.press("Enter")
    visiting.wait_until(
        lambda: "81 pieces" in page.locator("body").inner_text() and "38 fit" in page.locator("body").inner_text(), "the reason is shown"
    )
    visiting.until(0.5, 0.5, lambda pixel: pixel[0] == 255)


def test_the_seed_that_fits_the_words_best_is_marked(visiting: Visit) -> None:
    page = visiting.page
    pictures = page.locator(".choice canvas")
    page.click("[data-act=grid]")
    visiting.wait_until(lambda: pictures.count() == 9, "nine pictures")
    assert page.locator("[data-act=rank-seeds]").count() == 0, "there are no words to choose by"
    page.keyboard.press("Escape")
    nodes = visiting.num_nodes()
    page.locator(FIELD).fill("a red apple")
    page.locator(FIELD).press("Enter")
    visiting.wait_nodes(nodes + 1)
    page.click("[data-act=grid]")
    visiting.wait_until(lambda: pictures.count() == 9, "nine pictures")
    page.click("[data-act=rank-seeds]")
    page.locator(".choice-tile.best").wait_for()
    assert "1" in page.locator(".choices-sheet [role=status]").inner_text(), "of equals the first"
    assert visiting.num_nodes() == nodes + 1, "it only marks"
