"""Pictures of a run: a sheet of samples, and a plot of its losses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from gesso.errors import MissingExtra
from gesso.media.file import write_atomic
from gesso.media.grid import contact_sheet
from gesso.media.picture import encode_png
from gesso.media.plot import Line, Panel, plot
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
    panels = []
    for name in sorted({name for line in lines for name in line if name.startswith(("loss/", "figure/"))}):
        points = [(line["step"], line[name]) for line in lines if name in line]
        panels.append(Panel([Line(name, [step for step, _ in points], [value for _, value in points])], y=name))
    if not panels:
        return True
    try:
        write_atomic(path, plot(panels, legend=False, x="step"))
    except MissingExtra:
        return False
    return True
