"""Apply edits to a state, using only the recipe's card and the kinds' own `read` and `merge`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from gesso.card import Card, Settings, Slot, named_errors
from gesso.conditions.branches import marks_field
from gesso.conditions.condition import Condition
from gesso.errors import GessoError, field_error
from gesso.request import Request
from gesso.steering.edit import Drop, Merge, Seed, Set, Setting, Take, steps_of

Read = Callable[[Slot, Any], Condition]


class Incomplete(GessoError):
    """The state is not a request yet; `missing` holds the names of the conditions and settings that are still needed."""

    def __init__(self, recipe: str, missing: tuple[str, ...], fix: str | None) -> None:
        super().__init__(f"{recipe} still needs {' and '.join(missing)}", where=missing[0], fix=fix)
        self.missing = missing


@dataclass(frozen=True)
class State:
    """The result of edits: conditions by slot, the settings that were set, the seed.

    Values that an edit did not change are the same objects as before it, so results computed from them stay valid.
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
    """A slot's value from its own JSON. File names are not accepted, because a client must not open files on this machine."""
    return value if isinstance(value, slot.kind) else slot.from_json(value)


def fold(card: Card, state: State, edit: Any, read: Read = read_value) -> State:
    """The state after an edit; the caller checks it with `check`."""
    values, settings, seed = dict(state.values), dict(state.settings), state.seed
    for one in steps_of(edit):
        if isinstance(one, (Merge, Set)):
            slot = card.slot(one.slot)
            new = read(slot, one.value)
            old = values.get(slot.name) if isinstance(one, Merge) else None
            with named_errors(slot.name, slot.kind):  # the merged value may exceed the kind's limits
                values[slot.name] = new if old is None else old.merge(new)
        elif isinstance(one, Drop):
            values.pop(card.slot(one.slot).name, None)
        elif isinstance(one, Take):
            left = without_mark(card.slot(one.slot), values.get(one.slot), one.index)
            values = {name: value for name, value in values.items() if name != one.slot} if left is None else {**values, one.slot: left}
        elif isinstance(one, Setting):
            _known_setting(card, one.name)
            settings.pop(one.name, None)
            if not one.resets:
                settings[one.name] = one.value
        elif isinstance(one, Seed):
            seed = one.value
    return State(values, settings, seed)


def without_mark(slot: Slot, value: Condition | None, index: int) -> Condition | None:
    """The value without one mark; None where that was its last one."""
    name = None if value is None else marks_field(value)
    if value is not None and name is None:
        raise GessoError("has no marks that can be removed one by one", where=slot.name, fix='{"op": "drop"} empties the slot')
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
    """GessoError where the state's values do not fit together. Missing values are not an error."""
    Request.build(card.for_parts().model_copy(update={"settings": Settings}), state.values, seed=state.seed)
    try:
        card.settings.model_validate(dict(state.settings))
    except ValidationError as error:
        for wrong in error.errors():
            if wrong["type"] != "missing":
                raise field_error(wrong) from None


def missing(card: Card, state: State) -> tuple[str, ...]:
    """The names of the conditions and settings that a request still needs; of a group, its first."""
    conditions = [slot.name for slot in card.conditions if slot.required and slot.name not in state.values]
    conditions += [group[0] for group in card.one_of if not state.values.keys() & set(group)]
    settings = [name for name, one in card.settings.model_fields.items() if one.is_required() and name not in state.settings]
    return (*conditions, *settings)


def to_request(card: Card, state: State, *, weights: Mapping[str, str] | None = None, preset: str = "") -> Request:
    """The state as a request; Incomplete, with the missing names, where something is still needed."""
    if lacks := missing(card, state):
        help = next((slot.help.get("en") for slot in card.conditions if slot.name == lacks[0]), None)
        raise Incomplete(card.name, lacks, help)
    return Request.build(card, state.values, seed=state.seed, settings=state.settings, weights=weights, preset=preset)


def _known_setting(card: Card, name: str) -> None:
    if name not in card.settings.model_fields:
        known = ", ".join(card.settings.model_fields)
        raise GessoError(f"{card.name} has no setting {name!r}", where=name, fix=f"one of {known}" if known else "it has none")
