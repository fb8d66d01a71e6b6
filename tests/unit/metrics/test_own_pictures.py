"""Measurements on the held-out tenth of a folder of own pictures, which is split as in training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from gesso.datasets.coloured import from_pictures
from gesso.datasets.picture_files import pictures_in, splits
from gesso.errors import GessoError
from gesso.metrics.colour import protocol
from gesso.metrics.drawing_pieces import table_of, truths_of
from gesso.metrics.own_pictures import OwnPictures

YELLOW, BLUE = (252, 234, 43), (97, 178, 228)


def paint(seed: int) -> Image.Image:
    picture = Image.new("RGB", (400 + seed, 320), "white")
    pen = ImageDraw.Draw(picture)
    pen.ellipse((60, 60, 220, 220 + seed), fill=YELLOW, outline="black", width=8)
    pen.rectangle((240, 120, 360, 280), fill=BLUE, outline="black", width=8)
    return picture


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in range(24):
        paint(number).save(tmp_path / f"{number:03}.png")
    return tmp_path


def held(folder: Path) -> list[Path]:
    return [one for one, part in splits(pictures_in(folder)).items() if part == "val"]


def test_measured_pictures_are_held_out_from_training(folder: Path):
    table = table_of(folder)
    assert isinstance(table, OwnPictures) and list(table.files) == held(folder) and table.total == 24
    assert len(table) + len(from_pictures(folder)) + len(from_pictures(folder, "dev")) == 24


@pytest.mark.parametrize("size", [72, 200, 400])
def test_truths_have_the_pieces_and_colours_of_the_picture(folder: Path, size: int):
    truths = list(truths_of(table_of(folder), size))
    assert len(truths) == len(held(folder))
    for truth in truths:
        assert truth.line.shape == (size, size) and truth.colour.shape == (size, size, 3)
        found = {tuple(np.round(piece.colour).astype(int).tolist()) for piece in truth.pieces}
        assert found == {YELLOW, BLUE}, "two pieces, in their own colours and not a palette's"
        assert len(truth.paper) > size * size / 4


def test_the_figures_equal_those_of_a_table(folder: Path):
    report = protocol(None, folder, size=72, counts="0,3,half", rules="exact,nothing", progress=False)
    assert report["pictures"] == len(held(folder)) and report["held_out"] == f"{report['pictures']} of 24 pictures"
    assert set(report["exact"]) == {"0", "3", "half"}
    assert report["exact"]["3"]["capped"] > report["nothing"]["3"]["capped"] + 5
    assert report["exact"]["3"]["hinted"] > 30, "what was hinted comes out as it truly is"


def test_broken_pictures_are_reported_and_left_out(folder: Path):
    first, *rest = held(folder)
    first.write_bytes(b"no picture")
    if rest:
        report = protocol(None, folder, size=72, counts="0", rules="nothing", progress=False)
        assert list(report["left_out"]) == [first.name]
    for one in rest:
        one.write_bytes(b"no picture")
    with pytest.raises(GessoError, match="no picture that is held out can be read") as error:
        table_of(folder)
    assert all(one.name in str(error.value) for one in (first, *rest))


def test_an_empty_folder_is_refused_with_what_is_needed(tmp_path: Path):
    with pytest.raises(GessoError, match="a folder that holds val.parquet, or coloured pictures"):
        table_of(tmp_path)


def test_limit_takes_the_first_pictures(folder: Path):
    assert len(table_of(folder, limit=1)) == 1
