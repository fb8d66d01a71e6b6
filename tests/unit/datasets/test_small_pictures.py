"""Whole pictures at one size: folders with and without classes, stacked digits, broken files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gesso.datasets.small_pictures import from_files, labelled_pictures, small_pictures, square
from gesso.datasets.stacked_digits import stacked_digits
from gesso.errors import GessoError


def fill(folder: Path, num: int = 12, size: tuple[int, int] = (40, 30)) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for n in range(num):
        colour = tuple(int(c) for c in np.random.default_rng(n).integers(0, 255, 3))
        Image.new("RGB", size, colour).save(folder / f"{n}.png")


def test_a_folder_is_divided_and_cut_square(tmp_path: Path):
    fill(tmp_path)
    parts = {split: from_files(tmp_path, split, 16) for split in ("train", "val", "dev")}
    assert sum(map(len, parts.values())) == 12 and min(map(len, parts.values())) >= 1
    item = parts["train"].item(0, np.random.default_rng(0))
    assert item["picture"].shape == (16, 16, 3) and item["label"] == 0
    assert parts["train"].stack([item, item])["image"].shape == (2, 3, 16, 16)


def test_each_subfolder_is_a_class(tmp_path: Path):
    fill(tmp_path / "cats")
    fill(tmp_path / "dogs")
    found = from_files(tmp_path, "train", 8)
    assert found.classes == ("cats", "dogs") and set(found.labels) == {0, 1}


def test_broken_files_are_named_and_too_few_are_refused(tmp_path: Path):
    fill(tmp_path, 20)
    (tmp_path / "broken.png").write_bytes(b"no picture")
    parts = [from_files(tmp_path, split, 8) for split in ("train", "val", "dev")]
    assert "broken.png" in {name for one in parts for name in one.left_out}
    fill(tmp_path / "few", 3)
    with pytest.raises(GessoError, match="pictures for 'train'"):
        small_pictures(tmp_path / "few", "train", 8)
    with pytest.raises(GessoError, match="no such folder"):
        small_pictures(tmp_path / "absent", "train", 8)


def test_square_takes_the_middle():
    picture = np.zeros((10, 30, 3), np.uint8)
    picture[:, 10:20] = 255
    assert square(picture, 10).min() == 255


def test_stacked_digits_write_their_number():
    found = stacked_digits(None, "val", 50)
    rng = np.random.default_rng(0)
    items = [found.item(i, rng) for i in range(50)]
    assert len({item["label"] for item in items}) > 30 and all(0 <= item["label"] < 1000 for item in items)
    assert np.array_equal(found.item(7, rng)["picture"], items[7]["picture"]), "held-out ones stay as they are"
    assert items[0]["picture"].shape == (32, 32, 3) and items[0]["picture"][0].max() == 0


def test_labelled_pictures_have_classes(tmp_path: Path):
    for name in ("cats", "dogs"):
        fill(tmp_path / "good" / name)
    assert labelled_pictures(tmp_path / "good", "train", 8).classes == ("cats", "dogs")
    assert len(labelled_pictures(None, "train", 32).classes) == 10
    fill(tmp_path / "flat")
    with pytest.raises(GessoError, match="no classes.*subfolder for each class"):
        labelled_pictures(tmp_path / "flat", "train", 8)
    fill(tmp_path / "uneven" / "many", 20)
    fill(tmp_path / "uneven" / "one", 1)
    with pytest.raises(GessoError, match="no picture of the class 'one'"):
        labelled_pictures(tmp_path / "uneven", "train", 8)


@pytest.mark.parametrize("data", ["cifar10"], indirect=True)
def test_generators_see_cifar_mirrored_and_not_shifted(data: Path):
    found = labelled_pictures(data, "train", 32)
    seen = {found.item(3, np.random.default_rng(seed))["picture"].tobytes() for seed in range(12)}
    assert len(seen) == 2 and found.classes[0] == "airplane"
