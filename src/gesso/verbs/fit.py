"""Fit: optimise one output for one request into a folder, with previews and the objective by step."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gesso import recipes
from gesso.datasets.dataset import Dataset
from gesso.errors import GessoError, MissingExtra
from gesso.families.family import Fits, Output, Samples
from gesso.media.file import read_bytes, write_atomic
from gesso.media.medium import endings_of
from gesso.media.picture import encode_png
from gesso.number import whole
from gesso.recipes.recipe import Recipe
from gesso.record import commit
from gesso.request import MAX_SEED, Request
from gesso.verbs.assemble import GivenWeights, assemble
from gesso.verbs.data import find_data
from gesso.verbs.generate import make, preview_of
from gesso.verbs.read_request import files_of, split
from gesso.verbs.result import Result, is_file_name, make_folder
from gesso.weights.safe import read_tensors, write_tensors
from gesso.weights.store import MAX_FILE as MOST_STATE
from gesso.weights.store import save_weights

MOST_PREVIEWS = 60
LOOK_SECONDS = 5.0  # without a preview, until one is written between the usual steps
STATE = "state.safetensors"  # of a fit that is not finished
STATE_SECONDS = 30.0  # between two writings of it
OWN_FILES = ("objective.jsonl", "objective.png", "weights.safetensors", "request.json", STATE)


@dataclass(frozen=True)
class Fitted:
    """The result, its folder and file, the objective's terms by step: [{"step": 1, "all": 0.5, …}, …], and the weights that were fitted."""

    result: Result
    out: Path
    file: Path
    objective: list[dict[str, float]]
    weights: Path | None = None


def fit(
    recipe: Recipe | str | Path,
    *,
    out: Path | str,
    conditions: Mapping[str, Any] | None = None,
    seed: int = 0,
    settings: Mapping[str, Any] | None = None,
    on_output: Callable[[Output], None] | None = None,
    preset: str | None = None,
    weights: GivenWeights = None,
    data: Path | str | None = None,
    threads: int | None = None,
    device: str | None = None,
    fresh: bool = False,
    files: Mapping[str, str] | None = None,
    stop: Callable[[], bool] | None = None,
    given: Mapping[str, Any] | None = None,
) -> Fitted:
    """Optimise an output for `conditions` and `settings`, and write it into the folder `out`.

    `given` may hold both in one mapping, by the card's names. `data` is the folder of examples, for recipes that read one. Written are
    previews/NNNN.png (NNNN is the step), objective.jsonl and objective.png from the family's tap `objective` (a number, or numbers
    by name), and the result with its record. What was fitted is written too: weights.safetensors, for `--weights`, and request.json
    with the conditions' values, for `--request`. Ctrl-C keeps the newest preview and weights, and so does `stop`, which is called at
    each step and ends the fit with Stopped. Where the family gives its state, the same call goes on from there; others begin again
    from `weights`. `fresh` removes an earlier fit from the folder. GessoError for a recipe whose family does not fit.
    """
    if is_file_name(Path(out)):
        raise GessoError("a fit writes a folder, with result.png in it", where=out, fix=f"--out {Path(out).with_suffix('')}")
    found = recipes.find(recipe)
    examples = _examples(found, data)
    known = {} if found.facts is None or examples is None else dict(found.facts(examples))
    # Weights that only a fit makes start from random numbers, which the seed decides, unless weights of its own are given.
    untrained = bool(found.keeps) and not found.stages(found.preset(preset))
    torch.manual_seed(whole(seed, where="seed", low=0, high=MAX_SEED))
    assembled = assemble(found, preset=preset, weights=weights, untrained=untrained, facts=known or None, device=device, fitting=True)
    name = assembled.recipe.name
    if not isinstance(assembled.recipe.family(assembled.preset), Fits):
        raise GessoError(
            f"{name} makes its output at once: there is nothing to fit", where=name, fix=f"gesso generate {name}, or gesso train {name}"
        )
    card, known = assembled.recipe.card, {**known, **assembled.recipe.known}
    more_conditions, more_settings = split(card, given or {})
    request = Request.build(
        card, {**(conditions or {}), **more_conditions}, seed=seed, settings={**(settings or {}), **more_settings},
        weights=assembled.hashes, preset=assembled.preset_name,
    )  # fmt: skip
    origin = {"recipe": name, "preset": assembled.preset_name, "seed": seed, "commit": commit(), "licence": card.licence, "figures": {}}
    origin |= {"data": "" if examples is None else examples.name, **({"facts": known} if known else {})}
    plan = {"request": request.to_json(), "data": origin["data"], "examples": 0 if examples is None else len(examples)}
    folder = FitFolder(Path(out), fresh, origin, plan)

    def look(output: Output) -> None:
        folder.log_step(output)
        if on_output is not None:
            on_output(output)

    try:
        result = make(
            assembled, request, on_output=look, on_final=folder.fitted, threads=threads, files=files or files_of(card, given or {}),
            stop=stop, data=examples, fitting=True, state=folder.state,
        )  # fmt: skip
    except BaseException:  # Ctrl-C too: the newest preview is worth keeping
        folder.keep_state()
        folder.keep_newest()
        folder.keep_weights()
        raise
    folder.plot(name)
    if folder.values and folder.weights_of_fit is None and isinstance(assembled.recipe.family(assembled.preset), Samples):
        # What the values make, so that the result's record replays it.
        generating = replace(assembled, recipe=replace(assembled.recipe, card=card.for_generating()))
        kept = {slot.name for slot in card.for_generating().conditions}
        values = {**{key: value for key, value in request.conditions.items() if key in kept}, **folder.values}
        result = make(generating, request.model_copy(update={"conditions": values}), threads=threads, files=files, stop=stop)
    ending = next(iter(endings_of(one.medium for one in card.outputs)), ".json")
    path = result.save(folder.out / f"result{ending}")
    folder.keep_weights()
    folder.keep_values(result.request)
    (folder.out / STATE).unlink(missing_ok=True)
    return Fitted(result, folder.out, path, folder.objective, folder.weights)


def _examples(recipe: Recipe, data: Path | str | None) -> Dataset | None:
    """The examples that a fit of this recipe reads; GessoError where there are none, or where it reads none."""
    if recipe.data is None:
        if data is not None:
            raise GessoError(f"{recipe.name} reads no examples", where="--data", fix="leave --data out")
        return None
    return recipe.data(find_data(data), "train")


class FitFolder:
    """The folder that a fit writes while it runs. `state` is where an earlier run of the same `plan` (as JSON) was stopped, if one was."""

    def __init__(self, out: Path, fresh: bool, origin: Mapping[str, Any], plan: Mapping[str, Any]) -> None:
        self.out, self.objective, self.origin = out, list[dict[str, float]](), dict(origin)
        self.weights: Path | None = None
        self.state: dict[str, Tensor] | None = None
        self._plan = json.dumps(plan, sort_keys=True)
        self._newest: Output | None = None
        self._fitted: Output | None = None
        self._state: Output | None = None
        self._state_written = time.monotonic()
        self._looked, self._num_looks = time.monotonic(), 0
        if not fresh and (out / STATE).is_file():
            self._go_on()
            return
        earlier = [*sorted(out.glob("result.*")), *(out / name for name in OWN_FILES), *sorted((out / "previews").glob("[0-9]*.png"))]
        earlier = [path for path in earlier if path.is_file()]
        if earlier and not fresh:
            raise GessoError(
                "this folder holds an earlier fit", where=out, fix="choose another folder, or --fresh to remove the earlier one"
            )
        make_folder(out / "previews")
        for path in earlier:
            path.unlink()

    def _go_on(self) -> None:
        tensors, told = read_tensors(read_bytes(self.out / STATE, MOST_STATE), where=self.out / STATE)
        if told.get("plan") != self._plan:
            raise GessoError(
                "this folder holds a stopped fit of another request or of other data",
                where=self.out, fix="give what it was begun with, choose another folder, or --fresh to remove it",
            )  # fmt: skip
        self.state, step = tensors, int(told["step"])
        lines = (self.out / "objective.jsonl").read_text("utf-8").splitlines() if (self.out / "objective.jsonl").is_file() else []
        rows = [row for row in map(json.loads, lines) if row["step"] <= step]  # later ones will be made again
        write_atomic(self.out / "objective.jsonl", "".join(json.dumps(row) + "\n" for row in rows).encode())
        self.objective += rows

    def log_step(self, output: Output) -> None:
        """Log the objective, and write a preview; of a long run, every so many steps."""
        terms = output.taps.get("objective")
        if terms is not None:
            row = {"step": float(output.step), **numbers(terms)}
            self.objective.append(row)
            with open(self.out / "objective.jsonl", "a", encoding="utf-8") as file:
                file.write(json.dumps(row | {"step": output.step}) + "\n")
        self._newest = output
        if output.weights or output.values:
            self._fitted = output
        waited = time.monotonic() - self._looked  # a slow fit, or one that time ends, makes few of its steps
        if output.step % max(1, output.num_steps // MOST_PREVIEWS) == 0 or (waited > LOOK_SECONDS and self._num_looks < MOST_PREVIEWS):
            self.keep_newest()
        if output.state:
            self._state = output
            if time.monotonic() - self._state_written > STATE_SECONDS:
                self.keep_state()

    def keep_state(self) -> None:
        """Write the newest state, from which the same fit goes on."""
        output, self._state = self._state, None
        if output is not None:
            told = {"plan": self._plan, "step": str(output.step)}
            write_atomic(self.out / STATE, write_tensors({name: one.contiguous() for name, one in output.state.items()}, told))
            self._state_written = time.monotonic()

    def keep_newest(self) -> None:
        output, self._newest = self._newest, None
        pixels = None if output is None else preview_of(output)
        if output is not None and pixels is not None:
            write_atomic(self.out / "previews" / f"{output.step:04d}.png", encode_png(pixels))
            self._looked, self._num_looks = time.monotonic(), self._num_looks + 1

    def fitted(self, output: Output) -> None:
        """Take what the last output carries."""
        if output.weights or output.values:
            self._fitted = output

    @property
    def values(self) -> dict[str, Any]:
        """The conditions' values that were fitted, by slot."""
        return {} if self._fitted is None else dict(self._fitted.values)

    @property
    def weights_of_fit(self) -> Mapping[str, Any] | None:
        """The weights that were fitted, by role."""
        return None if self._fitted is None else self._fitted.weights or None

    def keep_weights(self) -> None:
        """Write the newest weights that were fitted."""
        if self._fitted is not None and self._fitted.weights:
            self.weights = self.out / "weights.safetensors"
            save_weights(self.weights, self._fitted.weights, {**self.origin, "steps": self._fitted.step})

    def keep_values(self, request: Request) -> None:
        """Write the request with the values that were fitted, so that it can be generated from."""
        if self._fitted is not None and self._fitted.values:
            told = request.to_json()
            told["conditions"] |= {name: value.model_dump(mode="json") for name, value in self._fitted.values.items()}
            write_atomic(self.out / "request.json", json.dumps(told, ensure_ascii=False, indent=1).encode())

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
