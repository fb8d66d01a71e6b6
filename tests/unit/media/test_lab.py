"""CIE Lab of tensors, against scikit-image by way of `rules.palette.lab_of`."""

import numpy as np
import pytest
import torch

from gesso.media.lab import GRID, chroma_bins, fitted, lab_planes, to_lab, to_picture
from gesso.rules.palette import lab_of


def test_lab_is_scikit_images_and_comes_back():
    picture = torch.rand(2, 3, 9, 7, generator=torch.Generator().manual_seed(0)) * 2 - 1
    wanted = lab_of(((picture + 1) * 127.5).permute(0, 2, 3, 1).numpy())
    np.testing.assert_allclose(to_lab(picture).permute(0, 2, 3, 1).numpy(), wanted, atol=0.02)
    torch.testing.assert_close(to_picture(to_lab(picture)), picture, atol=1e-4, rtol=0)


@pytest.mark.parametrize("value", [0, 1, 10, 128, 255])
def test_greys_have_no_chroma(value):
    found = lab_planes(np.full((2, 3, 3), value, np.uint8))
    assert np.abs(found[1:]).max() < 0.02


def test_colours_beyond_srgb_are_clipped():
    made = to_picture(torch.tensor([50.0, 120.0, -120.0]).view(1, 3, 1, 1))
    assert made.abs().max() <= 1 and torch.isfinite(made).all()


def test_every_colour_rounds_to_a_bin_and_each_bin_is_used():
    bins = {tuple(one) for one in chroma_bins().int().tolist()}
    drawn = np.random.default_rng(0).integers(0, 256, (20_000, 3)).astype(np.float64)
    corners = np.array(np.meshgrid([0, 255], [0, 255], [0, 255])).reshape(3, -1).T
    lab = lab_of(np.concatenate([drawn, corners]))
    assert {tuple(one) for one in (np.round(lab[:, 1:] / GRID) * GRID).astype(int).tolist()} <= bins
    assert len(bins) == len(chroma_bins()) == 261


@pytest.mark.parametrize("lab", [(90.0, 79.0, -108.0), (85.0, 80.0, 67.0), (25.0, -22.0, -90.0)])
def test_a_colour_that_srgb_lacks_keeps_its_lightness_and_hue(lab):
    given = torch.tensor(lab).view(1, 3, 1, 1)
    made = to_lab(to_picture(fitted(given)))[0, :, 0, 0]
    assert abs(made[0] - lab[0]) < 0.5
    wanted = given[0, 1:, 0, 0]
    assert torch.nn.functional.cosine_similarity(made[1:], wanted, dim=0) > 0.995 and 5 < made[1:].norm() < wanted.norm()
    inside = torch.tensor([60.0, 10.0, -15.0]).view(1, 3, 1, 1)
    assert fitted(inside) is inside
