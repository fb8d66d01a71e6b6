"""Logits of pairs from their similarity, with a learned temperature and bias."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


class PairLogits(nn.Module):
    """exp(t) · cosine + b. t begins at log `scale` and ends at log 100 at most (Radford 2021); b begins at `bias`, or is 0 without one.

    The parameters are what training adds to that, so that weights in half precision keep them.
    """

    def __init__(self, scale: float = 10.0, bias: float | None = -10.0) -> None:
        super().__init__()
        self.first_scale, self.first_bias = math.log(scale), bias or 0.0
        self.log_scale = nn.Parameter(torch.zeros(()))
        self.bias = None if bias is None else nn.Parameter(torch.zeros(()))

    def forward(self, cosine: Tensor) -> Tensor:
        scale = (self.first_scale + self.log_scale.float()).clamp(max=math.log(100)).exp()
        return scale * cosine if self.bias is None else scale * cosine + self.first_bias + self.bias.float()
