"""Exemplars are warped copies whose way back is known; colours of both change together."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gesso.datasets.exemplar_pictures import GRID, centres, exemplar_pictures, random_warp, recoloured, relatives, sampled

SIDE = 32


@pytest.mark.parametrize("seed", range(8))
def test_a_warp_goes_there_and_back(seed: int):
    warp, places = random_warp(np.random.default_rng(seed)), centres(9)
    assert np.abs(warp.there(warp.back(places)) - places).max() < 1e-4


def test_places_lead_to_the_colours_of_the_picture(tmp_path: Path):
    """On a smooth picture of x and y, the exemplar has at each place the colour of the part that is sought there."""
    ramp = np.linspace(0, 255, SIDE + 8).astype(np.uint8)
    smooth = np.stack([np.broadcast_to(ramp, (SIDE + 8,) * 2), np.broadcast_to(ramp[:, None], (SIDE + 8,) * 2)], -1)
    smooth = np.concatenate([smooth, np.full_like(smooth[..., :1], 90)], 2)
    for n in range(30):
        for name in ("a", "b"):
            (tmp_path / name).mkdir(exist_ok=True)
            Image.fromarray(smooth).save(tmp_path / name / f"{n}.png")
    for split in ("train", "val"):
        item = exemplar_pictures(tmp_path, split, SIDE).item(0, np.random.default_rng(4))
        inside = (np.abs(item["places"]) < 0.9).all(2)
        found = sampled(item["exemplar"], item["places"]).astype(int)
        wanted = item["target"].reshape(SIDE // GRID, GRID, SIDE // GRID, GRID, 3).mean((1, 3))
        on_page = np.abs(found - 255).min(2) > 0
        assert (inside & on_page).sum() > 8
        assert np.abs(found - wanted)[inside & on_page].mean() < 12, split


def test_colours_of_picture_and_exemplar_change_together():
    table = recoloured(np.arange(0, 256, 5, dtype=np.uint8)[None, :, None].repeat(3, 2), np.random.default_rng(1))
    assert (table[0, 0] == 0).all() and (table[0, -1] == 255).all(), "black and white stay"
    held = exemplar_pictures(None, "val", SIDE)
    one, two = (held.item(3, np.random.default_rng(7)) for _ in range(2))
    assert all(np.array_equal(one[name], two[name]) for name in one), "an example depends on its number and the generator alone"
    assert exemplar_pictures(None, "train", SIDE).stack([one, two])["places"].shape == (2, SIDE // GRID, SIDE // GRID, 2)


def test_relatives_differ_in_who_does_it(tmp_path: Path):
    pd = pytest.importorskip("pandas", reason="the extra gesso[data] is not installed")
    names = ["man running", "cat", "woman running", "flag of man", "woman juggling"]
    pd.DataFrame({"annotation": names, "flag": [False, False, False, True, False]}).to_parquet(tmp_path / "val.parquet")
    assert relatives(tmp_path) == [(0, 2), (2, 0)]
    assert relatives(tmp_path / "nowhere") == []
