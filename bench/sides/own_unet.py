"""diffusers' UNet2DModel in the place of our U-Net: two levels with attention at the lower one, about as many parameters."""

from __future__ import annotations

import math
from typing import Any, Self

import torch
from torch import Tensor, nn

WIDTHS = [(8 * n, 24 * n) for n in range(1, 17)]
MOST_GROUPS = 32  # of a group normalisation, where they divide the channels


class OwnUNet(nn.Module):
    """UNet2DModel behind the call of our networks (x, t, ports): it takes the class of the vector port, and the spatial port."""

    def __init__(self, channels: int, spatial: int, classes: int, side: int, widths: tuple[int, int]) -> None:
        super().__init__()
        from diffusers import UNet2DModel

        self.classes = classes
        self.unet = UNet2DModel(
            sample_size=side, in_channels=channels + spatial, out_channels=channels, layers_per_block=1, block_out_channels=widths,
            num_class_embeds=classes + 1 if classes else None, norm_num_groups=math.gcd(MOST_GROUPS, widths[0]),
            down_block_types=("DownBlock2D", "AttnDownBlock2D"), up_block_types=("AttnUpBlock2D", "UpBlock2D"),
        )  # fmt: skip

    @classmethod
    def like(cls, network: nn.Module, batch: Any) -> Self:
        """One for the network's batches, with the nearest number of parameters."""
        (image,) = (one for name, one in batch.clean.items() if one.ndim == 4 and name == "image")
        spatial = 0 if batch.ports.spatial is None else batch.ports.spatial.shape[1]
        classes = 0 if batch.ports.vector is None else batch.ports.vector.shape[1] - 1
        about = image.shape[1], spatial, classes, image.shape[3]
        wanted = sum(p.numel() for p in network.parameters())
        with torch.device("meta"):
            sizes = {widths: sum(p.numel() for p in cls(*about, widths).parameters()) for widths in WIDTHS}
        return cls(*about, min(sizes, key=lambda widths: abs(sizes[widths] - wanted)))

    def forward(self, x: Tensor, t: Tensor, ports: Any) -> Tensor:
        seen = x if ports.spatial is None else torch.cat([x, ports.spatial], 1)
        named = {}
        if self.classes:
            given = ports.vector[:, -1] > 0
            named["class_labels"] = torch.where(given, ports.vector[:, :-1].argmax(1), self.classes)
        made: Tensor = self.unet(seen, 1000 * t, **named).sample
        return made
