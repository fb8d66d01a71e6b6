"""A look at a folder before a training: counts, sizes, copies, look-alikes, broken files, classes, advice."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
from PIL import Image

from gesso.datasets.folder_check import check_folder


def picture(seed: int, size: tuple[int, int] = (80, 64)) -> Image.Image:
    coarse = np.random.default_rng(seed).integers(0, 255, (8, 10, 3)).astype(np.uint8)
    return Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)


def fill(folder: Path, num: int, start: int = 0) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for n in range(start, start + num):
        picture(n).save(folder / f"{n:03}.png")


def test_a_good_folder_has_counts_and_no_complaint_but_its_size(tmp_path: Path):
    fill(tmp_path, 60)
    found = check_folder(tmp_path)
    assert found is not None and (found.num, found.num_opened) == (60, 60) and not found.duplicates and not found.near
    assert sum(found.parts.values()) == 60 and min(found.parts.values()) >= 1
    assert found.sentences()[0] == "60 pictures" and "80×64" in found.sentences()[1] and "60 wide" in found.sentences()[1]
    assert len(found.advice()) == 1 and "by heart" in found.advice()[0]


def test_copies_look_alikes_and_broken_files_are_named(tmp_path: Path):
    fill(tmp_path, 12)
    shutil.copy(tmp_path / "003.png", tmp_path / "copy.png")
    picture(5).save(tmp_path / "again.jpg", quality=60)
    picture(6, (160, 128)).save(tmp_path / "larger.png")
    (tmp_path / "broken.png").write_bytes(b"no picture")
    found = check_folder(tmp_path)
    assert found is not None and found.duplicates == [("003.png", "copy.png")] and list(found.left_out) == ["broken.png"]
    assert set(found.near) == {("005.png", "again.jpg"), ("006.png", "larger.png")}
    told = " ".join(found.advice())
    assert "copy.png of 003.png" in told and "broken.png" in told and "are few" in told


def test_uneven_classes_and_small_pictures(tmp_path: Path):
    fill(tmp_path / "cats", 33)
    fill(tmp_path / "dogs", 3, start=50)
    picture(99, (30, 20)).save(tmp_path / "dogs" / "small.png")
    found = check_folder(tmp_path)
    assert found is not None and found.classes == {"cats": 33, "dogs": 4}
    fill(tmp_path / "cats", 30, start=100)
    told = " ".join(check_folder(tmp_path).advice())  # type: ignore[union-attr]
    assert "30×20" in told and "cats has 63, dogs has 4" in told


def test_a_folder_without_pictures_and_plain_pages_are_not_alike(tmp_path: Path):
    assert check_folder(tmp_path) is None
    for n, shade in enumerate((255, 254, 0)):
        Image.new("RGB", (64, 64), (shade,) * 3).save(tmp_path / f"{n}.png")
    found = check_folder(tmp_path)
    assert found is not None and not found.near, "plain pictures have no structure to compare"
