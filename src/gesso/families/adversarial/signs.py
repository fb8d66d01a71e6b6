"""Signs of trouble in an adversarial game, read from its log: generated pictures that are all alike, a critic that learned by heart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch.nn.functional as F
from torch import Tensor

EARLY = 300  # steps in which both signs are usual: nothing is learned yet
COLLAPSED = 0.3  # generated pictures that differ by less than this share of what real ones do
OVERFIT = 0.95  # r_t from which a critic tells nearly all real pictures from generated ones (Karras 2020, ADA, section 3.1)
LONG = 10  # log lines that a sign must hold, since both values swing


def spread(pictures: Tensor) -> Tensor:
    """How far the pictures [b c h w] of a batch differ: the mean deviation of their means on an 8 × 8 grid, a number."""
    return F.adaptive_avg_pool2d(pictures.float(), 8).std(0).mean()


def signs_of_trouble(lines: Sequence[Mapping[str, Any]], roles: Sequence[str], *, augmented: bool, absolute: bool = True) -> dict[str, str]:
    """The signs that the last log lines show, by name, for the critics in `roles`; empty in the first steps.

    absolute: the objective is one whose r_t says something of overfitting (`objectives.Objective.absolute`); else only collapse is told.
    """
    recent = [line for line in lines if "event" not in line and line["step"] > EARLY][-LONG:]
    if len(recent) < LONG:
        return {}
    found = dict[str, str]()
    for role in dict.fromkeys(roles):
        spreads, sure = ([line.get(f"critic/{role}_{name}") for line in recent] for name in ("spread", "r_t"))
        if all(one is not None and one < COLLAPSED for one in spreads):
            found[f"collapse {role}"] = (
                f"generated pictures differ {spreads[-1]:.0%} as much as real ones ({role}): the generator makes few kinds. "
                "Train with more pictures a batch, a stronger penalty, or another seed"
            )
        if absolute and all(one is not None and one > OVERFIT for one in sure):
            found[f"overfit {role}"] = (
                f"{role} tells real from generated pictures nearly always (r_t {sure[-1]:.2f}): "
                "samples will hardly get better; stop here, or train with more pictures" + ("" if augmented else " or with augmentation")
            )
    return found
