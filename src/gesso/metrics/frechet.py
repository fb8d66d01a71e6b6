"""The Fréchet distance between the features of two sets of pictures."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gesso.errors import GessoError


@dataclass(frozen=True)
class Moments:
    """Mean [d] and covariance [d d] of `num` feature vectors."""

    mean: np.ndarray
    covariance: np.ndarray
    num: int


def moments(features: np.ndarray) -> Moments:
    """Moments of features [n d], in float64; at least two finite vectors."""
    features = np.asarray(features, np.float64)
    if features.ndim != 2 or len(features) < 2:
        raise GessoError(f"moments need at least two feature vectors, not an array of shape {features.shape}", where="features")
    if not np.isfinite(features).all():
        raise GessoError("a feature is not a finite number", where="features")
    return Moments(features.mean(0), np.cov(features, rowvar=False).reshape(features.shape[1], -1), len(features))


def frechet_distance(one: Moments, two: Moments) -> float:
    """|m1 - m2|² + tr(C1 + C2 - 2 (C1 C2)^½) (Dowson and Landau 1982; Heusel 2017). Not negative; 0 for equal moments.

    The last trace is the sum of singular values of C1^½ C2^½, which stays exact for covariances without full rank.
    """
    if one.mean.shape != two.mean.shape:
        raise GessoError(f"features of {len(one.mean)} and of {len(two.mean)} numbers cannot be compared", where="features")
    crossed = np.linalg.svd(_root(one.covariance) @ _root(two.covariance), compute_uv=False).sum()
    distance = np.square(one.mean - two.mean).sum() + np.trace(one.covariance) + np.trace(two.covariance) - 2 * crossed
    return max(0.0, float(distance))


def fd_gesso(made: np.ndarray, real: np.ndarray) -> float:
    """The distance between features [n d] of this project's network. It is not comparable with FID, nor between different n."""
    return frechet_distance(moments(made), moments(real))


def _root(covariance: np.ndarray) -> np.ndarray:
    values, vectors = np.linalg.eigh(covariance)
    return (vectors * np.sqrt(values.clip(0))) @ vectors.T
