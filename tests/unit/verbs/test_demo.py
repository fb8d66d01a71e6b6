"""The demo: every sample coloured, one page that needs nothing from elsewhere; clear words where it cannot be."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from gesso import recipes
from gesso.errors import GessoError
from gesso.media.picture import read_picture
from gesso.record import read_record
from gesso.verbs import demo as module
from gesso.verbs.demo import Sample, demo, samples, with_hints
from gesso.verbs.replay import replay
from gesso.weights.store import save_weights


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """Untrained weights of the smallest colorizer: the quality of its output does not matter here."""
    recipe = recipes.find("colorize")
    torch.manual_seed(0)
    networks = recipe.build(recipe.preset("tiny"))
    path = tmp_path / "tiny.safetensors"
    save_weights(path, {role: networks[role].state_dict() for role in recipe.keeps}, {"recipe": "colorize", "preset": "tiny"})
    return path


@pytest.fixture
def two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Sample]:
    """Two drawings of our own, one with a title that would break the page if it were not escaped."""
    made = []
    for name, title in (("box", "A <b>box</b> & more"), ("ring", "A ring")):
        page = np.full((96, 96, 3), 255, np.uint8)
        page[20:70, 20:24] = page[20:70, 66:70] = page[20:24, 20:70] = page[66:70, 20:70] = 0
        folder = tmp_path / "drawings"
        folder.mkdir(exist_ok=True)
        Image.fromarray(page).save(folder / f"{name}.png")
        hints = [{"x": 45, "y": 45, "color": "#ff8800", "radius": 3}, {"path": [[30, 30], [40, 34]], "color": "#08f", "radius": 2}]
        made.append(Sample(folder / f"{name}.png", {"en": title, "ko": "그림"}, hints))
    monkeypatch.setattr(module, "samples", lambda: made)
    return made


class Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value or "" for name, value in attrs if name in {"src", "href"}]


def test_pictures_and_a_page_that_shows_them(two: list[Sample], tiny: Path, tmp_path: Path):
    told: list[tuple[int, int, str]] = []
    page = demo(tmp_path / "new" / "out", weights=tiny, on_drawing=lambda *words: told.append(words))
    assert page == tmp_path / "new" / "out" / "index.html" and told == [(0, 2, two[0].title["en"]), (1, 2, "A ring")]
    text = page.read_text("utf-8")
    links = Links()
    links.feed(text)
    assert set(links.found) == {str(path.relative_to(page.parent)) for path in page.parent.rglob("*.png")}
    assert len(set(links.found)) == 2 * 7
    assert not re.search(r"https?://|<script|<b>box", text) and "A &lt;b&gt;box" in text and "그림" in text
    for name in ("sketch", "hints", "result", "proposal-1", "proposal-4"):
        assert read_picture(page.parent / "box" / f"{name}.png").shape[:2] == (96, 96)
    record = read_record(page.parent / "box" / "result.png")
    assert len(record.request.conditions["hints"]["marks"]) == 2
    assert read_record(page.parent / "box" / "proposal-4.png").request.settings["choice"] == 3
    for name in ("result", "proposal-1", "proposal-4"):
        assert replay(page.parent / "box" / f"{name}.png", weights=tiny).equal, name


def test_drawings_and_hints_shrink_together(two: list[Sample], tiny: Path, tmp_path: Path):
    demo(tmp_path / "out", weights=tiny, size=48)
    record = read_record(tmp_path / "out" / "box" / "result.png")
    assert read_picture(tmp_path / "out" / "box" / "result.png").shape[:2] == (48, 48)
    assert record.request.conditions["hints"]["marks"][0]["x"] == 22.5


def test_hints_are_drawn_where_they_are():
    page = np.full((40, 40), 255, np.uint8)
    drawn = with_hints(
        page, [{"x": 10, "y": 12, "color": "#ff0000", "radius": 3}, {"path": [[20, 30], [35, 30]], "color": "#0f0", "radius": 2}]
    )
    assert drawn[12, 10].tolist() == [255, 0, 0] and drawn[30, 28].tolist() == [0, 255, 0] and drawn[5, 30].tolist() == [255, 255, 255]
    assert (page == 255).all()


def test_the_samples_of_this_checkout_are_whole():
    found = samples()
    assert len(found) >= 8
    for sample in found:
        shape = read_picture(sample.path).shape
        assert max(shape[:2]) >= 1000 and set(sample.title) >= {"en", "ko"}
        model_card = recipes.find("colorize").card
        json.dumps(model_card.read({"sketch": sample.path, "hints": list(sample.hints)})["hints"].model_dump(mode="json"))


def test_without_weights_it_says_so_and_writes_nothing(two: list[Sample], tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("gesso.verbs.assemble.shipped", lambda name, preset="": None)
    with pytest.raises(GessoError, match="no trained weights of 'colorize'"):
        demo(tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_samples_are_not_written_into(two: list[Sample], tiny: Path):
    before = sorted(two[0].path.parent.iterdir())
    with pytest.raises(GessoError, match="holds the sample drawings"):
        demo(two[0].path.parent, weights=tiny)
    assert sorted(two[0].path.parent.iterdir()) == before


def test_without_samples_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gesso: Callable):
    monkeypatch.setattr(module.gesso, "__file__", str(tmp_path / "a" / "b" / "gesso" / "__init__.py"))
    with pytest.raises(GessoError, match="sample drawings are not in this copy"):
        samples()
