"""Fit: optimise one output for one request into a folder, with previews and the objective by step."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from gesso.errors import GessoError, MissingExtra
from gesso.families.family import Output
from gesso.media.file import write_atomic
from gesso.media.picture import encode_png
from gesso.recipes.recipe import Recipe
from gesso.request import Request
from gesso.verbs.assemble import assemble
from gesso.verbs.generate import make, preview_of
from gesso.verbs.read_request import files_of, split
from gesso.verbs.result import Result, is_file_name, make_folder

MOST_PREVIEWS = 60


@dataclass(frozen=True)
class Fitted:
    """The result, its folder, and the objective's terms by step: [{"step": 1, "all": 0.5, …}, …]."""

    result: Result
    out: Path
    objective: list[dict[str, float]]


def fit(
    recipe: Recipe | str | Path,
    *,
    out: Path | str,
    conditions: Mapping[str, Any] | None = None,
    seed: int = 0,
    settings: Mapping[str, Any] | None = None,
    on_output: Callable[[Output], None] | None = None,
    preset: str | None = None,
    weights: Path | str | None = None,
    threads: int | None = None,
    fresh: bool = False,
    files: Mapping[str, str] | None = None,
    stop: Callable[[], bool] | None = None,
    given: Mapping[str, Any] | None = None,
) -> Fitted:
    """Optimise an output for `conditions` and `settings`, and write it into the folder `out`.

    `given` may hold both in one mapping, by the card's names. Written are previews/NNNN.png (NNNN is the step),
    objective.jsonl and objective.png from the family's tap `objective` (a number, or numbers by name), and result.png with its
    record. Ctrl-C keeps the newest preview, and so does `stop`, which is called at each step and ends the fit with Stopped.
    `fresh` removes an earlier fit from the folder. GessoError for a recipe whose family does not say `fits = True`.
    """
    if is_file_name(Path(out)):
        raise GessoError("a fit writes a folder, with result.png in it", where=out, fix=f"--out {Path(out).with_suffix('')}")
    assembled = assemble(recipe, preset=preset, weights=weights)
    name = assembled.recipe.name
    if not getattr(assembled.recipe.family(assembled.preset), "fits", False):
        raise GessoError(
            f"{name} makes its output at once: there is nothing to fit", where=name, fix=f"gesso generate {name}, or gesso train {name}"
        )
    card = assembled.recipe.card
    more_conditions, more_settings = split(card, given or {})
    request = Request.build(
        card, {**(conditions or {}), **more_conditions}, seed=seed, settings={**(settings or {}), **more_settings},
        weights=assembled.hashes, preset=assembled.preset_name,
    )  # fmt: skip
    folder = FitFolder(Path(out), fresh)

    def look(output: Output) -> None:
        folder.log_step(output)
        if on_output is not None:
            on_output(output)

    try:
        result = make(assembled, request, on_output=look, threads=threads, files=files or files_of(card, given or {}), stop=stop)
    except BaseException:  # Ctrl-C too: the newest preview is worth keeping
        folder.keep_newest()
        raise
    folder.plot(name)
    result.save(folder.out / "result.png")
    return Fitted(result, folder.out, folder.objective)


class FitFolder:
    """The folder that a fit writes while it runs."""

    def __init__(self, out: Path, fresh: bool) -> None:
        self.out, self.objective = out, list[dict[str, float]]()
        self._newest: Output | None = None
        earlier = [out / "result.png", out / "objective.jsonl", out / "objective.png", *sorted((out / "previews").glob("[0-9]*.png"))]
        earlier = [path for path in earlier if path.is_file()]
        if earlier and not fresh:
            raise GessoError(
                "this folder holds an earlier fit", where=out, fix="choose another folder, or --fresh to remove the earlier one"
            )
        make_folder(out / "previews")
        for path in earlier:
            path.unlink()

    def log_step(self, output: Output) -> None:
        """Log the objective, and write a preview; of a long run, every so many steps."""
        terms = output.taps.get("objective")
        if terms is not None:
            row = {"step": float(output.step), **numbers(terms)}
            self.objective.append(row)
            with open(self.out / "objective.jsonl", "a", encoding="utf-8") as file:
                file.write(json.dumps(row | {"step": output.step}) + "\n")
        self._newest = output
        if output.step % max(1, output.num_steps // MOST_PREVIEWS) == 0:
            self.keep_newest()

    def keep_newest(self) -> None:
        output, self._newest = self._newest, None
        pixels = None if output is None else preview_of(output)
        if output is not None and pixels is not None:
            write_atomic(self.out / "previews" / f"{output.step:04d}.png", encode_png(pixels))

    def plot(self, title: str) -> None:
        if not self.objective:
            return
        try:
            write_plot(self.objective, self.out / "objective.png", title)
        except MissingExtra:
            pass  # objective.jsonl has the same numbers


def numbers(terms: Any) -> dict[str, float]:
    """The numbers of a tap, by name."""
    named = terms if isinstance(terms, Mapping) else {"objective": terms}
    return {str(name): float(value.detach().sum() if isinstance(value, Tensor) else value) for name, value in named.items()}


def write_plot(rows: list[dict[str, float]], path: Path, title: str) -> None:
    """Plot the terms by step; the axis is logarithmic where all are above zero."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingExtra("matplotlib", "log", purpose="a plot of the objective") from None
    import io

    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = FigureCanvasAgg(figure).figure.add_subplot()
    names = [name for name in dict.fromkeys(key for row in rows for key in row) if name != "step"]
    for name in names:
        axes.plot([row["step"] for row in rows if name in row], [row[name] for row in rows if name in row], label=name)
    if all(row[name] > 0 for row in rows for name in names if name in row):
        axes.set_yscale("log")
    axes.set(xlabel="step", ylabel="objective", title=title)
    axes.legend()
    axes.grid(alpha=0.3)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=120)
    write_atomic(path, buffer.getvalue())
