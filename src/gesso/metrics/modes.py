"""How many of the 1,000 kinds of stacked digits a generator makes, and how evenly (Metz 2017, section 3.3.1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gesso.datasets.stacked_digits import KINDS, stacked_digits
from gesso.metrics.agreement import classes_of
from gesso.metrics.steered import make_many
from gesso.number import whole

NUM = 25_600  # pictures, as in the published tables
AIM = {"modes": 990, "KL": 0.15}


def stacked_kinds(judge: Any, pictures: Sequence[np.ndarray]) -> np.ndarray:
    """The number that each picture's digits write, int [n], as the digit classifier `judge` reads its channels. Pictures are uint8
    [32 32 3]."""
    channels = [np.ascontiguousarray(picture[2:30, 2:30, channel]) for picture in pictures for channel in range(3)]
    return np.asarray(classes_of(judge, channels)).reshape(-1, 3) @ (100, 10, 1)


def mode_count(kinds: np.ndarray, num_kinds: int = KINDS) -> dict[str, float]:
    """The number of kinds that occur, and the divergence KL(made || even) in nats."""
    counts = np.bincount(np.asarray(kinds), minlength=num_kinds)
    share = counts[counts > 0] / counts.sum()
    return {"modes": int((counts > 0).sum()), "KL": float((share * np.log(share * num_kinds)).sum())}


def measure_modes(model: Any, judge: Any, folder: Path | None, options: Mapping[str, Any]) -> dict[str, Any]:
    """`mode_count` of generated stacked digits beside that of as many real ones. Options: `num` and `seed`."""
    num, seed = whole(options.get("num", NUM), where="--num", low=1), whole(options.get("seed", 0), where="--seed", low=0)
    real = stacked_digits(folder, "val", num)
    rng = np.random.default_rng(0)
    made = stacked_kinds(judge.network, make_many(model, [{}] * num, model.card.settings(), seed))
    truth = stacked_kinds(judge.network, [real.item(i, rng)["picture"] for i in range(num)])
    return {"made": mode_count(made), "real": mode_count(truth), "n": num, "aim": AIM, "judge": dict(judge.assembled.hashes)}
