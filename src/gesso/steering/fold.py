"""The fold: edits over a request, knowing the card and the kinds' own reading and merging, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from gesso.card import Card, Settings, Slot, named_errors
from gesso.conditions.condition import Condition
from gesso.errors import GessoError, field_error
from gesso.request import Request
from gesso.steering.edit import Drop, Merge, Seed, Set, Setting, Take, singles

Read = Callable[[Slot, Any], Condition]


class Incomplete(GessoError):
    """What is given so far makes no request yet; `missing` names the conditions and settings still needed."""

    def __init__(self, recipe: str, missing: tuple[str, ...], fix: str | None) -> None:
        super().__init__(f"{recipe} still needs {' and '.join(missing)}", where=missing[0], fix=fix)
        self.missing = missing


@dataclass(frozen=True)
class State:
    """What edits have come to: conditions by slot, the settings that were set, the seed.

    Values that an edit did not touch are the same objects as before it, so that what was computed of them still holds.
    """

    values: Mapping[str, Condition] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0

    def to_json(self) -> dict[str, Any]:
        return {
            "conditions": {name: value.model_dump(mode="json") for name, value in self.values.items()},
            "settings": dict(self.settings),
            "seed": self.seed,
        }


def read_value(slot: Slot, value: Any) -> Condition:
    """A slot's value from its own JSON. Never from a file's name: what a stranger sends must not open files here."""
    return value if isinstance(value, slot.kind) else slot.from_json(value)


def fold(card: Card, state: State, edit: Any, read: Read = read_value) -> State:
    """The state after an edit, not yet checked as a whole."""
    values, settings, seed = dict(state.values), dict(state.settings), state.seed
    for one in singles(edit):
        if isinstance(one, (Merge, Set)):
            slot = card.slot(one.slot)
            new = read(slot, one.value)
            old = values.get(slot.name) if isinstance(one, Merge) else None
            with named_errors(slot.name, slot.kind):  # together they may be more than the kind takes
                values[slot.name] = new if old is None else old.merge(new)
        elif isinstance(one, Drop):
            values.pop(card.slot(one.slot).name, None)
        elif isinstance(one, Take):
            left = without(card.slot(one.slot), values.get(one.slot), one.index)
            values = {name: value for name, value in values.items() if name != one.slot} if left is None else {**values, one.slot: left}
        elif isinstance(one, Setting):
            _known_setting(card, one.name)
            settings.pop(one.name, None)
            if not one.resets:
                settings[one.name] = one.value
        elif isinstance(one, Seed):
            seed = one.value
    return State(values, settings, seed)


def series(value: Condition) -> str | None:
    """The field in which a repeatable kind holds its marks: the one that is a tuple."""
    if not value.repeatable:
        return None
    fields = [name for name in type(value).model_fields if isinstance(getattr(value, name), tuple)]
    return fields[0] if len(fields) == 1 else None


def without(slot: Slot, value: Condition | None, index: int) -> Condition | None:
    """The value without one mark; None where it was the last."""
    name = None if value is None else series(value)
    if value is not None and name is None:
        raise GessoError("holds no marks that could be taken one by one", where=slot.name, fix='{"op": "drop"} takes all of it')
    marks = () if value is None or name is None else getattr(value, name)
    if index >= len(marks):
        fix = f"from 0 to {len(marks) - 1}" if marks else "draw one first"
        raise GessoError(f"there is no mark {index} in {slot.name}", where="edit.index", fix=fix)
    assert value is not None and name is not None
    left = marks[:index] + marks[index + 1 :]
    rest = {one: getattr(value, one) for one in type(value).model_fields}
    with named_errors(slot.name, slot.kind):
        return type(value)(**{**rest, name: left}) if left else None


def check(card: Card, state: State) -> None:
    """Whether what is given so far fits together; what is still missing is no fault."""
    lenient = tuple(slot.model_copy(update={"required": False}) for slot in card.conditions)
    Request.build(card.model_copy(update={"conditions": lenient, "settings": Settings}), state.values, seed=state.seed)
    try:
        card.settings.model_validate(dict(state.settings))
    except ValidationError as error:
        for wrong in error.errors():
            if wrong["type"] != "missing":
                raise field_error(wrong) from None


def missing(card: Card, state: State) -> tuple[str, ...]:
    """The conditions and settings that must still be given before anything can be made."""
    conditions = [slot.name for slot in card.conditions if slot.required and slot.name not in state.values]
    settings = [name for name, one in card.settings.model_fields.items() if one.is_required() and name not in state.settings]
    return (*conditions, *settings)


def to_request(card: Card, state: State, *, weights: Mapping[str, str] | None = None, preset: str = "") -> Request:
    """The request; Incomplete, naming what is missing, where it is none yet."""
    if lacks := missing(card, state):
        help = next((slot.help.get("en") for slot in card.conditions if slot.name == lacks[0]), None)
        raise Incomplete(card.name, lacks, help)
    return Request.build(card, state.values, seed=state.seed, settings=state.settings, weights=weights, preset=preset)


def _known_setting(card: Card, name: str) -> None:
    if name not in card.settings.model_fields:
        known = ", ".join(card.settings.model_fields)
        raise GessoError(f"{card.name} has no setting {name!r}", where=name, fix=f"one of {known}" if known else "it has none")
