"""Pairs of pictures from each layout, cut and mirrored together; and the same taken apart."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gesso.datasets.paired_pictures import edges, paired_pictures
from gesso.datasets.picture_files import pictures_in, splits
from gesso.datasets.unpaired_pictures import unpaired_pictures
from gesso.errors import GessoError

SIDE = 16


def picture(n: int) -> np.ndarray:
    rng = np.random.default_rng(n)
    return np.kron(rng.integers(0, 256, (6, 6, 3)), np.ones((4, 4, 1))).astype(np.uint8)


def save(folder: Path, n: int, pixels: np.ndarray) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(folder / f"{n:02}.png")


def test_subfolders_with_the_same_names_are_pairs(tmp_path: Path):
    for n in range(14):
        save(tmp_path / "a", n, picture(n))
        save(tmp_path / "b", n, 255 - picture(n))
    found = paired_pictures(tmp_path, "train", SIDE)
    for n in range(len(found)):
        item = found.item(n, np.random.default_rng(n))
        assert item["picture"].shape == (SIDE, SIDE, 3)
        assert np.abs(item["picture"].astype(int) + item["target"] - 255).max() <= 1, "both are cut and mirrored alike"


def test_a_missing_partner_is_named(tmp_path: Path):
    for n in range(14):
        save(tmp_path / "a", n, picture(n))
        save(tmp_path / "b", n, picture(n))
    lonely = next(file for file, split in splits(pictures_in(tmp_path / "a")).items() if split == "train")
    (tmp_path / "b" / lonely.name).unlink()
    assert set(paired_pictures(tmp_path, "train", SIDE).left_out) == {lonely.name}


def test_both_side_by_side_in_one_file(tmp_path: Path):
    for n in range(14):
        save(tmp_path, n, np.concatenate([picture(n), 255 - picture(n)], 1))
    found = paired_pictures(tmp_path, "val", SIDE)
    item = found.item(0, np.random.default_rng(0))
    assert np.abs(item["picture"].astype(int) + item["target"] - 255).max() <= 1


def test_of_photographs_edges_are_given(tmp_path: Path):
    for n in range(14):
        save(tmp_path, n, np.asarray(Image.fromarray(picture(n)).resize((48, 40))))
    item = paired_pictures(tmp_path, "train", SIDE).item(0, np.random.default_rng(0))
    assert set(np.unique(item["picture"])) <= {0, 255}
    assert (edges(picture(0)) == 0).any()


def test_too_few_and_nothing_are_refused(tmp_path: Path):
    save(tmp_path, 0, picture(0))
    with pytest.raises(GessoError, match="pairs for 'train'"):
        paired_pictures(tmp_path, "train", SIDE)
    with pytest.raises(GessoError, match="no such folder"):
        paired_pictures(tmp_path / "absent", "train", SIDE)


def test_hidden_pairs_never_meet():
    found = unpaired_pictures(None, "train", 32)
    item = found.item(0, np.random.default_rng(0))
    assert len(found.a) + len(found.b) == 200 and item["a"].shape == item["b"].shape == (32, 32, 3)
    pairs = paired_pictures(None, "train", 32)
    assert np.array_equal(found.a[0], pairs.given[0]) and np.array_equal(found.b[0], pairs.target[1])


def test_two_folders_need_no_common_names(tmp_path: Path):
    for n in range(14):
        save(tmp_path / "a", n, picture(n))
        save(tmp_path / "b", 50 + n, picture(50 + n))
    found = unpaired_pictures(tmp_path, "train", SIDE)
    assert len(found.a) >= 8 and len(found.b) >= 8
