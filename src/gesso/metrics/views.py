"""How near rendered views are to photographs that were held out."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gesso.errors import GessoError
from gesso.media.picture import to_white


def psnr(made: np.ndarray, truth: np.ndarray) -> float:
    """Peak signal-to-noise ratio in decibels of two uint8 pictures of one shape; 100 where they are equal."""
    if made.shape != truth.shape or made.dtype != np.uint8 or truth.dtype != np.uint8:
        raise GessoError(f"{made.dtype} {list(made.shape)} and {truth.dtype} {list(truth.shape)} cannot be compared", where="psnr")
    error = float(np.square(made.astype(np.float64) - truth).mean())
    return 10 * math.log10(255**2 / error) if error else 100.0


def measure_views(render: Callable[[Any], np.ndarray], views: Sequence[Any], pixels: Sequence[np.ndarray], aim: float) -> dict[str, Any]:
    """PSNR of each view and their mean. `render(view)` gives uint8 [h w 3]; photographs are composited on white."""
    if not views:
        raise GessoError("there are no held views to measure on", where="--data", fix="at least eight photographs with cameras")
    each = [{"view": view.name, "psnr": psnr(render(view), to_white(picture))} for view, picture in zip(views, pixels, strict=True)]
    mean = float(np.mean([row["psnr"] for row in each]))
    return {
        "each view": each,
        "num_views": len(each),
        "psnr": mean,
        "lowest": min(row["psnr"] for row in each),
        "aim": aim,
        "met": mean >= aim,
    }
