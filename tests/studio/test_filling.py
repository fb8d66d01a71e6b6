"""Filling in: a picture is given, a part of it brushed away and made anew; undone like any edit, and the rest of it stays."""

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
OWN = os.environ.get("GESSO_INPAINT")  # weights to look at instead of the small ones
PICTURE = "() => document.querySelector('#canvas').toDataURL()"


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network that fills, trained for a few steps on made-up pictures."""
    return (
        Path(OWN) if OWN else gesso.train("inpaint", preset="tiny", steps=2, out=tmp_path_factory.mktemp("run") / "w", quiet=True).weights
    )


@pytest.fixture
def visiting(browser: Any, tmp_path: Path) -> Iterator[Any]:
    context = browser.new_context(viewport={"width": 1280, "height": 800}, locale="en-GB")
    context.add_init_script("localStorage.setItem('gesso.guided', '1')")
    with serving(tmp_path, ["inpaint"]) as app:
        visit = Visit(context.new_page())
        visit.page.goto(app.state.services.access.link("me"))
        visit.page.locator("[data-recipe=inpaint]").wait_for()
        yield visit
        assert visit.complaints == []
        context.close()


def look(page: Any, name: str) -> None:
    if SHOTS:
        page.screenshot(path=str(Path(SHOTS) / f"{name}.png"))


def photograph(folder: Path) -> Path:
    """A sky over a field with a dark pole."""
    picture = np.full((96, 128, 3), (150, 190, 240), np.uint8)
    picture[50:] = (90, 140, 60)
    picture[20:80, 60:66] = (60, 40, 30)
    noise = np.random.default_rng(0).integers(-8, 9, picture.shape)
    Image.fromarray((picture + noise).clip(0, 255).astype(np.uint8)).save(folder / "pole.png")
    return folder / "pole.png"


def test_a_part_is_brushed_away_and_made_anew(visiting: Visit, weights: Path, tmp_path: Path) -> None:
    page = visiting.page
    page.locator("[data-recipe=inpaint]").click()
    with page.expect_file_chooser() as chooser:
        page.locator("[data-act=open-weights]").click()
    chooser.value.set_files(str(weights))
    page.locator("[data-field=weights]").wait_for()
    look(page, "filling-start")
    with page.expect_file_chooser() as chooser:
        page.locator(".drop[data-slot=picture]").click()
    chooser.value.set_files(str(photograph(tmp_path)))
    visiting.painted()
    look(page, "filling-nothing")
    page.mouse.move(2, 2)  # no ring of the brush on the page
    before, nodes = page.evaluate(PICTURE), visiting.num_nodes()
    visiting.stroke((0.49, 0.2), (0.49, 0.85))
    visiting.wait_nodes(nodes + 1)
    visiting.wait_until(lambda: page.evaluate(PICTURE) != before, "the brushed part is made anew")
    visiting.wait_until(lambda: page.evaluate("() => !document.querySelector('.saved').textContent.includes('…')"))
    look(page, "filling-filled")
    page.mouse.move(2, 2)
    page.keyboard.press("Control+z")
    visiting.wait_until(lambda: page.evaluate(PICTURE) == before, "undone")
