"""A residual block for small networks on a CPU."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


class ResidualBlock(nn.Module):
    """Group norm, 3x3 convolution, ReLU, 3x3 convolution and a skip. Only one norm: on a CPU norms are as slow as convolutions."""

    def __init__(self, wide_in: int, wide: int, drop: float = 0.0) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(8, wide_in)
        self.conv1, self.conv2 = nn.Conv2d(wide_in, wide, 3, padding=1), nn.Conv2d(wide, wide, 3, padding=1)
        self.skip = nn.Conv2d(wide_in, wide, 1) if wide_in != wide else nn.Identity()
        self.drop = nn.Dropout2d(drop) if drop else nn.Identity()
        nn.init.zeros_(self.conv2.weight)
        nn.init.zeros_(self.conv2.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        return self.skip(x) + self.conv2(self.drop(F.relu(self.conv1(self.norm(x)), inplace=True)))
