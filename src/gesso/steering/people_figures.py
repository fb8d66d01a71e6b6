"""The figures of simulated people: do they get what they ask for, does the rest stay, how soon are they there.

One row a person; means are over examples, with 95 % intervals that resample examples. A level is one of 255.

adherence    of the pixels that an action was meant for, the share within 16 levels of what it asked for, after it
locality     of the other pixels, the share that the action changed by at most 8 levels
bleed        of the other pixels, the share that it took more than 16 levels farther from the aim
actions      how many were needed to the target (`target`, in dB): who does not reach it counts with `most`, and `reached` says how many did
dB           PSNR to the aim, at most 40, at the beginning and at the end
seconds      how long a person waits after an action
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gesso.errors import GessoError
from gesso.media.picture import to_white
from gesso.metrics.colour import psnr
from gesso.number import whole
from gesso.person import Person, people
from gesso.recipes import find
from gesso.recipes.recipe import Recipe
from gesso.steering.people import BEGIN, UNDO, PersonTurn, episode, error_of, why_not
from gesso.verbs.assemble import GivenWeights
from gesso.verbs.measure import measure

OBEYED, SAME, WORSE = 16, 8, 16  # levels
NUM, MOST, TARGET = 20, 10, 25.0
OPTIONS = ("num", "most", "target", "seed", "against")
BY_EXAMPLE = ("adherence", "locality", "bleed", "actions", "dB at first", "dB at the end", "seconds")


def measure_people(
    name: str | Path | Recipe,
    who: Any = None,
    *,
    data: Path | str | None = None,
    out: Path | str | None = None,
    weights: GivenWeights = None,
    preset: str | None = None,
    **options: Any,
) -> dict[str, Any]:
    """The report of `gesso measure NAME --people WHO`, as `gesso.measure` gives it. `who` is read by `gesso.person.people`.

    Options: `num` examples (20), `most` actions (10), `target` in dB (25), `seed`, and `against`, the weights of another training, for
    the gain over it in dB on the same examples. GessoError that says why where a recipe has nothing to steer to.
    """
    recipe = find(name)
    if reason := why_not(recipe):
        raise GessoError(f"no simulated people steer {recipe.name}: {reason['en']}", where="--people")
    chosen = people(who)
    said = "all" if who is None else str(who) if isinstance(who, (str, Path)) else ",".join(one.name for one in chosen)

    def figures(make: Any, place: Path | None, given: Mapping[str, Any]) -> dict[str, Any]:
        return people_figures(make, place, chosen, given)

    return measure(
        recipe, which="people", data=data, out=out, weights=weights, preset=preset, ran=figures, shown={"people": said}, **options
    )


def people_figures(make: Any, data: Path | None, who: Sequence[Person], options: Mapping[str, Any]) -> dict[str, Any]:
    """The table of figures; see above."""
    if unknown := [name for name in options if name not in OPTIONS]:
        raise GessoError(f"people are measured without {unknown[0]!r}", where=f"--{unknown[0]}", fix="one of " + ", ".join(OPTIONS))
    num, most = whole(options.get("num", NUM), where="--num", low=1), whole(options.get("most", MOST), where="--most", low=1)
    seed, target = whole(options.get("seed", 0), where="--seed", low=0), options.get("target", TARGET)
    if isinstance(target, bool) or not isinstance(target, (int, float)) or not 0 < target <= 40:
        raise GessoError(f"{target!r} is not a target in dB", where="--target", fix="from 1 to 40")
    models = [make.model] + ([make.other(make.model.recipe.name, weights=options["against"])] if options.get("against") else [])
    stage = models[0].recipe.stages(models[0].assembled.preset)[-1]
    examples = stage.data(data, "val")
    order = np.random.default_rng([seed, 77]).permutation(len(examples))[:num].tolist()
    rows: dict[str, Any] = {}
    for person in who:
        found = [[of_example(model, person, examples, index, seed, most, target) for index in order] for model in models]
        rows[person.name] = row_of(found[0], most)
        if len(models) > 1:
            more = [own["dB at the end"] - other["dB at the end"] for own, other in zip(*found, strict=True)]
            rows[person.name] |= _with_interval("dB over the other", more)
    return {"people": rows, "n": len(order), "target, dB": float(target), "most actions": most, "data": getattr(examples, "name", "")}


def of_example(model: Any, person: Person, examples: Any, index: int, seed: int, most: int, target: float) -> dict[str, Any]:
    """The figures of one person at one example. The same example and person have the same random numbers for every model."""
    clean = examples.item(index, np.random.default_rng([seed, index]))
    aim = {name: to_white(value) for name, value in model.recipe.aim(clean).items()}
    rng = np.random.default_rng([seed, index, 5])
    turns = list(episode(model.make, model.card, person, clean, aim, rng, most=most))
    return of_turns(turns, *next(iter(aim.items())), most=most, target=target)


def of_turns(turns: Sequence[PersonTurn], output: str, aim: np.ndarray, *, most: int, target: float) -> dict[str, Any]:
    """The figures of one episode; None where an action has no place, asks for nothing in particular, or there was none."""
    found: dict[str, list[float]] = {name: [] for name in ("adherence", "locality", "bleed", "seconds")}
    for before, after in zip(turns, turns[1:], strict=False):
        if after.action == UNDO:
            continue
        found["seconds"].append(after.seconds)
        meant, asked = after.truth.get("meant"), after.truth.get("asked")
        if meant is None:
            continue
        old, new = (turn.pictures[output].astype(int) for turn in (before, after))
        if asked is not None and meant.any():
            found["adherence"].append(float((np.abs(new - asked).max(-1) <= OBEYED)[meant].mean()))
        if not meant.all():
            found["locality"].append(float((np.abs(new - old).max(-1) <= SAME)[~meant].mean()))
            farther = np.abs(new - aim).max(-1) - np.abs(old - aim).max(-1)
            found["bleed"].append(float((farther > WORSE)[~meant].mean()))
    decibels = [psnr(turn.pictures[output], aim) for turn in turns]
    num = np.cumsum([turn.action not in (BEGIN, UNDO) for turn in turns])
    there = next((int(done) for done, value in zip(num, decibels, strict=True) if value >= target), None)
    nothing_wrong = error_of(turns[0].pictures[output], aim) == 0  # such as before anything was painted over
    return {name: float(np.mean(values)) if values else None for name, values in found.items()} | {
        "actions": None if nothing_wrong else float(most if there is None else there),
        "reached": None if nothing_wrong else float(there is not None),
        "dB at first": decibels[0],
        "dB at the end": decibels[-1],
        "undone": float(sum(turn.action == UNDO for turn in turns)),
        "done": float(num[-1]),
    }


def row_of(found: Sequence[Mapping[str, Any]], most: int) -> dict[str, Any]:
    """The means over examples with their intervals."""
    row: dict[str, Any] = {}
    for name in BY_EXAMPLE:
        row |= _with_interval("actions to target" if name == "actions" else name, [one[name] for one in found])
        if name == "actions":
            row |= {"reached": _mean([one["reached"] for one in found])}
    return row | {"actions made": _mean([one["done"] for one in found]), "undone": _mean([one["undone"] for one in found])}


def _with_interval(name: str, values: Sequence[float | None]) -> dict[str, Any]:
    """{name: {"value", "low", "high"}}, or None where no example has a value."""
    held = np.array([value for value in values if value is not None], float)
    if not len(held):
        return {name: None}
    drawn = np.random.default_rng(0).integers(0, len(held), (1000, len(held)))
    low, high = np.percentile(held[drawn].mean(1), [2.5, 97.5])
    return {name: {"value": round(float(held.mean()), 4), "low": round(float(low), 4), "high": round(float(high), 4)}}


def _mean(values: Sequence[float | None]) -> float | None:
    held = [value for value in values if value is not None]
    return round(float(np.mean(held)), 3) if held else None
