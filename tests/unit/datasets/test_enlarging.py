"""Pairs for super-resolution: both parts are the same place, made small as published; made-up pictures without data."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gesso.datasets.dead_leaves import dead_leaves
from gesso.datasets.enlarging import Pairs, Source, pairs
from gesso.errors import GessoError
from gesso.media.bicubic import scaled
from gesso.media.luma import luma

SHAPE = {"scales": (2, 3, 4), "side": 16, "margin": 2}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("photos")
    for part, first, num in (("train", 0, 30), ("test", 30, 2)):
        (place / part).mkdir()
        for i in range(first, first + num):
            Image.fromarray(dead_leaves(i % 3)[:90, :100]).save(place / part / f"{i}.png")
    Image.new("RGB", (30, 30)).save(place / "train" / "small.png")
    (place / "train" / "broken.png").write_bytes(b"no picture")
    return place


def test_both_parts_show_the_same_place(folder: Path):
    held = pairs(folder, "train", **SHAPE)
    for step in range(6):
        view = held.for_batch(np.random.default_rng(step))
        item = view.item(step, np.random.default_rng(step))
        side = (16 - 4) * item["scale"]
        assert item["picture"].shape == (16, 16, 3) and item["high"].shape == (side, side)
        small = scaled(item["high"].astype(np.float32), 1 / item["scale"])
        assert np.abs(small - luma(item["picture"])[2:-2, 2:-2])[3:-3, 3:-3].mean() < 3


def test_one_batch_has_one_scale_and_all_come(folder: Path):
    held = pairs(folder, "train", **SHAPE)
    assert {held.for_batch(np.random.default_rng(i)).scales[0] for i in range(20)} == {2, 3, 4}
    view = held.for_batch(np.random.default_rng(0))
    stacked = view.stack([view.item(i, np.random.default_rng(i)) for i in range(3)])
    assert stacked["high"].shape[:2] == (3, 1) and 0 <= stacked["high"].min() and stacked["high"].max() <= 1
    assert stacked["scale"].tolist() == [view.scales[0]] * 3


def test_splits_are_disjoint_and_what_is_left_out_is_named(folder: Path):
    train, dev, val = (pairs(folder, split, **SHAPE) for split in ("train", "dev", "val"))
    assert len(train) + len(dev) == 30 and len(dev) >= 1 and len(val) == 2
    assert "smaller" in train.left_out["small.png"] or "small.png" in dev.left_out
    assert not val.augment and (val.item(0, np.random.default_rng(0))["high"] == val.item(0, np.random.default_rng(9))["high"]).all()
    assert len(train.content) == 64 and train.content != dev.content


def test_augmentation_is_the_generators(folder: Path):
    view = pairs(folder, "train", **SHAPE).for_batch(np.random.default_rng(1))
    looks = {view.item(0, np.random.default_rng(seed))["picture"].tobytes() for seed in range(5)}
    assert len(looks) == 5
    assert (view.item(0, np.random.default_rng(2))["high"] == view.item(0, np.random.default_rng(2))["high"]).all()


def test_a_folder_without_large_pictures_is_refused(tmp_path: Path):
    Image.new("RGB", (30, 30)).save(tmp_path / "a.png")
    with pytest.raises(GessoError, match="64 pixels"):
        pairs(tmp_path, "train", **SHAPE)


def test_made_up_pictures_need_no_data():
    made = Pairs("made", "Apache-2.0", [[Source(dead_leaves(0))]], (4,), 16, 2)
    assert made.item(0, np.random.default_rng(0))["high"].shape == (48, 48)
    a, b = dead_leaves(5), dead_leaves(6)
    assert a.shape == (256, 256, 3) and a.dtype == np.uint8 and (a == dead_leaves(5)).all() and (a != b).mean() > 0.5
    assert a.std() > 10, "it holds something to learn from"
