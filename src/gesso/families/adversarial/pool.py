"""A pool of generated pictures, so that a critic also judges old ones (Shrivastava 2017, section 2.3)."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Pool(nn.Module):
    """At most `size` pictures, as a file would hold them, uint8: a buffer that grows and is saved in checkpoints.

    Each of several processes has its own; whole numbers are not averaged between them.
    """

    pictures: Tensor

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size
        self.register_buffer("pictures", torch.zeros(0, dtype=torch.uint8))

    @torch.no_grad()
    def swap(self, new: Tensor, chance: Tensor, place: Tensor) -> Tensor:
        """`new` pictures [b c h w] in [-1, 1]; once the pool is full, each is exchanged for an old one where `chance` [b] < 1/2.

        `place` [b] in [0, 1) says for which.
        """
        shown, kept = new.detach().clone(), ((new.detach().float() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
        for i in range(len(new)):
            if len(self.pictures) < self.size:
                self.pictures = torch.cat([self.pictures, kept[i : i + 1]]) if len(self.pictures) else kept[i : i + 1].clone()
            elif chance[i] < 0.5:
                at = int(place[i] * len(self.pictures))
                shown[i] = (self.pictures[at].float() / 127.5 - 1).to(new.dtype)
                self.pictures[at] = kept[i]
        return shown
