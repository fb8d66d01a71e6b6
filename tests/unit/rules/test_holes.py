"""Holes are made anew and nothing else; windows hold each hole with its surroundings; the seam fits."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from gesso.conditions.hole import Hole
from gesso.rules.holes import Page, filled, windows_of
from gesso.rules.seam import meeting


def page(pixels: np.ndarray, *strokes: tuple[list[tuple[float, float]], float], grows: tuple[int, int, int, int] = (0, 0, 0, 0)) -> Page:
    hole = Hole.read([{"path": path, "radius": radius} for path, radius in strokes], where="hole", options={}) if strokes else None
    return Page.of(pixels, None if hole is None else hole.covered, grows)


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)


@pytest.mark.parametrize("shape", [(50, 70, 3), (50, 70), (50, 70, 4)])
def test_pixels_outside_are_kept_to_the_bit(shape: tuple[int, ...]):
    pixels = noise(*shape)
    if len(shape) == 3 and shape[2] == 4:
        pixels[..., 3] = np.where(np.arange(70) < 8, 90, 255)
    one = page(pixels, ([(20, 20), (40, 25)], 4.0))
    made = [(box, torch.rand(3, 32, 32) * 2 - 1) for box in windows_of(one, 32)]
    result = filled(one, made)
    assert result.shape == pixels.shape and result.dtype == np.uint8
    same = (result == pixels) if pixels.ndim == 2 else (result == pixels).all(-1)
    assert same[~one.hole].all() and same[one.hole].mean() < 0.2
    if len(shape) == 3 and shape[2] == 4:
        assert one.hole[:, :8].all() and (result[one.hole][:, 3] == 255).all(), "what was transparent is filled"


def test_the_picture_grows_and_what_it_was_stays_in_its_place():
    pixels = noise(20, 30, 3)
    one = page(pixels, grows=(5, 3, 7, 0))
    assert one.hole.shape == (23, 42) and one.hole.sum() == 23 * 42 - 20 * 30
    result = filled(one, [(box, torch.zeros(3, 16, 16)) for box in windows_of(one, 16)])
    assert np.array_equal(result[3:, 5:35], pixels)


def test_each_part_of_a_hole_has_a_window_with_what_surrounds_it():
    pixels = noise(200, 300, 3)
    one = page(pixels, ([(30, 30)], 5.0), ([(250, 160), (280, 160)], 10.0), ([(255, 175)], 4.0))
    boxes = windows_of(one, 32)
    assert len(boxes) == 2, "near ones share a window"
    held = np.zeros(one.hole.shape, int)
    for left, top, right, bottom in boxes:
        assert right - left == bottom - top >= 32 and 0 <= left and right <= 300 and 0 <= top and bottom <= 200
        held[top:bottom, left:right] += 1
        assert one.hole[top:bottom, left:right].mean() < 0.5
    assert (held[one.hole] == 1).all()
    assert len(windows_of(page(pixels), 32)) == 1, "no hole still has a window"


def test_a_window_larger_than_the_page_is_about_its_middle():
    one = page(noise(20, 90, 3), ([(45, -5), (45, 25)], 30.0))
    (box,) = windows_of(one, 32)
    left, top, right, bottom = box
    assert right - left == bottom - top >= 100 and top < 0 < bottom - 20


def test_what_is_made_meets_what_surrounds_it():
    ys, xs = np.mgrid[:24, :24]
    real = np.stack([10 * ys, 5 * xs, 100 + 0 * ys], -1).astype(float)
    hole = np.zeros((24, 24), bool)
    hole[8:16, 6:20] = True
    assert np.allclose(meeting(np.zeros(real.shape), real, hole), real, atol=1e-4), "the smoothest filling of a plane is the plane"
    made = real + 40.0
    assert np.allclose(meeting(made, real, hole), real, atol=1e-4), "a shift of all is taken back"
    bump = np.exp(-((ys - 12) ** 2 + (xs - 12) ** 2) / 3.0)[..., None] * 50
    met = meeting(real + bump + 30, real, hole)
    assert np.abs(met - real - bump)[hole].max() < 3, "what is made inside stays"
    assert np.array_equal(met[~hole], real[~hole])


def test_a_hole_that_touches_nothing_known_stays_as_it_was_made():
    made, real = np.full((6, 6, 3), 40.0), np.zeros((6, 6, 3))
    assert np.allclose(meeting(made, real, np.ones((6, 6), bool)), made)


def test_a_large_hole_is_met_by_fewer_pixels():
    """A plane's field of a million pixels, found on some thousands of them."""
    ys, xs = np.mgrid[:1100, :1200]
    real = np.stack([0.1 * ys, 0.05 * xs, 90 + 0 * ys], -1)
    hole = np.zeros(ys.shape, bool)
    hole[40:1060, 50:1150] = True
    met = meeting(np.zeros(real.shape), real, hole)
    assert np.abs(met - real).max() < 4 and np.allclose(met[~hole], real[~hole], atol=1e-4)
