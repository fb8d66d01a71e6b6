"""What few steps of a sampler cost: the distance from held-out pictures after 1, 2, 4, … steps, beside that after the most.

All rows are made from the same noise, so that a picture differs between rows by the number of steps only.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
from pydantic import ValidationError

from gesso.errors import GessoError, as_gesso_error
from gesso.media.grid import contact_sheet
from gesso.media.picture import to_white
from gesso.metrics.agreement import features_of
from gesso.metrics.frechet import fd_gesso
from gesso.metrics.sets import NUM_RESAMPLED, interval_of, kernel_distance
from gesso.metrics.steered import make_many, several
from gesso.metrics.yardstick import COLUMNS, JUDGE, examples_of, given_for, legible
from gesso.number import parse_whole, whole

NUM, STEPS, FEW = 1000, "1,2,4,8,16,50", 4
OPTIONS = ("num", "steps", "sampler", "guidance", "seed")


def measure_steps(make: Any, held: Any, options: Mapping[str, Any], aim: float, *, gives: Collection[str] = ()) -> dict[str, Any]:
    """A row of figures for each number of steps, against the held-out pictures of `held`; `aim` is that of four steps over the most.

    Options: `num` pictures (1,000), `steps` (1,2,4,8,16,50), `sampler` and `guidance` (the settings' own), `seed`. Makes the sheet
    "steps", a row for each number of steps.
    """
    if unknown := [name for name in options if name not in OPTIONS]:
        raise GessoError(f"this measure has no option {unknown[0]!r}", where=f"--{unknown[0]}", fix="one of " + ", ".join(OPTIONS))
    seed = whole(options.get("seed", 0), where="--seed", low=0)
    items = examples_of(held, whole(options.get("num", NUM), where="--num", low=8), seed)
    names = {"sampler": "sampler", "guidance": "guidance_scale"}
    changed = {setting: options[option] for option, setting in names.items() if option in options}
    counts = sorted({whole(parse_whole(part), where="--steps", low=1) for part in several(options.get("steps", STEPS))})
    card, network = make.model.card, make.other(JUDGE).network
    try:
        settings = [card.settings(**changed, num_steps=count) for count in counts]
    except ValidationError as error:
        raise as_gesso_error(error) from None
    given = [given_for(card, item, gives) for item in items]
    made = [make_many(make.model, given, chosen, seed) for chosen in settings]
    make.show("steps", lambda: contact_sheet([legible(one) for row in made for one in row[:COLUMNS]], COLUMNS))
    features = [features_of(network, pictures) for pictures in made]
    rows = rows_of(counts, features, features_of(network, [to_white(item["picture"]) for item in items]))
    return {
        "by steps": rows,
        f"aim of {FEW} steps over {counts[-1]}": aim,
        "sampler": settings[-1].sampler,
        "guidance": settings[-1].guidance_scale,
        "n": len(items),
        "interval": "90 %, resampled pictures",
    }


def rows_of(counts: Sequence[int], features: Sequence[np.ndarray], real: np.ndarray) -> list[dict[str, Any]]:
    """The distances of each set, and their ratio to the last set's, with intervals from sets that are resampled together."""
    rng = np.random.default_rng(0)
    values = [fd_gesso(one, real) for one in features]
    again = np.array([_resampled(features, real, rng) for _ in range(NUM_RESAMPLED)])
    rows: list[dict[str, Any]] = []
    for number, (count, value) in enumerate(zip(counts, values, strict=True)):
        row: dict[str, Any] = {"steps": count}
        ratio = again[:, number] / again[:, -1]
        for name, one, resampled in (("fd_gesso", value, again[:, number]), (f"over {counts[-1]}", value / values[-1], ratio)):
            found = interval_of(one, resampled.tolist(), len(real))
            row |= {name: found["value"], f"{name}, 90 %": [found["low"], found["high"]]}
        rows.append(row | {"kernel distance": kernel_distance(features[number], real)})
    return rows


def _resampled(features: Sequence[np.ndarray], real: np.ndarray, rng: np.random.Generator) -> list[float]:
    """The distances when pictures are drawn with replacement: the same of all sets, and others of the real ones."""
    drawn, other = (rng.integers(len(real), size=len(real)) for _ in range(2))
    return [fd_gesso(one[drawn], real[other]) for one in features]
