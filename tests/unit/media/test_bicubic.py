"""Bicubic resizing and luma are Matlab's: the published figures of Set5 come out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gesso.media.bicubic import cubic, phases, resized, rounded, scaled
from gesso.media.luma import luma, rgb, ycbcr
from gesso.media.picture import read_picture, to_white
from gesso.metrics.fidelity import cropped, luma_psnr


def test_the_kernel_is_keys():
    assert cubic(np.array([0.0, 1.0, 2.0, 0.5])).tolist() == [1.0, 0.0, 0.0, 0.5625]
    places = np.linspace(0, 1, 7)[:, None] + np.arange(-2, 3)
    assert np.allclose(cubic(places).sum(1), 1)


@pytest.mark.parametrize("scale", [1 / 2, 1 / 3, 1 / 4, 2, 3])
def test_a_plane_stays_a_plane_inside(scale: float):
    """A ramp is kept where no border is near: the kernel is exact to the second degree, and centres are aligned."""
    ys, xs = np.mgrid[:48, :60].astype(np.float32)
    made = scaled(2 * xs + 3 * ys, scale)
    at = (np.arange(made.shape[1]) + 0.5) / scale - 0.5, (np.arange(made.shape[0]) + 0.5) / scale - 0.5
    wanted = 2 * at[0] + 3 * at[1][:, None]
    edge = 9 if scale < 1 else 9 * round(scale)
    inner = (slice(edge, -edge),) * 2 if scale > 1 else (slice(3, -3),) * 2
    assert np.abs(made - wanted)[inner].max() < 0.02


def test_matlab_makes_these_numbers():
    """imresize of the row 0 10 20 200 5 6 by hand: weights of the widened kernel at 1/2, border mirrored."""
    row = np.array([[0, 10, 20, 200, 5, 6]], np.float32).repeat(6, 0)
    kernel = cubic((np.arange(-3, 5) - 0.5) / 2)
    padded = np.pad(row[0], 4, mode="symmetric")
    wanted = [float((kernel / kernel.sum()) @ padded[4 + 2 * i - 3 : 4 + 2 * i + 5]) for i in range(3)]
    assert np.allclose(scaled(row, 0.5)[1], wanted, atol=1e-3)


def test_rows_are_a_part_of_the_whole():
    picture = np.random.default_rng(0).integers(0, 256, (40, 30, 3)).astype(np.float32)
    whole = resized(picture, 80, 60)
    assert np.array_equal(whole[20:50], resized(picture, 80, 60, (20, 50)))


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_the_convolution_is_the_same_enlargement(scale: int):
    picture = np.random.default_rng(1).random((7, 9)).astype(np.float32)
    padded, kernels = np.pad(picture, 2, mode="symmetric"), phases(scale)
    blocks = [[(kernels * padded[i : i + 5, j : j + 5]).sum((1, 2)).reshape(scale, scale) for j in range(9)] for i in range(7)]
    assert np.allclose(np.block(blocks), scaled(picture, scale), atol=1e-5)


def test_luma_is_studio_range_and_turns_back():
    colours = np.array([[[0, 0, 0], [255, 255, 255], [255, 0, 0], [12, 200, 99]]], np.uint8)
    assert np.allclose(luma(colours)[0, :3], [16, 235, 81.481], atol=1e-3)
    assert np.allclose(rgb(ycbcr(colours)), colours, atol=1e-3)
    assert np.allclose(luma(np.array([[0, 255]], np.uint8)), [[16, 235]], atol=1e-3)
    assert rounded(np.array([-3.0, 0.5, 254.5, 400.0])).tolist() == [0, 1, 255, 255]


@pytest.mark.parametrize("data", ["set5"], indirect=True)
@pytest.mark.parametrize(("scale", "published"), [(2, 33.66), (3, 30.39), (4, 28.42)])
def test_bicubic_of_set5_has_the_published_figure(data: Path, scale: int, published: float):
    found = []
    for file in sorted(data.glob("*.png")):
        real = rounded(luma(cropped(to_white(read_picture(file)), scale))).astype(np.float32)
        found.append(luma_psnr(scaled(scaled(real, 1 / scale), scale), real, scale))
    assert round(float(np.mean(found)), 2) == published
