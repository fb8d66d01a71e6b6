"""Chorales: splits, transposition within ranges, crops that begin on a quarter, and files that are none."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from gesso.datasets.chorales import FILE, LOWEST, PITCHES, chorales, read_piece
from gesso.errors import GessoError
from gesso.media.score import pitches_of
from gesso.rules.voice_leading import RANGES


def test_exercises_are_in_range_and_differ_by_split():
    train, val = chorales(None, "train"), chorales(None, "val")
    for piece in train.pieces:
        for part, (low, high) in zip(piece, RANGES, strict=True):
            assert part.min() >= low and part.max() <= high
        assert (piece[:-1] >= piece[1:]).all()
    assert not any(np.array_equal(a, b) for a in train.pieces for b in val.pieces)


def test_items_are_transposed_crops_that_stack_and_come_back():
    data = chorales(None, "train", crop=24)
    items = [data.item(n, np.random.default_rng(n)) for n in range(32)]
    batch = data.stack(items)
    assert batch["notes"].shape == (32, 4, 24) and int(batch["notes"].max()) < PITCHES
    for n, item in enumerate(items):
        length, whole = item["notes"].shape[1], data.pieces[n]
        assert item["start"] % 4 == 0 and item["steps"] == whole.shape[1] and 12 <= length <= 24
        part = whole[:, item["start"] : item["start"] + length]
        assert len(np.unique(item["notes"] - part)) == 1, "one interval for all"
        assert np.array_equal(pitches_of(batch["notes"][n, :, :length].numpy(), LOWEST), item["notes"])
    again = data.item(3, np.random.default_rng(3))
    assert np.array_equal(again["notes"], items[3]["notes"])
    assert len({int(item["notes"][0, 0]) for item in (data.item(0, np.random.default_rng(n)) for n in range(40))}) > 3


def test_a_folder_is_read(tmp_path: Path):
    columns = [[72, 67, 60, -1], [72, 67, 60, 48]]
    (tmp_path / FILE).write_text(json.dumps({"train": [columns], "valid": [columns * 2], "test": [columns * 3]}))
    for split, steps in (("train", 2), ("val", 4), ("dev", 4), ("test", 6)):
        assert chorales(tmp_path, split).pieces[0].shape == (4, steps)
    assert chorales(tmp_path, "train").pieces[0][3].tolist() == [-1, 48]
    with pytest.raises(GessoError, match="holds no"):
        chorales(tmp_path / "nothing", "train")
    (tmp_path / FILE).write_text("{}")
    with pytest.raises(GessoError, match="no pieces"):
        chorales(tmp_path, "train")


@pytest.mark.parametrize("columns", [[], [[1, 2, 3]], [["a"] * 4], [[60, 60, 60, 200]], [[60.5, 60, 60, 60]], None, {}])
def test_other_columns_are_refused(columns):
    with pytest.raises(GessoError, match="piece 3"):
        read_piece(columns, where="piece 3")


def test_the_real_split(real_chorales):
    sizes = {split: len(chorales(real_chorales, split)) for split in ("train", "val", "test")}
    assert sizes == {"train": 229, "val": 76, "test": 77}
    for part, bounds in zip(np.concatenate(chorales(real_chorales, "train").pieces, 1), RANGES, strict=True):
        assert (int(part[part >= 0].min()), int(part.max())) == bounds


@pytest.fixture
def real_chorales() -> Path:
    import os

    places = [Path(os.environ.get("GESSO_DATA", "")), Path(__file__).resolve().parents[4] / "shared" / "data"]
    found = next((place / "jsb_chorales" for place in places if (place / "jsb_chorales" / FILE).is_file()), None)
    if found is None:
        pytest.skip("the JSB chorales are not here")
    return found
