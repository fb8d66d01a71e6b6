"""Captioned pictures: tables, folders of files, names of emoji in other languages, made-up shapes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gesso.datasets.captioned_pictures import Captioned, captioned_pictures, fitted, swayed
from gesso.datasets.captioned_shapes import COLOURS, SHAPES
from gesso.datasets.emoji_names import emoji_names
from gesso.errors import GessoError


def paint(file: Path, colour: tuple[int, int, int] = (200, 30, 30), size: tuple[int, int] = (20, 10)) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(file)


def folder_of(place: Path, num: int = 40) -> Path:
    for n in range(num):
        paint(place / f"{n:03}.png", (n, 0, 0))
        (place / f"{n:03}.txt").write_text(f"picture number {n}\n두 번째 설명 {n}\n", encoding="utf-8")
    return place


def table_of(place: Path, **columns: list[Any]) -> Path:
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    place.mkdir(parents=True, exist_ok=True)
    file = place / "one.png"
    paint(file)
    num = len(next(iter(columns.values())))
    parquet.write_table(pa.table({"color": [file.read_bytes()] * num, **columns}), place / "train.parquet")
    file.unlink()
    return place


def cldr(place: Path) -> None:
    for language, names in (("en", {"🍎": ("red apple", ["apple", "fruit"])}), ("ko", {"🍎": ("빨간 사과", ["과일", "사과"])})):
        inner = {letters: {"tts": [name], "default": tags} for letters, (name, tags) in names.items()}
        inner["☃"] = {"default": ["no name"]}
        place.mkdir(parents=True, exist_ok=True)
        whole = {"annotations": {"identity": {"language": language}, "annotations": inner}}
        (place / f"{language}.json").write_text(json.dumps(whole), encoding="utf-8")


def test_texts_beside_pictures_are_their_captions(tmp_path: Path):
    place = folder_of(tmp_path)
    parts = {split: captioned_pictures(place, split, 16) for split in ("train", "dev", "val")}
    seen = [row.captions[0][0] for part in parts.values() for row in part.rows]
    assert len(seen) == len(set(seen)) == 40 and all(len(part) for part in parts.values())
    item = parts["val"].item(0, np.random.default_rng(0))
    assert item["picture"].shape == (16, 16, 3) and len(item["captions"]) == 2 and item["captions"][1][0].startswith("두 번째")
    assert parts["val"].stack([item])["image"].shape == (1, 3, 16, 16)
    assert "picture number" in " ".join(parts["train"].texts())


@pytest.mark.parametrize("name", ["metadata.csv", "captions.csv"])
def test_a_list_says_captions_by_file(tmp_path: Path, name: str):
    for n in range(30):
        paint(tmp_path / f"{n}.png")
    lines = "file_name,text\n" + "".join(f'{n}.png,"an apple, number {n}"\n' for n in range(25)) + "0.png,다른 설명\n"
    (tmp_path / name).write_text(lines, encoding="utf-8-sig")
    found = [row for split in ("train", "dev", "val") for row in captioned_pictures(tmp_path, split, 8).rows]
    assert len(found) == 25, "pictures without a caption are not examples"
    assert sum(len(row.captions) for row in found) == 26


def test_a_table_has_texts_tags_and_groups_and_unicode_adds_languages(tmp_path: Path):
    num = 40
    place = table_of(
        tmp_path / "emoji",
        annotation=["red apple"] * num,
        tags=["food, red apple"] * num,
        group=["food"] * num,
        cluster=[str(n) for n in range(num)],
        hexcode=["1F34E"] * num,
    )
    plain = captioned_pictures(place, "train", 8)
    assert plain.rows[0].captions == (("red apple", ("food", "red apple")),) and plain.rows[0].group == "food"
    assert plain.weights.sum() == pytest.approx(4), "a text of many pictures is not learned all the time"
    cldr(tmp_path / "cldr")
    told = captioned_pictures(place, "train", 8)
    assert told.rows[0].captions == (("red apple", ("food", "red apple", "apple", "fruit")), ("빨간 사과", ("과일", "사과")))
    assert told.rows[0].languages == ("ko",) and told.content != plain.content
    both = captioned_pictures(tmp_path, "train", 8)
    assert both.name == "emoji" and len(both) == len(told), "a folder of folders"


def test_an_emoji_is_found_by_its_english_name(tmp_path: Path):
    cldr(tmp_path)
    names = emoji_names(tmp_path)
    assert names.of("", "Red-Apple")["ko"][0] == "빨간 사과" and names.of("1F34E-FE0F")["ko"][0] == "빨간 사과"
    assert names.of("zzz", "pear") == {} and names.of("110000") == {} and names.of("2603") == {}
    (tmp_path / "bad.json").write_text('{"annotations": [1]}')
    with pytest.raises(GessoError, match=r"bad\.json"):
        emoji_names(tmp_path)


@pytest.mark.parametrize("made", ["nothing", "pictures alone", "no folder", "other columns", "few", "wrong list", "broken list"])
def test_what_holds_no_captioned_pictures_is_refused(tmp_path: Path, made: str):
    place = tmp_path / "here"
    if made != "no folder":
        place.mkdir()
    if made == "pictures alone":
        paint(place / "a.png")
    if made == "other columns":
        table_of(place, size=[1, 2])
    if made == "few":
        folder_of(place, 3)
    if made in ("wrong list", "broken list"):
        folder_of(place)
        (place / "metadata.csv").write_bytes(b"name,words\na.png,b\n" if made == "wrong list" else b"file_name,text\n\xff\xfe\n")
    with pytest.raises(GessoError):
        captioned_pictures(place, "train", 16)


def test_pictures_that_cannot_be_read_are_left_out_and_named(tmp_path: Path):
    place = folder_of(tmp_path)
    for split in ("train",):
        names = [row.where for row in captioned_pictures(place, split, 8).rows]
        (place / names[0]).write_bytes(b"no picture")
        assert list(captioned_pictures(place, split, 8).left_out) == [names[0]]


def test_a_picture_is_fitted_whole_and_swayed_on_white():
    wide = np.zeros((10, 40, 3), np.uint8)
    page = fitted(wide, 20)
    assert page.shape == (20, 20, 3) and (page[:7] == 255).all() and (page[9] == 0).all()
    row = Captioned(b"", "", (("ball", ()),))
    half = np.full((16, 16, 3), 255, np.uint8)
    half[:, :4] = 0

    def sides(captions: Any) -> set[bool]:
        seen = [swayed(half, Captioned(b"", "", captions), np.random.default_rng(n)) for n in range(40)]
        return {bool(one[:, :8].mean() < one[:, 8:].mean()) for one in seen}

    assert sides(row.captions) == {True, False}, "mirrored half the time"
    assert sides((("arrow", ()), ("왼쪽 화살표", ()))) == {True}, "what points somewhere is not mirrored"
    white = np.full((8, 8, 3), 255, np.uint8)
    assert (swayed(white, row, np.random.default_rng(1)) == 255).all(), "paper stays white"


def test_made_up_shapes_say_what_they_show():
    shapes = captioned_pictures(None, "train", 32)
    again = captioned_pictures(None, "train", 32)
    for index in range(40):
        item, rng = shapes.item(index, np.random.default_rng(0)), np.random.default_rng(9)
        assert np.array_equal(item["picture"], again.item(index, rng)["picture"])
        (english, _), (korean, _) = item["captions"]
        names = [one for one in english.replace(" left of", "").split() if one in COLOURS or one in SHAPES]
        assert all((COLOURS[one][0] if one in COLOURS else SHAPES[one]) in korean for one in names)
        inks = {tuple(COLOURS[one][1]) for one in names if one in COLOURS}
        assert inks <= {tuple(pixel) for pixel in item["picture"].reshape(-1, 3).tolist()}
    held = {
        json.dumps(captioned_pictures(None, split, 8).item(0, np.random.default_rng(0))["captions"]) for split in ("train", "dev", "val")
    }
    assert len(held) > 1
