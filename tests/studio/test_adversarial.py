"""Recipes of the adversarial family show themselves from their cards: classes, looks, exemplars."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from test_sliders import PICTURE, drag, drop, look, open_weights, pictures, put
from visits import Visit, serving

import gesso
from gesso.weights.store import read_weights, save_weights

NAMES = ("cgan", "acgan", "stargan", "exemplar")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures in two classes, `a` and `b`, with the same names: looks, and pairs."""
    made: Path = tmp_path_factory.mktemp("data")
    for number in range(16):
        for name, colour in (("a", (230, 60, 40)), ("b", (40, 80, 220))):
            (made / name).mkdir(exist_ok=True)
            pixels = np.full((40, 40, 3), 255, np.uint8)
            pixels[4 + number : 30, 10:30] = colour
            Image.fromarray(pixels).save(made / name / f"{number}.png")
    return made


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory, folder: Path) -> dict[str, Path]:
    """Networks of each recipe after a step, with noise in them: untrained ones answer everything alike."""
    out, files = tmp_path_factory.mktemp("runs"), {}
    for name in NAMES:
        held = read_weights(gesso.train(name, data=folder, preset="tiny", steps=1, out=out / name, quiet=True, sample_every=0).weights)
        rng = torch.Generator().manual_seed(0)
        noisy = {
            role: {
                key: value + 0.1 * torch.randn(value.shape, generator=rng) if value.is_floating_point() else value
                for key, value in state.items()
            }
            for role, state in held.states.items()
        }
        files[name] = out / f"{name}.safetensors"
        save_weights(files[name], noisy, held.card)
    return files


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with serving(tmp_path_factory.mktemp("home"), list(NAMES)) as app:
        yield app


@pytest.fixture
def visiting(browser: Any, server: Any) -> Iterator[Any]:
    context = browser.new_context(viewport={"width": 1280, "height": 800}, locale="en-GB")
    context.add_init_script("localStorage.setItem('gesso.guided', '1')")
    visit = Visit(context.new_page())
    visit.page.goto(server.state.services.access.link("me"))
    visit.page.locator("[data-recipe=cgan]").wait_for()
    yield visit
    assert visit.complaints == []
    context.close()


@pytest.mark.parametrize("name", ["cgan", "acgan"])
def test_a_class_of_the_data_is_picked_and_seeds_are_looked_through(visiting: Visit, weights: dict[str, Path], name: str) -> None:
    page = visiting.page
    open_weights(visiting, name, weights[name])
    look(page, f"{name}-start")
    page.locator("[data-act=begin]").click()
    page.locator(".chip[data-value]").first.wait_for()
    look(page, f"{name}-begun")
    assert page.locator("[data-asked]").is_visible(), "a class is asked for"
    page.locator(".chip[data-value=b]").click()
    visiting.painted()
    visiting.wait_until(lambda: page.locator(".chip[data-value=b]").get_attribute("aria-checked") == "true")
    assert page.locator("[data-asked]").is_hidden()
    before, nodes = page.evaluate(PICTURE), visiting.num_nodes()
    drag(page, "[data-field=truncation] input[type=range]", (0.5, 0.2))
    page.mouse.up()
    visiting.wait_nodes(nodes + 1)
    visiting.wait_until(lambda: page.evaluate(PICTURE) != before, "truncation changes the picture")
    page.click("[data-act=grid]")
    tiles = "() => [...document.querySelectorAll('.choice canvas')].map((one) => one.toDataURL())"
    visiting.wait_until(lambda: len(set(page.evaluate(tiles))) == 9, "nine pictures of the class")
    page.click("[data-keep='4']")
    look(page, f"{name}-grid")
    page.keyboard.press("Escape")


def test_a_look_is_switched_and_taken_from_an_exemplar(visiting: Visit, weights: dict[str, Path], tmp_path: Path) -> None:
    page = visiting.page
    files = pictures(tmp_path, "mine", "other")
    open_weights(visiting, "stargan", weights["stargan"])
    look(page, "stargan-start")
    with page.expect_file_chooser() as chooser:
        page.locator(".drop[data-slot=picture]").click()
    chooser.value.set_files(str(files[0]))  # the only picture that it needs, so it begins
    page.locator(".chip[data-value=b]").click()
    visiting.painted()
    look(page, "stargan-looks")
    nodes, before = visiting.num_nodes(), page.evaluate(PICTURE)
    page.locator(".chip[data-value=a]").click()
    visiting.wait_nodes(nodes + 1)
    visiting.wait_until(lambda: page.evaluate(PICTURE) != before, "another look")
    drop(page, "[data-drop=exemplar]", files[1])
    visiting.wait_nodes(nodes + 2)
    page.keyboard.press("v")
    page.locator("#wipe").wait_for()
    look(page, "stargan-before-after")


def test_colours_are_taken_from_an_exemplar_and_their_places_shown(visiting: Visit, weights: dict[str, Path], tmp_path: Path) -> None:
    page = visiting.page
    files = pictures(tmp_path, "drawing", "one", "other")
    open_weights(visiting, "exemplar", weights["exemplar"])
    put(page, "picture", files[0])
    put(page, "exemplar", files[1])
    page.locator("[data-act=begin]").click()
    visiting.painted()
    look(page, "exemplar")
    nodes, before = visiting.num_nodes(), page.evaluate(PICTURE)
    drop(page, "[data-drop=exemplar]", files[2])
    visiting.wait_nodes(nodes + 1)
    visiting.wait_until(lambda: page.evaluate(PICTURE) != before, "other colours")
    look(page, "exemplar-other")
    coloured = page.evaluate(PICTURE)
    page.locator("[data-output=places]").click()
    visiting.wait_until(lambda: page.evaluate(PICTURE) != coloured, "where colours came from")
    assert page.locator("[data-output=places]").get_attribute("aria-checked") == "true"
    look(page, "exemplar-places")
    page.locator("[data-output=image]").click()
    visiting.wait_until(lambda: page.evaluate(PICTURE) == coloured, "and back, to the bit")
