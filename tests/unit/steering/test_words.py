"""Summaries of edits and differences, in both languages."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gesso.card import Slot
from gesso.conditions.hints import Hints
from gesso.conditions.sketch import Sketch
from gesso.steering import State, Store
from gesso.steering.words import WORDS, differences, summary_of, title
from unit.steering.example_card import CARD, drawing, hint, sketch


def said(store: Store, *edits: Any, begin: tuple[Any, ...] = ()) -> tuple[str, str]:
    """What the last edit is said to have done."""
    made = store.create("ann", "room", edits=[sketch(), *begin])
    for one in edits:
        node = store.append("ann", made.id, None, one)
    compared = store.compare("ann", made.id, node.parent or "", node.id)
    assert summary_of(compared) == node.said
    return node.said["en"], node.said["ko"]


MANY = {"op": "merge", "slot": "hints", "value": {"marks": [{"x": x, "y": 1, "color": "red"} for x in range(3)]}}


@pytest.mark.parametrize(
    ("begin", "edit", "english", "korean"),
    [
        ((), MANY, "hints: 3 drawn", "hints: 3개 그림"),
        ((hint(9, 9),), MANY, "hints: 3 more", "hints: 3개 추가"),
        ((MANY,), {"op": "take", "slot": "hints", "index": 1}, "hints: 1 fewer", "hints: 1개 지움"),
        ((MANY,), {**hint(9, 9), "op": "set"}, "hints: 1 more, 3 fewer", "hints: 1개 추가, 3개 지움"),
        ((MANY,), {"op": "drop", "slot": "hints"}, "hints: removed", "hints: 지움"),
        ((), sketch(1), "sketch: 99.6 % of its pixels changed", "sketch: 픽셀의 99.6 %가 달라짐"),
        ((), sketch(1, (20, 30)), "sketch: 80 × 50 → 30 × 20 pixels", "sketch: 80 × 50 → 30 × 20 픽셀"),
        ((), {"op": "set", "slot": "label", "value": {"name": "고양이"}}, "label: 고양이", "label: 고양이"),
        (
            ({"op": "set", "slot": "label", "value": {"name": "cat"}},),
            {"op": "set", "slot": "label", "value": {"name": "dog"}},
            "label: cat → dog",
            "label: cat → dog",
        ),
        ((), {"op": "set", "slot": "weather", "value": {"rain": 1}}, "weather: given", "weather: 새로 넣음"),
        (
            ({"op": "set", "slot": "weather", "value": {"rain": 1}},),
            {"op": "merge", "slot": "weather", "value": {"rain": 1}},
            "weather: changed",
            "weather: 바뀜",
        ),
        ((), {"op": "setting", "name": "num_steps", "value": 7}, "num steps: 3 → 7", "num steps: 3 → 7"),
        ((), {"op": "setting", "name": "num_steps", "value": 3}, "nothing changed", "바뀐 것 없음"),
        ((), {"op": "seed", "value": 5}, "seed: 0 → 5", "시드: 0 → 5"),
        (
            (),
            {"op": "several", "edits": [{"op": "seed", "value": 5}, hint(1, 1)]},
            "hints: 1 drawn · seed: 0 → 5",
            "hints: 1개 그림 · 시드: 0 → 5",
        ),
    ],
)
def test_what_an_edit_did(store: Store, begin: tuple[Any, ...], edit: Any, english: str, korean: str):
    assert said(store, edit, begin=begin) == (english, korean)


def test_the_summary_of_an_empty_root(store: Store):
    made = store.create("ann", "room")
    assert store.node("ann", made.id, made.root).said == {"en": "started", "ko": "시작"}


def test_comparing_names_what_differs_and_how(store: Store):
    made = store.create("ann", "room", edits=[sketch(), hint(1, 1)])
    one = store.append("ann", made.id, made.root, {"op": "seed", "value": 5})
    two = store.append(
        "ann", made.id, made.root, {"op": "several", "edits": [hint(2, 2), {"op": "setting", "name": "mood", "value": "dark"}]}
    )
    found = store.compare("ann", made.id, one.id, two.id)
    assert [{k for k in each if k not in ("before", "after", "said")} for each in found] == [{"slot"}, {"setting"}, {"seed"}]
    assert found[0]["slot"] == "hints" and [len(found[0][side]["marks"]) for side in ("before", "after")] == [1, 2]
    assert found[1] == {"setting": "mood", "before": "plain", "after": "dark", "said": dict.fromkeys(WORDS, "mood: plain → dark")}
    assert (found[2]["before"], found[2]["after"]) == (5, 0)
    assert store.compare("ann", made.id, one.id, one.id) == []
    back = store.compare("ann", made.id, two.id, one.id)
    assert back[0]["said"]["en"] == "hints: 1 fewer"


def test_arrays_appear_as_their_hash(store: Store):
    made = store.create("ann", "room", edits=[sketch()])
    node = store.append("ann", made.id, None, sketch(1))
    found = store.compare("ann", made.id, made.root, node.id)[0]
    assert set(found["after"]["pixels"]) == {"shape", "sha256"} and found["before"] != found["after"]


def test_equal_values_read_twice_do_not_differ():
    one, two = (State({"sketch": Sketch(pixels=drawing())}) for _ in range(2))
    assert differences(CARD, one, two) == []
    changed = drawing()
    changed[0, 0] ^= 1
    found = differences(CARD, one, State({"sketch": Sketch(pixels=changed)}))
    assert found[0]["said"]["en"] == "sketch: < 0.1 % of its pixels changed"
    colour = np.repeat(drawing()[..., None], 3, -1)
    assert "100.0 %" in differences(CARD, one, State({"sketch": Sketch(pixels=colour)}))[0]["said"]["en"]


def test_both_languages_have_every_sentence():
    assert set(WORDS["en"]) == set(WORDS["ko"])
    for key, sentence in WORDS["en"].items():
        parts = [part.split("}")[0] for part in sentence.split("{")[1:]]
        assert sorted(parts) == sorted(part.split("}")[0] for part in WORDS["ko"][key].split("{")[1:]), key


def test_a_slot_is_called_by_its_title_where_the_card_has_one():
    class Titled(Slot):
        title: dict[str, str] = {}

    slot = Titled(name="my_hints", kind=Hints, help={}, title={"ko": "힌트"})
    assert (title(slot, "ko"), title(slot, "en")) == ("힌트", "my hints")
