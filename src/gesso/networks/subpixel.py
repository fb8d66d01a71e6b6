"""Enlargement by whole factors inside a network: the bicubic skip, the transposed convolution of FSRCNN, and pixel shuffling."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gesso.media.bicubic import phases
from gesso.shapes import Maps

SKIP_REACH = 2  # source pixels that the bicubic kernel reads at each side
TILE = (135, 240)  # rows and columns of source pixels that are enlarged at a time
SLOWER = 0.1  # the transposed convolution learns at a tenth of the rate (Dong 2016, section 4.1): its weight is held 10 times larger


class Upscaler(nn.Module):
    """A network that enlarges luma [b 1 h w] in [0, 1] to [b 1 scale·h scale·w], for each scale in `scales`.

    An output pixel reads at most `reach` source pixels at each side; `forward(x, scale)` reads zeros beyond the border.
    """

    def __init__(self, scales: tuple[int, ...], reach: int) -> None:
        super().__init__()
        self.scales, self.reach = scales, reach

    def enlarged(self, x: Maps, scale: int) -> Maps:
        """As `forward`, with the border pixels repeated outwards, so that a border looks to the network like any other place.

        It works in tiles that fit the processor's cache, which have the same bits as the whole.
        """
        edge, (high, wide) = self.reach, x.shape[-2:]
        padded = F.pad(x, (edge, edge, edge, edge), mode="replicate")
        out = x.new_empty(x.shape[0], 1, high * scale, wide * scale, dtype=torch.float32)
        for top in range(0, high, TILE[0]):
            for left in range(0, wide, TILE[1]):
                bottom, right = min(high, top + TILE[0]), min(wide, left + TILE[1])
                made = self(padded[..., top : bottom + 2 * edge, left : right + 2 * edge], scale)
                inner = made[..., edge * scale : -edge * scale, edge * scale : -edge * scale]
                out[..., top * scale : bottom * scale, left * scale : right * scale] = inner
        return out


class Bicubic(nn.Module):
    """Bicubic enlargement of one channel, without learned parameters: [b 1 h w] to the blocks [b scale² h w] of `pixel_shuffle`."""

    def __init__(self, scales: tuple[int, ...]) -> None:
        super().__init__()
        for scale in scales:
            self.register_buffer(f"x{scale}", torch.from_numpy(phases(scale))[:, None].clone(), persistent=False)

    def forward(self, x: Maps, scale: int) -> Maps:
        with torch.autocast(x.device.type, enabled=False):  # seven bits of luma would be seen
            return F.conv2d(x.float(), self.get_buffer(f"x{scale}"), padding=SKIP_REACH)


class Deconvolution(nn.Module):
    """A transposed convolution to one channel (Dong 2016, section 3.2), computed as an ordinary one whose outputs are shuffled.

    `weight`, times SLOWER, is [channels 1 size size] as torch's ConvTranspose2d has it, with stride `scale` and padding
    (size - scale) / 2, rounded up.
    """

    def __init__(self, channels: int, scale: int, size: int = 9) -> None:
        super().__init__()
        self.scale, self.size = scale, size
        self.padding = -(-(size - scale) // 2)
        self.reach = max(self.padding + scale - 1, size - 1 - self.padding) // scale  # source pixels at each side of a block's own
        self.weight = nn.Parameter(torch.randn(channels, 1, size, size) * 1e-3 / SLOWER)
        self.bias = nn.Parameter(torch.zeros(1))

    def forward(self, x: Maps) -> Maps:
        """[b channels h w] to blocks [b scale² h w]."""
        return F.conv2d(x, self.kernel(), self.bias.expand(self.scale**2), padding=self.reach)

    def kernel(self) -> Tensor:
        """[scale² channels taps taps]: output pixel (p, q) of a block reads the taps of the kernel that fall on it."""
        scale, taps = self.scale, 2 * self.reach + 1
        before = scale * self.reach - self.padding
        after = scale * taps - self.size - before
        padded = F.pad(SLOWER * self.weight[:, 0], (before, after, before, after))
        blocks = padded.unflatten(2, (taps, scale)).unflatten(1, (taps, scale)).flip(1, 3)  # [channels taps p taps q]
        return blocks.permute(2, 4, 0, 1, 3).reshape(scale * scale, -1, taps, taps)
