"""The parts of an adversarial game: objectives, slopes, augmentation, pools."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from gesso.families.adversarial import Round, Seat, Turn, objectives
from gesso.families.adversarial.augment import COLOUR, GEOMETRY, Augment
from gesso.families.adversarial.game import GameState
from gesso.families.adversarial.penalties import one_centred, path_lengths, r1, r2, squared_slope
from gesso.families.adversarial.pool import Pool
from gesso.families.family import Batch
from gesso.judgement import Judgement
from gesso.ports import Ports

LOG2 = math.log(2)


def judged(*values: float) -> Judgement:
    return Judgement((torch.tensor(values)[:, None],))


@pytest.mark.parametrize(
    ("name", "undecided", "sure", "fooled"),
    [
        ("NON_SATURATING", (2 * LOG2, LOG2), 0.0, 0.0),
        ("HINGE", (2.0, 0.0), 0.0, -9.0),
        ("LEAST_SQUARES", (1.0, 1.0), 64 + 81, 64.0),
        ("WASSERSTEIN", (0.0, 0.0), -18.0, -9.0),
        ("RELATIVISTIC", (LOG2, LOG2), 0.0, 0.0),
    ],
)
def test_an_objective_at_known_logits(name: str, undecided: tuple[float, float], sure: float, fooled: float):
    """Both logits 0; the critic sure (9 for real, -9 for generated); the generator believed (9 for generated, -9 for real)."""
    objective = getattr(objectives, name)
    zero = judged(0.0, 0.0)
    assert objective.critic_loss(zero, zero).tolist() == pytest.approx([undecided[0]] * 2)
    assert objective.generator_loss(zero, zero).tolist() == pytest.approx([undecided[1]] * 2)
    assert objective.critic_loss(judged(9.0), judged(-9.0)).item() == pytest.approx(sure, abs=1e-3)
    assert objective.generator_loss(judged(-9.0), judged(9.0)).item() == pytest.approx(fooled, abs=1e-3)


def test_scales_of_a_critic_count_alike():
    two = Judgement((torch.zeros(3, 1, 4, 4), torch.full((3, 1, 2, 2), 5.0)))
    assert objectives.HINGE.generator_loss(None, two).tolist() == [-2.5] * 3


def linear_round(weight: Tensor) -> Round:
    """A round of a critic whose logit is the sum of weight × picture, so its slope is `weight` everywhere."""

    def judge(picture: Tensor) -> Judgement:
        return Judgement(((picture * weight).flatten(1).sum(1, keepdim=True),))

    real, fake = (torch.randn(4, *weight.shape, requires_grad=True) for _ in range(2))
    batch = Batch({}, Ports(), torch.arange(4))
    turn = Turn({}, batch, {}, torch.Generator(), 0, GameState((Seat(),)))
    return Round(turn, Seat(), judge, real, fake, judge(real), judge(fake))


def test_penalties_of_a_linear_critic_are_its_slope():
    weight = torch.randn(3, 5, 5)
    round, square = linear_round(weight), float(weight.square().sum())
    assert r1(round).tolist() == pytest.approx([square / 2] * 4, rel=1e-5)
    assert r2(round).tolist() == pytest.approx([square / 2] * 4, rel=1e-5)
    assert one_centred(round).tolist() == pytest.approx([(math.sqrt(square) - 1) ** 2] * 4, rel=1e-4)


def test_a_penalty_teaches_the_critic():
    weight = torch.randn(1, 3, 3, requires_grad=True)
    picture = torch.randn(2, 1, 3, 3, requires_grad=True)
    squared_slope(Judgement(((picture * weight).flatten(1).sum(1, keepdim=True),)), picture).mean().backward()
    assert torch.allclose(weight.grad, 2 * weight, atol=1e-5)


def test_path_lengths_of_a_linear_generator():
    """G(w) = M w for a picture of one pixel and channel: J is M, and |Jᵀy| = |M| |y|."""
    matrix = torch.randn(6)
    latents = torch.randn(5, 6, requires_grad=True)
    noise = torch.randn(5, 1, 1, 1)
    pictures = (latents @ matrix)[:, None, None, None]
    wanted = matrix.norm() * noise.flatten().abs()
    assert torch.allclose(path_lengths(pictures, latents, noise), wanted, rtol=1e-4)


def test_a_pool_gives_back_old_pictures():
    pool = Pool(3)
    first = torch.stack([torch.full((1, 2, 2), v) for v in (-1.0, 0.0, 1.0)])
    assert torch.equal(pool.swap(first, torch.zeros(3), torch.zeros(3)), first), "it fills first"
    new = torch.full((2, 1, 2, 2), 0.5)
    shown = pool.swap(new, torch.tensor([0.2, 0.9]), torch.tensor([0.7, 0.7]))
    assert shown[0].mean() == 1.0 and shown[1].mean() == 0.5, "one is exchanged, one is new"
    assert pool.pictures.shape[0] == 3 and not pool.pictures.is_floating_point()


def uniform_of(seed: int, num: int):
    rng = torch.Generator().manual_seed(seed)
    return lambda *shape: torch.rand(num, *shape, generator=rng)


def test_augmentation_at_strength_zero_changes_nothing():
    pictures = torch.randn(4, 3, 8, 8)
    assert torch.equal(Augment()(pictures, torch.tensor(0.0), uniform_of(0, 4), 3), pictures)


@pytest.mark.parametrize("name", [*GEOMETRY, *COLOUR, "cutout"])
def test_each_transform_acts_alone(name: str):
    pictures = torch.rand(64, 3, 8, 8)
    out = Augment((name,))(pictures, torch.tensor(1.0), uniform_of(1, 64), 3)
    changed = (out - pictures).abs().flatten(1).amax(1) > 1e-3
    assert 0.2 < changed.float().mean() and torch.isfinite(out).all() and out.shape == pictures.shape


def test_half_strength_leaves_about_half_alone():
    pictures = torch.rand(400, 3, 4, 4)
    out = Augment(("brightness",))(pictures, torch.tensor(0.5), uniform_of(2, 400), 3)
    assert 0.4 < ((out - pictures).abs().flatten(1).amax(1) > 1e-6).float().mean() < 0.6


def test_a_map_moves_with_its_picture_and_keeps_its_values():
    pictures = torch.rand(16, 3, 8, 8)
    both = torch.cat([pictures, pictures[:, :1]], 1)
    out = Augment(GEOMETRY)(both, torch.tensor(1.0), uniform_of(3, 16), 3)
    assert torch.allclose(out[:, 0], out[:, 3], atol=1e-6)
    out = Augment(COLOUR)(both, torch.tensor(1.0), uniform_of(3, 16), 3)
    assert torch.equal(out[:, 3], both[:, 3])


def test_luma_and_hue_keep_what_they_should():
    """A turn about the grey axis keeps the mean of the channels; turning the luma over negates it."""
    pictures = torch.rand(32, 3, 4, 4)
    out = Augment(("hue",))(pictures, torch.tensor(1.0), uniform_of(4, 32), 3)
    assert torch.allclose(out.mean(1), pictures.mean(1), atol=1e-5)
    out = Augment(("luma_flip",))(pictures, torch.tensor(1.0), uniform_of(4, 32), 3)
    assert torch.allclose(out.mean(1).abs(), pictures.mean(1), atol=1e-5)


def test_strength_follows_how_far_the_critic_overfits():
    augment, strength = Augment(speed=1000, every=4), torch.tensor(0.5)
    augment.adapt(strength, torch.tensor([0.9]), batch_size=10, step=4)
    assert float(strength) == pytest.approx(0.54)
    augment.adapt(strength, torch.tensor([0.9]), batch_size=10, step=5)
    assert float(strength) == pytest.approx(0.54), "every fourth step"
    augment.adapt(strength, torch.tensor([0.1]), batch_size=10, step=8)
    assert float(strength) == pytest.approx(0.50)
    for step in range(0, 400, 4):
        augment.adapt(strength, torch.tensor([-1.0]), batch_size=10, step=step)
    assert float(strength) == 0.0
