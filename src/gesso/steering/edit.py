"""The edit: one step of a session, in terms of any recipe's card."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from gesso.conditions.condition import Condition
from gesso.errors import GessoError, as_gesso_error
from gesso.number import StrictNumbers, Whole
from gesso.request import MAX_SEED
from gesso.steering.blob import texts_of

MAX_EDITS = 1000  # in one step
PNG = "data:image/png;base64,iVBORw0KGgo"
Name = Annotated[str, Field(min_length=1, max_length=100)]


class _Step(StrictNumbers):
    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)


class Merge(_Step):
    """Merge a value into the slot's value, as the slot's kind defines it; sets it where the slot is empty."""

    op: Literal["merge"]
    slot: Name
    value: Any


class Set(_Step):
    """Replace the slot's value."""

    op: Literal["set"]
    slot: Name
    value: Any


class Drop(_Step):
    """Empty the slot."""

    op: Literal["drop"]
    slot: Name


class Take(_Step):
    """Remove one mark from a repeatable slot; `index` counts from 0 in the order of drawing."""

    op: Literal["take"]
    slot: Name
    index: Whole = Field(ge=0)


class Setting(_Step):
    """Set a setting; without `value`, reset it to its default."""

    op: Literal["setting"]
    name: Name
    value: Any = None

    @property
    def resets(self) -> bool:
        return "value" not in self.model_fields_set


class Seed(_Step):
    """Set the seed."""

    op: Literal["seed"]
    value: Whole = Field(ge=0, le=MAX_SEED)


Single = Annotated[Merge | Set | Drop | Take | Setting | Seed, Field(discriminator="op")]


class Several(_Step):
    """Edits that are undone together."""

    op: Literal["several"]
    edits: tuple[Single, ...] = Field(default=(), max_length=MAX_EDITS)


Edit = Annotated[Merge | Set | Drop | Take | Setting | Seed | Several, Field(discriminator="op")]
EDIT: TypeAdapter[Any] = TypeAdapter(Edit)


def parse_edit(given: Any) -> Any:
    """An edit from its JSON (an edit is returned as it is); GessoError with the name of the wrong field."""
    if isinstance(given, _Step):
        return given
    if not isinstance(given, Mapping):
        raise GessoError(f"is a JSON object, not {type(given).__name__}", where="edit", fix='{"op": "merge", "slot": …, "value": …}')
    try:
        return EDIT.validate_python(dict(given))
    except ValidationError as error:
        wrong = as_gesso_error(error)
        where = "edit" if wrong.where == "value" else f"edit.{wrong.where}"
        raise GessoError(wrong.what, where=where, fix=wrong.fix) from None


def combined(edits: Iterable[Any]) -> Several:
    """Edits as one; a `several` among them is flattened."""
    flat: list[Any] = []
    for one in map(parse_edit, edits):
        flat.extend(steps_of(one))
    if len(flat) > MAX_EDITS:
        raise GessoError(f"{len(flat)} edits in one step", where="edits", fix=f"at most {MAX_EDITS}")
    return Several(op="several", edits=tuple(flat))


def to_json(edit: Any) -> dict[str, Any]:
    """The edit as JSON, its values as they were given."""
    if isinstance(edit, Several):
        return {"op": edit.op, "edits": [to_json(one) for one in edit.edits]}
    made = {name: getattr(edit, name) for name in type(edit).model_fields if name in edit.model_fields_set}
    if isinstance(made.get("value"), Condition):
        made["value"] = made["value"].model_dump(mode="json")
    return made


def steps_of(edit: Any) -> tuple[Any, ...]:
    """The single edits of an edit, in order."""
    return edit.edits if isinstance(edit, Several) else (edit,)


def value_steps(edit: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The JSON of an edit's merges and sets, in order."""
    steps = edit["edits"] if edit["op"] == "several" else [edit]
    return [one for one in steps if one["op"] in ("merge", "set")]


def with_exact_pixels(edit: Any, values: Sequence[Condition]) -> Any:
    """The edit with its pictures as PNG: decoders of lossy formats differ in the last bit, and a session must replay to the bit.

    `values` are the values read from its merges and sets, in order. PNGs stay as they were given.
    """
    left = iter(values)
    made: list[Any] = []
    for one in steps_of(edit):
        if isinstance(one, (Merge, Set)):
            value = next(left)
            if any(text[:11].lower() == "data:image/" and not text.startswith(PNG) for text in texts_of(one.value)):
                one = one.model_copy(update={"value": value.model_dump(mode="json")})
        made.append(one)
    return edit.model_copy(update={"edits": tuple(made)}) if isinstance(edit, Several) else made[0]
