"""How far hints reach: a whole drawing that is reconsidered with each of them, pieces that follow one, or the hinted pieces alone.

A network that sees all hints may change its mind about pieces that no hint is near. Two predictions of the same drawing keep it from
that: one with hints and one without. A region counts by the first where it follows a hint, and else by the second, which no hint moves.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from gesso.rules.prediction import Prediction

Reach = Literal["all", "same", "marked"]


def mixed(seen: Prediction, blind: Prediction, colours: np.ndarray, num_palette: int, follow: float) -> Prediction:
    """One prediction of a window over `colours` uint8 [k 3], the palette's `num_palette` and then the hints': by `seen`, which knew the
    hints, in regions where one hinted colour has a share of at least `follow`, and else by `blind`, which knew none."""
    inks, which = np.unique(colours[num_palette:], axis=0, return_inverse=True)
    of_ink = np.zeros((len(seen.shares), len(inks)), np.float32)
    for column, ink in enumerate(np.asarray(which).reshape(-1)):
        of_ink[:, ink] += seen.shares[:, num_palette + column]
    follows = of_ink.max(1, initial=0) >= follow
    own = np.zeros_like(seen.shares)
    own[:, :num_palette] = blind.shares[:, :num_palette]
    own /= np.maximum(own.sum(1, keepdims=True), 1e-9)
    return Prediction(np.where(follows[:, None], seen.shares, own), seen.regions, seen.box)
