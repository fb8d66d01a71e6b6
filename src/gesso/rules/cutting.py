"""Cut closed pieces and the background at the borders of the predictions' regions, but never across open areas."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from gesso.rules.decision import DecisionParameters, apply_paper_prior, certainty, expected_colours
from gesso.rules.pieces import Pieces, shared_borders, split_pieces
from gesso.rules.prediction import Prediction, regions_at, votes

BACKGROUND = 0.5  # a piece that holds this share of the page's border is background


def cut_pieces(
    pieces: Pieces,
    predictions: Sequence[Prediction],
    colours: np.ndarray,
    params: DecisionParameters,
    hinted: Mapping[int, int] | None = None,
    places: Sequence[tuple[int, int, int]] = (),
) -> Pieces:
    """Cut pieces where they are narrow, if the predictions expect different colours on the two sides.

    Cuts follow the borders of the predictions' regions. Parts of one closed piece are merged again if their expected colours are near
    each other, the nearest first. `places` (row, column, index into `colours`) are hints: a shape in the background that contains one
    takes its colour. `hinted` {piece: index into `colours`} are closed pieces with a hint: a part takes the hint's colour unless the
    predictions are certain of another. A background piece in `hinted` is filled by a mark, and nothing is cut from it.
    """
    labels = regions_at(predictions, pieces.shape)
    parts = split_pieces(pieces, labels, least=max(3, round(params.least * (max(pieces.shape) / 72) ** 2)))
    owner = np.zeros(parts.num, np.int64)
    owner[parts.labels[parts.free]] = pieces.labels[parts.free]
    if parts.num == pieces.num:
        return parts
    share, page, wide = votes(parts, predictions), background_pieces(pieces), np.full(pieces.num, params.apart)
    ground = page[owner]
    share = apply_paper_prior(share, colours, ground, params)
    tone = expected_colours(share, colours, params)
    tone[ground & (certainty(share, colours) < params.ground)] = 255  # from the background only parts that are certainly coloured are cut
    for piece in hinted or {}:
        wide[piece] = np.inf if page[piece] else params.stay
    entries = np.array(sorted({*(hinted or {}).values()}), int)
    if len(entries):  # a part that is likely to have a hint's colour goes with it
        most = share[:, entries].argmax(1)
        joins = np.isin(owner, list(hinted or {})) & (share[np.arange(parts.num), entries[most]] >= params.join)
        tone[joins] = colours[entries[most[joins]]]
    leak = np.where(ground, params.bare, params.open)
    leak[np.isin(owner, list(hinted or {}))] = params.leak
    rows, columns, wanted = np.asarray(places, int).reshape(-1, 3).T
    touched, background = parts.labels[rows, columns], ground & parts.touches_border
    shapes = ground[touched] & ~(background_pieces(parts) | (_openness(parts, owner) > params.held))[touched]
    leak[touched[shapes]], tone[touched[shapes]], background[touched[shapes]] = params.wanted, colours[wanted[shapes]], False
    table = _merge_alike(parts, owner, tone, wide, leak, background)
    return split_pieces(pieces, table[parts.labels], least=1)


def _merge_alike(
    parts: Pieces, owner: np.ndarray, tone: np.ndarray, wide: np.ndarray, leak: np.ndarray, background: np.ndarray
) -> np.ndarray:
    """For each part the representative of the parts it is merged with, int [num].

    Neighbours in one piece are merged where their shared border is more than the share `leak` [num] of the shorter border, or where
    their colours `tone` are nearer than the piece's `wide`: the widest openings first, then the nearest colours. All parts in
    `background` bool [num] are merged.
    """
    pairs, length = shared_borders(parts.labels, parts.free, parts.num)
    inside = owner[pairs[:, 0]] == owner[pairs[:, 1]]
    pairs, length = pairs[inside], length[inside].astype(float)
    stands, area, rims, tone = np.arange(parts.num), parts.areas.astype(float), parts.rims.astype(float), tone.astype(float).copy()
    behind = background.copy()
    while len(pairs):
        one, two = pairs.T
        opening = length / np.maximum(np.minimum(rims[one], rims[two]), 1)
        away = np.linalg.norm(tone[one] - tone[two], axis=1) - wide[owner[one]]
        away = np.where(opening > np.maximum(leak[one], leak[two]), -1e3 - opening, away)
        away = np.where(behind[one] & behind[two], -1e4, away)
        nearest = int(away.argmin())
        if away[nearest] >= 0:
            break
        into, gone = pairs[nearest]
        tone[into] = (tone[into] * area[into] + tone[gone] * area[gone]) / max(area[into] + area[gone], 1e-9)
        area[into] += area[gone]
        leak[into] = max(leak[into], leak[gone])
        behind[into] |= behind[gone]
        rims[into] += rims[gone] - 2 * length[nearest]
        stands[stands == gone] = into
        pairs = np.sort(np.where(pairs == gone, into, pairs), axis=1)
        kept = pairs[:, 0] != pairs[:, 1]
        pairs, same = np.unique(pairs[kept], axis=0, return_inverse=True)
        length = np.bincount(same.ravel(), length[kept], len(pairs))
    return stands


def _openness(parts: Pieces, owner: np.ndarray) -> np.ndarray:
    """The share of each part's border that is not ink: a border with another part or the page's edge, float [num]."""
    pairs, length = shared_borders(parts.labels, parts.free, parts.num)
    inside = owner[pairs[:, 0]] == owner[pairs[:, 1]]
    imagined = sum(np.bincount(pairs[inside, side], length[inside], parts.num) for side in (0, 1))
    openness: np.ndarray = (imagined + np.bincount(_border_labels(parts), minlength=parts.num)) / np.maximum(parts.rims, 1)
    return openness


def hinted_open_shapes(pieces: Pieces, page: np.ndarray, places: Sequence[tuple[int, int, int]]) -> np.ndarray:
    """The shapes with a hint that were cut from the background (`page` bool [num]), without the background itself, bool [num]."""
    shapes = np.zeros(pieces.num, bool)
    shapes[pieces.labels[tuple(np.asarray(places, int).reshape(-1, 3)[:, :2].T)]] = True
    held = np.where(page, np.bincount(_border_labels(pieces), minlength=pieces.num), -1)
    largest = np.lexsort((pieces.areas, held))[-1]
    shapes[largest] = False
    found: np.ndarray = shapes & page & ~background_pieces(pieces)
    return found


def background_pieces(pieces: Pieces) -> np.ndarray:
    """The pieces that hold at least `BACKGROUND` of the page's border, bool [num]; labels reach under a scan's dark rim."""
    edge = _border_labels(pieces)
    return np.bincount(edge, minlength=pieces.num) >= BACKGROUND * len(edge)


def _border_labels(pieces: Pieces) -> np.ndarray:
    """The labels of the pixels on the page's border, int32 [n]."""
    return np.concatenate([pieces.labels[0], pieces.labels[-1], pieces.labels[1:-1, 0], pieces.labels[1:-1, -1]])


def is_background(closed: Pieces, parts: Pieces, owner: np.ndarray) -> np.ndarray:
    """Which parts, cut from the closed pieces `owner` int [num], are background, bool [num]. Colours need more certainty there."""
    return background_pieces(closed)[owner] | background_pieces(parts)
