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

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from gesso.errors import GessoError
from gesso.media.picture import read_picture
from gesso.media.plot import Line, Panel, plot
from gesso.metrics.agreement import class_agreement, classes_of, diversity, features_of
from gesso.metrics.learned_classifier import JUDGE, learned_classifier
from gesso.metrics.sets import LEVEL, NUM_RESAMPLED
from gesso.metrics.steered import make_many
from gesso.number import whole

NUM, COMPARED = 10_000, 2000  # pictures to learn from, and those whose diversity is compared
OPTIONS = ("num", "steps", "seed")


class Protocol:
    """The protocol with its options: what is asked for, and what classifiers that learned from a set find in held-out pictures."""

    def __init__(self, make: Any, data: Callable[[str], Any], options: Mapping[str, Any]) -> None:
        if unknown := [name for name in options if name not in OPTIONS]:
            raise GessoError(f"this measure has no option {unknown[0]!r}", where=f"--{unknown[0]}", fix="one of " + ", ".join(OPTIONS))
        self.make = make
        self.seed = whole(options.get("seed", 0), where="--seed", low=0)
        num = whole(options.get("num", NUM), where="--num", low=8)
        self.steps = whole(options["steps"], where="--steps", low=1) if "steps" in options else None
        learned, held = data("train"), data("val")
        self.classes, self.name = tuple(learned.classes), learned.name
        self.real, self.labels = _pictures(learned, np.random.default_rng([self.seed, 41]).permutation(len(learned))[:num])
        self.test, self.wanted = _pictures(held, range(len(held)))
        label = make.model.card.slot("label").kind
        self.asked = [{"label": label(name=self.classes[c])} for c in self.labels]

    def made(self, model: Any) -> list[np.ndarray]:
        """One picture of the class of each real one."""
        return make_many(model, self.asked, model.card.settings(), self.seed)

    def classifier(self, pictures: Sequence[np.ndarray]) -> Any:
        return learned_classifier(self.make, pictures, self.labels, self.classes, steps=self.steps, seed=self.seed)

    def right(self, network: Any) -> np.ndarray:
        """Whether the class of each held-out picture is found, bool [n]."""
        return np.asarray(classes_of(network, self.test) == self.wanted)

    def counts(self) -> dict[str, Any]:
        """The numbers of pictures and steps."""
        return {"n": len(self.asked), "n held-out": len(self.test), "steps": self.steps or "the protocol's", "data": self.name}


def measure_score(
    make: Any, data: Callable[[str], Any], options: Mapping[str, Any], aims: Mapping[str, float] | None = None
) -> dict[str, Any]:
    """The score of a model with a condition `label`, and the diversity within its classes, beside those of real pictures.

    `data` gives the examples of "train" and "val", with `classes`; `aims` are ratios by preset. Options: `num` pictures to learn from,
    `steps` of the classifiers, `seed`. Another number than the protocol's is told in the figures and compares with nothing else.
    """
    protocol = Protocol(make, data, options)
    made, wanted = protocol.made(make.model), protocol.wanted
    by_made, by_real = (protocol.classifier(pictures) for pictures in (made, protocol.real))
    right_made, right_real = (protocol.right(network) for network in (by_made, by_real))
    shipped = make.other(JUDGE)
    sides = ((made, protocol.labels), (protocol.test, wanted))
    varied = [diversity(features_of(shipped.network, shown[:COMPARED]), of[:COMPARED]) for shown, of in sides]
    everywhere = np.ones(len(wanted), bool)
    parts = {"all classes": everywhere, **{name: wanted == c for c, name in enumerate(protocol.classes) if (wanted == c).any()}}
    return {
        "accuracy": {
            name: {"learned from generated": right_made[part].mean(), "learned from real": right_real[part].mean(), "n": int(part.sum())}
            for name, part in parts.items()
        },
        "ratio": _ratio(right_made, right_real),
        "ratio, 90 %": _interval(right_made, right_real, protocol.seed),
        "aim": (aims or {}).get(make.model.preset),
        "class obeyed": class_agreement(protocol.labels, classes_of(by_real, made)),
        "diversity within classes over real": varied[0] / varied[1],
        **protocol.counts(),
        "features of diversity": dict(shipped.assembled.hashes),
    }


def measure_curve(
    make: Any, data: Callable[[str], Any], options: Mapping[str, Any], aims: Mapping[str, float] | None = None
) -> dict[str, Any]:
    """The score over a training: of the weights in the run's history (1, 2, 4, 8, … checkpoints) and of its last ones.

    A row a file of weights: steps, pictures that training took, its minutes, accuracy and ratio with intervals. Options as for the score,
    which each row costs once more (real pictures are learned from once). Makes the sheet "curve", with the real pictures' line.
    """
    models, protocol = make.history(), Protocol(make, data, options)
    right_real = protocol.right(protocol.classifier(protocol.real))
    batch_size = make.model.recipe.stages(make.model.assembled.preset)[-1].batch_size
    rows: list[dict[str, Any]] = []
    for model in models:
        card = model.assembled.cards[model.card.name]
        right = protocol.right(protocol.classifier(protocol.made(model)))
        rows.append(
            {
                "steps": card["steps"],
                "pictures": card["steps"] * batch_size,
                "minutes": card["seconds"] / 60,
                "accuracy": right.mean(),
                "accuracy, 90 %": _interval(right, np.ones(len(right), bool), protocol.seed),
                "ratio": _ratio(right, right_real),
                "ratio, 90 %": _interval(right, right_real, protocol.seed),
            }
        )
    make.show("curve", lambda: _curve(rows, float(right_real.mean())))
    return {
        "curve": rows,
        "accuracy, learned from real": right_real.mean(),
        "aim of the ratio": (aims or {}).get(make.model.preset),
        "interval": "90 %, resampled test pictures; one training a row",
        **protocol.counts(),
    }


def _curve(rows: Sequence[Mapping[str, Any]], real: float) -> np.ndarray:
    """The accuracy over steps, pictures and minutes, and the real pictures' beside, uint8 [h w 3]."""
    panels = []
    for name in ("steps", "pictures", "minutes"):
        x = [row[name] for row in rows]
        low, high = zip(*(row["accuracy, 90 %"] for row in rows), strict=True)
        made = Line("learned from generated pictures", x, [row["accuracy"] for row in rows], low, high, "o")
        panels.append(Panel([made, Line("from as many real ones", [x[0], x[-1]], [real] * 2, dashed=True)], name, "accuracy", log=True))
    return read_picture(plot(panels), where="curve")


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
