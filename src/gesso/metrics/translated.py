"""How near translated pictures are to the true ones, and to what copying the input would give."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from gesso.metrics.views import psnr
from gesso.number import whole


def measure_pairs(model: Any, held: Any, options: Mapping[str, Any]) -> dict[str, Any]:
    """PSNR in dB and mean distance (of 255) of `model`'s outputs from held-out pairs, beside those of the untranslated input."""
    num = min(whole(options.get("limit", len(held)), where="--limit", low=1), len(held))
    made, copied = [], []
    for index in range(num):
        item = held.item(index, np.random.default_rng(0))
        picture = model.generate(picture=item["picture"], seed=0).outputs["image"]
        made.append(figures(picture, item["target"]))
        copied.append(figures(item["picture"], item["target"]))
    return {"translated": _mean(made), "the input itself": _mean(copied), "n": num, "data": held.name}


def figures(picture: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """PSNR and mean absolute difference between pictures uint8 of one size."""
    return {"psnr": psnr(picture, truth), "l1": float(np.abs(picture.astype(np.float64) - truth).mean())}


def _mean(rows: list[dict[str, float]]) -> dict[str, float]:
    return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}
