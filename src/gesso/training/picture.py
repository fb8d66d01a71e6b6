"""Pictures of a run: a sheet of samples, and a plot of its losses."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from gesso.media.file import write_atomic
from gesso.media.grid import contact_sheet
from gesso.media.picture import encode_png
from gesso.media.tensor import from_tensor


def sample_sheet(media: Mapping[str, Any], columns: int = 8) -> np.ndarray | None:
    """A contact sheet of the first medium that is a batch of pictures, float [b c h w] in [-1, 1]; None if there is none."""
    for value in media.values():
        if isinstance(value, Tensor) and value.ndim == 4 and value.shape[1] in (1, 3) and value.is_floating_point():
            return contact_sheet([from_tensor(one) for one in value], columns)
    return None


def save_samples(folder: Path, step: int, picture: np.ndarray) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{step:09d}.png"
    write_atomic(path, encode_png(picture))
    return path


def save_curve(path: Path, lines: Sequence[Mapping[str, Any]]) -> bool:
    """Plot the losses, and the figures of samples, over the steps as a PNG. Returns whether matplotlib is installed."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        return False
    names = sorted({name for line in lines for name in line if name.startswith(("loss/", "figure/"))})
    if not names:
        return True
    figure = Figure(figsize=(7, 2.2 * len(names)), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(len(names), 1, squeeze=False)[:, 0]
    for panel, name in zip(panels, names, strict=True):
        points = [(line["step"], line[name]) for line in lines if name in line]
        panel.plot([step for step, _ in points], [value for _, value in points], linewidth=1)
        panel.set_ylabel(name)
        panel.grid(alpha=0.3)
    panels[-1].set_xlabel("step")
    data = io.BytesIO()
    figure.savefig(data, format="png", dpi=100)
    write_atomic(path, data.getvalue())
    return True
