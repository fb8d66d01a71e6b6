"""The Fréchet distance on known values."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import linalg

from gesso.errors import GessoError
from gesso.metrics.frechet import Moments, fd_gesso, frechet_distance, moments


def test_the_distance_of_a_set_to_itself_is_zero():
    x = np.random.default_rng(0).normal(size=(200, 6))
    assert fd_gesso(x, x) == pytest.approx(0, abs=1e-9)


def test_the_distance_of_a_shifted_set_is_the_square_of_the_shift():
    x = np.random.default_rng(0).normal(size=(200, 4))
    assert fd_gesso(x, x + np.array([3, 0, 4, 0])) == pytest.approx(25)


def test_the_distance_of_two_diagonal_gaussians():
    one = Moments(np.zeros(3), np.diag([1.0, 4.0, 9.0]), 10)
    two = Moments(np.zeros(3), np.diag([4.0, 4.0, 1.0]), 10)
    assert frechet_distance(one, two) == pytest.approx((1 - 2) ** 2 + 0 + (3 - 1) ** 2)


def test_the_distance_agrees_with_the_matrix_square_root():
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(300, 8)) @ rng.normal(size=(8, 8)), rng.normal(size=(300, 8)) + 0.3
    one, two = moments(a), moments(b)
    root = linalg.sqrtm(one.covariance @ two.covariance).real
    wanted = np.square(one.mean - two.mean).sum() + np.trace(one.covariance + two.covariance - 2 * root)
    assert frechet_distance(one, two) == pytest.approx(wanted, rel=1e-6)
    assert fd_gesso(a, b) == pytest.approx(fd_gesso(b, a))


def test_the_distance_is_exact_without_full_rank():
    rng = np.random.default_rng(2)
    flat = rng.normal(size=(5, 30))
    assert fd_gesso(flat, flat[::-1]) == pytest.approx(0, abs=1e-6)
    assert fd_gesso(flat, flat + 1) == pytest.approx(30, rel=1e-6)


@pytest.mark.parametrize("bad", [np.zeros((1, 3)), np.zeros(3), np.full((4, 2), np.nan)])
def test_invalid_features_are_refused(bad):
    with pytest.raises(GessoError):
        moments(bad)


def test_features_of_different_widths_are_refused():
    with pytest.raises(GessoError, match="3 and of 4"):
        fd_gesso(np.eye(3), np.eye(4))
