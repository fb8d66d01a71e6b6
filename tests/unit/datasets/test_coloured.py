"""The user's own pictures: they are split into line and colours, and can be trained on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from gesso.datasets.coloured import from_folder, from_pictures, split_picture
from gesso.datasets.drawing_table import RENDER_SIZE
from gesso.datasets.drawings import WHITE, nearest
from gesso.datasets.picture_files import MIN_PICTURES, pictures_in, splits
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


def test_a_picture_is_split_into_line_and_colours():
    line, classes = split_picture(np.asarray(paint()))
    assert line.shape == classes.shape == (RENDER_SIZE, RENDER_SIZE)
    wanted = nearest(np.array([[YELLOW, BLUE]], np.uint8))[0].tolist()
    assert set(np.unique(classes).tolist()) == {WHITE, *wanted}, "no ink is a colour"
    assert 0.02 < (line < 128).mean() < 0.1 and line[0, 0] == 255


def test_a_folder_of_pictures_is_a_dataset(folder: Path):
    train, dev, val = (from_pictures(folder, split) for split in ("train", "dev", "val"))
    assert len(train) + len(dev) + len(val) == 20 and len(dev) >= 1 and len(val) >= 1
    item = train.item(0, np.random.default_rng(0))
    assert item["line"].shape == (72, 72) and len(item["classes"]) >= 3
    assert np.array_equal(item["line"], from_folder(folder).item(0, np.random.default_rng(0))["line"]), "the same each time"


def test_too_few_or_broken_pictures_are_refused(tmp_path: Path):
    with pytest.raises(GessoError, match=f"at least {MIN_PICTURES}"):
        from_folder(tmp_path)
    for number in range(MIN_PICTURES):
        (tmp_path / f"{number}.png").write_bytes(b"no picture")
    with pytest.raises(GessoError, match=r"\d\.png"):
        from_folder(tmp_path)


def test_black_and_white_pages_are_accepted():
    line, classes = split_picture(np.zeros((50, 80, 3), np.uint8))
    assert (line[RENDER_SIZE // 2] == 0).all() and (classes == 0).all()
    split_picture(np.zeros((50, 50, 3), np.uint8))


def test_own_pictures_can_be_trained_on(folder: Path, tmp_path: Path):
    from gesso.verbs.train import train

    out = tmp_path / "run"
    made = train("colorize", data=folder, out=out, preset="tiny", steps=2, threads=1, quiet=True, sample_every=0)
    assert made.done and made.weights.is_file()


def test_a_tenth_is_held_out_by_name_and_stays_held_out(folder: Path):
    files = pictures_in(folder)
    parts = splits(files)
    assert set(parts.values()) == {"train", "val", "dev"}
    loaded = {part: len(from_pictures(folder, part)) for part in ("train", "val", "dev")}
    assert loaded == {part: list(parts.values()).count(part) for part in loaded}
    for number in range(200, 400):
        paint().save(folder / f"{number}.png")
    later = splits(pictures_in(folder))
    hashed = {one for one, part in parts.items() if part == "val" and len([p for p in parts.values() if p == "val"]) > 1}
    assert all(later[one] == "val" for one in hashed), "what was held out is never learned from when others come"
    assert 0.05 < list(later.values()).count("val") / len(later) < 0.17


def test_broken_files_are_skipped_and_named(folder: Path):
    before = from_pictures(folder)
    spoil = [one for one, part in splits(pictures_in(folder)).items() if part == "train"][:3]
    for one in spoil:
        one.write_bytes(b"no picture" if one != spoil[0] else b"")
    data = from_pictures(folder)
    assert set(data.left_out) == {one.name for one in spoil} and len(data) == len(before) - 3
    assert "the file is empty" in data.left_out[spoil[0].name]
    assert data.content != before.content


def test_if_too_few_remain_all_broken_files_are_named(folder: Path):
    for one in pictures_in(folder)[: 20 - MIN_PICTURES + 1]:
        one.write_bytes(b"no picture")
    with pytest.raises(GessoError, match=f"of 20 pictures {MIN_PICTURES - 1} can be read") as error:
        from_pictures(folder)
    assert all(f"{number:03}.png" in str(error.value) for number in range(20 - MIN_PICTURES + 1))
    for one in pictures_in(folder):
        one.write_bytes(b"no picture")
    with pytest.raises(GessoError, match="0 can be read.*and .* more|0 can be read"):
        from_pictures(folder)


def test_content_is_a_hash_of_the_files(folder: Path):
    before = from_pictures(folder).content
    assert from_pictures(folder).content == before and len(before) == 64
    one = next(one for one, part in splits(pictures_in(folder)).items() if part == "train")
    paint(300, 100).save(one)
    assert from_pictures(folder).content != before


def test_a_training_names_skipped_files_and_refuses_changed_pictures(folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    from gesso.verbs.train import train

    one, two, *_ = [one for one, part in splits(pictures_in(folder)).items() if part == "train"]
    good = one.read_bytes()
    one.write_bytes(b"no picture")
    options = {"data": folder, "out": tmp_path / "run", "preset": "tiny", "threads": 1, "sample_every": 0}
    train("colorize", steps=1, **options)
    assert f"left out 1 file that cannot be read: {one.name}" in (said := capfd.readouterr().err) and "learning from the" in said
    train("colorize", steps=2, **options)  # unchanged, it goes on
    kept = two.read_bytes()
    paint(310, 120).save(two)
    with pytest.raises(GessoError, match="the data have changed since this run began.*with other contents.*--fresh"):
        train("colorize", steps=3, **options)
    two.write_bytes(kept)
    train("colorize", steps=3, **options)
    one.write_bytes(good)
    with pytest.raises(GessoError, match="num_examples was"):
        train("colorize", steps=4, **options)
