"""Contents and styles: from two subfolders or one folder, what is held out, and the other colours of styles."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gesso.datasets.styled_pictures import part, recoloured, styled_pictures
from gesso.errors import GessoError


def fill(folder: Path, num: int, first: int = 0) -> None:
    folder.mkdir(parents=True)
    for number in range(first, first + num):
        noise = np.random.default_rng(number).integers(0, 256, (40, 52 + number, 3), np.uint8)
        Image.fromarray(noise).save(folder / f"{number}.png")


def test_each_picture_of_one_folder_is_a_content_and_a_style(tmp_path: Path) -> None:
    fill(tmp_path / "all", 20)
    train, val = (styled_pictures(tmp_path / "all", split, 24) for split in ("train", "val"))
    assert len(train) + len(val) <= 20 and len(val) >= 1
    assert len(train.styles) == len(train) + 60, "made-up pictures are styles as well"
    item = train.item(0, np.random.default_rng(0))
    assert {name: one.shape for name, one in item.items()} == {"picture": (24, 24, 3), "style": (24, 24, 3)}
    clean = train.stack([item, item])
    assert clean["content"].shape == clean["style"].shape == (2, 3, 24, 24) and abs(clean["style"]).max() <= 1
    assert (val.item(0, np.random.default_rng(0))["style"] == val.item(0, np.random.default_rng(1))["style"]).all()


def test_contents_and_styles_may_be_apart(tmp_path: Path) -> None:
    fill(tmp_path / "content", 12)
    fill(tmp_path / "style", 3, first=50)
    found = styled_pictures(tmp_path, "train", 24)
    assert len(found.styles) == 3 + 60 and len(found.contents) < 12
    for file in (tmp_path / "content").iterdir():
        file.write_bytes(b"no picture")
    with pytest.raises(GessoError, match="0 contents and 3 styles"):
        styled_pictures(tmp_path, "train", 24)


def test_too_few_pictures_are_an_error(tmp_path: Path) -> None:
    fill(tmp_path / "few", 3)
    with pytest.raises(GessoError, match="can be read"):
        styled_pictures(tmp_path / "few", "train", 24)
    with pytest.raises(GessoError, match="no such folder"):
        styled_pictures(tmp_path / "nowhere", "train", 24)


def test_parts_and_colours() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (50, 80, 3), np.uint8)
    assert part(picture, 32).shape == part(picture, 32, np.random.default_rng(1)).shape == (32, 32, 3)
    other = recoloured(picture, np.random.default_rng(2))
    assert other.dtype == np.uint8 and other.shape == picture.shape and (other != picture).any()
