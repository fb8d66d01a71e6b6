"""Spreading of values from marked pixels to their surroundings, as far as no edge is in between.

The domain transform (Gastal and Oliveira 2011, recursive filtering): a pass along rows and one along columns, in which a step across an
edge counts as a long way.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor

    from gesso.shapes import Maps

PASSES = 3
LITTLE = 1e-12


@torch.no_grad()
def spread(values: Maps, marked: Maps, guide: Maps, reach: float, edge: float) -> tuple[Maps, Maps]:
    """Values [b c h w] at `marked` [b 1 h w] over the page: the mean of what reaches a pixel, and how much does [b 1 h w].

    At marks that is their value, and 1. `reach` is the distance in pixels at which a mark fades; a difference of `edge` in `guide`
    [b 1 h w] counts as that distance. Where nothing is marked, both are 0.
    """
    marks = marked > 0
    both = filtered(torch.cat([torch.where(marks, values, 0), marks.to(values)], 1).float(), guide.float(), reach, edge)
    total = both[:, -1:]
    mean = torch.where(marks, values.float(), both[:, :-1] / total.clamp_min(LITTLE))
    weakest = torch.where(marks, total, math.inf).amin((2, 3), keepdim=True)
    share = torch.where(marks, 1, (total / weakest.clamp_min(LITTLE)).clamp(0, 1))
    return torch.where(total > LITTLE, mean, 0), share


def filtered(values: Maps, guide: Maps, reach: float, edge: float) -> Maps:
    """Maps [b c h w] smoothed along the guide [b 1 h w]; beyond the page is nothing."""
    across, down = (1 + reach / edge * guide.diff(dim=axis).abs() for axis in (3, 2))
    for number in range(PASSES):
        width = reach * math.sqrt(3) * 2 ** (PASSES - number - 1) / math.sqrt(4**PASSES - 1)  # equation 14
        stay = math.exp(-math.sqrt(2) / max(width, 1e-3))
        values = _along(values.permute(3, 0, 1, 2), (stay**across).permute(3, 0, 1, 2), stay).permute(1, 2, 3, 0)
        values = _along(values.permute(2, 0, 1, 3), (stay**down).permute(2, 0, 1, 3), stay).permute(1, 2, 0, 3)
    return values


def _along(values: Tensor, keep: Tensor, stay: float) -> Tensor:
    """Smoothed along the first axis; keep[i] is how much of row i goes over to row i + 1, and back; `stay` is that without an edge.

    The ends are those of an endless page of zeros: with the paper's, a mark at the border would count for all that lies beyond it.
    """
    rows = list(values.contiguous())
    rows[0] = rows[0] * (1 - stay)
    for i in range(1, len(rows)):
        rows[i] = torch.lerp(rows[i], rows[i - 1], keep[i - 1])
    rows[-1] = rows[-1] / (1 + stay)
    for i in range(len(rows) - 2, -1, -1):
        rows[i] = torch.lerp(rows[i], rows[i + 1], keep[i])
    return torch.stack(rows)
