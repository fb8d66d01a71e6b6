"""How often a classifier is right, and whether the evidence that it shows lies on what it is evidence for.

accuracy   the share of held-out pictures whose class is found, in total and for each class, and the commonest mistakes
evidence   four pictures of different classes in the quarters of one, and evidence asked for the class of each (Arias-Duart 2022):
           `peak`, how often its maximum lies in that quarter, and `share`, how much of it does; chance is a quarter for both.
           `plain`: the other quarters are of one colour
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch

from gesso.errors import GessoError
from gesso.families.family import Inputs
from gesso.families.supervised import picture_of
from gesso.media.grid import contact_sheet
from gesso.media.heat import heat_over
from gesso.metrics.sets import LEVEL
from gesso.number import whole
from gesso.ports import Frame, Ports, join

BATCH = 250
NUM_MISTAKES = 5
NUM_EVIDENCE, NUM_SHOWN = 500, 8
CORNERS = ((0, 0), (0, 1), (1, 0), (1, 1))
Z = 1.6449  # of a normal distribution, for LEVEL


def measure_accuracy(make: Any, data: Any, aims: Mapping[str, float], options: Mapping[str, Any]) -> dict[str, Any]:
    """The accuracy of a recipe of the family `Explained`. `data(split)` gives examples with `classes`; `aims` are by preset.

    Options: `split`, "val" or, to choose by, "dev". The interval is Wilson's.
    """
    _known(options, ("split",))
    split = options.get("split", "val")
    if split not in ("val", "dev"):
        raise GessoError(f"there is no split {split!r}", where="--split", fix="val or dev")
    pictures, labels, dataset = _examples(data(split))
    classes = _same_classes(make.model, dataset)
    found = classes_found(make.model, pictures)
    rows = {name: right_share(found[labels == c] == c) for c, name in enumerate(classes) if (labels == c).any()}
    wrong = Counter(zip(labels[found != labels].tolist(), found[found != labels].tolist(), strict=True))
    return {
        **right_share(found == labels),
        "aim": aims.get(make.model.preset),
        "classes": rows,
        "commonest mistakes": [{"is": classes[a], "taken for": classes[b], "times": n} for (a, b), n in wrong.most_common(NUM_MISTAKES)],
        "data": dataset.name,
        "split": split,
    }


def measure_evidence(make: Any, data: Any, options: Mapping[str, Any]) -> dict[str, Any]:
    """The pointing game on held-out pictures, of each kind of heat that the recipe makes. Options: `num` mosaics, `seed`."""
    _known(options, ("num", "seed"))
    num = whole(options.get("num", NUM_EVIDENCE), where="--num", low=1)
    rng = np.random.default_rng([whole(options.get("seed", 0), where="--seed", low=0), 17])
    pictures, labels, dataset = _examples(data("val"))
    classes = _same_classes(make.model, dataset)
    games = [mosaic(pictures, labels, rng) for _ in range(num)]
    figures: dict[str, Any] = {}
    for name, boards in (("mosaic", [game[0] for game in games]), ("plain", [game[1] for game in games])):
        heats = heats_of(make.model, boards, [classes[game[3]] for game in games])
        for key, values in heats.items():
            figures[f"{key}, {name}"] = pointing(values, [game[2] for game in games])
        shown = [one for n in range(min(NUM_SHOWN, num)) for one in (boards[n], *(heat_over(boards[n], heats[key][n]) for key in heats))]
        make.show(name, partial(contact_sheet, shown, 1 + len(heats)))
    return {"evidence": figures, "chance": 0.25, "n": num, "data": dataset.name}


def classes_found(model: Any, pictures: np.ndarray) -> np.ndarray:
    """The class [n] that a model finds in each picture (uint8 [n h w 3])."""
    assembled = model.assembled
    family = assembled.recipe.family(assembled.preset)
    with torch.inference_mode():
        parts = [family.read(model.network, picture_of(_ports(model, pictures[n : n + BATCH]))) for n in range(0, len(pictures), BATCH)]
    return np.asarray(torch.cat(parts).argmax(1).numpy())


def heats_of(model: Any, pictures: Sequence[np.ndarray], names: Sequence[str]) -> dict[str, np.ndarray]:
    """The heats [n h w] that a model makes of pictures (uint8), by name; evidence is for the classes `names`."""
    assembled = model.assembled
    family = assembled.recipe.family(assembled.preset)
    made = []
    for start in range(0, len(pictures), BATCH):
        ports = _ports(model, pictures[start : start + BATCH], names[start : start + BATCH])
        inputs = Inputs(ports, ports, tuple(picture_of(ports).shape), previews=False)
        with torch.inference_mode():
            *_, last = family.sample(assembled.networks, inputs, torch.Generator(), model.card.settings())
        made.append({name: value[:, 0].numpy() for name, value in last.media.items() if value.ndim == 4})
    return {name: np.concatenate([part[name] for part in made]) for name in made[0]}


def _ports(model: Any, pictures: Sequence[np.ndarray] | np.ndarray, names: Sequence[str] = ()) -> Ports:
    """The pictures, and the classes that they are asked for, as the recipe encodes them."""
    assembled = model.assembled
    values: dict[str, list[Any]] = {
        "picture": [model.card.slot("picture").kind(pixels=one) for one in pictures],
        "label": [model.card.slot("label").kind(name=one) for one in names] or [None] * len(pictures),
    }
    frame: Frame = next(iter(assembled.recipe.frames(model.request(picture=values["picture"][0]), assembled.preset)))
    slots = [model.card.slot(name) for name in values]
    return join([slot.kind.encode(values[slot.name], frame.with_options(slot.options)) for slot in slots], list(values))


def mosaic(pictures: np.ndarray, labels: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, int, int]:
    """Four pictures [n h w 3] of different classes in one (of all classes, where there are fewer), the same with three quarters plain,
    and the corner and class of the one that is asked for."""
    classes = rng.permutation(np.unique(labels))[: len(CORNERS)]
    classes = np.concatenate([classes, rng.choice(classes[1:], len(CORNERS) - len(classes))]) if len(classes) < len(CORNERS) else classes
    parts = [pictures[rng.choice(np.flatnonzero(labels == c))] for c in classes]
    order = rng.permutation(len(CORNERS))
    placed = [parts[n] for n in order]
    board = np.concatenate([np.concatenate(placed[:2], 1), np.concatenate(placed[2:], 1)])
    corner = int(np.flatnonzero(order == 0)[0])
    h, w = pictures.shape[1:3]
    y, x = (int(c) * side for c, side in zip(CORNERS[corner], (h, w), strict=True))
    plain = np.broadcast_to(np.round(parts[0].mean((0, 1))).astype(np.uint8), board.shape).copy()
    plain[y : y + h, x : x + w] = parts[0]
    return board, plain, corner, int(classes[0])


def pointing(heats: np.ndarray, corners: Sequence[int]) -> dict[str, float]:
    """How often the maximum of a heat [n h w] lies in the quarter `corners` [n], and the mean share of its sum there."""
    h, w = (side // 2 for side in heats.shape[1:])
    quarters = np.stack([heats[:, y * h : (y + 1) * h, x * w : (x + 1) * w] for y, x in CORNERS], 1)
    rows = np.arange(len(heats))
    peaks, sums = quarters.max((2, 3)), quarters.sum((2, 3))
    found = (peaks.argmax(1) == np.asarray(corners)) & (peaks.max(1) > 0)
    shares = sums[rows, corners] / np.maximum(sums.sum(1), 1e-12)
    return {"peak": float(found.mean()), "peak, 90 %": right_share(found)["90 %"], "share": float(shares.mean())}


def right_share(right: np.ndarray) -> dict[str, Any]:
    """The share of true values with Wilson's interval, and how many there are."""
    n, p = len(right), float(np.mean(right))
    middle = (p + Z**2 / (2 * n)) / (1 + Z**2 / n)
    half = Z / (1 + Z**2 / n) * (p * (1 - p) / n + Z**2 / (4 * n**2)) ** 0.5
    return {"accuracy": p, f"{LEVEL:.0%}".replace("%", " %"): [middle - half, middle + half], "n": n}


def _examples(dataset: Any) -> tuple[np.ndarray, np.ndarray, Any]:
    items = [dataset.item(index, np.random.default_rng(index)) for index in range(len(dataset))]
    return np.stack([item["picture"] for item in items]), np.array([item["label"] for item in items]), dataset


def _same_classes(model: Any, dataset: Any) -> tuple[str, ...]:
    """The class names, which are the data's and the weights'; GessoError where they differ."""
    learned = tuple(model.card.slot("label").options["classes"])
    if learned != tuple(dataset.classes):
        what = f"these weights learned {', '.join(learned)}, and the pictures are of {', '.join(dataset.classes)}"
        raise GessoError(what, where="--data", fix="pictures of the classes that were learned")
    return learned


def _known(options: Mapping[str, Any], names: Sequence[str]) -> None:
    if unknown := [name for name in options if name not in names]:
        raise GessoError(f"this measure has no option {unknown[0]!r}", where=f"--{unknown[0]}", fix="one of " + ", ".join(names))
