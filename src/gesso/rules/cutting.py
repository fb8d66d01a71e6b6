"""Where a closed piece or the page itself is cut: at the regions' borders, never across open ground."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from gesso.rules.decision import Knobs, certainty, expected, weighed
from gesso.rules.field import Field, regions_at, votes
from gesso.rules.pieces import Pieces, borders, split

PAGE = 0.5  # a piece that holds this share of the page's border is the page


def cut(
    pieces: Pieces,
    fields: Sequence[Field],
    colours: np.ndarray,
    knobs: Knobs,
    hinted: Mapping[int, int] | None = None,
    places: Sequence[tuple[int, int, int]] = (),
) -> Pieces:
    """Open shapes parted where they are narrow, if the network expects unlike colours on the two sides.

    Borders are those of the fields' regions, so that nothing is parted across open ground or along a proposal's own edge. Parts of one
    closed piece whose expected colours are near each other are one, the nearest first. At `places` (row, column, entry of `colours`)
    hints lie: a shape that is open to the page takes the colour of the hint in it. `hinted` {piece: entry of `colours`} are closed
    pieces with a hint: a part takes the hint's colour unless the network is sure of another. If the page itself is in `hinted`, a mark
    fills it, and nothing is cut from it.
    """
    labels = regions_at(fields, pieces.shape)
    parts = split(pieces, labels, least=max(3, round(knobs.least * (max(pieces.shape) / 72) ** 2)))
    owner = np.zeros(parts.num, np.int64)
    owner[parts.labels[parts.free]] = pieces.labels[parts.free]
    if parts.num == pieces.num:
        return parts
    share, page, wide = votes(parts, fields), page_pieces(pieces), np.full(pieces.num, knobs.apart)
    ground = page[owner]
    share = weighed(share, colours, ground, knobs)
    tone = expected(share, colours, knobs)
    tone[ground & (certainty(share, colours) < knobs.ground)] = 255  # of the ground only what is certain to be none is parted
    for piece in hinted or {}:
        wide[piece] = np.inf if page[piece] else knobs.stay
    entries = np.array(sorted({*(hinted or {}).values()}), int)
    if len(entries):  # a part that may well be of a hint's colour goes with it
        most = share[:, entries].argmax(1)
        joins = np.isin(owner, list(hinted or {})) & (share[np.arange(parts.num), entries[most]] >= knobs.join)
        tone[joins] = colours[entries[most[joins]]]
    leak = np.where(ground, knobs.bare, knobs.open)
    leak[np.isin(owner, list(hinted or {}))] = knobs.leak
    rows, columns, wanted = np.asarray(places, int).reshape(-1, 3).T
    touched, background = parts.labels[rows, columns], ground & parts.touches_border
    shapes = ground[touched] & ~(page_pieces(parts) | (_openness(parts, owner) > knobs.held))[touched]
    leak[touched[shapes]], tone[touched[shapes]], background[touched[shapes]] = knobs.wanted, colours[wanted[shapes]], False
    table = _alike(parts, owner, tone, wide, leak, background)
    return split(pieces, table[parts.labels], least=1)


def _alike(parts: Pieces, owner: np.ndarray, tone: np.ndarray, wide: np.ndarray, leak: np.ndarray, background: np.ndarray) -> np.ndarray:
    """For each part the one that stands for it. Neighbours in one piece are one where their imagined border is a larger share of either's
    than `leak` [num] of both, or their tones are nearer than `wide` of the piece, the most open and the nearest first; and all of the
    `background` bool [num] is one."""
    pairs, length = borders(parts.labels, parts.free, parts.num)
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
    """The share of each part's border that is an imagined line or the page's edge, float [num]."""
    pairs, length = borders(parts.labels, parts.free, parts.num)
    inside = owner[pairs[:, 0]] == owner[pairs[:, 1]]
    imagined = sum(np.bincount(pairs[inside, side], length[inside], parts.num) for side in (0, 1))
    openness: np.ndarray = (imagined + np.bincount(_edge(parts), minlength=parts.num)) / np.maximum(parts.rims, 1)
    return openness


def hinted_shapes(pieces: Pieces, page: np.ndarray, places: Sequence[tuple[int, int, int]]) -> np.ndarray:
    """The pieces that were cut from the page (`page` bool [num]) and hold a hint, without the background, bool [num]."""
    shapes = np.zeros(pieces.num, bool)
    shapes[pieces.labels[tuple(np.asarray(places, int).reshape(-1, 3)[:, :2].T)]] = True
    held = np.where(page, np.bincount(_edge(pieces), minlength=pieces.num), -1)
    largest = np.lexsort((pieces.areas, held))[-1]
    shapes[largest] = False
    found: np.ndarray = shapes & page & ~page_pieces(pieces)
    return found


def page_pieces(pieces: Pieces) -> np.ndarray:
    """Which pieces are the page itself, bool [num]: those that hold at least `PAGE` of the border, under a scan's dark rim too."""
    edge = _edge(pieces)
    return np.bincount(edge, minlength=pieces.num) >= PAGE * len(edge)


def _edge(pieces: Pieces) -> np.ndarray:
    """The pieces of the pixels on the page's border."""
    return np.concatenate([pieces.labels[0], pieces.labels[-1], pieces.labels[1:-1, 0], pieces.labels[1:-1, -1]])


def of_the_page(closed: Pieces, parts: Pieces, owner: np.ndarray) -> np.ndarray:
    """Of parts cut from closed pieces (`owner` int [num]), which come from the page itself: open ground, where colour must be sure."""
    return page_pieces(closed)[owner] | page_pieces(parts)
