"""Compare: runs side by side, by their cards, logs, figures and pictures."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gesso.errors import GessoError
from gesso.media.file import read_bytes, write_atomic
from gesso.media.grid import contact_sheet
from gesso.media.picture import encode_png, read_picture
from gesso.media.plot import Line, Panel, plot
from gesso.training.log import read_lines
from gesso.training.showing import FIGURE
from gesso.training.watch import signs_in
from gesso.verbs.result import make_folder
from gesso.weights.store import read_weights

if TYPE_CHECKING:
    from rich.table import Table

MOST_RUNS, MOST_PANELS = 16, 12
NOT_PLOTTED = ("norm/", "rate/")
APART = {"step", "seconds", "items_per_second"}


@dataclass(frozen=True)
class Run:
    """What a run's folder says: its weights' card, its log, the figures of measures that wrote into it (`--out RUN/NAME`) by name, and
    its newest sheet of samples."""

    name: str
    card: Mapping[str, Any]
    lines: Sequence[Mapping[str, Any]]
    figures: Mapping[str, float] = field(default_factory=dict)
    sheet: Path | None = None

    def facts(self) -> dict[str, Any]:
        """One row of the table: what was trained, on what, how far and how fast, the last losses, signs of trouble."""
        logged = [line for line in self.lines if "event" not in line]
        last: Mapping[str, Any] = next((line for line in reversed(logged) if any(name.startswith("loss/") for name in line)), {})
        best = {name: min(line[name] for line in logged if name in line) for line in logged for name in line if name.startswith(FIGURE)}
        speeds = [line["items_per_second"] for line in logged if "items_per_second" in line]
        losses = {name: value for name, value in last.items() if name.startswith("loss/")}
        return {
            "recipe": self.card.get("recipe"),
            "preset": self.card.get("preset"),
            "data": self.card.get("data"),
            "steps": self.card.get("steps"),
            "minutes": round(float(self.card.get("seconds", 0)) / 60, 1),
            "items/s": float(np.median(speeds)) if speeds else None,
            **losses,
            **{f"best {name.removeprefix(FIGURE)} in training": value for name, value in best.items()},
            **self.figures,
            "signs": "; ".join(signs_in(self.lines)) or None,
        }


def compare(runs: Sequence[Path | str], *, out: Path | str | None = None) -> dict[str, dict[str, Any]]:
    """The facts of each run by its name; with `out`, a folder, also compare.json, curves.png and samples.png in it.

    A run is the folder of a training, or of one of its stages. GessoError where one holds no weights, or there are more than 16.
    """
    if not runs or len(runs) > MOST_RUNS:
        raise GessoError(f"{len(runs)} runs", where="RUN", fix=f"1 to {MOST_RUNS} folders of trainings")
    found = [read_run(one, name) for name, one in _named(runs).items()]
    rows = {run.name: run.facts() for run in found}
    if out is not None:
        folder = Path(out)
        if folder.exists() and not folder.is_dir():
            raise GessoError("is a file, not a folder", where=folder, fix="choose another --out")
        make_folder(folder)
        write_atomic(folder / "compare.json", (json.dumps(rows, ensure_ascii=False, indent=1) + "\n").encode())
        write_atomic(folder / "curves.png", curves(found))
        if any(run.sheet for run in found):
            write_atomic(folder / "samples.png", encode_png(sheets(found)))
    return rows


def _named(runs: Sequence[Path | str]) -> dict[str, Path]:
    """The distinct folders by name; folders of one name are told apart by their parents'."""
    folders = list(dict.fromkeys(Path(one).resolve() for one in runs))
    names = [one.name for one in folders]
    return {one.name if names.count(one.name) == 1 else f"{one.parent.name}/{one.name}": one for one in folders}


def read_run(folder: Path, name: str = "") -> Run:
    """Read a run's folder. GessoError where it has no weights yet."""
    weights = folder / "weights.safetensors"
    if not weights.is_file():
        what = "holds no weights" if folder.is_dir() else "there is no such folder"
        raise GessoError(what, where=folder, fix="the folder of a training (gesso train … --out FOLDER) after its first checkpoint")
    logs = [folder / "log.jsonl", *sorted(folder.glob("*/log.jsonl"))]
    samples = sorted([*folder.glob("samples/*.png"), *folder.glob("*/samples/*.png")], key=lambda one: one.stat().st_mtime)
    lines = [line for log in logs for line in read_lines(log)]
    return Run(name or folder.name, read_weights(weights).card, lines, _figures(folder), samples[-1] if samples else None)


def _figures(folder: Path) -> dict[str, float]:
    """The single numbers of the reports that `gesso measure --out` wrote into a folder, those within groups as "group name"."""
    found: dict[str, float] = {}
    for file in sorted([*folder.glob("*.json"), *folder.glob("*/figures.json")]):
        try:
            report = json.loads(read_bytes(file, 2**24, where=str(file)))
        except (ValueError, GessoError):
            continue
        if isinstance(report, dict) and "measure" in report and isinstance(report.get("figures"), dict):
            found |= _numbers(report["figures"])
    return found


def _numbers(values: Mapping[str, Any], before: str = "") -> dict[str, float]:
    found: dict[str, float] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            single = value.get("value") if "low" in value else None  # a value with its interval
            found |= {before + name: single} if isinstance(single, (int, float)) else _numbers(value, f"{before}{name} ")
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            found[before + name] = value
    return found


def curves(runs: Sequence[Run]) -> bytes:
    """A PNG of each logged number over the steps, a panel a number and a line a run: losses first, at most 12 panels."""
    names = dict.fromkeys(name for run in runs for line in run.lines if "event" not in line for name in line)
    chosen = [name for name in names if name not in APART and not name.startswith(NOT_PLOTTED)]
    chosen = sorted(chosen, key=lambda name: not name.startswith("loss/"))[:MOST_PANELS] or ["items_per_second"]
    return plot([Panel([_line(run, name) for run in runs], y=name) for name in chosen], 2, x="step")


def _line(run: Run, name: str) -> Line:
    points = [(line["step"], line[name]) for line in run.lines if isinstance(line.get(name), (int, float))]
    return Line(run.name, [step for step, _ in points], [value for _, value in points])


def sheets(runs: Sequence[Run]) -> np.ndarray:
    """The newest sample sheets of the runs below each other, each with its run's name, uint8 [h w 3]."""
    shown = [(read_picture(read_bytes(run.sheet, where=str(run.sheet)), where=str(run.sheet)), run.name) for run in runs if run.sheet]
    return contact_sheet([picture for picture, _ in shown], 1, [name for _, name in shown])


def tables(rows: Mapping[str, Mapping[str, Any]]) -> Table:
    """The comparison as a table, a column a run; rows in which all runs are empty are left out."""
    from rich.table import Table

    from gesso.verbs.measure import cell_text

    table = Table("", *rows, title="runs")
    for name in dict.fromkeys(name for facts in rows.values() for name in facts):
        cells = [facts.get(name) for facts in rows.values()]
        if any(cell is not None for cell in cells):
            table.add_row(name, *(cell_text(cell) for cell in cells))
    return table
