"""Agreement with requested classes and given pixels, on known values."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from gesso.errors import GessoError
from gesso.metrics.agreement import class_agreement, classes_of, diversity, features_of, kept_share, measure_classes


class Brightest(nn.Module):
    """The class is the channel that is brightest."""

    def pooled(self, x):
        return x.mean((2, 3))

    def forward(self, x):
        return self.pooled(x)


def plain(channel: int) -> np.ndarray:
    picture = np.zeros((4, 4, 3), np.uint8)
    picture[..., channel] = 200
    return picture


class Colours:
    name = "colours"

    def __len__(self):
        return 5

    def item(self, index, rng):
        return {"picture": plain(index % 3), "label": index % 3 if index < 4 else 0}


def test_class_agreement_is_a_share():
    assert class_agreement([1, 2, 3, 4], [1, 2, 0, 4]) == 0.75
    with pytest.raises(GessoError):
        class_agreement([], [])
    with pytest.raises(GessoError):
        class_agreement([1], [1, 2])


def test_kept_share_compares_bits():
    given = np.arange(16, dtype=np.uint8).reshape(4, 4)
    mask = np.zeros((4, 4), bool)
    mask[:2] = True
    made = given.copy()
    made[2:] = 99
    assert kept_share(made, given, mask) == 1
    made[0, 0] += 1
    assert kept_share(made, given, mask) == pytest.approx(7 / 8)
    assert kept_share(made, given, ~mask & mask) == 1
    with pytest.raises(GessoError):
        kept_share(made, given[:2], mask)


def test_diversity_is_the_mean_distance_within_a_class():
    features = np.array([[0.0, 0.0], [3.0, 4.0], [100.0, 0.0], [100.0, 1.0], [500.0, 0.0]])
    assert diversity(features, [0, 0, 1, 1, 2]) == pytest.approx((5 + 1) / 2)
    assert diversity(np.zeros((3, 2)), [0, 0, 0]) == 0
    with pytest.raises(GessoError):
        diversity(features, range(5))


def test_a_classifier_is_measured_in_total_and_per_class():
    report = measure_classes(Brightest(), Colours(), ("red", "green", "blue", "never"), batch_size=2)
    assert report["accuracy"] == 0.8 and report["n"] == 5
    assert report["per class"] == {"red": {"accuracy": 2 / 3, "n": 3}, "green": {"accuracy": 1, "n": 1}, "blue": {"accuracy": 1, "n": 1}}


def test_classes_and_features_in_batches():
    pictures = [plain(c) for c in (2, 0, 1)]
    assert classes_of(Brightest(), pictures).tolist() == [2, 0, 1]
    whole, parts = features_of(Brightest(), pictures), features_of(Brightest(), pictures, batch_size=1)
    assert whole.shape == (3, 3) and np.allclose(whole, parts)
    assert torch.is_grad_enabled()
    grey = features_of(Brightest(), [np.full((4, 4), 255, np.uint8)])
    assert np.allclose(grey, 1), "grey is shown in three channels"
