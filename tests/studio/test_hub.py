"""A pipeline of diffusers in the studio: words are typed, colours painted, a hole brushed; undone and branched like any edit."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from visits import Visit, serving

import tiny_hub

SHOTS = os.environ.get("GESSO_SCREENSHOTS")  # a folder to leave pictures in, to look at
PICTURE = "() => document.querySelector('#canvas').toDataURL()"
WORDS = "input[data-slot=words]"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    tiny_hub.needs_hub()
    return tiny_hub.stable_diffusion(tmp_path_factory.mktemp("hub") / "sd")


@pytest.fixture
def visiting(browser: Any, folder: Path, tmp_path: Path) -> Iterator[Visit]:
    context = browser.new_context(viewport={"width": 1280, "height": 800}, locale="en-GB")
    context.add_init_script("localStorage.setItem('gesso.guided', '1')")
    with serving(tmp_path, ["hub"], weights={"hub": folder}, device="cpu") as app:
        visit = Visit(context.new_page())
        visit.page.goto(app.state.services.access.link("me"))
        visit.page.locator("[data-recipe=hub]").click()
        yield visit
        assert visit.complaints == []
        context.close()


def look(page: Any, name: str) -> None:
    if SHOTS:
        page.screenshot(path=str(Path(SHOTS) / f"{name}.png"))


def photograph(folder: Path) -> Path:
    """A sky over a field, with noise."""
    picture = np.full((96, 128, 3), (150, 190, 240), np.uint8)
    picture[50:] = (90, 140, 60)
    noise = np.random.default_rng(0).integers(-8, 9, picture.shape)
    Image.fromarray((picture + noise).clip(0, 255).astype(np.uint8)).save(folder / "field.png")
    return folder / "field.png"


def test_words_strokes_and_a_hole_steer_it(visiting: Visit, tmp_path: Path) -> None:
    page = visiting.page
    look(page, "hub-start")
    page.locator("[data-act=begin]").click()
    visiting.painted()
    look(page, "hub-begun")

    def done(act: Callable[[], Any], num: int) -> str:
        """What is on the canvas after an edit, the `num`-th node: the finished picture, not a preview."""
        page.evaluate("() => document.querySelector('.speed').replaceChildren()")
        act()
        visiting.wait_nodes(num)
        page.mouse.move(2, 2)  # no ring of the brush on the page
        visiting.painted()
        visiting.wait_until(lambda: page.evaluate("() => !document.querySelector('.saved').textContent.includes('…')"))
        return str(page.evaluate(PICTURE))

    def write() -> None:
        page.locator(WORDS).fill("a red fox")
        page.locator(WORDS).press("Enter")

    def choose() -> None:
        with page.expect_file_chooser() as chooser:
            page.locator("[data-drop=picture] .soft").first.click()
        chooser.value.set_files(str(photograph(tmp_path)))

    def paint() -> None:
        page.locator("[data-tool=strokes]").click()
        visiting.stroke((0.2, 0.3), (0.4, 0.3))

    def brush() -> None:
        page.locator("[data-tool=hole]").click()
        visiting.stroke((0.7, 0.25), (0.7, 0.7))

    empty, nodes = str(page.evaluate(PICTURE)), visiting.num_nodes()
    words = done(write, nodes + 1)
    look(page, "hub-words")
    pictured = done(choose, nodes + 2)
    look(page, "hub-picture")
    painted = done(paint, nodes + 3)
    far = visiting.pixel(0.85, 0.85)  # from any mark, since those of a tool that is not in hand are drawn in another way
    look(page, "hub-strokes")
    assert len({empty, words, pictured, painted}) == 4
    page.keyboard.press("Control+z")
    visiting.wait_until(lambda: page.evaluate(PICTURE) == pictured, "undone")
    filled = done(brush, nodes + 4)  # from the step before the colours: a branch
    look(page, "hub-hole")
    assert filled not in (pictured, painted)

    def take() -> None:
        page.locator("[data-drop=picture] [data-act=take-result]").click()

    assert done(take, nodes + 5) != filled  # the hole is made anew in what was made
    page.get_by_role("tab", name="History").click()
    look(page, "hub-history")
    assert visiting.pixel(0.85, 0.85) != far
    page.locator(".node").nth(2).click()  # the step with colours is there still, on its own branch
    visiting.until(0.85, 0.85, lambda pixel: pixel == far)
