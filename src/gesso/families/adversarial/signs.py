"""Signs of trouble in a game, read from its log: pictures that are all alike, a critic that learned by heart, a loss that leapt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

import torch.nn.functional as F
from torch import Tensor

EARLY = 300  # steps in which both signs are usual: nothing is learned yet
COLLAPSED = 0.3  # generated pictures that differ by less than this share of what real ones do
OVERFIT = 0.95  # r_t from which a critic tells nearly all real pictures from generated ones (Karras 2020, ADA, section 3.1)
LONG = 10  # log lines that a sign must hold, since both values swing
STILL = 1e-8  # the length of a gradient that is as good as none
LEAP, BEFORE, LEAST = 20.0, 3, 0.1  # a player's loss leapt if it was so many times the median of at least three lines before, or of 0.1


def spread(pictures: Tensor) -> Tensor:
    """How far the pictures [b c h w] of a batch differ: the mean deviation of their means on an 8 × 8 grid, a number."""
    return F.adaptive_avg_pool2d(pictures.float(), 8).std(0).mean()


def signs_of_trouble(lines: Sequence[Mapping[str, Any]], roles: Sequence[str], *, augmented: bool, absolute: bool = True) -> dict[str, str]:
    """The signs that the last log lines show, by name, for the critics in `roles`; in the first steps leaps alone.

    absolute: the objective is one whose r_t says something of overfitting (`objectives.Objective.absolute`); else only collapse is told.
    """
    logged = [line for line in lines if "event" not in line]
    found = leaps(logged)
    recent = [line for line in logged if line["step"] > EARLY][-LONG:]
    if len(recent) < LONG:
        return found
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
    norms = [line.get("norm/generator") for line in recent]
    if all(one is not None and one < STILL for one in norms):
        found["still generator"] = (
            "no gradient reaches the generator, so it learns no more: begin again (--fresh) with another seed or a lower rate"
        )
    return found


def leaps(lines: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """The players whose loss leapt within the last log lines, as a sign each."""
    found = dict[str, str]()
    for name in (f"loss/{player}" for player in ("critic", "generator")):
        points = [(line["step"], abs(line[name])) for line in lines if line.get(name) is not None]
        for number in range(max(BEFORE, len(points) - LONG), len(points)):
            usual, (step, value) = max(LEAST, median(value for _, value in points[:number])), points[number]
            if value > LEAP * usual:
                what = f"the loss of {name.removeprefix('loss/')} leapt to {value:.3g} from about {usual:.3g} at step {step}"
                found[f"leap {name.removeprefix('loss/')}"] = (
                    f"{what}: the rate is too high, or some pictures are broken. Lower the rate in the recipe"
                )
    return found
