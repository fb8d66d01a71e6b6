"""Not this colour: a piece for which a colour was ruled out takes the likeliest of the others."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gesso.rules.hint_pieces import pieces_under
from gesso.rules.palette import lab_of
from gesso.rules.pieces import Pieces
from gesso.rules.prediction import WHITE

APART = 18.0  # delta E 1976: colours nearer than this are taken for the one that was ruled out
Ruled = tuple[Sequence[tuple[float, float]], tuple[int, int, int], float]  # points, the colour they rule out, radius


def without_avoided(pieces: Pieces, chosen: np.ndarray, share: np.ndarray, colours: np.ndarray, marks: Sequence[Ruled]) -> np.ndarray:
    """The colours of pieces, uint8 [num 3], in which no piece has a colour that a mark in it rules out.

    `share` [num k] are the pieces' votes over `colours` uint8 [k 3]. A piece that has such a colour takes the likeliest that is far enough
    from all that are ruled out for it; paper only where no colour has any share.
    """
    ruled: dict[int, list[tuple[int, int, int]]] = {}
    for points, colour, radius in marks:
        for piece, _ in pieces_under(pieces, points, radius):
            ruled.setdefault(piece, []).append(colour)
    if not ruled:
        return chosen
    out, seen, white = chosen.copy(), lab_of(colours), colours.min(1) >= WHITE
    for piece, unwanted in ruled.items():
        away = lab_of(np.array(unwanted, np.uint8))
        if np.linalg.norm(lab_of(chosen[piece][None]) - away, axis=-1).min() > APART:
            continue
        far = np.linalg.norm(seen[:, None] - away[None], axis=-1).min(1) > APART
        for allowed in (far & ~white, far):
            left = np.where(allowed, share[piece], 0.0)
            if left.max() > 0:
                out[piece] = colours[int(left.argmax())]
                break
    return out
