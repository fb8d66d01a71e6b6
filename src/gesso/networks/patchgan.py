"""PatchGAN, a critic that judges patches of a picture together with its conditions (Isola 2017)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class PatchGAN(nn.Module):
    """Picture [b c h w] and condition maps [b d h w] -> logits [b 1 h/8 w/8]; spectral norm stabilises the training."""

    def __init__(self, channels: int, *, width: int = 32) -> None:
        super().__init__()
        norm = nn.utils.parametrizations.spectral_norm
        self.layers = nn.ModuleList(
            [
                norm(nn.Conv2d(channels * 4, width, 3, padding=1)),
                norm(nn.Conv2d(width, 2 * width, 4, stride=2, padding=1)),
                norm(nn.Conv2d(2 * width, 4 * width, 4, stride=2, padding=1)),
                norm(nn.Conv2d(4 * width, 1, 3, padding=1)),
            ]
        )

    def forward(self, picture: Tensor, given: Tensor) -> Tensor:
        x = torch.cat([picture, given], 1)
        x = F.pixel_unshuffle(F.pad(x, (0, -x.shape[-1] % 8, 0, -x.shape[-2] % 8)), 2)
        for layer in self.layers[:-1]:
            x = F.leaky_relu(layer(x), 0.2)
        return self.layers[-1](x)
