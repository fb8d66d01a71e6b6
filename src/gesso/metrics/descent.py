"""Convergence of style transfer: the objective over the iterations, for pairs of pictures from two folders."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from itertools import pairwise, product
from pathlib import Path
from typing import Any

from gesso.errors import GessoError, MissingExtra
from gesso.media.file import write_atomic
from gesso.number import whole

PICTURES = {".jpg", ".jpeg", ".png", ".webp"}
MARKS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)


def measure_descent(make: Any, data: Path | None, options: Mapping[str, Any]) -> dict[str, Any]:
    """The objective relative to its start at some iterations, per pair of a content and a style, and the mean over the pairs.

    `data` holds folders `content` and `style`. Options: `pairs` (their number), `num_steps`, `size`, and `plot`, the path of a .png
    for the curves. The values come from the tap `objective` of `make`'s previews.
    """
    settings = {name: whole(options[name], where=f"--{name.replace('_', '-')}") for name in ("num_steps", "size") if name in options}
    curves: dict[str, list[float]] = {}
    for content, style in some_pairs(data, whole(options.get("pairs", 6), where="--pairs", low=1)):
        rows: list[float] = []
        make(
            content=str(content),
            style=str(style),
            on_output=lambda output, rows=rows: rows.append(output.taps["objective"]["all"]),
            **settings,
        )
        curves[f"{content.stem} × {style.stem}"] = rows
    if "plot" in options:
        plot(curves, Path(options["plot"]))
    num = len(next(iter(curves.values()))) - 1
    marks = [m for m in MARKS if m < num] + [num]
    table = {name: {f"after {m}": rows[m] / rows[0] for m in marks} for name, rows in curves.items()}
    mean = {f"after {m}": sum(row[f"after {m}"] for row in table.values()) / len(table) for m in marks}
    rises = sum(later > earlier * (1 + 1e-6) for rows in curves.values() for earlier, later in pairwise(rows))
    return {"objective over its start": {**table, "mean": mean}, "pairs": len(curves), "iterations": num, "iterations that rose": rises}


def some_pairs(data: Path | None, num: int) -> Sequence[tuple[Path, Path]]:
    """`num` pairs of a picture in data/content and one in data/style; few pairs already use many different pictures."""
    if data is None:
        raise GessoError("this is measured on pictures", where="--data", fix="a folder that holds folders content and style")
    folders = [sorted(p for p in (Path(data) / name).glob("*") if p.suffix.lower() in PICTURES) for name in ("content", "style")]
    if not all(folders):
        raise GessoError("holds no pictures in content and style", where=data, fix="a folder that holds folders content and style")
    contents, styles = folders
    first = [(contents[i % len(contents)], styles[i % len(styles)]) for i in range(max(len(contents), len(styles)))]
    rest = [pair for pair in product(contents, styles) if pair not in first]
    return [*dict.fromkeys(first), *rest][: max(1, num)]


def plot(curves: Mapping[str, Sequence[float]], path: Path) -> None:
    """Plot the objective (logarithmic) over the iterations as a PNG."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingExtra("matplotlib", "log", purpose="a plot") from None
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    for name, rows in curves.items():
        axes.semilogy(rows, label=name, linewidth=1)
    axes.set(xlabel="iteration", ylabel="objective")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=7)
    data = io.BytesIO()
    figure.savefig(data, format="png", dpi=110)
    write_atomic(path, data.getvalue())
