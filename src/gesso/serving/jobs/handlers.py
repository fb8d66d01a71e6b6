"""The four verbs that run as jobs, each told by its owner's asking, each going on from what an earlier attempt left."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gesso.errors import Stopped
from gesso.media.file import write_atomic
from gesso.request import Request

if TYPE_CHECKING:
    from gesso.recipes.recipe import Recipe
    from gesso.serving.jobs.worker import JobLease, Plan
    from gesso.verbs.batch import Item

TAIL = 8192


def batch(plan: Plan, ask: dict[str, Any], going: JobLease, folder: Path) -> dict[str, Any]:
    """Each drawing once; what an earlier attempt made is kept."""
    from gesso.verbs.assemble import assemble
    from gesso.verbs.batch import run_items
    from gesso.verbs.load import Model

    model = Model(assemble(plan.recipe(ask["recipe"]), preset=ask["preset"] or None, weights=plan.weights_of(ask)))
    request = Request.from_json(ask["request"], _lenient(model.card)).model_copy(
        update={"weights": dict(model.assembled.hashes), "preset": model.preset}
    )
    with closing(plan.marker()) as mark:
        made = run_items(
            model, items_of(ask, folder), folder / "out", each=ask["each"], kind=ask["format"], request=request,
            threads=plan.threads, on_item=going.tell, stop=going.stop, mark=mark, must_sign=False,
        )  # fmt: skip
    for name, why in made.failed.items():
        going.note(f"{name}: {why}")
    if made.stopped:
        raise Stopped
    return {"num_failed": len(made.failed)}


def items_of(ask: dict[str, Any], folder: Path) -> list[Item]:
    """A batch's drawings by the names that people know; the files have numbers."""
    from gesso.verbs.batch import Item

    kind = ask["format"]
    return [Item(name, folder / "in" / f"{n:05}.png", f"{n:05}.{kind}") for n, name in enumerate(ask["names"])]


def train(plan: Plan, ask: dict[str, Any], going: JobLease, folder: Path) -> dict[str, Any]:
    """From the last checkpoint, if there is one."""
    from gesso.verbs.train import train as run

    recipe, out = plan.recipe(ask["recipe"]), folder / "out"
    logs = logs_of(recipe, ask, out)
    total = sum(steps for _, steps in logs)
    log_every, sample_every = rhythm(total)
    going.far = lambda: (sum(last_step(path) for path, _ in logs), total, "")
    made = run(
        recipe, data=folder / "in" if ask["names"] else None, out=out, preset=ask["preset"] or None, steps=ask["steps"],
        minutes=ask["minutes"], seed=ask["seed"], threads=plan.threads, stop=going.stop,
        log_every=log_every, sample_every=sample_every,
    )  # fmt: skip
    if made.reason not in ("done", "minutes"):
        going.why = going.why or "closing"
        raise Stopped
    return {"words": made.reason}


def rhythm(total: int) -> tuple[int, int]:
    """Every how many steps a line and a sheet of samples are written: short runs are shown more often."""
    return 20 if total > 400 else max(1, total // 20), min(500, max(20, total // 10))


def logs_of(recipe: Recipe, ask: dict[str, Any], out: Path) -> list[tuple[Path, int]]:
    """Each stage's log, and its steps in all."""
    stages = recipe.stages(recipe.preset(ask["preset"] or None))
    several = len(stages) > 1
    return [((out / one.name if several else out) / "log.jsonl", ask["steps"] or one.num_steps) for one in stages]


def last_step(path: Path) -> int:
    """The step of the last whole line; 0 where there is none."""
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


def fit(plan: Plan, ask: dict[str, Any], going: JobLease, folder: Path) -> dict[str, Any]:
    """From its beginning each time: a fit keeps previews, and no state to go on from."""
    from gesso.verbs.fit import fit as run

    recipe = plan.recipe(ask["recipe"])
    request = Request.from_json(ask["request"], recipe.card)
    made = run(
        recipe, out=folder / "out", conditions=request.conditions, settings=request.settings.model_dump(), seed=request.seed,
        preset=ask["preset"] or None, weights=plan.weights_of(ask), threads=plan.threads, fresh=True,
        on_output=lambda output: going.tell(output.step, output.num_steps), stop=going.stop,
    )  # fmt: skip
    with closing(plan.marker()) as mark:
        file = made.result.marked(".png", mark)
    if file.why is not None:
        going.note(f"result.png is not signed: {file.why}")
    write_atomic(made.out / "result.png", file.data)
    return {}


def measure(plan: Plan, ask: dict[str, Any], going: JobLease, folder: Path) -> dict[str, Any]:
    """It cannot stop half way: whoever cancels it ends its process."""
    from gesso.verbs.measure import measure as run
    from gesso.verbs.thread import fixed_threads

    data = folder / "in" if ask["names"] else None
    with fixed_threads(plan.threads):
        run(
            plan.recipe(ask["recipe"]), which=ask["which"], data=data, out=folder / "out" / "figures.json",
            weights=plan.weights_of(ask), preset=ask["preset"] or None, **ask["options"],
        )  # fmt: skip
    return {}


def _lenient(card: Any) -> Any:
    return card.model_copy(update={"conditions": tuple(slot.model_copy(update={"required": False}) for slot in card.conditions)})


VERBS: dict[str, Callable[[Plan, dict[str, Any], JobLease, Path], dict[str, Any]]] = {
    "batch": batch,
    "train": train,
    "fit": fit,
    "measure": measure,
}
