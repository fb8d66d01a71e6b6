"""Measures of a set of pictures against real ones, on features [n d] of one network, each with its number of pictures and an interval.

    fd_gesso                 distance of means and covariances (`gesso.metrics.frechet`)
    kernel_distance          unbiased MMD² with the kernel (x·y/d + 1)³ (Bińkowski 2018, equations 4 and 7)
    precision, recall        share of generated (real) pictures inside the other set's neighbourhoods (Kynkäänniemi 2019)
    density, coverage        the same, robust against outliers (Naeem 2020, equations 3 and 4)
    diversity over real      mean distance between two generated pictures, over that between two real ones
    memorised                share of generated pictures nearer to a training picture than 95 % of real ones are

They are not comparable with figures from other networks' features, nor between different numbers of pictures.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from gesso.errors import GessoError
from gesso.metrics.frechet import fd_gesso

NEIGHBOURS = 5
ROWS = 512  # of a distance matrix that are computed at once
NUM_RESAMPLED = 20
LEVEL = 0.9  # of an interval
NEAREST = 0.05  # share of real held-out pictures that count as copies of training pictures


def kernel_distance(made: np.ndarray, real: np.ndarray) -> float:
    """MMD² without bias, so it may be slightly negative for equal distributions."""
    _check(made, real)
    own = [(_kernel(one, one).sum() - np.square(_kernel_diagonal(one)).sum()) for one in (made, real)]
    inner = sum(value / (len(one) * (len(one) - 1)) for value, one in zip(own, (made, real), strict=True))
    return float(inner - 2 * _kernel(made, real).mean())


def _kernel(one: np.ndarray, two: np.ndarray) -> np.ndarray:
    return (one.astype(np.float64) @ two.astype(np.float64).T / one.shape[1] + 1) ** 3


def _kernel_diagonal(one: np.ndarray) -> np.ndarray:
    """The roots of k(x, x), whose squares sum to the diagonal."""
    return np.sqrt((np.square(one.astype(np.float64)).sum(1) / one.shape[1] + 1) ** 3)


def coverage_figures(made: np.ndarray, real: np.ndarray, k: int = NEIGHBOURS) -> dict[str, float]:
    """Precision, recall, density and coverage, by balls around each picture up to its k-th neighbour in its own set."""
    _check(made, real)
    k = min(k, len(made) - 1, len(real) - 1)
    radius_real, radius_made = _radii(real, k), _radii(made, k)
    between = distances(made, real)
    inside = between <= radius_real[None]
    return {
        "precision": float(inside.any(1).mean()),
        "recall": float((between <= radius_made[:, None]).any(0).mean()),
        "density": float(inside.sum() / (k * len(made))),
        "coverage": float((between.min(0) <= radius_real).mean()),
    }


def memorised(made: np.ndarray, held: np.ndarray, learned: np.ndarray) -> float:
    """The share of generated pictures that lie nearer to a training picture (`learned`) than 95 % of real held-out ones do.

    About 0.05 for a generator that copies as little as reality does, 1 for one that only copies.
    """
    limit = np.quantile(nearest(held, learned), NEAREST)
    return float((nearest(made, learned) < limit).mean())


def nearest(one: np.ndarray, two: np.ndarray) -> np.ndarray:
    """The distance of each row of `one` to the nearest row of `two`, float32 [n]."""
    return np.concatenate([distances(one[start : start + ROWS], two).min(1) for start in range(0, len(one), ROWS)])


def diversity_of_set(features: np.ndarray) -> float:
    """The mean distance between two pictures of a set."""
    total = sum(float(distances(features[start : start + ROWS], features).sum(dtype=np.float64)) for start in range(0, len(features), ROWS))
    return total / (len(features) * (len(features) - 1))


def distances(one: np.ndarray, two: np.ndarray) -> np.ndarray:
    """Euclidean distances between all rows, float32 [n m]."""
    one, two = np.asarray(one, np.float32), np.asarray(two, np.float32)
    squares = np.square(two).sum(1)
    rows = [
        np.sqrt((np.square(part).sum(1)[:, None] + squares[None] - 2 * part @ two.T).clip(0))
        for part in (one[start : start + ROWS] for start in range(0, len(one), ROWS))
    ]
    return np.concatenate(rows)


def _radii(features: np.ndarray, k: int) -> np.ndarray:
    """The distance of each picture to its k-th neighbour in its own set, float32 [n]."""
    apart = distances(features, features)
    np.fill_diagonal(apart, -1.0)  # rounding must not put another row before a picture itself
    return np.partition(apart, k, axis=1)[:, k]


def with_interval(
    measure: Callable[[np.ndarray, np.ndarray], float], made: np.ndarray, real: np.ndarray, *, num: int = NUM_RESAMPLED, seed: int = 0
) -> dict[str, float]:
    """`measure(made, real)`, and an interval of 90 % from `num` resampled pairs of sets (Efron 1979)."""
    rng = np.random.default_rng(seed)
    again = [measure(*(one[rng.integers(len(one), size=len(one))] for one in (made, real))) for _ in range(num)]
    return interval_of(measure(made, real), again, len(made))


def interval_of(value: float, again: Sequence[float], num: int) -> dict[str, float]:
    """The interval is centred on the value: a resampled set repeats pictures, which moves every distance by about the same amount."""
    low, high = np.quantile(again, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]) - np.mean(again)
    return {"value": value, "low": float(value + low), "high": float(value + high), "n": num}


def kernel_interval(made: np.ndarray, real: np.ndarray, *, num: int = 5 * NUM_RESAMPLED, seed: int = 0) -> dict[str, float]:
    """`kernel_distance` with its interval, as `with_interval`, from one pass over the kernel's matrices."""
    _check(made, real)
    rng = np.random.default_rng(seed)
    counts = [rng.multinomial(len(one), np.full(len(one), 1 / len(one)), size=num).astype(np.float64) for one in (made, real)]
    weights = [np.concatenate([np.ones((1, len(one))), several]) for one, several in zip((made, real), counts, strict=True)]
    inner = [
        (_weighted_sums(one, one, w, w) - np.square(w) @ np.square(_kernel_diagonal(one))) / (np.square(w.sum(1)) - np.square(w).sum(1))
        for one, w in zip((made, real), weights, strict=True)
    ]
    between = _weighted_sums(made, real, *weights) / (len(made) * len(real))
    value, *again = (inner[0] + inner[1] - 2 * between).tolist()
    return interval_of(value, again, len(made))


def _weighted_sums(one: np.ndarray, two: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Σ first[r, i] k(one_i, two_j) second[r, j] for each row r of the weights, float64."""
    parts = [
        ((first[:, start : start + ROWS] @ _kernel(one[start : start + ROWS], two)) * second).sum(1) for start in range(0, len(one), ROWS)
    ]
    total: np.ndarray = np.sum(parts, axis=0)
    return total


def measure_set(made: np.ndarray, real: np.ndarray, learned: np.ndarray | None = None) -> Mapping[str, object]:
    """All measures of generated features against held-out real ones; `learned` are those of the training pictures."""
    figures: dict[str, object] = {
        "fd_gesso": with_interval(fd_gesso, made, real),
        "kernel distance": kernel_interval(made, real),
        **coverage_figures(made, real),
        "diversity over real": diversity_of_set(made) / diversity_of_set(real),
    }
    if learned is not None:
        figures["memorised"] = memorised(made, real, learned)
    return figures | {"n made": len(made), "n real": len(real)}


def _check(made: np.ndarray, real: np.ndarray) -> None:
    if made.ndim != 2 or real.ndim != 2 or made.shape[1] != real.shape[1] or min(len(made), len(real)) < 3:
        what = f"features of shapes {made.shape} and {real.shape}"
        raise GessoError(f"{what} cannot be compared", where="features", fix="at least three pictures a side, of one network")
