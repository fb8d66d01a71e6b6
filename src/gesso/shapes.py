"""Names of tensor shapes and ranges for annotations; tests check them at run time (jaxtyping with beartype)."""

from __future__ import annotations

from jaxtyping import Bool, Float, Int
from torch import Tensor

Images = Float[Tensor, "b c h w"]  # in [-1, 1] unless said otherwise
Maps = Float[Tensor, "b _ _ _"]  # b c h w in any range; channels and sizes may differ between arguments
Samples = Float[Tensor, "b *size"]  # data of any rank: pictures, clips, sounds, tables
Masks = Float[Tensor, "b 1 h w"]  # 1 where a pixel is known, else 0
Vectors = Float[Tensor, "b d"]
TokenValues = Float[Tensor, "b n d"]
TokenMask = Bool[Tensor, "b n"]
TokenPlaces = Float[Tensor, "b n h w"]  # how much of each pixel a token covers, in [0, 1]
Labels = Int[Tensor, "b"]
LabelMaps = Int[Tensor, "b h w"]
Times = Float[Tensor, "b"]  # flow time in [0, 1], 1 = data

__all__ = ["Images", "LabelMaps", "Labels", "Maps", "Masks", "Samples", "Times", "TokenMask", "TokenPlaces", "TokenValues", "Vectors"]
