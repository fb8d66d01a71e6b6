"""FSRCNN: features, a narrow body and a transposed convolution enlarge luma (Dong, Loy and Tang 2016)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import nn

from gesso.networks.subpixel import Bicubic, Deconvolution, Upscaler
from gesso.shapes import Maps


class FSRCNN(Upscaler):
    """FSRCNN(d, s, m) for several scales: one body, and one 9×9 transposed convolution for each scale (section 3.3).

    Deviation: the network adds to the bicubic enlargement, which takes fewer steps than learning the whole picture.
    """

    def __init__(self, d: int = 56, s: int = 12, m: int = 4, *, scales: tuple[int, ...] = (2, 3, 4)) -> None:
        super().__init__(scales, reach=2 + m + 2)
        layers: list[nn.Module] = [nn.Conv2d(1, d, 5, padding=2), nn.PReLU(d), nn.Conv2d(d, s, 1), nn.PReLU(s)]
        for _ in range(m):
            layers += [nn.Conv2d(s, s, 3, padding=1), nn.PReLU(s)]
        self.body = nn.Sequential(*layers, nn.Conv2d(s, d, 1), nn.PReLU(d))
        self.heads = nn.ModuleDict({str(scale): Deconvolution(d, scale) for scale in scales})
        self.skip = Bicubic(scales)
        for layer in self.body:
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, a=0.25)
                nn.init.zeros_(layer.bias)  # type: ignore[arg-type]

    def forward(self, x: Maps, scale: int) -> Maps:
        inner = self.heads[str(scale)](self.body(x - 0.5))
        return F.pixel_shuffle(self.skip(x, scale) + inner.float(), scale)
