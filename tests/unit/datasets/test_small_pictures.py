"""Whole pictures at one size: folders with and without classes, stacked digits, broken files."""

from __future__ import annotations

import io
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


def write_table(path: Path, num: int = 400, **more: list[object]) -> None:
    pa, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    cells = []
    for n in range(num):
        buffer = io.BytesIO()
        Image.new("RGBA", (20, 20), (n % 256, 100 + n // 256, 0, 255) if n % 8 else (0, 0, 0, 0)).save(buffer, "PNG")
        cells.append(buffer.getvalue())
    parquet.write_table(pa.table({"color": cells, "group": [f"g{n % 3}" for n in range(num)], **more}), path)


def test_a_table_is_divided_by_its_pictures_and_named_by_group(tmp_path: Path):
    write_table(tmp_path / "tiles.parquet")
    parts = {split: small_pictures(tmp_path, split, 16) for split in ("train", "val", "dev")}
    assert sum(map(len, parts.values())) == 400 and min(map(len, parts.values())) >= 1
    assert parts["train"].classes == ("g0", "g1", "g2")
    shown = {split: {one.tobytes() for one in part.pixels} for split, part in parts.items()}
    assert not shown["train"] & shown["val"], "a picture is in one split, however often it occurs"


def test_near_equal_rows_stay_together_and_flagged_ones_are_left_out(tmp_path: Path):
    write_table(tmp_path / "train.parquet", cluster=[n // 4 for n in range(400)], flag=[n >= 396 for n in range(400)])
    parts = {split: small_pictures(tmp_path, split, 16) for split in ("train", "val")}
    assert len(parts["train"]) % 4 == 0 and len(parts["val"]) % 4 == 0
    write_table(tmp_path / "val.parquet", 9)
    assert len(small_pictures(tmp_path, "val", 16)) == 9
    assert len(small_pictures(tmp_path, "train", 16)) >= len(parts["train"])


def test_a_table_without_pictures_is_refused(tmp_path: Path):
    pa, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    parquet.write_table(pa.table({"x": [1]}), tmp_path / "t.parquet")
    with pytest.raises(GessoError, match="has columns x"):
        small_pictures(tmp_path, "train", 16)
    (tmp_path / "t.parquet").write_bytes(b"no table")
    with pytest.raises(GessoError, match="cannot be read as parquet"):
        small_pictures(tmp_path, "train", 16)
    parquet.write_table(pa.table({"image": ["text"]}), tmp_path / "t.parquet")
    with pytest.raises(GessoError, match="row 0, column image"):
        small_pictures(tmp_path, "train", 16)


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
