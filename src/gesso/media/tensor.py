"""Conversion between pictures (uint8 [h w c]) and tensors (float [c h w] in [-1, 1])."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from gesso.errors import GessoError

if TYPE_CHECKING:
    from torch import Tensor


def to_tensor(picture: np.ndarray) -> Tensor:
    """Convert uint8 [h w] or [h w c] to float32 [c h w] in [-1, 1] (0 is -1, 255 is 1); grey becomes one channel."""
    import torch

    if not isinstance(picture, np.ndarray) or picture.dtype != np.uint8 or picture.ndim not in (2, 3) or not picture.size:
        what = f"{picture.dtype} {list(picture.shape)}" if isinstance(picture, np.ndarray) else type(picture).__name__
        raise GessoError(f"this is not a picture: {what}", fix="give uint8 [h w] or [h w c]")
    planes = picture[None] if picture.ndim == 2 else np.moveaxis(picture, -1, 0)
    return torch.from_numpy(np.require(planes, requirements=["C", "W"])).to(torch.float32).div_(127.5).sub_(1)


def from_tensor(x: Tensor) -> np.ndarray:
    """Convert a float tensor [c h w] in [-1, 1] to uint8 [h w c] (or [h w] for one channel), clipped.

    Raises GessoError if a value is NaN or infinite, because such an output is a failure and not a black picture.
    """
    import torch

    if not isinstance(x, torch.Tensor) or x.ndim != 3 or not x.is_floating_point() or not x.numel() or x.shape[0] not in (1, 3, 4):
        what = f"{x.dtype} {list(x.shape)}" if isinstance(x, torch.Tensor) else type(x).__name__
        raise GessoError(
            f"this is not a picture's tensor: {what}", fix="give float [c h w] with 1, 3 or 4 channels, one item of a batch at a time"
        )
    values = x.detach().to("cpu", torch.float32)
    finite = torch.isfinite(values)
    if not finite.all():
        num_bad = int((~finite).sum())
        raise GessoError(
            f"the output holds {num_bad} values that are no numbers (NaN or infinity)", fix="the network diverged; use earlier weights"
        )
    pixels = values.add(1).mul_(127.5).round_().clamp_(0, 255).to(torch.uint8).numpy()
    return np.ascontiguousarray(pixels[0] if len(pixels) == 1 else np.moveaxis(pixels, 0, -1))


def pictures_in(media: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """The first of each batch of pictures, float [b c h w] in [-1, 1], by name: outputs of a recipe whose weights do not make all."""
    return {name: from_tensor(value[0]) for name, value in media.items()}
