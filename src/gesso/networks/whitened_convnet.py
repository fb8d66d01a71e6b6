"""A small convolutional network that learns to classify pictures in few epochs: its first layer whitens the data's own patches."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gesso.networks.whitening import Whitening
from gesso.shapes import Images, Maps, Vectors

BIAS_GAIN = 8.0  # biases learn 8 × 8 times as fast as other weights under SGD
HEAD_GAIN = 1 / 9
MOMENTUM = 0.05  # of running statistics: at 0.4 they are those of the last few batches alone


class WhitenedConvNet(Whitening):
    """Blocks of two 3×3 convolutions behind a fixed layer that whitens patches (Jordan 2024, "94% on CIFAR-10 in 3.29 seconds").

    `widths` are the blocks' channels. Each block halves the picture, so the input [b `channels` h w] in [-1, 1] has at least
    2^(blocks + 1) + 2 pixels a side. Batch normalisations have a bias but no scale; convolutions begin as the identity of the channels
    that they have room for. `begin` sets the first layer from pictures.
    """

    def __init__(self, channels: int, widths: Sequence[int], num_classes: int) -> None:
        super().__init__(channels)
        ends = (self.num_whitened, *widths)
        self.blocks = nn.ModuleList(PooledBlock(a, b) for a, b in zip(ends, widths, strict=False))
        self.head = nn.Linear(widths[-1], num_classes, bias=False)
        nn.init.normal_(self.head.weight)

    def maps(self, x: Images) -> Maps:
        """The maps before the last block, in which evidence for a class is looked for."""
        h = self.whitened(x)
        for block in self.blocks[:-1]:
            h = block(h)
        return h

    def logits_of(self, maps: Maps) -> Vectors:
        """The logits [b num_classes] that follow from `maps`."""
        return HEAD_GAIN * self.head(self.blocks[-1](maps).amax((-2, -1)))

    def forward(self, x: Images) -> Vectors:
        """Logits [b num_classes]."""
        return self.logits_of(self.maps(x))


class PooledBlock(nn.Module):
    """Two 3×3 convolutions with normalisation and GELU; the first one's output is max-pooled to half its size."""

    def __init__(self, num_in: int, num_out: int) -> None:
        super().__init__()
        self.first, self.second = dirac_conv(num_in, num_out), dirac_conv(num_out, num_out)
        self.norms = nn.ModuleList(BiasedNorm(num_out) for _ in range(2))

    def forward(self, x: Maps) -> Maps:
        h = F.gelu(self.norms[0](F.max_pool2d(self.first(x), 2)))
        return F.gelu(self.norms[1](self.second(h)))


class BiasedNorm(nn.Module):
    """Batch normalisation with a bias that learns fast, and no scale."""

    def __init__(self, num: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(num, affine=False, momentum=MOMENTUM)
        self.bias = nn.Parameter(torch.zeros(num))

    def forward(self, x: Maps) -> Maps:
        normal: Tensor = self.norm(x)
        return normal + (BIAS_GAIN * self.bias).to(normal.dtype)[:, None, None]


def dirac_conv(num_in: int, num_out: int) -> nn.Conv2d:
    """A 3×3 convolution without bias that begins as the identity of its first channels."""
    conv = nn.Conv2d(num_in, num_out, 3, padding=1, bias=False)
    nn.init.dirac_(conv.weight[: min(num_in, num_out)].data)
    return conv
