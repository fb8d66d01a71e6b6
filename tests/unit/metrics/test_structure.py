"""Structural similarity is the published formula, is 1 for equal pictures, and falls with what people see."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from gesso.metrics.structure import ms_ssim, ssim


def picture(h: int = 40, w: int = 48, seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(size=(h, w, 3))
    return (128 + 300 * gaussian_filter(noise, (3, 3, 0))).clip(0, 255).astype(np.uint8)


def test_it_is_the_published_formula():
    """Each place by itself, as Wang 2004 writes it (equation 13 with its window of section III C)."""
    a, b = (picture(20, 17, seed)[..., 0].astype(float) for seed in (1, 2))
    offsets = np.arange(-5, 6)
    weight = np.exp(-(offsets[:, None] ** 2 + offsets**2) / (2 * 1.5**2))
    weight /= weight.sum()
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    values = []
    for y in range(5, 15):
        for x in range(5, 12):
            p, q = a[y - 5 : y + 6, x - 5 : x + 6], b[y - 5 : y + 6, x - 5 : x + 6]
            mp, mq = (weight * p).sum(), (weight * q).sum()
            vp, vq, both = (weight * (p - mp) ** 2).sum(), (weight * (q - mq) ** 2).sum(), (weight * (p - mp) * (q - mq)).sum()
            values.append((2 * mp * mq + c1) * (2 * both + c2) / ((mp**2 + mq**2 + c1) * (vp + vq + c2)))
    assert ssim(a, b) == pytest.approx(np.mean(values), abs=1e-9)


def test_equal_pictures_are_at_one_and_damage_lowers_it_in_order():
    real = picture(200, 190)
    assert ssim(real, real) == pytest.approx(1) and ms_ssim(real, real) == pytest.approx(1)
    rng = np.random.default_rng(3)
    for measure in (ssim, ms_ssim):
        noisy = [measure((real + rng.normal(0, s, real.shape)).clip(0, 255), real) for s in (2, 10, 40)]
        blurred = [measure(gaussian_filter(real, (s, s, 0)), real) for s in (1, 3, 8)]
        assert noisy == sorted(noisy, reverse=True) and blurred == sorted(blurred, reverse=True)
    assert ssim(real, 255 - real) < 0.2


def test_a_shift_of_brightness_costs_less_than_noise_of_the_same_error():
    real = picture()
    shifted, noisy = real + 12.0, real + 12.0 * np.random.default_rng(0).choice([-1, 1], real.shape)
    assert ssim(shifted, real) > 0.9 > ssim(noisy, real)


def test_small_pictures_use_the_scales_that_fit():
    for side in (11, 22, 43, 44, 90, 176):
        one, other = picture(side, side, 1), picture(side, side, 2)
        assert 0 <= ms_ssim(one, other) < 1
    one, other = picture(12, 12, 1), picture(12, 12, 2)
    assert ms_ssim(one, other) == pytest.approx(max(0.0, ssim(one, other)))
    with pytest.raises(ValueError, match="cannot be compared"):
        ssim(one[:10], other[:10])
