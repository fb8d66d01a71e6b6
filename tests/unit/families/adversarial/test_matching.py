"""Feature matching between generated pictures and their real ones."""

from __future__ import annotations

from types import SimpleNamespace

import torch

from gesso.families.adversarial.game import Turn
from gesso.families.adversarial.matching import feature_matching
from gesso.judgement import Judgement


def judge(picture: torch.Tensor) -> Judgement:
    return Judgement((picture.mean((1, 2, 3)),), features=(picture, 2 * picture))


def turn(real: torch.Tensor, fake: torch.Tensor) -> Turn:
    made = object.__new__(Turn)
    made.rounds = {"critic": SimpleNamespace(of_real=None, of_fake=judge(fake), judge=judge, real=real)}  # type: ignore[dict-item]
    return made


def test_it_is_the_mean_distance_of_all_features_and_reaches_the_generator_alone():
    real, fake = torch.zeros(2, 3, 4, 4, requires_grad=True), torch.stack([torch.zeros(3, 4, 4), torch.ones(3, 4, 4)]).requires_grad_(True)
    value = feature_matching(turn(real, fake))
    assert value.tolist() == [0.0, 1.5]  # (1 + 2) / 2
    value.sum().backward()
    assert fake.grad is not None and fake.grad.abs().sum() > 0 and real.grad is None
