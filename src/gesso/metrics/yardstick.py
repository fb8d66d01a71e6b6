"""The yardstick of every recipe that makes pictures: N generated against N real held-out pictures, on features of the package's own.

Those are of `cifar_classifier`, which learned from photographs, or of the picture network of `clip`, which learned from drawings.

One row of figures for each set that is compared with the held-out pictures:

    generated                 one picture for each held-out one, under its conditions (its class, its drawing)
    training pictures         as many real ones that the model learned from: what chance leaves between two real sets
    the input itself          where a picture is given, what leaving it as it is would score

Rows have the measures of `gesso.metrics.sets`. Distances depend on the number of pictures, so rows of other N are not comparable.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gesso.errors import GessoError
from gesso.media.grid import contact_sheet
from gesso.media.picture import to_white
from gesso.metrics.agreement import features_of
from gesso.metrics.sets import measure_set
from gesso.metrics.steered import make_many
from gesso.number import whole

NUM, LEARNED = 5000, 50_000  # the most pictures of a set, and of those that could be copied
JUDGE = "cifar_classifier"
FEATURES = {"photographs": (JUDGE, "classifier"), "drawings": ("clip", "picture")}  # by the option `features`: recipe and role
SHEET, COLUMNS, CELL = 48, 8, 64  # pictures of a sheet, and how many pixels wide each is at least
OPTIONS = ("num", "learned", "seed", "features")


@dataclass(frozen=True)
class PictureNumbers:
    """How many pictures are generated, how many training pictures they are compared with, the seed, and whose features."""

    num: int
    learned: int
    seed: int
    features: str = "photographs"

    @classmethod
    def read(cls, options: Mapping[str, Any]) -> PictureNumbers:
        if unknown := [name for name in options if name not in OPTIONS]:
            raise GessoError(f"this measure has no option {unknown[0]!r}", where=f"--{unknown[0]}", fix="one of " + ", ".join(OPTIONS))
        features = str(options.get("features", cls.features))
        if features not in FEATURES:
            raise GessoError(f"there are no features {features!r}", where="--features", fix="one of " + ", ".join(FEATURES))
        return cls(
            whole(options.get("num", NUM), where="--num", low=8),
            whole(options.get("learned", LEARNED), where="--learned", low=8),
            whole(options.get("seed", 0), where="--seed", low=0),
            features,
        )


def measure_pictures(
    make: Any,
    data: Callable[[str], Any],
    options: Mapping[str, Any],
    *,
    target: str = "picture",
    settings: Mapping[str, Any] | None = None,
    gives: Collection[str] = (),
) -> dict[str, Any]:
    """The table of rows above. `data` gives the examples of "val" and "train", whose `target` is a picture of the kind that is made.

    Each picture is made under the conditions that the card requires, and under those that `gives` names.
    Options: `num` pictures (5,000, or all that are held out), `learned` training pictures (50,000), `seed`, and `features`,
    "photographs" or "drawings". Makes the sheets "made", whose pictures have the seeds below them, and "real".
    """
    numbers = PictureNumbers.read(options)
    held, learned = examples_of(data("val"), numbers.num, numbers.seed), examples_of(data("train"), numbers.learned, numbers.seed)
    chosen = make.model.card.settings(**settings or {})
    given = [given_for(make.model.card, item, gives) for item in held]
    made = make_many(make.model, given, chosen, numbers.seed)
    name, role = FEATURES[numbers.features]
    judge = make.other(name)
    real, trained = ([to_white(item[target]) for item in items] for items in (held, learned))
    features = Features(judge.networks[role], real, trained)
    rows = {"generated": features.row(made), "training pictures": features.row(trained[: len(real)], may_copy=False)}
    if target != "picture" and any("picture" in one for one in given):
        rows["the input itself"] = features.row([to_white(item["picture"]) for item in held], may_copy=False)
    make.show("made", lambda: sheet_of_made(make, given, chosen.model_dump()))
    make.show("real", lambda: contact_sheet([legible(one) for one in real[:SHEET]], COLUMNS))
    return {
        "pictures": rows,
        "n": len(made),
        "n training pictures": len(trained),
        "interval": "90 %, resampled pictures",
        "data": getattr(data("val"), "name", ""),
        "features": dict(judge.assembled.hashes),
    }


class Features:
    """The features of real held-out and of training pictures, and the figures of other sets against them."""

    def __init__(self, network: Any, real: Sequence[np.ndarray], learned: Sequence[np.ndarray]) -> None:
        self.network = network
        self.real, self.learned = features_of(network, real), features_of(network, learned)
        self._real_mirrored = features_of(network, mirrored(real))

    def row(self, pictures: Sequence[np.ndarray], *, may_copy: bool = True) -> dict[str, Any]:
        """The figures of a set, in the order of columns."""
        made = features_of(self.network, pictures)
        figures = measure_set(made, self.real)
        row: dict[str, Any] = {}
        for name in ("fd_gesso", "kernel distance"):
            found: Any = figures[name]
            row |= {name: found["value"], f"{name}, 90 %": [found["low"], found["high"]]}
        row |= {name: figures[name] for name in ("precision", "recall", "density", "coverage", "diversity over real")}
        return row | {"memorised": self.memorised(made, features_of(self.network, mirrored(pictures))) if may_copy else None}

    def memorised(self, made: np.ndarray, made_mirrored: np.ndarray) -> float:
        """As `gesso.metrics.sets.memorised`, where a mirror image of a training picture is a copy too."""
        from gesso.metrics.sets import NEAREST, nearest

        held, copied = (
            np.minimum(nearest(one, self.learned), nearest(two, self.learned))
            for one, two in ((self.real, self._real_mirrored), (made, made_mirrored))
        )
        return float((copied < np.quantile(held, NEAREST)).mean())


def mirrored(pictures: Sequence[np.ndarray]) -> list[np.ndarray]:
    return [np.ascontiguousarray(picture[:, ::-1]) for picture in pictures]


def sheet_of_made(make: Any, given: Sequence[Mapping[str, Any]], settings: Mapping[str, Any]) -> np.ndarray:
    """A sheet of generated pictures; the number below each is its seed, with which `gesso generate` makes it again.

    Where a picture is given, it is shown on the left of what was made of it.
    """
    shown, seeds = [], []
    for seed, one in enumerate(given[:SHEET]):
        picture = to_white(make(seed=seed, **settings, **one).outputs["image"])
        begun = getattr(one.get("picture"), "pixels", None)
        shown.append(legible(picture if begun is None else np.concatenate([to_white(begun), picture], 1)))
        label = getattr(one.get("label"), "name", "")
        seeds.append(f"{seed} {label}".strip())
    return contact_sheet(shown, COLUMNS, seeds)


def legible(picture: np.ndarray) -> np.ndarray:
    """The picture, each pixel repeated until it is wide enough for words below it."""
    times = -(-CELL // picture.shape[1])
    return picture.repeat(times, 0).repeat(times, 1)


def examples_of(dataset: Any, num: int, seed: int) -> list[Mapping[str, Any]]:
    """`num` examples in a random order, or all."""
    chosen = np.random.default_rng([seed, 77]).permutation(len(dataset))[:num]
    return [dataset.item(int(index), np.random.default_rng([seed, int(index)])) for index in chosen]


def given_for(card: Any, item: Mapping[str, Any], gives: Collection[str] = ()) -> dict[str, Any]:
    """The values of the conditions that the card requires, and of those in `gives`, as a user would give them for an example."""
    rng = np.random.default_rng(0)
    slots = [slot for slot in card.conditions if slot.required or slot.name in gives]
    return {slot.name: slot.kind.simulate({**item, "slot": slot}, rng, 1.0)[0] for slot in slots}
