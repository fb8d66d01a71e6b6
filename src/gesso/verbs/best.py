"""Best: several outputs of one request with other seeds, ranked by how well each fits its words, as a model of words and pictures sees it.

The best one is an ordinary output: its request has its own seed, so it is replayed without the others and without the judge.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gesso import recipes
from gesso.card import Card
from gesso.conditions.words import Words
from gesso.errors import GessoError
from gesso.families.family import Output
from gesso.metrics.retrieval import cut
from gesso.number import whole
from gesso.recipes.recipe import Recipe
from gesso.request import MAX_SEED, Request
from gesso.verbs.assemble import GivenWeights, assemble, places
from gesso.verbs.generate import make
from gesso.verbs.load import Model, load
from gesso.verbs.read_request import files_of
from gesso.verbs.result import Result, named_files, output_paths, refuse_overwriting, signer

JUDGE = "clip"  # conditions `words` and `picture`; its output `similarity` has their cosine
MOST = 64


@dataclass(frozen=True)
class Ranked:
    """A result, its seed, and how well it fits the words: a cosine."""

    result: Result
    seed: int
    fit: float


def best(
    recipe: Recipe | str | Path,
    given: Mapping[str, Any],
    *,
    num: int,
    out: Path | None = None,
    seed: int | None = None,
    judge: GivenWeights = None,
    take: str | None = None,
    base: Path | None = None,
    preset: str | None = None,
    weights: GivenWeights = None,
    threads: int | None = None,
    device: str | None = None,
    mark: bool = False,
    on_output: Callable[[Output], None] | None = None,
) -> tuple[Path | None, list[Ranked]]:
    """Make `num` outputs of the seeds from `seed` on, write the one that fits the words best, and give its path and all, best first.

    `judge` are weights of `clip`, such as those of a training on the same kind of pictures; None takes the shipped ones. The rest is as
    in `generate`. GessoError before any work is done where the request has no words, or a name, a file or a value is wrong.
    """
    many = whole(num, where="--best", low=1, high=MOST)
    card = recipes.find(recipe).card
    text_slot(card)
    output_paths(out, card, [seed])  # checked before the work
    refuse_overwriting([out], [*named_files(given), base, *places(weights), *places(judge)])
    marker = signer([out]) if mark else None
    model = load(recipe, preset=preset, weights=weights, base=base, device=device)
    first = model.request(seed=seed, base=base, **given)
    refuse_overwriting(output_paths(out, card, [one.seed for one in with_seeds(first, many)]), [*named_files(given), base])
    ranked = rank(model, first, many, judge=judge, threads=threads, on_output=on_output, files=files_of(model.card, given))
    path = output_paths(out, card, [ranked[0].seed])[0]
    if path is not None:
        ranked[0].result.write(path, take, mark=marker)
    return path, ranked


def rank(
    model: Model,
    request: Request,
    num: int,
    *,
    judge: GivenWeights = None,
    threads: int | None = None,
    on_output: Callable[[Output], None] | None = None,
    files: Mapping[str, str] | None = None,
) -> list[Ranked]:
    """The results of `num` seeds from the request's on, the one that fits its words best first; of equals the earlier seed."""
    text = text_of(model.card, request)
    seen_by = assemble(JUDGE, weights=judge, device=str(model.assembled.device))
    results = [model.make(one, threads=threads, on_output=on_output, files=files) for one in with_seeds(request, num)]
    asked = [judging(seen_by.recipe.card, text, picture_of(one), seen_by.hashes, seen_by.preset_name) for one in results]
    fits = [fit_of(make(seen_by, one, threads=threads)) for one in asked]
    return best_first(results, fits)


def best_first(results: Sequence[Result], fits: Sequence[float]) -> list[Ranked]:
    ranked = [Ranked(one, one.request.seed, fit) for one, fit in zip(results, fits, strict=True)]
    return sorted(ranked, key=lambda one: -one.fit)  # stable: of equals the first


def with_seeds(request: Request, num: int) -> list[Request]:
    """The request with `num` seeds from its own on."""
    if request.seed + num - 1 > MAX_SEED:
        raise GessoError(f"{num} seeds from {request.seed} on go beyond {MAX_SEED}", where="seed", fix="a smaller seed")
    return [request.model_copy(update={"seed": request.seed + number}) for number in range(num)]


def text_slot(card: Card) -> str:
    """The name of the condition whose words outputs are ranked by; GessoError where there is none, or no picture to look at."""
    name = next((slot.name for slot in card.conditions if issubclass(slot.kind, Words)), None)
    if name is None or not any(out.medium == "picture" for out in card.outputs):
        raise GessoError(f"{card.name} makes no picture of words", where="best", fix="one output: leave it out")
    return name


def text_of(card: Card, request: Request) -> str:
    """The words that the request gives."""
    name = text_slot(card)
    value: Any = request.conditions.get(name)
    if value is None:
        raise GessoError("no words are given to choose by", where=name, fix="give some, or make one output")
    return str(value.text)


def picture_of(result: Result) -> np.ndarray:
    """The picture that is shown."""
    if result.shown is None:
        raise GessoError("it made no picture", where=result.card.name)
    pixels: np.ndarray = result.outputs[result.shown]
    return pixels


def judging(card: Card, text: str, picture: np.ndarray, weights: Mapping[str, str] | None = None, preset: str = "") -> Request:
    """The request by which a model of words and pictures says how well they fit; of a long text, the words that it has room for."""
    return Request.build(card, {"words": cut(text, card.slot("words")), "picture": picture}, weights=weights, preset=preset)


def fit_of(result: Result) -> float:
    """The cosine of words and picture."""
    return float(result.outputs["similarity"]["cosine"])
