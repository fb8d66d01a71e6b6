"""Enlarging by regression: a network's picture is compared with the real one, pixel by pixel."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from gesso.families.family import Batch, Inputs, Loss, Networks, Output, Phase
from gesso.families.supervised import picture_of
from gesso.media.luma import OFFSET, TO_YCBCR
from gesso.media.planes import Planes, as_levels, chroma_at

LEVELS = 255.0


@dataclass(frozen=True)
class Enlarge:
    """Squared error of luma, or with `epsilon` Charbonnier's (Lai 2017, equation 3), against `clean["high"]` [b 1 H W] in [0, 1].

    The network is called `network(luma, scale)`. Where the target is smaller than the output, the output's border is left out, so
    that examples carry the surroundings their border needs. Logs `psnr`.
    """

    role: str = "upscaler"
    epsilon: float = 0.0

    def phases(self, step: int) -> Sequence[Phase]:
        return (Phase("enlarge", (self.role,)),)

    def prepare(self, networks: Networks, dataset: Any, rng: torch.Generator) -> nn.Module:
        return nn.Module()

    def loss(self, phase: Phase, networks: Networks, batch: Batch, state: nn.Module, step: int, rng: torch.Generator) -> Loss:
        high, scale = batch.clean["high"], int(batch.clean["scale"][0])
        made = networks[self.role](luma_of(batch.ports), scale)
        cut = (made.shape[-1] - high.shape[-1]) // 2
        inner = made[..., cut : made.shape[-2] - cut, cut : made.shape[-1] - cut]
        square = (inner.float() - high) ** 2
        error = square.mean((1, 2, 3))
        value = (square + self.epsilon**2).sqrt().mean((1, 2, 3)) if self.epsilon else LEVELS * error
        return Loss(value, {"psnr": -10 * error.detach().mean().log10()})

    def propose(self, networks: Networks, batch: Batch, rng: torch.Generator) -> None:
        return None

    def sample(self, networks: Networks, inputs: Inputs, rng: torch.Generator, settings: Any) -> Iterator[Output]:
        """Yield one output, `luma` [b 1 H W] in studio range (16 to 235), in half precision."""
        network = networks[self.role]
        low = luma_of(inputs.ports).to(next(network.parameters()).device)
        yield Output({"luma": (LEVELS * network.enlarged(low, settings.scale)).half()})  # type: ignore[operator]


class LargerFrames:
    """Frames of a film larger: luma by the network, chroma by bicubic; `planes -> planes` of 4:2:0 and even size."""

    def __init__(self, network: Any, scale: int) -> None:
        self.network, self.scale = network, scale

    def size(self, width: int, height: int) -> tuple[int, int]:
        """(width, height) of the frames; 4:2:0 needs even sizes, so an odd last row or column is left out."""
        return width * self.scale // 2 * 2, height * self.scale // 2 * 2

    def __call__(self, planes: Planes) -> Planes:
        peak = float(planes.peak)
        low = torch.from_numpy(planes.luma.astype(np.float32) / peak)[None, None].to(next(self.network.parameters()).device)
        made = self.network.enlarged(low, self.scale)[0, 0].cpu().numpy() * peak
        width, height = self.size(planes.luma.shape[1], planes.luma.shape[0])
        luma = as_levels(made[:height, :width], planes.bits)
        return Planes(luma, chroma_at(planes, self.scale, (height, width)), planes.bits, site=planes.site)


def luma_of(ports: Any) -> Tensor:
    """Y [b 1 h w] in [0, 1] (16/255 to 235/255) of the one picture in the spatial port."""
    rgb = picture_of(ports).float()
    weights = torch.from_numpy(TO_YCBCR[0] / 2).to(rgb)
    start = float(OFFSET[0]) / LEVELS + float(TO_YCBCR[0].sum()) / 2
    return torch.einsum("bchw,c->bhw", rgb, weights)[:, None] + start
