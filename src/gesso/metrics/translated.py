"""How near translated pictures are to the true ones, and to what copying the input would give."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from gesso.metrics.colour import CAP
from gesso.metrics.structure import WINDOW, ms_ssim, ssim
from gesso.metrics.views import psnr
from gesso.number import whole


def measure_pairs(model: Any, held: Any, options: Mapping[str, Any], rival: Any = None) -> dict[str, Any]:
    """PSNR in dB (at most 40 a picture) and mean distance (of 255) of `model`'s outputs from held-out pairs, beside the input's own.

    With a model `rival`, which learned from pairs, its figures too, and the share of the distance in PSNR from the input to the
    rival that `model` closes.
    """
    num = min(whole(options.get("limit", len(held)), where="--limit", low=1), len(held))
    rows: dict[str, list[dict[str, float]]] = {name: [] for name in ("translated", "the input itself", "from pairs")[: 3 if rival else 2]}
    for index in range(num):
        item = held.item(index, np.random.default_rng(0))
        shown = {"translated": _translated(model, item["picture"]), "the input itself": item["picture"]}
        if rival:
            shown["from pairs"] = _translated(rival, item["picture"])
        for name, picture in shown.items():
            rows[name].append(figures(picture, item["target"]))
    found: dict[str, Any] = {name: _mean(row) for name, row in rows.items()}
    if rival:
        least, most = (found[name]["psnr"] for name in ("the input itself", "from pairs"))
        found["share of the way"] = (found["translated"]["psnr"] - least) / (most - least) if most > least else float("nan")
    return found | {"n": num, "data": held.name}


def _translated(model: Any, picture: np.ndarray) -> np.ndarray:
    made: np.ndarray = model.generate(picture=picture, seed=0).outputs["image"]
    return made


def figures(picture: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """PSNR, at most CAP, mean absolute difference, and structural similarity (at one scale, at several) of pictures uint8 of one size."""
    found = {"psnr": min(CAP, psnr(picture, truth)), "l1": float(np.abs(picture.astype(np.float64) - truth).mean())}
    if min(truth.shape[:2]) >= len(WINDOW):
        found |= {"ssim": ssim(picture, truth), "ms_ssim": ms_ssim(picture, truth)}
    return found


def _mean(rows: list[dict[str, float]]) -> dict[str, float]:
    return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}
