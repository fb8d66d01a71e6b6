"""Where in an exemplar each part of a drawing is found: features of both in one domain, correlation and a soft choice (Zhang 2020).

"Cross-domain Correspondence Learning for Exemplar-based Image Translation" ("CoCosNet"), section 3.1. Deviations: features are made at a
quarter of the size, and see the whole picture through a small U-Net; besides colours, learned values are carried over.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gesso.networks.residual import ResidualBlock
from gesso.networks.translator import padded
from gesso.shapes import Images, Maps

QUARTER, COARSE = 4, 16  # features are made at 1/4 of the size, and see down to 1/16
SHARPNESS = 40.0  # of the soft choice: 1 / temperature
NEVER = -1e4  # the logit of a place outside the exemplar
LEARNED = 8  # values carried over besides colours


class Match(NamedTuple):
    """What a drawing of n = h·w parts found in an exemplar of m parts.

    logits    [b n m], the correlation times SHARPNESS, of which a softmax over m is the choice
    colours   [b 3 h w], the mean of the exemplar's colours as chosen, in [-1, 1]
    values    [b d h w], learned values carried over in the same way
    places    [b 2 h w], where in the exemplar the best part lies, x and y in [-1, 1]
    sure      [b 1 h w], the share of the choice on the best part
    features  [b d h w] of the drawing, of unit length
    """

    logits: Tensor
    colours: Tensor
    values: Tensor
    places: Tensor
    sure: Tensor
    features: Tensor


class Correspondence(nn.Module):
    """A drawing [b 3 h w] and an exemplar [b 3 h w] -> Match. `there` [b 1 h w] is 1 inside the exemplar.

    Both are made smaller first where they are larger than `limit` pixels, because the choice has (h·w / 256)² entries.
    """

    def __init__(self, width: int = 48, features: int = 64, limit: int = 72) -> None:
        super().__init__()
        self.drawing, self.coloured = FeatureReader(width, features), FeatureReader(width, features)
        self.learned = nn.Sequential(nn.Conv2d(3 * QUARTER**2, width, 1), nn.ReLU(), nn.Conv2d(width, LEARNED, 1))
        self.limit = limit

    def forward(self, drawing: Images, exemplar: Images, there: Tensor) -> Match:
        drawing, exemplar, there = (self._small(one) for one in (drawing, exemplar, there))
        theta, phi = self.drawing(drawing), self.coloured(exemplar)
        logits = SHARPNESS * (theta.flatten(2).transpose(1, 2) @ phi.flatten(2)).float()
        inside = F.avg_pool2d(there, QUARTER).flatten(1)[:, None] > 0.5
        logits = logits.masked_fill(~inside, NEVER)
        weights = logits.softmax(2)
        colours = F.avg_pool2d(exemplar, QUARTER)
        carried = torch.cat([colours.float(), self.learned(F.pixel_unshuffle(exemplar, QUARTER)).float()], 1).flatten(2)
        shape = theta.shape[-2:]
        warped = (weights @ carried.transpose(1, 2)).transpose(1, 2).unflatten(2, shape)
        best, index = weights.max(2)
        h, w = phi.shape[-2:]
        x, y = ((index % w) + 0.5) * 2 / w - 1, ((index // w) + 0.5) * 2 / h - 1
        places = torch.stack([x, y], 1).unflatten(2, shape)
        return Match(logits, warped[:, :3], warped[:, 3:], places, best[:, None].unflatten(2, shape), theta)

    def _small(self, picture: Tensor) -> Tensor:
        longest = max(picture.shape[-2:])
        if longest > self.limit:
            size = [max(COARSE, round(one * self.limit / longest)) for one in picture.shape[-2:]]
            picture = F.interpolate(picture.float(), size, mode="bilinear", antialias=True, align_corners=False)
        return padded(picture, COARSE)


class FeatureReader(nn.Module):
    """Picture [b 3 h w] -> features [b d h/4 w/4], mean-centred over channels and of unit length. It also sees where it looks."""

    def __init__(self, width: int, features: int) -> None:
        super().__init__()
        self.enter = nn.Conv2d(5 * 4, width, 3, padding=1)
        self.quarter = nn.Conv2d(width, width, 4, 2, 1)
        self.fine = ResidualBlock(width, width)
        self.middle = nn.Sequential(nn.Conv2d(width, 2 * width, 4, 2, 1), ResidualBlock(2 * width, 2 * width))
        self.coarse = nn.Sequential(nn.Conv2d(2 * width, 2 * width, 4, 2, 1), *(ResidualBlock(2 * width, 2 * width) for _ in range(2)))
        self.up = ResidualBlock(2 * width, 2 * width)
        self.join = ResidualBlock(3 * width, 2 * width)
        self.leave = nn.Conv2d(2 * width, features, 1)

    def forward(self, picture: Images) -> Maps:
        x = F.relu(self.enter(F.pixel_unshuffle(torch.cat([picture, _coordinates(picture)], 1), 2)))
        fine = self.fine(self.quarter(x))
        middle = self.middle(fine)
        middle = self.up(middle + F.interpolate(self.coarse(middle), scale_factor=2, mode="nearest"))
        seen = self.leave(self.join(torch.cat([fine, F.interpolate(middle, scale_factor=2, mode="nearest")], 1))).float()
        return F.normalize(seen - seen.mean(1, keepdim=True), dim=1)


def _coordinates(picture: Tensor) -> Tensor:
    h, w = picture.shape[-2:]
    y, x = (torch.linspace(-1, 1, num, device=picture.device, dtype=picture.dtype) for num in (h, w))
    return torch.stack(torch.meshgrid(y, x, indexing="ij"))[None].expand(len(picture), -1, -1, -1)
