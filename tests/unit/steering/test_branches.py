"""Merging branches: the union where they do not meet, the later where they do; as one more step of the session."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gesso.conditions.branches import joined
from gesso.conditions.hints import Hint, Hints
from gesso.conditions.known import Known
from gesso.conditions.known_notes import KnownNotes
from gesso.conditions.label import Label
from gesso.errors import GessoError
from gesso.steering import Store
from gesso.steering.branches import merge_branch, merged_state
from gesso.steering.fold import State
from unit.steering.example_card import CARD, hint, keep, sketch

ME = "me"
marks = st.lists(st.builds(Hint, st.integers(0, 20), st.integers(0, 20), st.sampled_from(["#ff0000", "#00ff00"])), max_size=5)


def hints(given: list[Hint]) -> Hints | None:
    return Hints(marks=tuple(given)) if given else None


def of(value: Any) -> list[Hint]:
    return list(value.marks) if value is not None else []


@given(base=marks, one=marks, two=marks)
def test_marks_that_were_added_apart_are_all_kept_the_later_last(base: list[Hint], one: list[Hint], two: list[Hint]):
    merged = of(joined(hints([*base, *one]), hints([*base, *two]), hints(base)))
    both = Counter(one) & Counter(two)
    assert Counter(merged) == Counter(base) + Counter(one) + Counter(two) - both
    if not set(two) & {*base, *one}:
        assert merged[len(merged) - len(two) :] == two  # on top of all others
    if not both and not set(base) & {*one, *two}:
        assert merged == [*base, *one, *two]


@given(base=marks, kept=st.lists(st.booleans(), min_size=5, max_size=5), one=marks)
def test_marks_that_one_branch_removed_stay_removed(base: list[Hint], kept: list[bool], one: list[Hint]):
    left = [mark for mark, keeps in zip(base, kept, strict=False) if keeps]
    merged = of(joined(hints(left), hints([*base, *one]), hints(base)))
    assert Counter(merged) == Counter(left) + Counter(one)


@given(base=marks, one=marks)
def test_what_one_branch_alone_changed_is_as_it_changed_it(base: list[Hint], one: list[Hint]):
    same = hints(base)
    assert joined(same, hints(one), same) == hints(one) == joined(hints(one), same, same)


grids = st.lists(st.sampled_from([0, 90, 200, None]), min_size=6, max_size=6)


def known(given: list[int | None]) -> Known | None:
    pixels = np.array([[0 if v is None else v for v in given]], np.uint8)
    mask = np.array([[v is not None for v in given]])
    return Known(pixels=pixels, mask=mask) if mask.any() else None


def pixels_of(value: Known | None) -> list[int | None]:
    return [None] * 6 if value is None else [int(p) if m else None for p, m in zip(value.pixels[0], value.mask[0], strict=True)]


@given(base=grids, one=grids, two=grids)
def test_pixels_are_of_the_branch_that_changed_them_and_of_the_later_where_both_did(base: Any, one: Any, two: Any):
    merged = pixels_of(joined(known(one), known(two), known(base)))
    if known(one) is None or known(two) is None:  # removed as a whole in one branch
        return
    for before, mine, other, found in zip(base, one, two, merged, strict=True):
        assert found == (other if other != before else mine)


def test_notes_are_joined_by_step_and_voice():
    def notes(mask: list[list[bool]], pitch: int) -> KnownNotes:
        held = np.array(mask)
        return KnownNotes.of(np.where(held, pitch, -1).astype(np.int16), np.zeros(held.shape, bool), held)

    first, second = notes([[True, True, False, False], [False] * 4], 60), notes([[False] * 4, [False, False, True, True]], 48)
    both = joined(first, second, None)
    assert isinstance(both, KnownNotes)
    assert both.known_steps().tolist() == [[True, True, False, False], [False, False, True, True]]


def test_of_a_single_value_the_later_counts():
    cat, dog, base = Label(name="cat"), Label(name="dog"), Label(name="고양이")
    assert joined(cat, dog, base) == dog and joined(dog, cat, base) == cat
    assert joined(None, dog, base) == dog and joined(cat, None, base) is None and joined(None, cat, None) == cat


def begun(store: Store) -> tuple[str, str]:
    session = store.create(ME, "room", edits=[sketch(), hint(5, 5, "#ff0000")])
    return session.id, session.head


def colours(store: Store, session: str, node: str | None = None) -> list[str]:
    return [mark.color for mark in of(store.state(ME, session, node).values.get("hints"))]


def test_a_branch_is_merged_as_a_step_that_undoes_and_replays(store: Store):
    session, root = begun(store)
    mine = store.append(ME, session, root, hint(10, 10, "#00ff00"))
    other = store.append(ME, session, root, {"op": "several", "edits": [hint(20, 20, "#0000ff"), keep(3, 1)]})
    store.append(ME, session, other.id, {"op": "setting", "name": "num_steps", "value": 9})
    that = store.session(ME, session).head
    store.show(ME, session, mine.id)
    made = merge_branch(store, ME, session, that)
    assert made.node.parent == mine.id and store.session(ME, session).head == made.node.id
    assert colours(store, session) == ["#ff0000", "#00ff00", "#0000ff"] and made.both == ("hints",)
    state = store.state(ME, session)
    assert state.settings == {"num_steps": 9} and "keep" in state.values
    again = store.import_(ME, store.export(ME, session))
    assert store.state(ME, again.id).to_json() == state.to_json()
    store.undo(ME, session)
    assert colours(store, session) == ["#ff0000", "#00ff00"]


def test_who_wins_can_be_said(store: Store):
    session, root = begun(store)
    one = store.append(ME, session, root, {"op": "set", "slot": "label", "value": {"name": "cat"}})
    two = store.append(ME, session, root, {"op": "set", "slot": "label", "value": {"name": "dog"}})
    for wins, name in (("later", "dog"), ("this", "cat"), ("that", "dog")):
        store.show(ME, session, one.id)
        if wins == "this":
            with pytest.raises(GessoError, match="has all of the other"):
                merge_branch(store, ME, session, two.id, one.id, wins="this")
            continue
        made = merge_branch(store, ME, session, two.id, one.id, wins=wins)  # type: ignore[arg-type]
        assert store.state(ME, session, made.node.id).to_json()["conditions"]["label"]["name"] == name
        assert made.both == ("label",)


def test_what_cannot_be_merged_is_refused_and_nothing_is_written(store: Store):
    session, root = begun(store)
    child = store.append(ME, session, root, hint(1, 1, "#00ff00"))
    before = len(store.tree(ME, session))
    for that, this in ((root, child.id), (child.id, root), (child.id, child.id)):
        with pytest.raises(GessoError, match="leads to the other"):
            merge_branch(store, ME, session, that, this)
    with pytest.raises(GessoError):
        merge_branch(store, ME, session, "nothing")
    with pytest.raises(GessoError, match="no 'best'"):
        merge_branch(store, ME, session, root, child.id, wins="best")  # type: ignore[arg-type]
    assert len(store.tree(ME, session)) == before


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(base=marks, one=marks, two=marks, seeds=st.tuples(*[st.integers(0, 3)] * 3))
def test_order_matters_only_where_branches_meet(base: list[Hint], one: list[Hint], two: list[Hint], seeds: tuple[int, int, int]):
    states = [
        State({"hints": value} if (value := hints([*base, *more])) is not None else {}, {}, seed)
        for more, seed in zip(([], one, two), seeds, strict=True)
    ]
    left, right = merged_state(CARD, states[0], states[1], states[2]), merged_state(CARD, states[0], states[2], states[1])
    assert Counter(of(left.values.get("hints"))) == Counter(of(right.values.get("hints")))
    assert (left.seed == right.seed) == (seeds[0] in seeds[1:] or seeds[1] == seeds[2])
