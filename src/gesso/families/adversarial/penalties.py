"""Penalties on slopes: of a critic in a picture, and of a generator in its latent.

    r1, r2         ½ |∇D|² on real and on generated pictures (Mescheder 2018, equations 9 and 10)
    one_centred    (|∇D| - 1)² between both (Gulrajani 2017, equation 3)
    path_length    (|Jᵀy| - a)², with a the running mean (Karras 2020, equation 4)

The first two read the gradients of logits that the game computed with `Term(..., slopes=True)`.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from gesso.families.adversarial.game import Round
from gesso.judgement import Judgement

Judge = Callable[[Tensor], Judgement]


def r1(round: Round) -> Tensor:
    """Half the squared slope of the logits at the real pictures, [b]."""
    return squared_slope(round.of_real, round.real) / 2


def r2(round: Round) -> Tensor:
    """Half the squared slope of the logits at the generated pictures, [b]."""
    return squared_slope(round.of_fake, round.fake) / 2


def one_centred(round: Round) -> Tensor:
    """How far the slope is from 1, squared, at random points between real and generated pictures, [b]."""
    t = round.turn.uniform(1, 1, 1)
    between = torch.lerp(round.fake.detach(), round.real.detach(), t).requires_grad_(True)
    return (squared_slope(round.judge(between), between).clamp_min(1e-12).sqrt() - 1) ** 2


def squared_slope(judgement: Judgement | None, picture: Tensor) -> Tensor:
    """|∇ Σ logits|² of each picture [b c h w], as [b]; the logits of patches are averaged. It can be differentiated again."""
    assert judgement is not None
    total = torch.stack([one.float().flatten(1).mean(1).sum() for one in judgement.logits]).sum()
    (slope,) = torch.autograd.grad(total, picture, create_graph=True)
    return slope.float().square().flatten(1).sum(1)


def path_lengths(pictures: Tensor, latents: Tensor, noise: Tensor) -> Tensor:
    """|Jᵀy| of each item [b]: the change of the pictures [b c h w], weighted with `noise` of their shape, in the latents [b …]."""
    y = noise / math.sqrt(pictures.shape[-1] * pictures.shape[-2])
    (slope,) = torch.autograd.grad((pictures.float() * y).sum(), latents, create_graph=True)
    return slope.float().square().sum(-1).view(len(latents), -1).mean(1).sqrt()
