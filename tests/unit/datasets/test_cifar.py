"""CIFAR-10 from parquet: reading, splits and errors; and the synthetic patterns."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gesso.datasets.cifar import CLASSES, DEV_EVERY, PATTERNS, Patterns, cifar, draw_pattern, shifted
from gesso.errors import GessoError

pyarrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed: parquet is not tried")
parquet = pytest.importorskip("pyarrow.parquet")


def png(value: int, size: int = 32) -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (size, size), (value, 0, 255 - value)).save(data, "PNG")
    return data.getvalue()


def write(path: Path, **columns) -> None:
    parquet.write_table(pyarrow.table(columns), path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path / "train.parquet", image=[png(i) for i in range(50)], label=[CLASSES[i % 10] for i in range(50)])
    write(tmp_path / "val.parquet", image=[{"bytes": png(200), "path": "x"}] * 3, label=[1, 2, 3])
    return tmp_path


def test_splits_are_disjoint(folder):
    train, dev = cifar(folder, "train", sway=False), cifar(folder, "dev")
    reds = [[int(made.item(i, np.random.default_rng(0))["picture"][0, 0, 0]) for i in range(len(made))] for made in (train, dev)]
    assert sorted(reds[0] + reds[1]) == list(range(50)) and len(dev) == 50 // DEV_EVERY
    assert train.item(0, np.random.default_rng(0))["label"] == 0


def test_structs_and_class_numbers_are_read(folder):
    val = cifar(folder, "val")
    assert val.labels.tolist() == [1, 2, 3]
    assert val.item(0, np.random.default_rng(0))["picture"][5, 5].tolist() == [200, 0, 55]
    assert val.stack([val.item(i, np.random.default_rng(0)) for i in range(3)])["image"].shape == (3, 3, 32, 32)


def test_training_pictures_are_shifted_by_the_given_generator(folder):
    train = cifar(folder, "train")
    looks = {train.item(3, np.random.default_rng(seed))["picture"].tobytes() for seed in range(4)}
    assert len(looks) == 1, "a plain colour looks the same wherever it is moved"
    picture = draw_pattern("disc", np.random.default_rng(0))
    assert len({shifted(picture, np.random.default_rng(seed)).tobytes() for seed in range(6)}) > 3
    assert (shifted(picture, np.random.default_rng(5)) == shifted(picture, np.random.default_rng(5))).all()


def test_missing_data_are_explained():
    with pytest.raises(GessoError, match=r"train\.parquet"):
        cifar(None, "train")


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        (None, "no such file"),
        ({"picture": [png(1)], "label": [1]}, "no column 'image'"),
        ({"image": [png(1)], "label": ["mouse"]}, "not a class"),
        ({"image": [png(1)], "label": [10]}, "not a class"),
        ({"image": ["text"], "label": [1]}, "row 0, column image"),
        ({"image": pyarrow.array([], pyarrow.binary()), "label": pyarrow.array([], pyarrow.int64())}, "no rows"),
    ],
)
def test_tables_with_wrong_columns_are_refused(tmp_path, columns, words):
    if columns is not None:
        write(tmp_path / "train.parquet", **columns)
    with pytest.raises(GessoError, match=words):
        cifar(tmp_path, "train")


@pytest.mark.parametrize("cut", [0, 10, 300])
def test_a_damaged_file_is_refused(folder, cut):
    path = folder / "train.parquet"
    path.write_bytes(path.read_bytes()[:cut] if cut else b"PAR1 no parquet")
    with pytest.raises(GessoError, match="parquet"):
        cifar(folder, "train")


def test_a_row_with_a_wrong_or_missing_picture_is_named(tmp_path):
    write(tmp_path / "train.parquet", image=[png(1, 16), b"no picture"], label=[1, 2])
    made = cifar(tmp_path, "train")
    with pytest.raises(GessoError, match=r"picture 0.*16 × 16"):
        made.item(0, np.random.default_rng(0))
    with pytest.raises(GessoError, match="picture 1"):
        made.item(1, np.random.default_rng(0))


def test_patterns_need_no_data_and_differ():
    made = Patterns(20)
    items = [made.item(i, np.random.default_rng(0)) for i in range(20)]
    assert [item["label"] for item in items] == [*range(10), *range(10)]
    assert len({item["picture"].tobytes() for item in items}) == 20
    assert (made.item(3, np.random.default_rng(9))["picture"] == items[3]["picture"]).all()
    assert len(PATTERNS) == len(CLASSES)


@pytest.mark.parametrize("data", ["cifar10"], indirect=True)
def test_the_real_files(data):
    made = cifar(data, "dev")
    assert len(made) == 2000
    assert made.item(0, np.random.default_rng(0))["picture"].shape == (32, 32, 3)
