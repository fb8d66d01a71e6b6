"""Does the yardstick see what is wrong with a set of pictures? Real pictures with planted faults, measured as if they were generated.

Held-out pictures are divided: N stand for the real ones, and faults are planted in N of the others. Each series has its amounts from none
to the worst, so its distances are to grow from row to row.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import scipy

from gesso.errors import GessoError
from gesso.metrics.yardstick import Features, mirrored
from gesso.number import whole

NUM = 1000
Pictures = list[np.ndarray]


def blurred(pictures: Pictures, sigma: float) -> Pictures:
    """Blurred by a Gaussian of `sigma` pixels."""
    return [scipy.ndimage.gaussian_filter(one, (sigma, sigma, 0)) for one in pictures]


def noisy(pictures: Pictures, sigma: float) -> Pictures:
    """With normal noise of `sigma` levels of 255."""
    rng = np.random.default_rng(1)
    return [np.clip(one + rng.normal(0, sigma, one.shape), 0, 255).astype(np.uint8) for one in pictures]


def drawn(pictures: Pictures, labels: np.ndarray, num: int, weights: np.ndarray) -> Pictures:
    """`num` pictures, drawn with repetition, whose classes are as frequent as `weights`."""
    share = weights[labels] / weights[labels].sum()
    return [pictures[i] for i in np.random.default_rng(2).choice(len(pictures), num, p=share)]


def series(others: Pictures, labels: np.ndarray, learned: Pictures, num: int) -> dict[str, dict[str, Callable[[], Pictures]]]:
    """The faulty sets by series and amount, made when they are called."""
    clean, kinds = others[:num], int(labels.max()) + 1

    def of_classes(weights: Sequence[float]) -> Callable[[], Pictures]:
        return partial(drawn, others, labels, num, np.array(weights))

    def copied(count: int) -> Callable[[], Pictures]:
        return lambda: learned[:count] + clean[count:]

    return {
        "blur": {f"{s:g} pixels": partial(blurred, clean, s) for s in (0.0, 0.6, 1.0, 2.0)},
        "noise": {f"{s:g} of 255": partial(noisy, clean, s) for s in (0.0, 10.0, 25.0, 60.0)},
        "lost classes": {
            f"{k} left": of_classes([float(c < k) for c in range(kinds)]) for k in (kinds, -(-kinds * 2 // 3), -(-kinds // 3), 1)
        },
        "uneven classes": {f"one {k} times as frequent": of_classes([k] + [1.0] * (kinds - 1)) for k in (1, 5, 25)},
        "copies": {f"{k} of {num}": copied(k) for k in (0, num // 4, num // 2, num)},
        "mirrored copies": {f"{num} of {num}": lambda: mirrored(learned[:num])},
    }


def measure_faults(judge: Any, held: Any, options: Mapping[str, Any]) -> dict[str, Any]:
    """The figures of each faulty set, by series. `held` gives pictures with `label`. Options: `num` pictures a set (1,000)."""
    if unknown := [name for name in options if name != "num"]:
        raise GessoError(f"this measure has no option {unknown[0]!r}", where=f"--{unknown[0]}", fix="num")
    num = whole(options.get("num", NUM), where="--num", low=16)
    if len(held) < 3 * num:
        raise GessoError(f"{len(held)} pictures are held out", where="--num", fix=f"at most {len(held) // 3}")
    items = [held.item(int(i), np.random.default_rng(0)) for i in np.random.default_rng(3).permutation(len(held))]
    pictures, labels = [item["picture"] for item in items], np.array([item["label"] for item in items])
    learned, real, others = pictures[:num], pictures[num : 2 * num], pictures[2 * num :]
    features = Features(judge.network, real, learned)
    faults = series(others, labels[2 * num :], learned, num)
    found = {
        name: {amount: features.row(make(), may_copy="copies" in name) for amount, make in sets.items()} for name, sets in faults.items()
    }
    return {**found, "distances grow": grows(found), "n": num, "data": held.name, "features": dict(judge.assembled.hashes)}


def grows(found: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> dict[str, bool]:
    """Of each series whose pictures get worse, whether both distances grow from row to row; of copies, whether more are found."""
    return {
        name: all(
            _sorted([row[one] for row in rows.values()])
            for one in (("memorised",) if "copies" in name else ("fd_gesso", "kernel distance"))
        )
        for name, rows in found.items()
        if len(rows) > 1
    }


def _sorted(values: Sequence[float]) -> bool:
    return list(values) == sorted(values)
