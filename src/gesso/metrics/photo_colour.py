"""How well grey photographs are coloured: by the number of points that a user sets, and for rare colours as for frequent ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from gesso.conditions.hints import Hint, Hints
from gesso.conditions.point_simulator import LARGEST, mean_colour
from gesso.errors import GessoError
from gesso.media.lab import chroma_bins, lab_planes
from gesso.metrics.colour import interval
from gesso.number import whole
from gesso.ports import Frame
from gesso.rules.palette import format_colour
from gesso.rules.photo_colouring import coloured

SIDE = 256
NUM, POINTS = 40, (0, 1, 5, 10, 50, 100)
CAP = 40.0  # dB of one picture, so that a perfect one does not outweigh others
THRESHOLDS = np.arange(151)  # of the distance in a* and b* (Zhang 2016, 3.1)


def hint_curve(model: Any, held: Any, options: Mapping[str, Any]) -> dict[str, Any]:
    """PSNR in dB (mean over pictures, each at most 40) with points at random places, of which larger numbers hold the smaller.

    A point has the mean colour of a square of 1 to 9 pixels (Zhang 2017, 4.1). Rows: the model; its network, which sees what the rule
    carries, without the rule after it; the rule without a network, from grey; and grey with the points' own pixels alone.
    Options: `limit` pictures (40), `points`, and the `side` of the photographs (256).
    """
    num = min(whole(options.get("limit", NUM), where="--limit", low=1), len(held))
    counts = _counts(options)
    found: dict[str, dict[int, list[float]]] = {}
    for index in range(num):
        real = np.asarray(held.item(index, np.random.default_rng(0))["picture"])
        marks = random_points(real, max(counts), np.random.default_rng([index, 21]))
        for count in counts:
            hints = Hints(marks=tuple(marks[:count])) if count else None
            rows = {"coloured": _made(model, real, hints), "without the rule after it": _made(model, real, hints, spread=0.0)}
            rows |= {"rule alone": _from_grey(real, hints, 1.0), "grey and points": _from_grey(real, hints, 0.0)}
            for name, picture in rows.items():
                found.setdefault(name, {}).setdefault(count, []).append(psnr(picture, real))
    curve = {name: {str(count): float(np.mean(values)) for count, values in by.items()} for name, by in found.items()}
    intervals = {str(count): interval(np.array(values)) for count, values in found["coloured"].items()}
    return {"psnr": curve, "intervals": intervals, "n": num, "data": held.name}


def rare_colours(model: Any, learned: Any, held: Any, options: Mapping[str, Any], rival: Any = None) -> dict[str, Any]:
    """The share of pixels whose a* and b* are within a threshold, averaged over thresholds 0 to 150 (Zhang 2016, 3.1), without hints:
    plain, and `rebalanced`, each pixel weighted by how rare its colour is in `learned`. Rows: the model, grey, and a `rival` model."""
    from gesso.families.chroma import counted, encoded, rarity

    num = min(whole(options.get("limit", NUM), where="--limit", low=1), len(held))
    weights = rarity(counted(learned), 0.0)
    rows: dict[str, list[np.ndarray]] = {}
    for index in range(num):
        real = np.asarray(held.item(index, np.random.default_rng(0))["picture"])
        truth = lab_planes(real)[1:]
        weight = weights[encoded(torch.from_numpy(truth)[None])[0][0, 0]].numpy()
        shown = {"coloured": _made(model, real, None), "grey": _from_grey(real, None, 0.0)}
        if rival is not None:
            shown["rival"] = _made(rival, real, None)
        for name, picture in shown.items():
            away = np.linalg.norm(lab_planes(picture)[1:] - truth, axis=0)
            within = (151 - np.ceil(away).clip(0, 151)) / len(THRESHOLDS)  # the share of thresholds that this pixel is within
            rows.setdefault(name, []).append(np.array([within.mean(), (within * weight).sum(), weight.sum(), psnr(picture, real)]))
    figures = {}
    for name, each in rows.items():
        plain, right, total, decibel = np.stack(each).T
        figures[name] = {"accuracy": float(plain.mean()), "rebalanced": float(right.sum() / total.sum()), "psnr": float(decibel.mean())}
    return {"colours": figures, "n": num, "data": held.name, "bins": len(chroma_bins())}


def side_of(options: Mapping[str, Any]) -> int:
    """The side of the photographs to measure on; GessoError for an option that there is not."""
    if wrong := sorted(set(options) - {"limit", "points", "side", "rival"}):
        raise GessoError("this measure has no such option", where=f"--{wrong[0]}", fix="limit, points, side or rival")
    return whole(options.get("side", SIDE), where="--side", low=16, high=1024)


def random_points(real: np.ndarray, num: int, rng: np.random.Generator) -> list[Hint]:
    """Points at random places of a picture uint8 [h w 3], each with the mean colour of a square about it."""
    marks = []
    for _ in range(num):
        y, x, half = int(rng.integers(real.shape[0])), int(rng.integers(real.shape[1])), int(rng.integers(LARGEST + 1))
        red, green, blue = (int(v) for v in mean_colour(real, x, y, half).round())
        marks.append(Hint(x=x, y=y, color=format_colour((red, green, blue)), radius=half + 0.5))
    return marks


def psnr(made: np.ndarray, real: np.ndarray) -> float:
    error = float(((made[..., :3].astype(np.float64) - real) ** 2).mean())
    return min(CAP, 10 * float(np.log10(255**2 / max(error, 1e-9))))


def _made(model: Any, real: np.ndarray, hints: Hints | None, **settings: Any) -> np.ndarray:
    grey = np.repeat(_grey(real)[..., None], 3, 2)
    given = {"photo": grey} | ({"hints": hints} if hints else {})
    made: np.ndarray = model.generate(**given, size=max(real.shape[:2]), **settings).outputs["image"]
    return made


def _from_grey(real: np.ndarray, hints: Hints | None, share: float) -> np.ndarray:
    size = (real.shape[0], real.shape[1])
    points: Any = Hints.encode([hints], Frame(size, page=size, options={"tokens": False})).spatial
    lightness = lab_planes(np.repeat(_grey(real)[..., None], 3, 2))[0]
    return coloured(lightness, np.zeros((2, *size), np.float32), points[0].numpy(), points[0].numpy(), share)


def _grey(real: np.ndarray) -> np.ndarray:
    """The picture's L* as a grey picture, uint8 [h w], as a user would have it."""
    from gesso.media.lab import to_picture
    from gesso.media.tensor import from_tensor

    lightness = torch.from_numpy(lab_planes(real)[None])
    lightness[:, 1:] = 0
    return from_tensor(to_picture(lightness)[0])[..., 1]


def _counts(options: Mapping[str, Any]) -> Sequence[int]:
    given = options.get("points")
    if given is None:
        return POINTS
    try:
        counts = sorted({int(one) for one in str(given).split(",")})
    except ValueError:
        raise GessoError(f"{given!r} are no numbers of points", where="--points", fix="such as 0,1,10") from None
    if counts[0] < 0 or counts[-1] > 1000:
        raise GessoError(f"{given!r} is out of range", where="--points", fix="from 0 to 1000")
    return counts
