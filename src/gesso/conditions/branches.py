"""Two values that were changed apart, as one: what each branch changed is kept, and where both changed the same, the later wins."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from gesso.conditions.condition import Condition


def marks_field(value: Condition) -> str | None:
    """The name of the field that holds a repeatable kind's marks: its only tuple. None where there is no such field."""
    if not value.repeatable:
        return None
    fields = [name for name in type(value).model_fields if isinstance(getattr(value, name), tuple)]
    return fields[0] if len(fields) == 1 else None


def joined(earlier: Condition | None, later: Condition | None, base: Condition | None) -> Condition | None:
    """The value of two branches that left `base`; None where it is empty.

    What one of them alone changed is as it changed it. Marks of both are kept, the earlier branch's first, so that later ones win where
    they overlap; what either removed is gone. Of other kinds each says what it can (`Condition.with_branch`).
    """
    if _same(earlier, later) or _same(later, base):
        return earlier
    if _same(earlier, base):
        return later
    some = later or earlier
    if some is not None and marks_field(some):
        return _joined_marks(earlier, later, base, some)
    if earlier is None or later is None:  # one removed it, the other changed it: what was given last counts
        return later
    return earlier.with_branch(later, base)


def _same(one: Condition | None, other: Condition | None) -> bool:
    return one is other or (one is not None and other is not None and one == other)


def _joined_marks(earlier: Condition | None, later: Condition | None, base: Condition | None, some: Condition) -> Condition | None:
    """Marks of which either branch may have none left; other fields are those of `some`."""
    name = marks_field(some)
    assert name is not None
    begun, one, two = ([] if value is None else list(getattr(value, name)) for value in (base, earlier, later))
    counts = Counter(begun), Counter(one), Counter(two)
    kept = Counter({mark: min(count[mark] for count in counts) for mark in counts[0]})
    both = (counts[1] - counts[0]) & (counts[2] - counts[0])  # drawn in both: kept where the later branch has it
    marks = [*_taken(begun, kept), *_taken(one, (counts[1] - counts[0]) - both, last=True), *_taken(two, counts[2] - counts[0], last=True)]
    rest = {one: getattr(some, one) for one in type(some).model_fields}
    return type(some)(**{**rest, name: tuple(marks)}) if marks else None


def _taken(marks: Sequence[Any], which: Counter[Any], *, last: bool = False) -> list[Any]:
    """So many of each of these marks in their order; of equal ones the first, or the last."""
    left, found = Counter(which), []
    for mark in reversed(marks) if last else marks:
        if left[mark] > 0:
            left[mark] -= 1
            found.append(mark)
    return found[::-1] if last else found
