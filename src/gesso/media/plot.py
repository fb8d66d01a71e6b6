"""Plots of numbers as PNG: panels with lines in them, drawn by matplotlib where it is installed."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import NamedTuple

from gesso.errors import MissingExtra

WIDTH, HEIGHT = 5.5, 2.0  # inches of a panel


class Line(NamedTuple):
    """Values `y` at the places `x`, named in the legend; `low` and `high` are the ends of intervals, drawn as a band."""

    name: str
    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float] = ()
    high: Sequence[float] = ()
    mark: str = ""  # matplotlib's marker of each value
    dashed: bool = False


class Panel(NamedTuple):
    """Lines under one pair of axes. `log` spaces x by its logarithm."""

    lines: Sequence[Line]
    x: str = ""
    y: str = ""
    log: bool = False


def plot(panels: Sequence[Panel], columns: int = 1, *, legend: bool = True, x: str = "") -> bytes:
    """The panels row by row as a PNG, with a legend in the first; `x` names the axis below all. MissingExtra without matplotlib."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingExtra("matplotlib", "log", purpose="a plot") from None
    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(WIDTH * columns, HEIGHT * rows + 0.6), layout="constrained")
    FigureCanvasAgg(figure)
    for place, panel in enumerate(panels):
        axes = figure.add_subplot(rows, columns, place + 1)
        for number, line in enumerate(panel.lines):
            colour = f"C{number % 10}"
            axes.plot(line.x, line.y, line.mark + ("--" if line.dashed else "-"), color=colour, linewidth=1, markersize=4, label=line.name)
            if len(line.low):
                axes.fill_between(line.x, line.low, line.high, color=colour, alpha=0.2, linewidth=0)
        axes.set_xlabel(panel.x, fontsize=8)
        axes.set_ylabel(panel.y, fontsize=8)
        if panel.log:
            axes.set_xscale("log")
        axes.grid(alpha=0.3)
        if not place and legend:
            axes.legend(fontsize=7)
    figure.supxlabel(x, fontsize=8)
    data = io.BytesIO()
    figure.savefig(data, format="png", dpi=100)
    return data.getvalue()
