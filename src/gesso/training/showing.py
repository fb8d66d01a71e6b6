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
from gesso.training.watch import signs_in

Networks = Mapping[str, nn.Module]  # with the family's state under "family"
MakeSamples = Callable[[Networks, int], np.ndarray | None]  # (networks, step) -> a picture uint8
MakeFigures = Callable[[Networks], Mapping[str, float]]  # the smaller the better; the first decides
Export = Callable[[Learner], None]
LOOKS = 6  # no better in so many is told as a sign, with or without patience
STALE = "stale"  # the sign's name
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
        self._told = False  # that it gets no better
        self._failed = False

    def read_log(self) -> None:
        """Read the figures so far from the log."""
        values = (next((v for k, v in line.items() if k.startswith(FIGURE)), None) for line in self.log.lines() if "event" not in line)
        self.values = [value for value in values if isinstance(value, (int, float))]
        self._told = STALE in signs_in(self.log.lines())

    @property
    def stale(self) -> bool:
        """Whether the last `patience` looks were no better than one before."""
        return self.patience is not None and self._no_better(self.patience)

    def _no_better(self, looks: int) -> bool:
        return len(self.values) > looks and min(self.values[-looks:]) >= min(self.values[:-looks])

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
        self._tell_stale(learner.step, next(iter(found)))

    def _tell_stale(self, step: int, name: str) -> None:
        """Tell once that the first figure gets no better, and when it does again."""
        if self._no_better(LOOKS) == self._told:
            return
        self._told = not self._told
        if not self._told:
            self.log.write({"step": step, "event": "sign over", "sign": STALE})
            return
        words = f"{name} of samples has got no better for {LOOKS} looks: stop here (best.safetensors holds the best), or add pictures"
        self.log.write({"step": step, "event": "sign", "sign": STALE, "reason": words})
        self.progress.say(f"step {step}: {words}")

    def _trying(self, act: Callable[[], Any]) -> None:
        try:
            act()
        except Exception as error:
            if not self._failed:
                self._failed = True
                self.progress.say(f"a picture of the run could not be drawn ({type(error).__name__}: {error}); the training continues")
