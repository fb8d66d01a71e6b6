"""A run's log: JSON lines every few steps, TensorBoard events, and progress on the terminal."""

from __future__ import annotations

import contextlib
import json
import math
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from gesso.media.file import write_atomic
from gesso.training.fault_injection import fault_point

SECONDS_BETWEEN_LINES = 10.0


class NoLog:
    """The log of a process that does not lead: it writes nothing."""

    def open(self, step: int) -> None: ...

    def roll_back(self, step: int) -> None: ...

    def write(self, line: Mapping[str, Any]) -> None: ...

    def picture(self, name: str, picture: Any, step: int) -> None: ...

    def sync(self) -> None: ...

    def lines(self) -> list[dict[str, Any]]:
        return []

    def close(self) -> None: ...


class Log(NoLog):
    """log.jsonl in `folder`: flat objects with "step" (steps done) and numbers by name; also TensorBoard events if it is installed."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.path = folder, folder / "log.jsonl"
        self._file: Any = None
        self._board: Any = None

    def open(self, step: int) -> None:
        """Continue after `step` steps. Removes later lines, and events of that step, because the run repeats them."""
        self._rewrite(step, events=False)
        self._open_board(step)

    def roll_back(self, step: int) -> None:
        """Remove lines after `step`, and keep the events of that step."""
        self._rewrite(step, events=True)
        self._open_board(step)

    def write(self, line: Mapping[str, Any]) -> None:
        fault_point("log.write")
        self._file.write(json.dumps(dict(line), allow_nan=False) + "\n")
        self._file.flush()
        if self._board is not None and "event" not in line:
            for name, value in line.items():
                if name != "step" and isinstance(value, (int, float)):
                    self._board.add_scalar(name, value, line["step"])

    def picture(self, name: str, picture: Any, step: int) -> None:
        if self._board is not None:
            self._board.add_image(name, picture, step, dataformats="HWC" if picture.ndim == 3 else "HW")

    def sync(self) -> None:
        """Sync all lines to the disk, before the checkpoint that follows them."""
        if self._file is not None:
            self._file.flush()
            fault_point("log.fsync")
            os.fsync(self._file.fileno())

    def lines(self) -> list[dict[str, Any]]:
        return read_lines(self.path)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            if self._file is not None:
                self._file.close()
            if self._board is not None:
                self._board.close()
        self._file = self._board = None

    def _rewrite(self, step: int, *, events: bool) -> None:
        if self._file is not None:
            self._file.close()
        kept = [line for line in read_lines(self.path) if line["step"] <= step and ("event" not in line or events or line["step"] < step)]
        write_atomic(self.path, "".join(json.dumps(line) + "\n" for line in kept).encode())
        self._file = open(self.path, "a", encoding="utf-8")

    def _open_board(self, step: int) -> None:
        if self._board is not None:
            self._board.close()
            self._board = None
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            return
        self._board = SummaryWriter(str(self.folder / "tensorboard"), purge_step=step + 1)


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The complete lines of a log; a line that was cut short is skipped."""
    if not path.is_file():
        return []
    found = []
    for text in path.read_text("utf-8", "replace").splitlines():
        try:
            line = json.loads(text)
        except ValueError:
            continue
        if isinstance(line, dict) and isinstance(line.get("step"), int):
            found.append(line)
    return found


def plain_number(value: Any) -> float | None:
    """A number or a tensor's mean as a float; None for NaN and infinity, which JSON does not have."""
    number = float(value.detach().float().mean()) if isinstance(value, Tensor) else float(value)
    return number if math.isfinite(number) else None


class Progress:
    """Progress with ETA, items per second, loss and time to the next checkpoint: a bar on a terminal, else a line every 10 seconds."""

    def __init__(self, title: str, num_steps: int, *, quiet: bool) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        self.console = Console(stderr=True, quiet=quiet, soft_wrap=True, highlight=False)
        self.num_steps, self.title, self._last_line_at = num_steps, title, 0.0
        self._bar: Any = None
        if self.console.is_terminal and not quiet:
            columns = (
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                TextColumn("left"),
                TimeRemainingColumn(),
            )
            self._bar = Bar(*columns, TextColumn("{task.fields[words]}"), console=self.console, speed_estimate_period=120)
            self._task = self._bar.add_task(title, total=num_steps, words="")

    def start(self, step: int) -> None:
        if self._bar is not None:
            self._bar.update(self._task, completed=step)
            self._bar.start()

    def say(self, words: str) -> None:
        self.console.print(words, markup=False)

    def show(self, step: int, losses: Mapping[str, float], items_per_second: float, steps_per_second: float, to_checkpoint: int) -> None:
        parts = [*(f"{name} {value:.4g}" for name, value in losses.items()), f"{items_per_second:.0f} items/s"]
        if steps_per_second > 0:
            parts.append(f"saves in {_clock(to_checkpoint / steps_per_second)}")
        if self._bar is not None:
            self._bar.update(self._task, completed=step, words="  ".join(parts))
        elif time.monotonic() - self._last_line_at >= SECONDS_BETWEEN_LINES:
            self._last_line_at = time.monotonic()
            left = f"  {_clock((self.num_steps - step) / steps_per_second)} left" if steps_per_second > 0 else ""
            self.say(f"{self.title}  {step}/{self.num_steps}  {'  '.join(parts)}{left}")

    def close(self) -> None:
        if self._bar is not None:
            self._bar.stop()


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
