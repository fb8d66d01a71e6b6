"""A picture of how much each part of another picture counts."""

from __future__ import annotations

import numpy as np
from PIL import Image

STRONGEST = 0.7  # opacity of the hottest parts


def heat_over(picture: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """`heat` [h w] from 0 to 1 over a picture uint8 [H W 3]: grey where it is 0, red, and yellow where it is 1. uint8 [H W 3]."""
    h, w = picture.shape[:2]
    large = np.asarray(Image.fromarray(heat.astype(np.float32)).resize((w, h), Image.Resampling.BILINEAR)).clip(0, 1)[..., None]
    grey = picture.mean(2, keepdims=True)
    glow = np.concatenate([np.full_like(large, 255), 255 * large**2, np.zeros_like(large)], 2)
    return np.round(grey + (glow - grey) * (STRONGEST * large)).astype(np.uint8)
