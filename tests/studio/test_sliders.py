"""Sliders for handles and settings, the seed grid, and slots that take pictures, each shown from a card alone."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from visits import Visit, serving

import gesso

SHOTS = os.environ.get("GESSO_SCREENSHOTS")  # a folder to leave pictures in, to look at
PICTURE = "() => document.querySelector('#canvas').toDataURL().slice(-4000)"
HANDLE = "[data-slot=handles] input[type=range][data-place='0']"


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A generator with handles, trained for a few steps on made-up pictures."""
    out = tmp_path_factory.mktemp("run")
    return gesso.train("stylegan2", preset="tiny", steps=2, out=out / "w", quiet=True).weights


@pytest.fixture(scope="module")
def styles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network for styles, trained for a few steps on made-up pictures."""
    return gesso.train("fast_style", preset="tiny", steps=2, out=tmp_path_factory.mktemp("run") / "s", quiet=True).weights


@pytest.fixture
def visiting(browser: Any, tmp_path: Path) -> Iterator[Any]:
    context = browser.new_context(viewport={"width": 1280, "height": 800}, locale="en-GB")
    context.add_init_script("localStorage.setItem('gesso.guided', '1')")
    with serving(tmp_path, ["stylegan2", "style", "fast_style", "digits"]) as app:
        visit = Visit(context.new_page())
        visit.page.goto(app.state.services.access.link("me"))
        visit.page.locator("[data-recipe=stylegan2]").wait_for()
        yield visit
        assert visit.complaints == []
        context.close()


def look(page: Any, name: str) -> None:
    if SHOTS:
        page.screenshot(path=str(Path(SHOTS) / f"{name}.png"))


def begin(visit: Visit, weights: Path) -> None:
    """Open weights of one's own, and start with them."""
    open_weights(visit, "stylegan2", weights)
    visit.page.locator("[data-act=begin]").click()
    visit.painted()


def open_weights(visit: Visit, recipe: str, weights: Path) -> None:
    page = visit.page
    page.locator(f"[data-recipe={recipe}]").click()
    with page.expect_file_chooser() as chooser:
        page.locator("[data-act=open-weights]").click()
    chooser.value.set_files(str(weights))
    page.locator("[data-field=weights]").wait_for()


def pictures(folder: Path, *names: str) -> list[Path]:
    """Small noisy pictures, each of another colour."""
    files = []
    for number, name in enumerate(names):
        noise = np.random.default_rng(number).integers(-50, 50, (24, 32, 3)) + np.roll((200, 60, 60), number)
        files.append(folder / f"{name}.png")
        Image.fromarray(noise.clip(0, 255).astype(np.uint8)).save(files[-1])
    return files


def put(page: Any, slot: str, file: Path) -> None:
    """Choose a picture for a slot of the start page."""
    with page.expect_file_chooser() as chooser:
        page.locator(f".drop[data-slot={slot}]").click()
    chooser.value.set_files(str(file))
    page.locator(f".drop[data-slot={slot}] img").wait_for()


def spot(page: Any, selector: str, share: float) -> tuple[float, float]:
    box = page.locator(selector).bounding_box()
    return box["x"] + 8 + (box["width"] - 16) * share, box["y"] + box["height"] / 2


def drag(page: Any, selector: str, shares: tuple[float, ...]) -> None:
    """Press on a slider at the first share of its width, and move over the others."""
    page.mouse.move(*spot(page, selector, shares[0]))
    page.mouse.down()
    for share in shares[1:]:
        page.mouse.move(*spot(page, selector, share), steps=4)


def test_a_handle_is_a_slider_that_is_live_while_it_is_dragged(visiting: Visit, weights: Path) -> None:
    page = visiting.page
    begin(visiting, weights)
    assert page.locator("[data-slot=handles] input[type=range]").count() == 8
    nodes, before = visiting.num_nodes(), page.evaluate(PICTURE)
    drag(page, HANDLE, (0.5, 0.7, 0.95))
    visiting.wait_until(lambda: page.evaluate(PICTURE) != before, "the picture follows the slider")
    assert visiting.num_nodes() == nodes, "nothing is kept while it is dragged"
    look(page, "sliders-dragging")
    page.mouse.up()
    visiting.wait_nodes(nodes + 1)
    visiting.wait_until(lambda: page.evaluate("() => !document.querySelector('.saved').textContent.includes('…')"))
    assert visiting.num_nodes() == nodes + 1, "one edit"
    amount = page.locator("[data-slot=handles] input[type=number]").first
    assert 4 < float(amount.input_value()) <= 5
    page.keyboard.press("Control+z")
    visiting.wait_until(lambda: amount.input_value() == "0", "undone")
    visiting.wait_until(lambda: page.evaluate(PICTURE) == before, "the picture as well")
    page.keyboard.press("Control+Shift+z")
    visiting.wait_until(lambda: float(amount.input_value()) > 4, "redone")


def test_a_slider_is_moved_by_keys_and_reset_by_a_double_click(visiting: Visit, weights: Path) -> None:
    page = visiting.page
    begin(visiting, weights)
    nodes, amount = visiting.num_nodes(), page.locator("[data-slot=handles] input[type=number]").first
    page.locator(HANDLE).focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    visiting.wait_nodes(nodes + 1)
    assert amount.input_value() == "0.3", "three keys are one edit"
    amount.fill("-2.25")
    amount.press("Enter")
    visiting.wait_nodes(nodes + 2)
    assert page.locator(HANDLE).input_value() in ("-2.2", "-2.3")
    page.mouse.dblclick(*spot(page, HANDLE, 0.8))
    visiting.wait_nodes(nodes + 3)
    page.wait_for_timeout(600)
    assert amount.input_value() == "0" and visiting.num_nodes() == nodes + 3, "one edit, not one for each click"
    setting = "[data-field=truncation] input[type=range]"
    page.locator(setting).focus()
    page.keyboard.press("End")
    page.keyboard.press("Control+z")
    visiting.wait_nodes(nodes + 4)
    visiting.wait_until(lambda: page.locator(setting).input_value() == "0.8", "undo comes after what was kept")
    page.keyboard.press("End")
    visiting.wait_nodes(nodes + 5)
    page.keyboard.press("Delete")
    visiting.wait_until(lambda: page.locator(setting).input_value() == "0.8", "back to the default")
    page.click("#editor .language")
    look(page, "sliders-korean")
    assert page.locator(HANDLE).get_attribute("aria-label") == "손잡이 1번"


def test_seeds_are_kept_varied_and_taken_from_a_grid(visiting: Visit, weights: Path) -> None:
    page = visiting.page
    begin(visiting, weights)
    nodes = visiting.num_nodes()
    tiles = "() => [...document.querySelectorAll('.choice canvas')].map((one) => one.toDataURL())"
    page.click("[data-act=grid]")
    visiting.wait_until(lambda: len(page.evaluate(tiles)) == 9, "nine pictures")
    first = page.evaluate(tiles)
    assert len(set(first)) == 9
    page.click("[data-keep='2']")
    page.click("[data-keep='5']")
    look(page, "seeds-kept")
    page.click("[data-act=vary-others]")
    visiting.wait_until(lambda: len(page.evaluate(tiles)) == 9 and page.evaluate(tiles)[8] != first[8], "new ones")
    second = page.evaluate(tiles)
    assert [n for n in range(9) if first[n] == second[n]] == [2, 5], "the kept ones stay, all others are new"
    page.keyboard.press("Escape")
    assert visiting.num_nodes() == nodes
    page.click("[data-act=grid]")
    visiting.wait_until(lambda: len(page.evaluate(tiles)) == 9)
    assert set(page.evaluate(tiles)) & set(second) >= {first[2], first[5]}, "they are still there"
    page.locator(".choice-tile.kept .choice").first.click()
    visiting.wait_nodes(nodes + 1)
    visiting.wait_until(lambda: page.locator(".choices-sheet").count() == 0)


def test_each_slot_takes_a_picture_that_is_dropped_on_it(visiting: Visit, tmp_path: Path) -> None:
    page = visiting.page
    files = pictures(tmp_path, "content", "style", "other")
    page.locator("[data-recipe=style]").click()
    for slot, file in zip(("content", "style"), files[:2], strict=True):
        assert page.locator("[data-act=begin]").is_disabled()
        put(page, slot, file)
    look(page, "pictures-start")
    page.locator("[data-act=begin]").click()
    page.locator("[data-drop=style] img").wait_for()
    look(page, "pictures")
    nodes = visiting.num_nodes()
    drop(page, "[data-drop=style]", files[2])
    visiting.wait_nodes(nodes + 1)
    drop(page, "#canvas", files[0])
    page.locator("[data-place=content]").click()
    visiting.wait_nodes(nodes + 2)


def test_styles_are_mixed_with_sliders_and_an_optional_picture_is_cleared(visiting: Visit, styles: Path, tmp_path: Path) -> None:
    page = visiting.page
    files = pictures(tmp_path, "content", "style", "other")
    open_weights(visiting, "fast_style", styles)
    for slot, file in zip(("content", "style"), files[:2], strict=True):
        put(page, slot, file)
    page.locator("[data-act=begin]").click()
    visiting.painted()
    nodes, before = visiting.num_nodes(), page.evaluate(PICTURE)
    strength = "[data-field=strength] input[type=range]"
    drag(page, strength, (0.99, 0.6, 0.3))
    visiting.wait_until(lambda: page.evaluate(PICTURE) != before, "the picture follows the slider")
    page.mouse.up()
    visiting.wait_nodes(nodes + 1)
    assert page.locator("[data-drop=second] [data-act=clear]").is_hidden()
    drop(page, "[data-drop=second]", files[2])
    visiting.wait_nodes(nodes + 2)
    visiting.wait_until(lambda: page.locator("[data-field=mix] input").get_attribute("aria-valuetext") == "50 %")
    page.locator("[data-field=mix] input").focus()
    page.keyboard.press("End")
    visiting.wait_nodes(nodes + 3)
    assert page.locator("[data-field=mix] input").get_attribute("aria-valuetext") == "Second"
    look(page, "styles-mixed")
    page.locator("[data-drop=second] [data-act=clear]").click()
    visiting.wait_nodes(nodes + 4)
    assert page.locator("[data-drop=second] img").count() == 0


def test_a_class_is_picked_by_its_name(visiting: Visit) -> None:
    page = visiting.page
    page.locator("[data-recipe=digits]").click()
    page.locator("[data-act=begin]").click()
    page.locator(".chip[data-value]").first.wait_for()
    assert page.locator(".chip[data-value]").count() == 11, "ten digits, or any"
    nodes = visiting.num_nodes()
    page.locator(".chip[data-value='7']").click()
    visiting.wait_nodes(nodes + 1)
    visiting.wait_until(lambda: page.locator(".chip[data-value='7']").get_attribute("aria-checked") == "true")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    visiting.wait_nodes(nodes + 2)
    assert page.locator(".chip[data-value='8']").get_attribute("aria-checked") == "true"


def drop(page: Any, selector: str, file: Path) -> None:
    script = """async ([selector, bytes, name]) => {
      const data = new DataTransfer();
      data.items.add(new File([new Uint8Array(bytes)], name, { type: "image/png" }));
      const place = document.querySelector(selector);
      const how = { dataTransfer: data, bubbles: true, cancelable: true };
      for (const kind of ["dragover", "drop"]) place.dispatchEvent(new DragEvent(kind, how));
    }"""
    page.evaluate(script, [selector, list(file.read_bytes()), file.name])


def test_a_picture_is_found_in_the_model_and_then_moved_by_a_handle(visiting: Visit, weights: Path, tmp_path: Path) -> None:
    page = visiting.page
    begin(visiting, weights)
    nodes, before = visiting.num_nodes(), page.evaluate(PICTURE)
    with page.expect_file_chooser() as chooser:
        page.locator("[data-slot=place] [data-act=find]").click()
    chooser.value.set_files(str(pictures(tmp_path, "mine")[0]))
    page.locator("[data-slot=place] progress").wait_for()
    look(page, "found-searching")
    visiting.wait_nodes(nodes + 1)
    visiting.wait_until(lambda: page.evaluate(PICTURE) != before, "the picture is what was found")
    page.locator("[data-slot=place] progress").wait_for(state="hidden")
    look(page, "found")
    found = page.evaluate(PICTURE)
    drag(page, HANDLE, (0.5, 0.9))
    page.mouse.up()
    visiting.wait_nodes(nodes + 2)
    visiting.wait_until(lambda: page.evaluate(PICTURE) != found, "a handle moves it")
    page.keyboard.press("Control+z")
    page.keyboard.press("Control+z")
    visiting.wait_until(lambda: page.evaluate(PICTURE) == before, "undone like any edit")
