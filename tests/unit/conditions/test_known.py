"""Known parts are kept to the bit by parsing, JSON, encoding and pasting."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from PIL import Image
from pydantic import ValidationError

from gesso.conditions.known import Known, random_region
from gesso.errors import GessoError
from gesso.media.picture import encode_png
from gesso.ports import Frame

OPTIONS = {"size": (28, 28), "channels": 1}


@pytest.fixture
def grey() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (28, 28), np.uint8)


@pytest.fixture
def half() -> np.ndarray:
    mask = np.zeros((28, 28), bool)
    mask[:14] = True
    return mask


def test_pixels_outside_the_mask_become_zero(grey, half):
    known = Known(pixels=grey, mask=half)
    assert (known.pixels[half] == grey[half]).all() and not known.pixels[~half].any()
    assert known.page == (28, 28)


def test_known_round_trips_through_json_to_the_bit(grey, half):
    known = Known(pixels=grey, mask=half)
    again = Known.model_validate(json.loads(json.dumps(known.model_dump(mode="json"))))
    assert (again.pixels == known.pixels).all() and (again.mask == half).all() and again.mask.dtype == bool


def test_parses_transparency_two_files_a_pair_and_a_mapping(grey, half, tmp_path):
    rgba = np.dstack([grey, grey, grey, half.astype(np.uint8) * 255])
    Image.fromarray(rgba).save(tmp_path / "both.png")
    (tmp_path / "picture.png").write_bytes(encode_png(grey))
    (tmp_path / "mask.png").write_bytes(encode_png(half.astype(np.uint8) * 255))
    wanted = Known(pixels=grey, mask=half)
    formats = [
        str(tmp_path / "both.png"),
        rgba,
        f"{tmp_path / 'picture.png'}, {tmp_path / 'mask.png'}",
        (grey, half),
        {"pixels": grey, "mask": half},
        wanted.model_dump(mode="json"),
    ]
    for given in formats:
        got = Known.read(given, where="known", options=OPTIONS)
        assert (got.pixels == wanted.pixels).all() and (got.mask == half).all()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (np.zeros((28, 28), np.uint8), "does not say which part"),
        ((np.zeros((20, 28), np.uint8), np.ones((20, 28), bool)), "exactly 28 × 28"),
        ((np.zeros((28, 28), np.uint8), np.ones((28, 20), bool)), "one size"),
        ((np.zeros((28, 28), np.uint8),), "holds 1 things"),
        ("a.png,b.png,c.png", "names 3 files"),
        ("missing.png,mask.png", "no such file|does not exist"),
        ({"mask": 1}, "pixels and mask"),
        ({}, "pixels and mask"),
        (17, "cannot be read"),
    ],
)
def test_invalid_inputs_are_refused_with_the_reason(given, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(GessoError, match=words):
        Known.read(given, where="known", options=OPTIONS)


def test_pixels_are_converted_to_the_slots_channels(grey, half):
    red = np.zeros((28, 28, 3), np.uint8)
    red[..., 0] = 255
    assert set(np.unique(Known.read((red, half), where="known", options=OPTIONS).pixels)) == {0, 76}
    same = np.repeat(grey[..., None], 3, -1)
    assert (Known.read((same, half), where="known", options=OPTIONS).pixels[half] == grey[half]).all()
    assert Known.read((grey, half), where="known", options={"channels": 3}).pixels.shape == (28, 28, 3)


def test_encodes_known_pixels_and_validity(grey, half):
    spatial = Known.encode([Known(pixels=grey, mask=half), None], Frame((28, 28), options=OPTIONS)).spatial
    assert spatial.shape == (2, 2, 28, 28) and Known.sizes(OPTIONS).spatial == 2
    assert torch.equal(spatial[0, 1], torch.from_numpy(half).float())
    assert torch.allclose(spatial[0, 0, :14], torch.from_numpy(grey[:14]) / 127.5 - 1)
    assert not spatial[0, 0, 14:].any() and not spatial[1].any()


def test_a_frame_of_another_size_is_refused(grey, half):
    with pytest.raises(GessoError, match="not resized"):
        Known.encode([Known(pixels=grey, mask=half)], Frame((32, 32), options=OPTIONS))


def test_paste_keeps_to_the_bit(grey, half):
    made = np.full((28, 28), 99, np.uint8)
    pasted = Known(pixels=grey, mask=half).paste(made)
    assert (pasted[half] == grey[half]).all() and (pasted[~half] == 99).all()
    with pytest.raises(GessoError, match="does not fit"):
        Known(pixels=grey, mask=half).paste(np.zeros((28, 28, 3), np.uint8))


def test_the_later_known_part_wins_where_two_overlap(grey, half):
    other = np.zeros((28, 28), bool)
    other[10:20] = True
    merged = Known(pixels=grey, mask=half).merge(Known(pixels=255 - grey, mask=other))
    assert (merged.mask == half | other).all()
    assert (merged.pixels[other] == (255 - grey)[other]).all() and (merged.pixels[:10] == grey[:10]).all()


def test_a_mask_of_another_size_is_refused(grey):
    with pytest.raises(ValidationError, match="one size"):
        Known(pixels=grey, mask=np.ones((3, 3), bool))


def test_simulated_regions_vary_and_keep_the_pictures_pixels(grey):
    shares = []
    for seed in range(60):
        value, _ = Known.simulate({"picture": grey}, np.random.default_rng(seed), 1.0)
        assert (value.pixels[value.mask] == grey[value.mask]).all() and not value.pixels[~value.mask].any()
        shares.append(value.mask.mean())
    assert min(shares) < 0.2 and max(shares) > 0.8 and len({round(s, 2) for s in shares}) > 20


def test_random_regions_have_the_requested_shape():
    for seed in range(40):
        assert random_region((3, 50), np.random.default_rng(seed)).shape == (3, 50)
