"""Simulated people at work: someone looks at an output, gives something, looks again, undoes, and stops when they are content.

A person's steps are a session's edits, folded as the store folds them. What a person gives is said by the kind of condition
(`Condition.given_by`), so an episode needs no more of a recipe than its card and what to aim at.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gesso.card import Card, Slot
from gesso.errors import GessoError
from gesso.media.picture import to_white
from gesso.person import Person
from gesso.recipes.recipe import Recipe
from gesso.request import Request
from gesso.steering.edit import Merge
from gesso.steering.fold import State, fold, to_request
from gesso.training.batch import example_of

BEGIN, UNDO = "begin", "undo"
NO_EXAMPLES = {"en": "it learns nothing, so it has no examples to aim at", "ko": "학습하지 않으므로 목표로 삼을 예가 없습니다"}
ALL_REQUIRED = {
    "en": "all that it is given it needs from the start, so there is nothing to correct step by step",
    "ko": "필요한 것을 처음에 모두 주므로 한 단계씩 고칠 것이 없습니다",
}
NO_AIM = {
    "en": "the recipe names no picture that would be the right one for what it is given",
    "ko": "주어진 것에 대해 옳은 그림이 하나로 정해져 있지 않습니다",
}


@dataclass(frozen=True)
class PersonTurn:
    """One action and what it led to: the name of the condition that was given, or "begin" or "undo".

    pictures: the outputs that are pictures, uint8 [h w 3] on white, by name.  seconds: how long the person waited for them.
    truth: where the action was `meant` to have an effect, and what it `asked` for (see `Condition.given_by`).
    """

    action: str
    state: State
    pictures: Mapping[str, np.ndarray]
    seconds: float
    truth: Mapping[str, Any] = field(default_factory=dict)


def why_not(recipe: Recipe) -> Mapping[str, str]:
    """Why simulated people cannot steer this recipe, by language; empty where they can."""
    if not recipe.stages(recipe.preset(None)):
        return NO_EXAMPLES
    if not steered(recipe.card):
        return ALL_REQUIRED
    return NO_AIM if recipe.aim is None else {}


def steered(card: Card) -> list[Slot]:
    """The conditions that a person gives step by step: those that networks read and that a request can do without."""
    left_out = {name for group in card.one_of for name in group}
    return [slot for slot in card.for_generating().conditions if slot.network and not slot.required and slot.name not in left_out]


def begun(card: Card, person: Person, clean: Mapping[str, Any], rng: np.random.Generator) -> State:
    """The state with all that a request cannot do without."""
    first = {group[0] for group in card.one_of}
    slots = [slot for slot in card.for_generating().conditions if slot.required or slot.name in first]
    given = {slot.name: slot.kind.given_by(person, example_of(slot, clean), rng)[0] for slot in slots}
    return State({name: value for name, value in given.items() if value is not None})


def episode(
    make: Callable[[Request], Any],
    card: Card,
    person: Person,
    clean: Mapping[str, Any],
    aim: Mapping[str, np.ndarray],
    rng: np.random.Generator,
    *,
    most: int | None = None,
) -> Iterator[PersonTurn]:
    """The turns of a person who steers an example to its aim, the first with nothing but what is required.

    `make` gives the result of a request; `aim` is the picture that the person wants, by the output's name: its first is what they look
    at. It ends when they are content, out of patience, or after `most` actions.
    """
    output, wanted = next(iter(aim.items()))
    shown = person.model_copy(update={"wants_other": 0.0})  # what they want is the aim
    now = _turn(make, card, BEGIN, begun(card, shown, clean, rng), {})
    if now.pictures[output].shape != wanted.shape:
        what = f"the output is {list(now.pictures[output].shape)} and its aim {list(wanted.shape)}"
        raise GessoError(what, where=output, fix="an aim of the output's size")
    yield now
    undid = False
    for _ in range(min(person.patience, most or person.patience)):
        # After an undo they try something else: the same again would fail again.
        acted = _next(card, shown.model_copy(update={"order": "any"}) if undid else shown, clean, now, output, rng)
        if acted is None:
            return
        slot, value, truth = acted
        before = now
        now = _turn(make, card, slot.name, fold(card, before.state, Merge(op="merge", slot=slot.name, value=value)), truth)
        yield now
        undid = False
        if error_of(now.pictures[output], wanted) > error_of(before.pictures[output], wanted) and rng.random() < person.undo:
            now, undid = PersonTurn(UNDO, before.state, before.pictures, 0.0), True  # a session has its picture still
            yield now


def _next(
    card: Card, person: Person, clean: Mapping[str, Any], now: PersonTurn, output: str, rng: np.random.Generator
) -> tuple[Slot, Any, Mapping[str, Any]] | None:
    """What the person gives next: of the first condition to which they have something to add."""
    for slot in steered(card):
        seen = now.pictures[output]
        value, truth = slot.kind.given_by(person, example_of(slot, clean), rng, _as_example(seen, clean), now.state.values.get(slot.name))
        if value is not None:
            return slot, value, truth
    return None


def _as_example(seen: np.ndarray, clean: Mapping[str, Any]) -> np.ndarray:
    """The picture with as many channels as the example's own, if that is grey."""
    grey = getattr(clean.get("picture"), "ndim", 3) == 2
    return seen[..., 0] if grey else seen


def _turn(make: Callable[[Request], Any], card: Card, action: str, state: State, truth: Mapping[str, Any]) -> PersonTurn:
    began = time.perf_counter()
    result = make(to_request(card, state))
    seconds = time.perf_counter() - began
    names = [out.name for out in card.outputs if out.medium == "picture"]
    return PersonTurn(action, state, {name: to_white(result.outputs[name]) for name in names if name in result.outputs}, seconds, truth)


def error_of(one: np.ndarray, two: np.ndarray) -> float:
    """The mean squared difference of two pictures, in levels²."""
    return float(np.square(one.astype(np.float32) - two).mean())
