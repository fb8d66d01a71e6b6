"""Feature matching: generated pictures shall look like the real ones to the layers of their critics (Salimans 2016; Wang 2018)."""

from __future__ import annotations

import torch
from torch import Tensor

from gesso.families.adversarial.game import Turn
from gesso.judgement import per_item


def feature_matching(turn: Turn) -> Tensor:
    """The mean distance of the features of each generated picture from those of its real one, [b] (Wang 2018, equation 4).

    It is for pairs: `real` is what `fake` should be. Features are those of the critics' layers, each with the same weight.
    """
    total, num = torch.zeros(()), 0
    for round in turn.rounds.values():
        assert round.of_fake is not None
        with torch.no_grad():
            real = (round.of_real or round.judge(round.real)).features
        for one, other in zip(round.of_fake.features, real, strict=True):
            total = total.to(one.device) + per_item((one.float() - other.detach().float()).abs())
            num += 1
    return total / max(num, 1)
