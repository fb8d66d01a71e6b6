"""Classification accuracy score: what a classifier learns from generated pictures, beside what it learns from real ones (Ravuri 2019).

The protocol, pinned: N = 10,000 training pictures (all, where there are fewer) in random order, and one generated picture of the class of
each. On either set a network of `cifar_classifier`'s preset `score` learns from nothing: 400 steps of 128, mirrored and shifted by up to
4 pixels, the last step's averaged weights. Both are tested on all held-out pictures. The score is the share of right classes after learning
from generated pictures; the ratio divides it by that of the real ones. `class obeyed` is the reverse: the share of generated pictures whose
class the network finds that learned from real ones (Shmelkov 2018, "GAN-test"). Diversity within classes is that of the shipped network's
features, over that of held-out pictures (which it did not learn from); pictures that do not obey their class are spread there too, so read
it beside `class obeyed`. One training a side: the interval is of the test pictures.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from gesso.errors import GessoError
from gesso.metrics.agreement import class_agreement, classes_of, diversity, features_of
from gesso.metrics.learned_classifier import JUDGE, learned_classifier
from gesso.metrics.sets import LEVEL, NUM_RESAMPLED
from gesso.metrics.steered import make_many
from gesso.number import whole

NUM, COMPARED = 10_000, 2000  # pictures to learn from, and those whose diversity is compared
OPTIONS = ("num", "steps", "seed")


def measure_score(
    make: Any, data: Callable[[str], Any], options: Mapping[str, Any], aims: Mapping[str, float] | None = None
) -> dict[str, Any]:
    """The score of a model with a condition `label`, and the diversity within its classes, beside those of real pictures.

    `data` gives the examples of "train" and "val", with `classes`; `aims` are ratios by preset. Options: `num` pictures to learn from,
    `steps` of the classifiers, `seed`. Another number than the protocol's is told in the figures and compares with nothing else.
    """
    if unknown := [name for name in options if name not in OPTIONS]:
        raise GessoError(f"this measure has no option {unknown[0]!r}", where=f"--{unknown[0]}", fix="one of " + ", ".join(OPTIONS))
    seed = whole(options.get("seed", 0), where="--seed", low=0)
    num = whole(options.get("num", NUM), where="--num", low=8)
    steps = whole(options["steps"], where="--steps", low=1) if "steps" in options else None
    learned, held = data("train"), data("val")
    classes = tuple(learned.classes)
    real, labels = _pictures(learned, np.random.default_rng([seed, 41]).permutation(len(learned))[:num])
    test, wanted = _pictures(held, range(len(held)))
    label = make.model.card.slot("label").kind
    made = make_many(make.model, [{"label": label(name=classes[c])} for c in labels], make.model.card.settings(), seed)
    by_made, by_real = (learned_classifier(make, pictures, labels, classes, steps=steps, seed=seed) for pictures in (made, real))
    right_made, right_real = (classes_of(network, test) == wanted for network in (by_made, by_real))
    shipped = make.other(JUDGE)
    sides = ((made, labels), (test, wanted))
    varied = [diversity(features_of(shipped.network, shown[:COMPARED]), of[:COMPARED]) for shown, of in sides]
    everywhere = np.ones(len(wanted), bool)
    parts = {"all classes": everywhere, **{name: wanted == c for c, name in enumerate(classes) if (wanted == c).any()}}
    return {
        "accuracy": {
            name: {"learned from generated": right_made[part].mean(), "learned from real": right_real[part].mean(), "n": int(part.sum())}
            for name, part in parts.items()
        },
        "ratio": _ratio(right_made, right_real),
        "ratio, 90 %": _interval(right_made, right_real, seed),
        "aim": (aims or {}).get(make.model.preset),
        "class obeyed": class_agreement(labels, classes_of(by_real, made)),
        "diversity within classes over real": varied[0] / varied[1],
        "n": len(made),
        "n held-out": len(test),
        "steps": steps or "the protocol's",
        "data": learned.name,
        "features of diversity": dict(shipped.assembled.hashes),
    }


def _pictures(dataset: Any, indices: Any) -> tuple[list[np.ndarray], np.ndarray]:
    items = [dataset.item(int(index), np.random.default_rng(int(index))) for index in indices]
    return [item["picture"] for item in items], np.array([item["label"] for item in items])


def _ratio(made: np.ndarray, real: np.ndarray) -> float | None:
    """The share of right classes over that of the other side; None where the other side has none right."""
    return float(made.mean() / real.mean()) if real.any() else None


def _interval(made: np.ndarray, real: np.ndarray, seed: int) -> list[float | None]:
    """90 % of the ratios of resampled test pictures, the same ones on both sides."""
    rng = np.random.default_rng(seed)
    draws = (rng.integers(len(made), size=len(made)) for _ in range(25 * NUM_RESAMPLED))
    ratios = [ratio for draw in draws if (ratio := _ratio(made[draw], real[draw])) is not None]
    return [float(value) for value in np.quantile(ratios, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])] if ratios else [None, None]
