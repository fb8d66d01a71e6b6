"""The verbs that run as jobs. Each continues from what an earlier attempt left, except measure and fits without a state."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gesso.errors import GessoError, Stopped
from gesso.media.file import write_atomic
from gesso.request import Request
from gesso.serving.jobs.config import WorkerConfig
from gesso.serving.jobs.processes import follow_parent, on_ray, shared

if TYPE_CHECKING:
    from gesso.recipes.recipe import Recipe
    from gesso.serving.jobs.lease import JobLease
    from gesso.verbs.batch import BatchItem
    from gesso.verbs.train import TrainResult

TAIL = 8192


def batch(config: WorkerConfig, spec: dict[str, Any], lease: JobLease, folder: Path) -> dict[str, Any]:
    """Process each picture once; results of an earlier attempt are kept."""
    from gesso.verbs.assemble import assemble
    from gesso.verbs.batch import run_items
    from gesso.verbs.load import Model

    model = Model(assemble(config.recipe(spec["recipe"]), preset=spec["preset"] or None, weights=config.weights_of(spec)))
    request = Request.from_json(spec["request"], model.card.for_parts()).model_copy(
        update={"weights": dict(model.assembled.hashes), "preset": model.preset}
    )
    with closing(config.marker()) as mark:
        made = run_items(
            model, items_of(spec, folder), folder / "out", each=spec["each"], kind=spec["format"], request=request,
            threads=config.threads, on_item=lease.report_progress, stop=lease.stop, mark=mark, must_sign=False,
        )  # fmt: skip
    for name, why in made.failed.items():
        lease.log(f"{name}: {why}")
    if made.stopped:
        raise Stopped
    return {"num_failed": len(made.failed)}


def items_of(spec: dict[str, Any], folder: Path) -> list[BatchItem]:
    """The items of a batch under the names that users gave; the files are numbered."""
    from gesso.verbs.batch import BatchItem

    kind = spec["format"]
    return [BatchItem(name, folder / "in" / f"{n:05}.png", f"{n:05}.{kind}") for n, name in enumerate(spec["names"])]


def train(config: WorkerConfig, spec: dict[str, Any], lease: JobLease, folder: Path) -> dict[str, Any]:
    """Train from the last checkpoint, if there is one."""
    logs = stage_logs(config.recipe(spec["recipe"]), spec, folder / "out")
    total = sum(steps for _, steps in logs)
    lease.progress = lambda: (sum(last_step(path) for path, _ in logs), total, "")
    with shared(spec.get("processes", 1), lease, folder, follow, config.to_json(), spec):
        made = _train(config, spec, folder, lease.stop)
    if made.reason not in ("done", "minutes"):
        lease.stop_reason = lease.stop_reason or "closing"
        raise Stopped
    return {"words": made.reason}


def follow(config: dict[str, Any], spec: dict[str, Any], folder: str, environment: dict[str, str]) -> None:
    """Be a further process of a training that several share; the first one writes the files."""
    follow_parent()
    os.environ.update(environment)
    own, place = WorkerConfig(**config), Path(folder)
    with stderr_to_log(place):
        _train(own, spec, place, None)


def _train(config: WorkerConfig, spec: dict[str, Any], folder: Path, stop: Callable[[], bool] | None) -> TrainResult:
    from gesso.verbs.train import train as run

    recipe, out = config.recipe(spec["recipe"]), folder / "out"
    log_every, sample_every = log_intervals(sum(steps for _, steps in stage_logs(recipe, spec, out)))
    data = folder / "in" if spec["names"] else spec.get("data") or None
    return run(
        recipe, data=data, out=out, preset=spec["preset"] or None, steps=spec["steps"],
        minutes=spec["minutes"], seed=spec["seed"], threads=config.threads, stop=stop,
        log_every=log_every, sample_every=sample_every,
    )  # fmt: skip


def log_intervals(total: int) -> tuple[int, int]:
    """After how many steps a log line, and a sheet of samples, are written; more often in short runs."""
    return 20 if total > 400 else max(1, total // 20), min(500, max(20, total // 10))


def stage_logs(recipe: Recipe, spec: dict[str, Any], out: Path) -> list[tuple[Path, int]]:
    """The log file of each stage, and its number of steps."""
    stages = recipe.stages(recipe.preset(spec["preset"] or None))
    several = len(stages) > 1
    return [((out / one.name if several else out) / "log.jsonl", spec["steps"] or one.num_steps) for one in stages]


def last_step(path: Path) -> int:
    """The step in the last complete line; 0 if there is none."""
    if not path.is_file():
        return 0
    with open(path, "rb") as file:
        file.seek(max(0, os.fstat(file.fileno()).st_size - TAIL))
        for text in reversed(file.read().split(b"\n")):
            try:
                line = json.loads(text)
            except ValueError:
                continue
            if isinstance(line, dict) and isinstance(line.get("step"), int):
                return int(line["step"])
    return 0


def fit(config: WorkerConfig, spec: dict[str, Any], lease: JobLease, folder: Path) -> dict[str, Any]:
    """Fit, from where an earlier attempt stopped if the family gives its state."""
    from gesso.verbs.fit import STATE
    from gesso.verbs.fit import fit as run

    recipe = config.recipe(spec["recipe"])
    request = Request.from_json(spec["request"], recipe.card)
    made = run(
        recipe, out=folder / "out", conditions=request.conditions, settings=request.settings.model_dump(), seed=request.seed,
        preset=spec["preset"] or None, weights=config.weights_of(spec), threads=config.threads,
        data=spec.get("data") or None, fresh=not (folder / "out" / STATE).is_file(), stop=lease.stop,
        on_output=lambda output: lease.report_progress(output.step, output.num_steps),
    )  # fmt: skip
    with closing(config.marker()) as mark:
        file = made.result.marked(".png", mark)
    if file.why is not None:
        lease.log(f"result.png is not signed: {file.why}")
    write_atomic(made.out / "result.png", file.data)
    return {}


def film(config: WorkerConfig, spec: dict[str, Any], lease: JobLease, folder: Path) -> dict[str, Any]:
    """Make a film frame by frame; complete segments of an earlier attempt are kept, unless they are of other weights."""
    from gesso.media.video_writer import OtherFilm
    from gesso.verbs.film import Filmed
    from gesso.verbs.film import film as run

    if on_ray():  # it was submitted to a server without Ray
        raise no_film_on_ray()
    recipe, out = config.recipe(spec["recipe"]), folder / "out" / f"film.{spec['format']}"
    request = Request.from_json(spec["request"], recipe.card.for_parts())

    def make() -> Filmed:
        return run(
            recipe, {**request.conditions, **request.settings.model_dump()}, video=film_in(folder), out=out, each=spec["each"],
            seed=request.seed, preset=spec["preset"] or None, weights=config.weights_of(spec), threads=config.threads, device="cpu",
            resume=True, name=spec["names"][0], on_frame=lease.report_progress, stop=lease.stop,
        )  # fmt: skip

    try:
        made = make()
    except OtherFilm as error:  # such as after an update of the shipped weights
        lease.log(f"begun again: {error.what}")
        shutil.rmtree(out.with_name(f"{out.name}.parts"))
        made = make()
    for note in made.notes:
        lease.log(note)
    if not made.done:
        raise Stopped
    return {}


def no_film_on_ray() -> GessoError:
    """The error for a film where jobs run on Ray."""
    what = "films are not made on Ray, whose workers are not confined while they decode a film"
    return GessoError(what, where="kind", fix="start the server with --jobs here")


def film_in(folder: Path) -> Path:
    """The film of a film's job, whose ending its upload has chosen."""
    return next((folder / "in").glob("00000.*"))


def measure(config: WorkerConfig, spec: dict[str, Any], lease: JobLease, folder: Path) -> dict[str, Any]:
    """Measure. It cannot stop halfway, so a cancel kills its process."""
    from gesso.verbs.measure import measure as run
    from gesso.verbs.thread import fixed_threads

    data = folder / "in" if spec["names"] else None
    with fixed_threads(config.threads):
        run(
            config.recipe(spec["recipe"]), which=spec["which"], data=data, out=folder / "out" / "figures.json",
            weights=config.weights_of(spec), preset=spec["preset"] or None, **spec["options"],
        )  # fmt: skip
    return {}


@contextlib.contextmanager
def stderr_to_log(folder: Path) -> Iterator[None]:
    """Append stderr to the job's log."""
    with open(folder / "log.txt", "a", encoding="utf-8", errors="replace", buffering=1) as file, contextlib.redirect_stderr(file):
        yield


HANDLERS: dict[str, Callable[[WorkerConfig, dict[str, Any], JobLease, Path], dict[str, Any]]] = {
    "batch": batch,
    "train": train,
    "fit": fit,
    "measure": measure,
    "film": film,
}
