"""Whether a picture shows what a caption asked for: objects are found and named by comparison with all shapes and colours."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from pydantic import ValidationError
from scipy.ndimage import find_objects, label

from gesso.datasets.composed_scenes import PAPER, SIZE, ComposedScenes, Composition, Group, named, never_shown
from gesso.datasets.scene_stock import SHAPES, Stock
from gesso.errors import as_gesso_error
from gesso.metrics.retrieval import NUM_RESAMPLED, picture_vectors, text_vectors
from gesso.metrics.steered import make_many
from gesso.number import whole

INK = 60.0  # distance from paper, in levels, from which a pixel belongs to an object
NUM = 200
AIMS = {"all": 0.70, "all, best of eight": 0.85}
LEAST = 0.006  # share of the picture that an object covers at least
NEAR = 2  # pixels by which an object may lie off the middle of what was found
KIND, COLOUR, COUNT, RELATION = "kind", "colour", "count", "relation"


@dataclass(frozen=True)
class Found:
    """An object in a picture: what it looks most like, and its centre in shares of the side."""

    kind: str
    colour: str
    x: float
    y: float


def objects_in(picture: np.ndarray, stock: Stock = SHAPES) -> list[Found]:
    """The objects of a square picture uint8 [side side 3] on paper: each connected part is compared with every kind in each of its colours,
    at the size of objects and at every place near it, and is what it differs from least."""
    values = picture.astype(np.float64)
    side = len(values)
    size = round(side * SIZE)
    ink = np.sqrt(((values - PAPER) ** 2).sum(-1)) > INK
    parts, _ = label(ink)
    found = []
    for number, (ys, xs) in enumerate(find_objects(parts), 1):
        if (parts[ys, xs] == number).sum() < LEAST * ink.size:
            continue
        alone = np.where((parts == number)[..., None] | ~ink[..., None], values, PAPER)
        top, left = ((one.start + one.stop - size) // 2 for one in (ys, xs))
        kind, colour = _nearest(alone, top, left, size, stock)
        found.append(Found(kind, colour, (xs.start + xs.stop) / 2 / side, (ys.start + ys.stop) / 2 / side))
    return found


def _nearest(picture: np.ndarray, top: int, left: int, size: int, stock: Stock) -> tuple[str, str]:
    """The kind and colour whose picture at about this place differs least."""
    names, templates = _templates(stock, size)
    padded = np.pad(picture - PAPER, ((NEAR + size,) * 2, (NEAR + size,) * 2, (0, 0)))
    best, answer = np.inf, names[0]
    for y in range(-NEAR, NEAR + 1):
        for x in range(-NEAR, NEAR + 1):
            row, column = top + y + NEAR + size, left + x + NEAR + size
            inside = padded[row : row + size, column : column + size]
            around = padded[row - NEAR : row + size + NEAR, column - NEAR : column + size + NEAR]
            missed = (around**2).sum() - (inside**2).sum()
            errors = ((templates - inside) ** 2).sum((1, 2, 3)) + missed
            if errors.min() < best:
                best, answer = errors.min(), names[int(errors.argmin())]
    return answer


@lru_cache(maxsize=8)
def _templates(stock: Stock, size: int) -> tuple[list[tuple[str, str]], np.ndarray]:
    """Every kind in each of its colours, as its difference from paper, float [n size size 3]."""
    names = [(kind, colour) for kind in stock.kinds for colour in stock.colours(kind)]
    looks = [stock.appearance(kind, colour, size) for kind, colour in names]
    return names, np.stack([cover * (ink - np.array(PAPER, float)) for ink, cover in looks])


def judged(picture: np.ndarray, asked: Composition, text: str, stock: Stock = SHAPES) -> dict[str, list[bool]]:
    """Which of the attributes that the caption names are right, by attribute: of each group its kind, count and (if named) colour, and
    the relation. What a group is, is said by most of the objects in its half of the picture."""
    found = objects_in(picture, stock)
    halves = [[one for one in found if ((one.x if asked.relation == "left" else one.y) < 0.5) == (half == 0)] for half in (0, 1)]
    right: dict[str, list[bool]] = {KIND: [], COLOUR: [], COUNT: [], RELATION: []}
    most = [_most(half) for half in halves]
    for group, told, half, says in zip((asked.first, asked.second), named(text, asked, stock), halves, most, strict=True):
        right[KIND].append(says.kind == group.kind)
        right[COUNT].append(sum(one.kind == group.kind for one in half) == group.count == len(half))
        if told:
            right[COLOUR].append(says.colour == group.colour)
    kinds = {asked.first.kind: 0, asked.second.kind: 1}
    placed = [(kinds[one.kind], half) for half, side in enumerate(halves) for one in side if one.kind in kinds]
    right[RELATION].append({group for group, _ in placed} == {0, 1} and all(group == half for group, half in placed))
    return right


def _most(objects: Sequence[Found]) -> Group:
    if not objects:
        return Group("", "", 0)
    kind = Counter(one.kind for one in objects).most_common(1)[0][0]
    colour = Counter(one.colour for one in objects if one.kind == kind).most_common(1)[0][0]
    return Group(kind, colour, len(objects))


def shares(judgements: Sequence[Mapping[str, Sequence[bool]]]) -> dict[str, Any]:
    """Over many pictures: the share of attributes that are right, by attribute and in all, and of pictures with nothing wrong."""
    rows = {name: [one for judgement in judgements for one in judgement[name]] for name in (KIND, COLOUR, COUNT, RELATION)}
    every = [one for row in rows.values() for one in row]
    whole = [all(one for row in judgement.values() for one in row) for judgement in judgements]
    return {name: float(np.mean(row)) for name, row in rows.items()} | {"all": float(np.mean(every)), "whole": float(np.mean(whole))}


def share_of(judgement: Mapping[str, Sequence[bool]]) -> float:
    """The share of one picture's attributes that are right."""
    every = [one for row in judgement.values() for one in row]
    return float(np.mean(every))


def measure_obedience(make: Any, options: Mapping[str, Any], held: ComposedScenes | None = None) -> dict[str, Any]:
    """How many attributes of the scenes `held` (None: of shapes) are right: with a combination that training never showed, without, in
    all, and by language; beside them the true pictures. With `rank`, a run of `clip`, also the one of `best` pictures that it thinks fits
    best.

    Options: `num` scenes (200), `best` (8), `rank`, `seed`, and the settings `num_steps` and `guidance_scale`. Intervals (90 %) resample
    scenes.
    """
    model = make.model
    held = held or ComposedScenes(model.assembled.preset.side, "val")
    ranked = make.other("clip", weights=options["rank"]) if options.get("rank") else None
    num, best = whole(options.get("num", NUM), where="--num", low=2), whole(options.get("best", 8), where="--best", low=1)
    seed = whole(options.get("seed", 0), where="--seed", low=0)
    changed = {name: options[name] for name in ("num_steps", "guidance_scale") if name in options}
    try:
        settings = model.card.settings(**changed)
    except ValidationError as error:
        raise as_gesso_error(error) from None
    items = [held.item(index, np.random.default_rng(0)) for index in range(num)]
    texts = [item["captions"][0][0] for item in items]
    slot = model.card.slot("words")
    given = [{"words": slot.read(text)} for text in texts]
    tries = [make_many(model, given, settings, seed + number) for number in range(best if ranked else 1)]

    def judge(pictures: Sequence[np.ndarray]) -> list[dict[str, list[bool]]]:
        return [judged(one, item["composition"], text, held.stock) for one, item, text in zip(pictures, items, texts, strict=True)]

    rows = {"one picture": judge(tries[0])}
    if ranked:
        fits = np.stack([_fit(ranked, pictures, texts) for pictures in tries])
        rows[f"best of {best}"] = judge([tries[int(place)][index] for index, place in enumerate(fits.argmax(0))])
    rows["the true picture"] = judge([item["picture"] for item in items])
    scenes = [item["composition"] for item in items]
    new = [any(never_shown(group.kind, group.colour, held.stock) for group in (one.first, one.second)) for one in scenes]
    korean = [not text.isascii() for text in texts]
    parts = {
        "of new pairs": new,
        "of pairs it learned": [not one for one in new],
        "in Korean": korean,
        "in English": [not one for one in korean],
    }
    found = {name: shares(row) | _interval(row, seed) for name, row in rows.items()}
    for name, part in parts.items():
        chosen_rows = [row for row, taken in zip(rows["one picture"], part, strict=True) if taken]
        if chosen_rows:
            found[f"one picture, {name}"] = shares(chosen_rows) | _interval(chosen_rows, seed)
    return {
        "obedience": found,
        "aims": AIMS,
        "n": num,
        "scenes": held.name,
        "guidance": settings.guidance_scale,
        "steps": settings.num_steps,
    }


def _fit(ranked: Any, pictures: Sequence[np.ndarray], texts: Sequence[str]) -> np.ndarray:
    """How well each picture fits its text [n], by a model of words and pictures."""
    seen = picture_vectors(ranked, pictures, ranked.assembled.preset.side)
    fits: np.ndarray = (seen * text_vectors(ranked, texts)).sum(1)
    return fits


def _interval(rows: Sequence[Mapping[str, Sequence[bool]]], seed: int) -> dict[str, list[float]]:
    own = np.array([share_of(row) for row in rows])
    means = own[np.random.default_rng(seed).integers(len(own), size=(NUM_RESAMPLED, len(own)))].mean(1)
    return {"all, 90 %": [float(q) for q in np.quantile(means, [0.05, 0.95])]}
