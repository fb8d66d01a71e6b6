"""Own pictures taken apart: the line is found, what lies under it has the colour beside it, and a training takes them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from gesso.datasets.coloured import LEAST, from_folder, from_pictures, taken_apart
from gesso.datasets.drawing_table import FINE
from gesso.datasets.drawings import WHITE, nearest
from gesso.errors import GessoError

YELLOW, BLUE = (252, 234, 43), (97, 178, 228)


def paint(width: int = 200, height: int = 160) -> Image.Image:
    picture = Image.new("RGB", (width, height), "white")
    pen = ImageDraw.Draw(picture)
    pen.ellipse((30, 30, 110, 110), fill=YELLOW, outline="black", width=4)
    pen.rectangle((120, 60, 180, 140), fill=BLUE, outline="black", width=4)
    return picture


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in range(20):
        paint(200 + number, 160).save(tmp_path / f"{number:03}.png")
    return tmp_path


def test_a_picture_is_its_line_and_its_colours():
    line, classes = taken_apart(np.asarray(paint()))
    assert line.shape == classes.shape == (FINE, FINE)
    wanted = nearest(np.array([[YELLOW, BLUE]], np.uint8))[0].tolist()
    assert set(np.unique(classes).tolist()) == {WHITE, *wanted}, "no ink is a colour"
    assert 0.02 < (line < 128).mean() < 0.1 and line[0, 0] == 255


def test_a_folder_is_a_dataset(folder: Path):
    train, dev = from_pictures(folder), from_pictures(folder, "dev")
    assert len(train) + len(dev) == 20 and len(dev) >= 1
    item = train.item(0, np.random.default_rng(0))
    assert item["line"].shape == (72, 72) and len(item["classes"]) >= 3
    assert np.array_equal(item["line"], from_folder(folder).item(0, np.random.default_rng(0))["line"]), "the same each time"


def test_too_few_or_broken_pictures_are_refused(tmp_path: Path):
    with pytest.raises(GessoError, match=f"at least {LEAST}"):
        from_folder(tmp_path)
    for number in range(LEAST):
        (tmp_path / f"{number}.png").write_bytes(b"no picture")
    with pytest.raises(GessoError, match=r"\d\.png"):
        from_folder(tmp_path)


def test_black_and_white_pages_are_no_fault():
    line, classes = taken_apart(np.zeros((50, 80, 3), np.uint8))
    assert (line[FINE // 2] == 0).all() and (classes == 0).all()
    taken_apart(np.zeros((50, 50, 3), np.uint8))


def test_a_training_takes_them(folder: Path, tmp_path: Path):
    from gesso.verbs.train import train

    out = tmp_path / "run"
    made = train("colorize", data=folder, out=out, preset="tiny", steps=2, threads=1, quiet=True, sample_every=0)
    assert made.done and made.weights.is_file()
