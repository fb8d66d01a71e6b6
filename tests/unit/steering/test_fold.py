"""For any sequence of edits, undos and branches: no node is lost, and the fold equals the request built directly."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gesso.card import Card, Settings
from gesso.conditions.hints import Hint, Hints
from gesso.conditions.known import Known
from gesso.conditions.strokes import Strokes
from gesso.errors import GessoError
from gesso.request import Request
from gesso.steering import State, Store, StoreLimits
from gesso.steering.edit import parse_edit
from gesso.steering.fold import check, fold, missing, to_request
from unit.steering.example_card import CARD, cards, drawing, hint, keep, sketch

COLOURS = ("#ff0000", "#00ff00", "#0000ff")
single = st.one_of(
    st.builds(hint, st.integers(0, 79), st.integers(0, 49), st.sampled_from(COLOURS)),
    st.builds(keep, st.integers(0, 60), st.integers(0, 3)),
    st.builds(lambda n: sketch(n), st.integers(0, 2)),
    st.builds(lambda name: {"op": "set", "slot": "label", "value": {"name": name}}, st.sampled_from(("cat", "dog", "고양이"))),
    st.builds(lambda n: {"op": "merge", "slot": "weather", "value": {"rain": n}}, st.integers(0, 4)),
    st.builds(lambda slot: {"op": "drop", "slot": slot}, st.sampled_from([slot.name for slot in CARD.conditions])),
    st.builds(lambda i: {"op": "take", "slot": "hints", "index": i}, st.integers(0, 3)),
    st.builds(lambda n: {"op": "setting", "name": "num_steps", "value": n}, st.integers(0, 52)),
    st.just({"op": "setting", "name": "num_steps"}),
    st.builds(lambda n: {"op": "seed", "value": n}, st.integers(0, 9)),
)
edit = st.one_of(single, st.builds(lambda edits: {"op": "several", "edits": edits}, st.lists(single, max_size=3)))
move = st.one_of(
    st.tuples(st.just("append"), edit),
    st.tuples(st.just("append"), edit),
    st.tuples(st.just("undo"), st.none()),
    st.tuples(st.just("redo"), st.none()),
    st.tuples(st.just("show"), st.integers(0, 99)),
    st.tuples(st.just("forget"), st.none()),
)


class Plain:
    """The same, written down as plainly as can be: a list of what was given, and Request.build."""

    def __init__(self) -> None:
        self.given: dict[str, Any] = {}
        self.settings: dict[str, Any] = {}
        self.seed = 0

    def after(self, edit: dict[str, Any]) -> Plain:
        new = Plain()
        new.given, new.settings, new.seed = dict(self.given), dict(self.settings), self.seed
        for one in edit["edits"] if edit["op"] == "several" else [edit]:
            new._one(one)
        return new

    def _one(self, edit: dict[str, Any]) -> None:
        op, slot = edit["op"], edit.get("slot", "")
        if op in ("set", "merge"):
            value = CARD.slot(slot).from_json(edit["value"])
            self.given[slot] = self.given[slot].merge(value) if op == "merge" and slot in self.given else value
        elif op == "drop":
            self.given.pop(slot, None)
        elif op == "take":
            marks = list(self.given[slot].marks) if slot in self.given else []
            del marks[edit["index"]]
            self.given[slot] = Hints(marks=tuple(marks))
            if not marks:
                del self.given[slot]
        elif op == "setting":
            self.settings.pop("num_steps", None)
            self.settings |= {"num_steps": edit["value"]} if "value" in edit else {}
        elif op == "seed":
            self.seed = edit["value"]

    def built(self) -> Request:
        whole = self.given if "sketch" in self.given else {**self.given, "sketch": CARD.slot("sketch").from_json(sketch()["value"])}
        return Request.build(CARD, whole, seed=self.seed, settings=self.settings)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(move, min_size=1, max_size=14))
def test_any_walk_loses_nothing_and_folds_to_the_request_built_directly(tmp_path_factory: pytest.TempPathFactory, walk: list[Any]):
    path: Path = tmp_path_factory.mktemp("walk") / "s.sqlite"
    store = Store(path, cards=cards, limits=StoreLimits(cache_states=3))
    made = store.create("ann", "room", "길")
    plain, parents = {made.root: Plain()}, {made.root: None}
    for kind, what in walk:
        head = store.session("ann", made.id).head
        if kind == "append":
            try:
                wanted = plain[head].after(what)
                wanted.built()
            except (ValueError, LookupError):
                wanted = None
            try:
                node = store.append("ann", made.id, None, what)
            except GessoError:
                assert wanted is None, "what can be built directly was refused"
                assert store.session("ann", made.id).head == head
            else:
                assert wanted is not None, "what cannot be built was taken"
                plain[node.id], parents[node.id] = wanted, head
                assert store.session("ann", made.id).head == node.id
        elif kind == "undo":
            assert store.undo("ann", made.id).head == (parents[head] or head)
        elif kind == "redo":
            after = store.redo("ann", made.id).head
            assert parents[after] == head or (after == head and head not in parents.values())
        elif kind == "show":
            node_id = list(plain)[what % len(plain)]
            assert store.show("ann", made.id, node_id).head == node_id
        else:
            store.close()
            store = Store(path, cards=cards, limits=StoreLimits(cache_states=3))
        assert {node.id: node.parent for node in store.tree("ann", made.id)} == parents
    for node_id, wanted in plain.items():
        if "sketch" in wanted.given:
            assert store.request("ann", made.id, node_id).canonical() == wanted.built().canonical()
    store.close()


def test_a_merge_follows_the_kind():
    state = State()
    for one in (keep(0, 1), keep(5, 2)):
        state = fold(CARD, state, parse_edit(one))
    first, second = (Known.model_validate(one["value"]) for one in (keep(0, 1), keep(5, 2)))
    assert (state.values["keep"].pixels == first.merge(second).pixels).all()
    for rain in (2, 3):
        state = fold(CARD, state, parse_edit({"op": "merge", "slot": "weather", "value": {"rain": rain, "wind": "gale"}}))
    assert state.values["weather"].model_dump() == {"rain": 5, "wind": "gale"}
    with pytest.raises(GessoError, match="weather"):  # together more than the kind takes
        fold(CARD, state, parse_edit({"op": "merge", "slot": "weather", "value": {"rain": 6}}))


@pytest.mark.parametrize(("slot", "field", "other"), [("hints", "marks", "cuts"), ("cuts", "strokes", "hints")])
def test_marks_are_removed_one_by_one(slot: str, field: str, other: str):
    state = State()
    for x in (1, 2, 3):
        state = fold(CARD, state, parse_edit(hint(x, 1)))
        state = fold(CARD, state, parse_edit({"op": "merge", "slot": "cuts", "value": {"strokes": [{"path": [[x, 1], [x, 9]]}]}}))
    one = fold(CARD, state, parse_edit({"op": "take", "slot": slot, "index": 1}))
    marks = getattr(state.values[slot], field)
    assert getattr(one.values[slot], field) == (marks[0], marks[2]) and one.values[other] is state.values[other]
    with pytest.raises(GessoError, match="from 0 to 2"):
        fold(CARD, state, parse_edit({"op": "take", "slot": slot, "index": 3}))
    for _ in range(3):
        state = fold(CARD, state, parse_edit({"op": "take", "slot": slot, "index": 0}))
    assert slot not in state.values  # none left is not given


def test_values_may_be_given_as_they_are():
    value = Hints(marks=(Hint(1, 2, "red"),))
    state = fold(CARD, State(), parse_edit({"op": "merge", "slot": "hints", "value": value}))
    assert state.values["hints"] is value
    assert isinstance(fold(CARD, state, parse_edit({"op": "set", "slot": "cuts", "value": Strokes()})).values["cuts"], Strokes)


def test_a_recipe_that_needs_a_setting():
    class Strict(Settings):
        size: int
        steps: int = 3

    card = CARD.model_copy(update={"settings": Strict})
    state = State({"sketch": CARD.slot("sketch").from_json(sketch()["value"])}, {"steps": 4})
    check(card, state)
    assert missing(card, state) == ("size",)
    with pytest.raises(GessoError, match="size"):
        to_request(card, state)
    with pytest.raises(GessoError, match="steps"):
        check(card, State(settings={"steps": "none"}))
    done = State(state.values, {"steps": 4, "size": 8})
    assert missing(card, done) == () and to_request(card, done).settings == Strict(size=8, steps=4)


def test_each_shipped_card_starts_an_empty_session():
    from gesso import recipes

    found: list[Card] = [recipes.find(name).card for name in ("colorize", "digits", "style")]
    for card in found:
        check(card, State())
        assert missing(card, State()) == tuple(slot.name for slot in card.conditions if slot.required)
    assert drawing().shape == (50, 80)
