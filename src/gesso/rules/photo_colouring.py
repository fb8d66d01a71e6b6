"""A photograph in the colours that a network proposes and a user points at; the lightness stays."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from gesso.rules.palette import format_colour

if TYPE_CHECKING:
    from gesso.shapes import Maps

REACH = 0.15  # how far a point's colour goes, as a share of the longer side
EDGE = 12.0  # a step of L* that counts as that distance
APART = 18.0  # of two suggestions, in a* and b*


def coloured(lightness: np.ndarray, chroma: np.ndarray, points: np.ndarray, exact: np.ndarray, share: float) -> np.ndarray:
    """The picture uint8 [h w 3] of L* [h w] and a* and b* [2 th tw] of any size.

    Colours of points win: what the proposal lacks at `points` is added around them along edges of the lightness, `share` of it, and the
    pixels at `exact` have their points' a* and b*, as far as sRGB has them at this lightness. Both are float [4 …], sRGB in [-1, 1] and
    1 where a point is: `points` at the size of `chroma`, `exact` of the page.
    """
    import torch
    import torch.nn.functional as F

    from gesso.media.lab import fitted, to_lab, to_picture
    from gesso.media.tensor import from_tensor

    h, w = lightness.shape
    light = torch.from_numpy(np.ascontiguousarray(lightness))[None, None]
    given = torch.from_numpy(np.ascontiguousarray(chroma, np.float32))[None]
    near = torch.from_numpy(points)[None]
    if share and points[3].any():
        guide = F.interpolate(light, size=given.shape[2:], mode="area")
        lack, strength = carried(to_lab(near[:, :3])[:, 1:] - given, near[:, 3:], guide)
        given = given + share * lack * strength
    larger = F.interpolate(given, size=(h, w), mode="bilinear", align_corners=False)
    marks = torch.from_numpy(exact)[None]
    larger = torch.where(marks[:, 3:] > 0, to_lab(marks[:, :3])[:, 1:], larger)
    return from_tensor(to_picture(fitted(torch.cat([light, larger], 1)))[0])


def carried(values: Maps, marked: Maps, lightness: Maps) -> tuple[Maps, Maps]:
    """`spread` along the edges of L* [b 1 h w]."""
    from gesso.rules.spreading import spread

    return spread(values, marked, lightness, REACH * max(lightness.shape[2:]), EDGE)


def suggestions(likely: np.ndarray, lightness: float, num: int = 5) -> list[str]:
    """The likeliest colours, as "#rrggbb", of a place with this L*: `likely` holds the probability of each of `chroma_bins`, [bins]."""
    import torch

    from gesso.media.lab import chroma_bins, to_picture

    bins = chroma_bins().numpy()
    chosen: list[int] = []
    for one in np.argsort(-likely):
        if all(np.linalg.norm(bins[one] - bins[other]) >= APART for other in chosen):
            chosen.append(int(one))
        if len(chosen) == num:
            break
    lab = np.concatenate([np.full((len(chosen), 1), lightness, np.float32), bins[chosen]], 1)
    shown = (to_picture(torch.from_numpy(lab.T[None, :, :, None].astype(np.float32)))[0, :, :, 0].T.numpy() + 1) * 127.5
    return [format_colour((int(r), int(g), int(b))) for r, g, b in shown.round()]


def suggested(likely: np.ndarray, lightness: np.ndarray, places: Iterable[tuple[float, float]]) -> list[list[str]]:
    """`suggestions` at places (x, y) of a page with L* [h w]; `likely` [bins th tw] covers the page."""
    h, w = lightness.shape
    found = []
    for x, y in places:
        column, row = min(max(int(x), 0), w - 1), min(max(int(y), 0), h - 1)
        there = likely[:, row * likely.shape[1] // h, column * likely.shape[2] // w]
        found.append(suggestions(there, float(lightness[row, column])))
    return found
