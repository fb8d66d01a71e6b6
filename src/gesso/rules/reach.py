"""How far hints reach: a whole drawing that is reconsidered with each of them, pieces that follow one, or the hinted pieces alone.

A network that sees all hints may change its mind about pieces that no hint is near. Two predictions of the same drawing keep it from
that: one with hints and one without. A region counts by the first where it follows a hint, and else by the second, which no hint moves.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from gesso.ports import Frame
from gesso.rules.prediction import Prediction

Reach = Literal["all", "same", "marked"]
BLIND = "blind"  # an option of frames in which no hint is encoded


def views(frames: Sequence[Frame], reach: Reach) -> list[Frame]:
    """The frames of a page that a network needs for this reach: with hints, without, or first without and then with them."""
    blind = [] if reach == "all" else [frame.with_options({**frame.options, BLIND: True}) for frame in frames]
    return blind if reach == "marked" else [*blind, *frames]


def predicted(
    made: Sequence[tuple[Frame, Any]], page: tuple[int, ...], num_palette: int, follow: float
) -> tuple[list[Prediction], np.ndarray]:
    """The predictions of all windows of a page (h, w), and the colours uint8 [k 3] they are over, from a network's outputs by frame, whose
    media are `shares`, `regions` and `colours`; of a window seen both ways, one (`mixed`)."""
    ways: dict[bool, list[Prediction]] = {False: [], True: []}
    over: dict[bool, np.ndarray] = {}
    for frame, output in made:
        shares, regions, colours = (output.media[name][0].numpy() for name in ("shares", "regions", "colours"))
        blind = bool(frame.options.get(BLIND))
        ways[blind].append(Prediction(shares, regions, frame.box or (0, 0, page[1], page[0])))
        over.setdefault(blind, colours)
    if not ways[True]:
        return ways[False], over[False]
    if len(ways[False]) < len(ways[True]):  # nothing else is wanted, or it is a draft that has not got further
        return ways[True], over[True]
    pairs = zip(ways[False], ways[True], strict=True)
    return [mixed(seen, blind, over[False], num_palette, follow) for seen, blind in pairs], over[False]


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
