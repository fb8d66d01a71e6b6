"""Measure: a recipe's figures, as tables and as JSON with everything that is needed to reproduce them; and sheets of pictures."""

from __future__ import annotations

import io
import itertools
import json
import shlex
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gesso
from gesso import recipes
from gesso.datasets.dataset import Dataset
from gesso.errors import GessoError
from gesso.media.file import write_atomic
from gesso.media.picture import encode_png
from gesso.recipes.recipe import Recipe
from gesso.record import commit, encoded, environment_here, plain
from gesso.verbs.assemble import GivenWeights, named_places
from gesso.verbs.data import find_data
from gesso.verbs.generate import native_dtype
from gesso.verbs.load import Model, load
from gesso.verbs.result import Result, make_folder
from gesso.verbs.thread import default_threads
from gesso.verbs.train import HISTORY, train

if TYPE_CHECKING:
    import numpy as np
    from rich.table import Table
    from torch import nn


class Make:
    """The function that a measure makes outputs with: `make(sketch=…, seed=0) -> Result`; `make.model` is the model, for batches.

    `sheets`: the pictures that the measure shows, by name, where a folder was asked for. `weights` are those of the model, as given.
    """

    def __init__(self, model: Model, *, keeps_sheets: bool = False, weights: GivenWeights = None) -> None:
        self.model, self.keeps_sheets, self.weights = model, keeps_sheets, weights
        self.sheets: dict[str, np.ndarray] = {}

    def __call__(self, **given: Any) -> Result:
        return self.model.generate(**given)

    def other(self, name: str, weights: Path | str | None = None) -> Model:
        """The model of another recipe, to measure with."""
        return load(name, weights=weights)

    def history(self) -> Iterator[Model]:
        """The model after 1, 2, 4, 8, … checkpoints of its training, and at its end. GessoError where the weights are of no run."""
        places = [Path(place) for role, place in named_places(self.weights) if not role]
        run = places[0] if places and places[0].is_dir() else None
        files = sorted((run / HISTORY).glob("*.safetensors")) if run is not None else []
        if not files:
            what = "keeps no weights of its training"
            raise GessoError(
                what, where=run or "--weights", fix="the folder of a run that reached a checkpoint (gesso train … --out FOLDER)"
            )
        last = self.model.assembled.cards[self.model.card.name].get("steps")
        earlier = (load(self.model.recipe, preset=self.model.preset, weights=file) for file in files if int(file.stem) != last)
        return itertools.chain(earlier, [self.model])

    def show(self, name: str, draw: Callable[[], np.ndarray]) -> None:
        """Keep the picture that `draw` makes, uint8, to be written beside the figures as `name`.png; not called without a folder."""
        if self.keeps_sheets:
            self.sheets[name] = draw()

    def learned(
        self, name: str, examples: Dataset, *, preset: str, steps: int | None = None, build: Callable[..., Any] | None = None, seed: int = 0
    ) -> Mapping[str, nn.Module]:
        """The networks of another recipe, trained on `examples` by its preset to measure with; `build` is in place of the recipe's own.

        The run's files are removed.
        """
        recipe = recipes.find(name)
        stages = [replace(stage, data=lambda folder, split: examples) for stage in recipe.stages(recipe.preset(preset))]
        changed = replace(recipe, stages=lambda preset: stages, build=build or recipe.build)
        with tempfile.TemporaryDirectory(prefix="gesso-measure-") as folder:
            run = train(
                changed, out=folder, preset=preset, steps=steps, seed=seed, threads=default_threads(), device="cpu", quiet=True,
                sample_every=0, checkpoint_every=0,
            )  # fmt: skip
            if not run.done:  # Ctrl-C ends a training in good order, and here it is to end the measure
                raise KeyboardInterrupt
            return load(changed, weights=folder, device="cpu").networks


def measure(
    name: str | Path | Recipe,
    /,
    *,
    which: str | None = None,
    data: Path | str | None = None,
    out: Path | str | None = None,
    weights: GivenWeights = None,
    preset: str | None = None,
    ran: Callable[..., Any] | None = None,
    shown: Mapping[str, Any] | None = None,
    **options: Any,
) -> dict[str, Any]:
    """Run one of the recipe's measures (`which`, or its first) and return its report; `out` is where to write it.

    A name with .json is the file of figures; a name without an ending is a folder for figures.json, table.txt and, where the measure
    shows pictures, a sheet of each kind.

    `data` is the file or folder to measure on, or its name (`gesso data`); `options` are the measure's own. The figures are under
    `figures`, beside command, versions and commit. `ran` is a measure that is no recipe's own, called `which`, and `shown` the flags by
    which the command line asks for it.
    """
    target = _checked_out(out)
    model = load(name, preset=preset, weights=weights)
    measures = model.recipe.measures if ran is None else {str(which): ran}
    chosen = which or next(iter(measures), None)
    if chosen is None or chosen not in measures:
        what = f"{model.card.name} has no measure" + (f" {which!r}" if which else "s")
        raise GessoError(what, where="--which", fix=f"one of {', '.join(measures)}" if measures else None)
    place = find_data(data)
    began = time.monotonic()
    make = Make(model, keeps_sheets=target is not None and not target.suffix, weights=weights)
    figures = plain(measures[chosen](make, place, options))
    report = {
        "recipe": model.card.name,
        "measure": chosen,
        "preset": model.preset,
        "weights": model.assembled.hashes,
        "command": command(model.card.name, which if ran is None else None, place, weights, {**(shown or {}), **options}),
        "gesso": gesso.__version__,
        "commit": commit() or None,
        "made": environment_here(default_threads(), native_dtype(model.assembled)).model_dump(mode="json"),
        "seconds": round(time.monotonic() - began, 1),
        "figures": figures,
    }
    if target is not None:
        _write(target, report, make.sheets)
    return report


def _write(target: Path, report: Mapping[str, Any], sheets: Mapping[str, np.ndarray]) -> None:
    text = encoded(json.dumps(report, ensure_ascii=False, indent=1) + "\n")
    make_folder(target.parent if target.suffix else target)
    if target.suffix:
        write_atomic(target, text)
        return
    for name, sheet in sheets.items():
        write_atomic(target / f"{name}.png", encode_png(sheet))
    write_atomic(target / "table.txt", encoded(f"{_as_text(report)}\n{report['command']}\n"))
    write_atomic(target / "figures.json", text)


def _as_text(report: Mapping[str, Any]) -> str:
    from rich.console import Console

    page = io.StringIO()
    Console(file=page, width=200).print(*tables(report), sep="\n")
    return page.getvalue()


def command(name: str, which: str | None, data: Path | None, weights: GivenWeights, options: Mapping[str, Any]) -> str:
    """The command line that runs the same measure."""
    parts = ["gesso", "measure", name]
    files = [f"{role}={place}" if role else str(place) for role, place in named_places(weights)]
    given = [("which", which), ("data", data), *(("weights", file) for file in files), *options.items()]
    for key, value in given:
        if value is not None:
            text = ",".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
            flag = f"--{key.replace('_', '-')}"
            parts += [f"{flag}={text}"] if text.startswith("-") else [flag, text]  # --group=-scene: a bare -scene would be a flag
    return shlex.join(parts)


def tables(report: Mapping[str, Any]) -> list[Table]:
    """The figures as tables: one for each list or mapping of rows, and one for all single figures."""
    from rich.table import Table

    title = f"{report['recipe']}: {report['measure']}"
    figures = report["figures"]
    figures = dict(figures) if isinstance(figures, Mapping) else {report["measure"]: figures}
    made: list[Table] = []
    single = Table("figure", "value", title=title)
    for name, value in figures.items():
        rows = _rows(value)
        if rows is None:
            single.add_row(str(name), cell_text(value))
            continue
        columns = list(dict.fromkeys(key for row in rows for key in row))
        table = Table(title=f"{title}: {name}")
        for number, column in enumerate(columns):
            table.add_column(str(column), justify="right" if number else "left")
        for row in rows:
            table.add_row(*(cell_text(row.get(column)) for column in columns))
        made.append(table)
    return [*made, single] if single.row_count else made


def _rows(value: Any) -> list[dict[str, Any]] | None:
    if isinstance(value, Mapping) and value and all(isinstance(row, Mapping) for row in value.values()):
        return [{"": key, **row} for key, row in value.items()]
    if isinstance(value, list) and value and all(isinstance(row, Mapping) for row in value):
        return [dict(row) for row in value]
    return None


def cell_text(value: Any) -> str:
    """A figure as a table shows it: a number, an interval, a figure with its interval, or text."""
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 10 else f"{value:.2f}"
    if isinstance(value, Mapping) and set(value) == {"value", "low", "high"}:  # a figure with its interval
        return f"{cell_text(value['value'])} ({cell_text(value['low'])} to {cell_text(value['high'])})"
    if isinstance(value, (list, tuple)):
        return " – ".join(cell_text(one) for one in value) if len(value) == 2 else ", ".join(cell_text(one) for one in value)
    return json.dumps(value, ensure_ascii=False) if isinstance(value, Mapping) else str(value)


def _checked_out(out: Path | str | None) -> Path | None:
    if out is None:
        return None
    path = Path(out)
    if path.suffix.lower() not in (".json", "") or (path.is_dir() if path.suffix else path.is_file()):
        raise GessoError("figures are written as .json, or into a folder", where=path, fix=f"{path.stem or 'figures'}.json")
    return path
