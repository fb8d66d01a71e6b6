"""PSNR as super-resolution is published: on luma rounded to whole levels, without the border."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from gesso.datasets.dead_leaves import dead_leaves
from gesso.datasets.picture_files import pictures_in
from gesso.errors import GessoError
from gesso.media.bicubic import rounded, scaled
from gesso.media.luma import luma
from gesso.media.picture import read_picture, to_white

PEAK = 255.0
MOST_NAMED = 20  # pictures listed one by one
MADE_UP_FROM = 212  # the first made-up picture that is held out


def psnr(made: np.ndarray, real: np.ndarray, border: int = 0) -> float:
    """Decibels between two pictures [h w] or [h w c] with values 0 to 255 of one size; `border` pixels at each side do not count."""
    if made.shape != real.shape:
        raise ValueError(f"pictures of {made.shape} and {real.shape} cannot be compared")
    cut = (slice(border, made.shape[0] - border), slice(border, made.shape[1] - border))
    error = float(((made[cut].astype(np.float64) - real[cut].astype(np.float64)) ** 2).mean())
    return float("inf") if error == 0 else 10 * float(np.log10(PEAK**2 / error))


def luma_psnr(made: np.ndarray, real: np.ndarray, scale: int) -> float:
    """PSNR on Y, rounded, with a border of `scale` pixels left out. Pictures are RGB [h w 3], or Y [h w] as it is."""
    a, b = (rounded(luma(one) if one.ndim == 3 else one) for one in (made, real))
    return psnr(a, b, scale)


def cropped(picture: np.ndarray, scale: int) -> np.ndarray:
    """The picture without the last rows and columns beyond a multiple of `scale`."""
    h, w = picture.shape[:2]
    return picture[: h - h % scale, : w - w % scale]


def measure_published(network: Any, folder: Path | None, aims: Mapping[int, float]) -> dict[str, Any]:
    """PSNR of a network beside bicubic's for each scale and picture of `folder` (or for made-up pictures), and `aims` by scale.

    The published protocol: Y of BT.601 rounded, cropped to a multiple of the scale, made smaller by antialiased bicubic, compared
    without a border of `scale` pixels.
    """
    import torch

    pictures = _pictures(folder)
    figures: dict[str, Any] = {}
    for scale in network.scales:
        rows = []
        for name, picture in pictures.items():
            real = rounded(luma(cropped(picture, scale))).astype(np.float32)
            low = scaled(real, 1 / scale)
            with torch.inference_mode():
                given = torch.from_numpy(low / 255)[None, None].to(next(network.parameters()).device)
                made = 255 * network.enlarged(given, scale)[0, 0].cpu().numpy()
            rows.append((name, luma_psnr(scaled(low, scale), real, scale), luma_psnr(made, real, scale)))
        mean = {"bicubic": float(np.mean([row[1] for row in rows])), "made": float(np.mean([row[2] for row in rows]))}
        figures[f"x{scale}"] = {**mean, "aim": aims.get(scale), "pictures": len(rows)}
        if len(rows) <= MOST_NAMED:
            figures[f"x{scale} by picture"] = {name: {"bicubic": soft, "made": sharp} for name, soft, sharp in rows}
    overview = {name: figures.pop(name) for name in list(figures) if "by" not in name}
    return {"psnr": overview, **figures}


def _pictures(folder: Path | None) -> dict[str, np.ndarray]:
    if folder is None:
        return {f"made up {i}": dead_leaves(MADE_UP_FROM + i) for i in range(8)}
    files = pictures_in(folder) if folder.is_dir() else [folder]
    if not files:
        raise GessoError("holds no pictures", where=folder, fix="a folder of PNG or JPEG files, such as Set5")
    return {file.stem: to_white(read_picture(file)) for file in files}
