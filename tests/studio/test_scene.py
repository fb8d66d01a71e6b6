"""A fitted scene in the studio: its weights are opened as a file, the picture is turned by hand, and its points are shown."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from visits import SLOW, Visit, serving

import gesso
from gesso.conditions.camera import orbit

SHOTS = os.environ.get("GESSO_SCREENSHOTS")  # a folder to leave pictures in, to look at
OWN_DATA = os.environ.get("GESSO_SCENE_DATA")  # a folder of folders to look at
OWN = os.environ.get("GESSO_SCENE")  # weights to look at instead of the small ones


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if OWN:
        return Path(OWN)
    settings = {"num_steps": 200, "size": 24}
    made = gesso.fit("scene", preset="tiny", out=tmp_path_factory.mktemp("w") / "balls", settings=settings).weights
    assert made is not None
    return made


@pytest.fixture
def yard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of photographs with cameras where the studio finds it by its name."""
    folder = tmp_path / "data" / "yard"
    (folder / "images").mkdir(parents=True)
    for number in range(9):
        Image.fromarray(np.full((12, 16, 3), 20 * number, np.uint8)).save(folder / "images" / f"{number}.png")
    frames = [{"file_path": f"images/{n}.png", "transform_matrix": orbit(40 * n, 20, 3).tolist()} for n in range(9)]
    (folder / "transforms.json").write_text(json.dumps({"camera_angle_x": 0.8, "frames": frames}))
    monkeypatch.setenv("GESSO_DATA", str(OWN_DATA or tmp_path / "data"))
    return folder


@pytest.fixture
def visiting(browser: Any, tmp_path: Path, yard: Path) -> Iterator[Any]:
    context = browser.new_context(viewport={"width": 1280, "height": 800}, locale="en-GB")
    context.add_init_script("localStorage.setItem('gesso.guided', '1')")
    with serving(tmp_path, ["scene"]) as app:
        visit = Visit(context.new_page())
        visit.page.goto(app.state.services.access.link("me"))
        visit.page.locator("[data-recipe=scene]").wait_for()
        yield visit
        assert visit.complaints == []
        context.close()


def look(page: Any, name: str) -> None:
    if SHOTS:
        page.screenshot(path=str(Path(SHOTS) / f"scene-{name}.png"))


def test_a_scene_of_ones_own_is_opened_and_turned(visiting: Any, weights: Path) -> None:
    page = visiting.page
    look(page, "start")
    assert page.locator("[data-act=begin]").count() == 0, "there is nothing to begin with before weights are opened"
    with page.expect_file_chooser() as chooser:
        page.locator("[data-act=open-weights]").click()
    chooser.value.set_files(str(weights))
    page.locator("[data-field=weights]").wait_for()
    look(page, "weights")
    page.locator("[data-act=begin]").click()
    visiting.painted()
    look(page, "first")
    nodes = visiting.num_nodes()
    picture = "() => { const c = document.querySelector('#canvas'); return c.toDataURL().length + c.toDataURL().slice(-200); }"
    before = page.evaluate(picture)
    box = page.locator("#canvas").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 60, y + 10)
    page.mouse.move(x + 120, y + 20)
    visiting.wait_until(lambda: page.evaluate(picture) != before, "the picture follows the hand")
    assert visiting.num_nodes() == nodes, "nothing is kept while the pointer is down"
    look(page, "dragging")
    page.mouse.up()
    visiting.wait_nodes(nodes + 1)
    assert "-30°" in page.locator(".form output").first.inner_text()
    visiting.wait_until(lambda: page.locator("#progress:visible").count() == 0, "the picture is refined")
    page.mouse.move(x, y)
    page.mouse.wheel(0, -100)
    visiting.wait_nodes(nodes + 2)
    assert "×1.1" in page.locator(".form output").first.inner_text()
    look(page, "turned")


def test_its_points_are_shown_and_saved(visiting: Any, weights: Path) -> None:
    page = visiting.page
    with page.expect_file_chooser() as chooser:
        page.locator("[data-act=open-weights]").click()
    chooser.value.set_files(str(weights))
    page.locator("[data-act=begin]").click()
    visiting.painted()
    page.locator("#viewer-turn").click()
    page.locator("#on-request canvas").wait_for()
    assert page.locator("#on-request output").inner_text().endswith("points")
    look(page, "points")
    inked = "() => { const c = document.querySelector('#on-request canvas'); return c.toDataURL(); }"
    before = page.evaluate(inked)
    page.locator("#on-request canvas").focus()
    page.keyboard.press("ArrowRight")
    visiting.wait_until(lambda: page.evaluate(inked) != before)
    page.locator("#viewer-turn").click()
    assert page.locator("#on-request:visible").count() == 0
    page.locator(".save-menu summary").click()
    with page.expect_download() as started:
        page.locator("[data-act=ply]").click()
    assert Path(started.value.path()).read_bytes().startswith(b"ply\n")


@pytest.mark.slow
def test_a_folder_is_learned_and_its_scene_opened(visiting: Any) -> None:
    page = visiting.page
    page.locator("[data-field=minutes]").fill("1" if OWN_DATA else "0.3")
    look(page, "learn")
    page.locator("[data-act=learn]").click()
    page.locator(".job-pictures img").first.wait_for(timeout=3 * SLOW)
    look(page, "learning")
    page.locator("[data-act=begin-learned]").click(timeout=3 * SLOW)
    visiting.painted()
    assert page.locator(".title").input_value() == ("nerf_lego" if OWN_DATA else "yard")
    look(page, "learned")
