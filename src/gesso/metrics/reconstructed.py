"""How much of a picture a codec keeps, and how much of its codebook it uses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from PIL import Image

from gesso.media.tensor import from_tensor, to_tensor
from gesso.metrics.colour import CAP
from gesso.metrics.fidelity import psnr
from gesso.number import whole

BATCH = 32
AIM = 27.0  # dB


def measure_codec(codec: Any, held: Any, options: Mapping[str, Any]) -> dict[str, Any]:
    """PSNR in dB of held-out pictures (at most 40 a picture) with a 95 % interval of the mean, beside the picture made `factor` times
    smaller and large again. With a codebook: the codes used, and the perplexity of their use. Options: `limit`, the most pictures.
    """
    num = min(whole(options.get("limit", len(held)), where="--limit", low=1), len(held))
    pictures = [np.asarray(held.item(index, np.random.default_rng(0))["picture"]) for index in range(num)]
    made: list[np.ndarray] = []
    ids: list[np.ndarray] = []
    codec = codec.eval()
    with torch.inference_mode():
        for first in range(0, num, BATCH):
            shown, coded = codec(torch.stack([to_tensor(one) for one in pictures[first : first + BATCH]]))
            made += [from_tensor(one.float()) for one in shown]
            if coded.ids is not None:
                ids.append(coded.ids.flatten().numpy())
    kept = np.array([min(CAP, psnr(one, real)) for one, real in zip(made, pictures, strict=True)])
    small = np.array([min(CAP, psnr(_smaller(real, codec.factor), real)) for real in pictures])
    half = 1.96 * float(kept.std(ddof=1)) / np.sqrt(num) if num > 1 else float("nan")
    figures: dict[str, Any] = {
        "psnr": float(kept.mean()),
        "low": float(kept.mean()) - half,
        "high": float(kept.mean()) + half,
        "aim": AIM,
        "smaller and large again": float(small.mean()),
        "worst tenth": float(np.sort(kept)[: max(1, num // 10)].mean()),
        "n": num,
        "data": held.name,
    }
    if ids:
        figures["codes"] = _usage(np.concatenate(ids), len(codec.bottleneck.codes))
    return figures


def _usage(ids: np.ndarray, num: int) -> dict[str, float]:
    counts = np.bincount(ids, minlength=num)
    share = counts[counts > 0] / counts.sum()
    return {"used": int((counts > 0).sum()), "of": num, "perplexity": float(np.exp(-(share * np.log(share)).sum()))}


def _smaller(picture: np.ndarray, factor: int) -> np.ndarray:
    h, w = picture.shape[:2]
    image = Image.fromarray(picture)
    small = image.resize((max(1, w // factor), max(1, h // factor)), Image.Resampling.BOX)
    return np.asarray(small.resize((w, h), Image.Resampling.BICUBIC))
