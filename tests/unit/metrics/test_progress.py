"""Quick figures of samples in training."""

from __future__ import annotations

import numpy as np

from gesso.metrics.progress import distance_of_pairs, distance_of_sets


def features(pictures: list[np.ndarray]) -> np.ndarray:
    return np.stack([picture.reshape(-1)[:12] for picture in pictures]).astype(np.float32) / 255


def pictures(num: int, low: int, high: int, seed: int = 0) -> list[np.ndarray]:
    return list(np.random.default_rng(seed).integers(low, high, (num, 2, 2, 3), np.uint8))


def test_sets_of_one_kind_are_near_and_pairs_count_their_own_truth():
    true = pictures(60, 0, 120)
    near, far = pictures(60, 0, 120, seed=1), pictures(60, 130, 255, seed=2)
    assert abs(distance_of_sets(near, true, features)["kernel distance"]) < distance_of_sets(far, true, features)["kernel distance"] / 20
    assert distance_of_pairs(true, true, features)["distance"] == 0 < distance_of_pairs(near, true, features)["distance"]
