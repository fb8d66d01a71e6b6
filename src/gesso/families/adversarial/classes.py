"""What players learn from a critic's class head: each is to show, or to find, the class that was asked for (Odena 2017, section 3)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from gesso.families.adversarial.game import Round, Turn
from gesso.judgement import Judgement

TARGET = "label"  # of the clean batch: class numbers int64 [b], of the real pictures and of those generated beside them


def classes_of_both(round: Round) -> Tensor:
    """Cross entropy of the classes that the critic finds in real and in generated pictures, their sum, [b] (equation 3)."""
    wanted = round.turn.batch.clean[TARGET]
    return class_error(round.of_real, wanted) + class_error(round.of_fake, wanted)


def classes_of_fake(turn: Turn) -> Tensor:
    """Cross entropy of the classes that critics find in the generated pictures, [b]; what a real one shows is no generator's work."""
    wanted = turn.batch.clean[TARGET]
    values = [class_error(round.of_fake, wanted) for round in turn.rounds.values()]
    return sum(values[1:], values[0])


def class_error(judgement: Judgement | None, wanted: Tensor) -> Tensor:
    """Cross entropy of a judgement's classes, [b]."""
    assert judgement is not None and judgement.classes is not None
    return F.cross_entropy(judgement.classes.float(), wanted, reduction="none")
