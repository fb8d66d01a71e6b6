"""Whether a colouring stays the same far from every hint, over a script of steps by a simulated person.

After each step of a script, of the pieces that are not near the new marks, the share that changed: in the finished picture, in the
finished picture without the pieces that took a hint's colour (`follows`: the network thinks that they belong together), and in the raw
proposal. A piece is near a mark that lies in it or in a piece beside it. Changed is a median colour farther than dE 5 from before.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import scipy

from gesso.conditions.hints import Hints
from gesso.errors import GessoError
from gesso.media.picture import to_white
from gesso.metrics.colour import psnr
from gesso.number import whole
from gesso.person import people
from gesso.rules.colouring import closed_pieces
from gesso.rules.fill import over_line
from gesso.rules.palette import lab_of

AIM = 0.01
CHANGED = 5.0  # dE 1976
BESIDE = 3 / 72  # of the longer side: as far apart as two pieces are that share a line
LEAST = 6 / 72**2  # of the page: smaller pieces are not counted
NUM, STEPS = 20, 10
OPTIONS = ("num", "steps", "people", "seed", "size", "reach")
REACHES = ("all", "same", "marked")
SEEN = ("image", "image, without pieces that follow a hint", "proposal")


def steadiness(make: Any, data: Path | None, options: Mapping[str, Any]) -> dict[str, Any]:
    """The shares of far pieces that changed, with 95 % intervals that resample drawings.

    Options: `num` drawings (20), `steps` of a script (10), `people` who write the scripts ("expert"), `reach`, values of the setting of
    that name with commas between (all of them), `size` of the drawings, `seed`. `dB` is PSNR to the true colours after the script.
    """
    if unknown := [name for name in options if name not in OPTIONS]:
        raise GessoError(f"steadiness is measured without {unknown[0]!r}", where=f"--{unknown[0]}", fix="one of " + ", ".join(OPTIONS))
    num, steps = whole(options.get("num", NUM), where="--num", low=1), whole(options.get("steps", STEPS), where="--steps", low=1)
    seed = whole(options.get("seed", 0), where="--seed", low=0)
    model = make.model
    examples = model.recipe.stages(model.assembled.preset)[-1].data(data, "val")
    if "size" in options:
        size, sizes = whole(options["size"], where="--size"), list(examples.by_size)
        if size not in sizes:
            raise GessoError(f"there are no drawings of {size} pixels", where="--size", fix="one of " + ", ".join(map(str, sizes)))
        examples = replace(examples, size=size)
    reaches = str(options.get("reach", ",".join(REACHES))).split(",")
    order = np.random.default_rng([seed, 77]).permutation(len(examples))[:num].tolist()
    rows: dict[str, Any] = {}
    for person, reach in product(people(options.get("people", "expert")), reaches):
        script = person.model_copy(update={"content": 0.0, "wants_other": 0.0, "a_look": 1})
        items = ((examples.item(i, np.random.default_rng([seed, i])), [seed, i, 5]) for i in order)
        found = [_of_drawing(partial(make, reach=reach, seed=0), script, item, key, steps) for item, key in items]
        counts = np.array([one["far"] for one in found])
        row: dict[str, Any] = {name: _share(np.array([one[name] for one in found]), counts) for name in SEEN}
        row |= {"far pieces": int(counts.sum()), "steps": int(sum(one["steps"] for one in found))}
        rows[f"{person.name}, reach {reach}"] = row | {"dB": round(float(np.mean([one["dB"] for one in found])), 2)}
    return {"changed though nothing near them did": rows, "aim": AIM, "n": len(order), "data": getattr(examples, "name", "")}


def _of_drawing(make: Any, person: Any, clean: Mapping[str, Any], key: list[int], steps: int) -> dict[str, float]:
    """Of one script: how many far pieces there were over all steps, and how many of them changed, by what is seen; and `dB` at its end."""
    rng, line = np.random.default_rng(key), np.ascontiguousarray(clean["line"])
    labels, free = closed_pieces(line).labels, line > 160
    counts: dict[str, float] = dict.fromkeys((*SEEN, "far", "steps"), 0)
    marks: Hints | None = None
    before = _colours(make(sketch=line), labels, free)
    for _ in range(steps):
        more, _ = Hints.given_by(person, clean, rng, before["picture"], marks)
        if more is None:
            break
        marks = more if marks is None else marks.merge(more)
        after = _colours(make(sketch=line, hints=marks), labels, free)
        far = _far(labels, [point for mark in more.marks for point in mark.points], before["area"])
        for name in ("image", "proposal"):
            moved = far & (np.linalg.norm(after[name] - before[name], axis=-1) > CHANGED)
            counts[name] += int(moved.sum())
            if name == "image":
                counts[SEEN[1]] += int((moved & ~after["follows"]).sum())
        counts["far"] += int(far.sum())
        counts["steps"] += 1
        before = after
    return counts | {"dB": psnr(before["picture"], over_line(clean["colours"][clean["pieces"]], line))}


def _colours(result: Any, labels: np.ndarray, free: np.ndarray) -> dict[str, Any]:
    """The median colour in CIE Lab of each piece, [n 3], of the picture and of the proposal; the pieces' areas; which follow a hint."""
    num = int(labels.max()) + 1
    where = np.flatnonzero(free.ravel())
    order = where[np.argsort(labels.ravel()[where], kind="stable")]
    area = np.bincount(labels.ravel()[where], minlength=num)
    groups = np.split(order, np.cumsum(area)[:-1])
    found: dict[str, Any] = {"area": area, "picture": to_white(result.outputs["image"])}
    for name in ("image", "proposal"):
        flat = to_white(result.outputs[name]).reshape(-1, 3)
        medians = np.array([np.median(flat[one], 0) if len(one) else (255, 255, 255) for one in groups])
        found[name] = lab_of(medians)
    follows = np.asarray(result.outputs["follows"]).ravel() > 0
    return found | {"follows": np.array([follows[one].mean() > 0.5 if len(one) else False for one in groups])}


def _far(labels: np.ndarray, points: list[tuple[float, float]], area: np.ndarray) -> np.ndarray:
    """Which pieces, bool [n], are large enough, hold no mark, and are not beside one that does."""
    h, w = labels.shape
    touched = {int(labels[min(h - 1, max(0, round(y))), min(w - 1, max(0, round(x)))]) for x, y in points}
    away = scipy.ndimage.distance_transform_edt(~np.isin(labels, list(touched)))
    nearest = scipy.ndimage.minimum(away, labels, np.arange(len(area)))
    far: np.ndarray = (nearest > BESIDE * max(h, w)) & (area >= max(1.0, LEAST * labels.size))
    return far


def _share(changed: np.ndarray, counts: np.ndarray) -> dict[str, float]:
    """The share over all drawings, and its interval."""
    drawn = np.random.default_rng(0).integers(0, len(counts), (1000, len(counts)))
    shares = changed[drawn].sum(1) / np.maximum(counts[drawn].sum(1), 1)
    low, high = np.percentile(shares, [2.5, 97.5])
    return {"value": float(changed.sum() / max(1, counts.sum())), "low": float(low), "high": float(high)}
