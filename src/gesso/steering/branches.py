"""Merge two branches of a session: what each of them changed since they parted, as one more step.

The step is made of plain edits, so a merged session is a session as any other: it replays, exports and undoes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from gesso.card import Card, named_errors
from gesso.conditions.branches import joined
from gesso.errors import GessoError
from gesso.steering.edit import Drop, Seed, Set, Setting, combined
from gesso.steering.fold import State
from gesso.steering.session import Node
from gesso.steering.store import Store
from gesso.steering.words import values_equal

Wins = Literal["later", "this", "that"]
MISSING = object()


@dataclass(frozen=True)
class MergedBranch:
    """The new node, and the conditions and settings that both branches had changed."""

    node: Node
    both: tuple[str, ...]


def merge_branch(store: Store, owner: str, session: str, that: str, this: str | None = None, *, wins: Wins = "later") -> MergedBranch:
    """Add a node under `this` (None: the head) in which the branch of node `that` is merged; it becomes the head.

    Where both branches say something else of the same, the one with the newer node wins, or the one that `wins` names. GessoError
    where one node leads to the other, or nothing would change.
    """
    if wins not in ("later", "this", "that"):
        raise GessoError(f"there is no {str(wins)[:40]!r}", where="wins", fix="later, this or that")
    found = store.session(owner, session)
    this = this or found.head
    mine, other = store.branch(owner, session, this), store.branch(owner, session, that)
    if that in mine or this in other:
        raise GessoError("one of the nodes leads to the other, so there is nothing to merge", where="node", fix="a node of another branch")
    shared = [id for id in mine if id in set(other)]
    base, ours, theirs = (store.state(owner, session, node) for node in (shared[-1], this, that))
    order = [node.id for node in store.tree(owner, session)]
    that_is_later = wins == "that" or (wins == "later" and order.index(that) > order.index(this))
    card = store.session_card(owner, found)
    earlier, later = (ours, theirs) if that_is_later else (theirs, ours)
    merged = merged_state(card, base, earlier, later)
    edits = edits_between(card, ours, merged)
    if not edits:
        raise GessoError("this branch has all of the other already", where="node", fix="a node of another branch")
    node = store.append(owner, session, this, combined(edits))
    return MergedBranch(node, both_changed(card, base, ours, theirs))


def merged_state(card: Card, base: State, earlier: State, later: State) -> State:
    """The state of two branches that left `base`."""
    values = {}
    for slot in card.conditions:
        one, other = earlier.values.get(slot.name), later.values.get(slot.name)
        if slot.required and one is not None and other is not None and not values_equal(one, other):
            raise GessoError(f"the other branch has another {slot.name}", where="node", fix="merge branches of one picture")
        with named_errors(slot.name, slot.kind):  # the joined value may exceed the kind's limits
            value = joined(*(state.values.get(slot.name) for state in (earlier, later, base)))
        if value is not None:
            values[slot.name] = value
    settings = {}
    for name in card.settings.model_fields:
        one, two, begun = (state.settings.get(name, MISSING) for state in (earlier, later, base))
        if (chosen := one if two == begun else two) is not MISSING:
            settings[name] = chosen
    return State(values, settings, earlier.seed if later.seed == base.seed else later.seed)


def edits_between(card: Card, before: State, after: State) -> list[Any]:
    """Edits that lead from one state to another."""
    edits: list[Any] = []
    for slot in card.conditions:
        old, new = before.values.get(slot.name), after.values.get(slot.name)
        if new is None and old is not None:
            edits.append(Drop(op="drop", slot=slot.name))
        elif new is not None and (old is None or not values_equal(old, new)):
            edits.append(Set(op="set", slot=slot.name, value=new))
    for name in card.settings.model_fields:
        if before.settings.get(name, MISSING) != after.settings.get(name, MISSING):
            value = {"value": after.settings[name]} if name in after.settings else {}
            edits.append(Setting(op="setting", name=name, **value))
    return [*edits, *([Seed(op="seed", value=after.seed)] if before.seed != after.seed else [])]


def both_changed(card: Card, base: State, one: State, two: State) -> tuple[str, ...]:
    """The names of the conditions and settings that both branches changed, each in its own way."""

    def differs(a: Mapping[str, Any], b: Mapping[str, Any], name: str) -> bool:
        return a.get(name, MISSING) != b.get(name, MISSING)

    names = [(slot.name, "values") for slot in card.conditions] + [(name, "settings") for name in card.settings.model_fields]
    found = []
    for name, where in names:
        begun, left, right = (getattr(state, where) for state in (base, one, two))
        if differs(begun, left, name) and differs(begun, right, name) and differs(left, right, name):
            found.append(name)
    return tuple(found)
