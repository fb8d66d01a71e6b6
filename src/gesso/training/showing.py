"""What a run shows of itself at intervals: samples, figures of samples, a curve. An error here is told, and never ends the training."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from gesso.families.family import STATE
from gesso.training import picture
from gesso.training.learner import Learner
from gesso.training.log import NoLog, Progress

Networks = Mapping[str, nn.Module]  # with the family's state under "family"
MakeSamples = Callable[[Networks, int], np.ndarray | None]  # (networks, step) -> a picture uint8
MakeFigures = Callable[[Networks], Mapping[str, float]]  # the smaller the better; the first decides
Export = Callable[[Learner], None]
FIGURE = "figure/"  # before the name of a figure in the log


class Showing:
    """Draws samples, measures them, keeps the best weights by the first figure, and says when it has stopped getting better.

    patience: how many looks the figure may be no better than the best before; None is for ever.
    """

    def __init__(
        self,
        folder: Path,
        log: NoLog,
        progress: Progress,
        *,
        samples: MakeSamples | None = None,
        figures: MakeFigures | None = None,
        export_best: Export | None = None,
        patience: int | None = None,
    ) -> None:
        self.folder, self.log, self.progress = folder, log, progress
        self.samples, self.figures, self.export_best, self.patience = samples, figures, export_best, patience
        self.values: list[float] = []
        self._failed = False

    def read_log(self) -> None:
        """Read the figures so far from the log."""
        values = (next((v for k, v in line.items() if k.startswith(FIGURE)), None) for line in self.log.lines() if "event" not in line)
        self.values = [value for value in values if isinstance(value, (int, float))]

    @property
    def stale(self) -> bool:
        """Whether the last `patience` looks were no better than one before."""
        if self.patience is None or len(self.values) <= self.patience:
            return False
        return min(self.values[-self.patience :]) >= min(self.values[: -self.patience])

    def show(self, learner: Learner) -> None:
        networks = learner.export_networks | {STATE: learner.family}
        self._trying(lambda: self._draw(networks, learner.step))
        self._trying(lambda: self._measure(networks, learner))
        self.draw_curve()

    def draw_curve(self) -> None:
        self._trying(lambda: picture.save_curve(self.folder / "curve.png", self.log.lines()))

    def _draw(self, networks: Networks, step: int) -> None:
        shown = self.samples(networks, step) if self.samples is not None else None
        if shown is not None:
            picture.save_samples(self.folder / "samples", step, shown)
            self.log.picture("samples", shown, step)

    def _measure(self, networks: Networks, learner: Learner) -> None:
        found = dict(self.figures(networks)) if self.figures is not None else {}
        if not found:
            return
        self.log.write({"step": learner.step, **{FIGURE + name: float(value) for name, value in found.items()}})
        first = float(next(iter(found.values())))
        better = not self.values or first < min(self.values)
        self.values.append(first)
        told = ", ".join(f"{name} {value:.4g}" for name, value in found.items())
        self.progress.say(f"step {learner.step}: {told}" + (" (best)" if better else ""))
        if better and self.export_best is not None:
            self.export_best(learner)

    def _trying(self, act: Callable[[], Any]) -> None:
        try:
            act()
        except Exception as error:
            if not self._failed:
                self._failed = True
                self.progress.say(f"a picture of the run could not be drawn ({type(error).__name__}: {error}); the training continues")
