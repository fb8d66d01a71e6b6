"""A fixed first layer that whitens the patches of a data set's pictures, so that what follows learns faster."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from gesso.shapes import Images, Maps

PATCH = 2  # side of the patches that are whitened
SMALLEST = 5e-4  # added to the variances of whitened directions, of pictures in [-1, 1]: the weakest are mostly noise


class Whitening(nn.Module):
    """The parent of networks whose first layer is fixed: 2×2 patches along their principal directions, at unit variance, in both signs.

    Only its bias is learned (Jordan 2024). `begin` sets the layer from pictures [b `channels` h w] in [-1, 1].
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        size = channels * PATCH**2
        self.num_whitened = 2 * size
        self.whiten = nn.Buffer(torch.eye(size).reshape(size, channels, PATCH, PATCH))
        self.mean = nn.Buffer(torch.zeros(channels))
        self.whiten_bias = nn.Parameter(torch.zeros(2 * size))

    @torch.no_grad()
    def begin(self, pictures: Images) -> None:
        """Set the first layer to the principal directions of the pictures' patches, each divided by its deviation."""
        mean = pictures.mean((0, 2, 3))
        patches = F.unfold(pictures - mean[:, None, None], PATCH).transpose(1, 2).flatten(0, 1)
        variances, directions = torch.linalg.eigh(patches.T.double() @ patches.double() / len(patches))
        filters = directions.T / (variances + SMALLEST).sqrt()[:, None]
        self.whiten.copy_(filters.reshape_as(self.whiten))
        self.mean.copy_(mean)

    def whitened(self, x: Images) -> Maps:
        """The first layer's maps [b num_whitened h-1 w-1]."""
        with torch.autocast(x.device.type, enabled=False):  # weak directions are differences of near-equal pixels
            h = F.conv2d(x.float() - self.mean[:, None, None], self.whiten)
        return F.gelu(torch.cat([h, -h], 1) + self.whiten_bias[:, None, None])
