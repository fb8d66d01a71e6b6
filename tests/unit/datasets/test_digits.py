"""Digits: the four parts are disjoint, the files are read correctly, and damaged files are refused."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from gesso.datasets import digits as module
from gesso.datasets.digits import CLASSES, IMAGES, LABELS, PARTS, digits, jittered, read_idx
from gesso.errors import GessoError


def idx(values: np.ndarray) -> bytes:
    return gzip.compress(b"\0\0\x08" + bytes([values.ndim]) + b"".join(n.to_bytes(4, "big") for n in values.shape) + values.tobytes())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Forty digits whose first pixel tells their index."""
    pixels = np.zeros((40, 28, 28), np.uint8)
    pixels[:, 0, 0] = np.arange(40)
    (tmp_path / IMAGES).write_bytes(idx(pixels))
    (tmp_path / LABELS).write_bytes(idx((np.arange(40) % 10).astype(np.uint8)))
    return tmp_path


def test_the_parts_are_disjoint_and_complete(folder):
    seen = [set(digits(folder, split, part).pixels[:, 0, 0].tolist()) for part, split in PARTS]
    assert sorted(n for part in seen for n in part) == list(range(40))
    assert seen[0] == {n for n in range(40) if n % 10 < 4}


def test_a_parent_folder_is_accepted_and_dev_is_val(folder, tmp_path):
    above = tmp_path / "above"
    (above / "mnist10k").mkdir(parents=True)
    for name in (IMAGES, LABELS):
        (above / "mnist10k" / name).write_bytes((folder / name).read_bytes())
    assert (digits(above, "dev", "flow").pixels == digits(folder, "val", "flow").pixels).all()


def test_items_and_their_tensors(folder):
    made = digits(folder, "val", "flow")
    items = [made.item(i, np.random.default_rng(0)) for i in range(3)]
    stacked = made.stack(items)
    assert stacked["image"].shape == (3, 1, 28, 28) and stacked["label"].tolist() == [9, 9, 9]
    assert stacked["image"].min() == -1
    assert stacked["image"][1, 0, 0, 0] == pytest.approx(19 / 127.5 - 1)


def test_the_digits_of_scikit_learn_need_no_files():
    pytest.importorskip("sklearn", reason="scikit-learn is not installed: no bundled digits to try")
    made = digits(None, "train", "classifier")
    assert len(made) > 600 and {int(n) for n in made.labels} == set(range(len(CLASSES)))
    middle = made.pixels[:, 4:24, 4:24].astype(float).sum() / made.pixels.astype(float).sum()
    assert middle == 1.0 and made.pixels.max() == 255


def test_without_scikit_learn_the_error_says_what_to_install(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(GessoError, match=r"gesso\[data\]"):
        module.sklearn_digits()


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda p: p.unlink(), "no t10k"),
        (lambda p: p.write_bytes(b""), "not a complete gzip|not an IDX|empty"),
        (lambda p: p.write_bytes(p.read_bytes()[:70]), "not a complete gzip"),
        (lambda p: p.write_bytes(b"not gzip at all"), "not a complete gzip"),
        (lambda p: p.write_bytes(gzip.compress(b"\0\0\x08")), "not an IDX"),
        (lambda p: p.write_bytes(gzip.compress(b"\0\0\x0d\x01\0\0\0\x01\0\0\0\0")), "not an IDX"),
        (lambda p: p.write_bytes(gzip.compress(b"\0\0\x08\x03" + b"\xff" * 12 + b"\0" * 50)), "its header says"),
        (lambda p: p.write_bytes(idx(np.zeros((40, 20, 20), np.uint8))), "not MNIST's"),
    ],
)
def test_damaged_files_are_refused(folder, spoil, words):
    spoil(folder / IMAGES)
    with pytest.raises(GessoError, match=words):
        digits(folder, "train", "flow")


def test_labels_above_nine_are_refused(folder):
    (folder / LABELS).write_bytes(idx(np.full(40, 200, np.uint8)))
    with pytest.raises(GessoError, match="not MNIST's"):
        digits(folder, "train", "flow")


def test_a_decompression_bomb_is_not_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "MOST_BYTES", 1 << 16)
    path = tmp_path / "bomb.gz"
    path.write_bytes(gzip.compress(b"\0\0\x08\x01" + (1 << 24).to_bytes(4, "big") + bytes(1 << 24)))
    with pytest.raises(GessoError):
        read_idx(path)


def test_sway_moves_digits_slightly_and_only_in_training(folder):
    picture = np.zeros((28, 28), np.uint8)
    picture[8:20, 12:16] = 255
    moved = jittered(picture, np.random.default_rng(1), 1.0)
    assert (moved != picture).any() and 0.6 < moved.sum() / picture.sum() < 1.6
    assert (jittered(picture, np.random.default_rng(1), 1.0) == moved).all()
    assert digits(folder, "val", "classifier", sway=1.0).sway == 0


@pytest.mark.parametrize("data", ["mnist10k"], indirect=True)
def test_the_real_files(data):
    made = digits(data, "train", "flow")
    assert len(made) == 4000 and np.bincount(made.labels).min() > 300
