"""PatchGAN, a critic that judges patches of a picture together with its conditions (Isola 2017)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from gesso.judgement import Judgement
from gesso.ports import Ports
from gesso.shapes import Images


class PatchGAN(nn.Module):
    """Picture joined with what is given [b c h w] -> logits [b 1 h/8 w/8] of overlapping patches; spectral norm (Miyato 2018)."""

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

    def forward(self, picture: Images, ports: Ports) -> Judgement:
        x = F.pixel_unshuffle(F.pad(picture, (0, -picture.shape[-1] % 8, 0, -picture.shape[-2] % 8)), 2)
        seen: list[Tensor] = []
        for layer in self.layers[:-1]:
            x = F.leaky_relu(layer(x), 0.2)
            seen.append(x)
        return Judgement((self.layers[-1](x),), features=tuple(seen))


class MultiScalePatchGAN(nn.Module):
    """PatchGANs of one form, each on the picture at half the size of the one before: the finer judge texture, the coarser composition.

    Wang 2018 ("pix2pixHD"), section 3.2. Logits are those of each scale, features those of all.
    """

    def __init__(self, channels: int, *, width: int = 32, scales: int = 2) -> None:
        super().__init__()
        self.critics = nn.ModuleList(PatchGAN(channels, width=width) for _ in range(scales))

    def forward(self, picture: Images, ports: Ports) -> Judgement:
        judged: list[Judgement] = []
        for number, critic in enumerate(self.critics):
            picture = F.avg_pool2d(picture, 2, ceil_mode=True) if number else picture
            judged.append(critic(picture, ports))
        return Judgement(tuple(one.logits[0] for one in judged), features=tuple(feature for one in judged for feature in one.features))
