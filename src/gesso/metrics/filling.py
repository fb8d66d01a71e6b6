"""How well holes are filled: nearness inside, the seam, and whether anything outside has changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from skimage.restoration import inpaint_biharmonic

from gesso.conditions.hole import HABITS, Hole
from gesso.number import whole
from gesso.rules.seam import meeting

PEAK = 255.0
NUM = 50


def measure_filling(model: Any, held: Any, options: Mapping[str, Any]) -> dict[str, Any]:
    """Holes of each habit in turn, in held-out pictures. Rows: the model, and without a network a membrane (the smoothest filling) and
    scikit-image's biharmonic one. Options: `limit` pictures (50), and the settings `num_steps` and `resampling`.

    `psnr`: dB inside holes. `seam`: mean step over the border of holes, over that of the true picture; 1 is as in the picture, below it
    is smoother. `outside`: the largest change of a pixel outside holes, in levels. `texture`: mean step between neighbours inside, over
    the true one's.
    """
    num = min(whole(options.get("limit", NUM), where="--limit", low=1), len(held))
    settings = {name: whole(options[name], where=f"--{name}", low=0) for name in ("num_steps", "resampling") if name in options}
    found: dict[str, list[tuple[str, dict[str, float]]]] = {"filled": [], "membrane": [], "biharmonic": []}
    for index in range(num):
        real = np.asarray(held.item(index, np.random.default_rng(0))["picture"])
        habit = list(HABITS)[index % len(HABITS)]
        hole = Hole.of_habit(habit, real.shape[:2], np.random.default_rng([index, 9]))
        mask = hole.covered((0, 0, real.shape[1], real.shape[0]))
        if not mask.any() or mask.all():
            continue
        emptied = np.where(mask[..., None], 0, real).astype(np.uint8)
        given = np.dstack([emptied, np.where(mask, 0, 255).astype(np.uint8)])
        made = model.generate(picture=given, seed=index, **settings).outputs["image"]
        for name, picture in {
            "filled": made[..., :3],
            "membrane": _rounded(meeting(np.zeros(real.shape), emptied.astype(np.float64), mask)),
            "biharmonic": _rounded(PEAK * inpaint_biharmonic(emptied / PEAK, mask, channel_axis=-1)),
        }.items():
            found[name].append((habit, figures(picture, real, mask)))
    by_habit = {
        habit: {name: _mean([one for kind, one in rows if kind == habit])["psnr"] for name, rows in found.items()} for habit in HABITS
    }
    rows = {name: _mean([one for _, one in rows]) for name, rows in found.items()}
    return {"holes": rows, "psnr by habit": by_habit, "n": len(found["filled"]), "data": held.name}


def figures(made: np.ndarray, real: np.ndarray, mask: np.ndarray) -> dict[str, float]:
    """The figures of one filled picture uint8 [h w 3] whose hole is `mask`, bool [h w]."""
    inside = float(((made.astype(np.float64) - real)[mask] ** 2).mean())
    seam, texture = (_steps(made, mask, crossing) / max(_steps(real, mask, crossing), 0.1) for crossing in (True, False))
    return {
        "psnr": min(40.0, 10 * float(np.log10(PEAK**2 / max(inside, 1e-9)))),
        "seam": seam,
        "texture": texture,
        "outside": float(np.abs(made.astype(int) - real)[~mask].max()),
    }


def _steps(picture: np.ndarray, mask: np.ndarray, crossing: bool) -> float:
    """The mean step between neighbours, of pairs that cross the hole's border, or of pairs within the hole."""
    values = picture.astype(np.float64)
    steps = []
    for axis in (0, 1):
        one, other = np.take(mask, range(mask.shape[axis] - 1), axis), np.take(mask, range(1, mask.shape[axis]), axis)
        pairs = (one != other) if crossing else (one & other)
        steps.append(np.abs(np.diff(values, axis=axis)).mean(-1)[pairs])
    every = np.concatenate(steps)
    return float(every.mean()) if len(every) else 0.0


def _rounded(picture: np.ndarray) -> np.ndarray:
    return picture.round().clip(0, 255).astype(np.uint8)


def _mean(rows: list[dict[str, float]]) -> dict[str, float]:
    if not rows:
        return dict.fromkeys(("psnr", "seam", "texture", "outside"), float("nan"))
    found = {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}
    return found | {"outside": max(row["outside"] for row in rows)}
