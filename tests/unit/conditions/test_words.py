"""Words: short texts in any language, what users write of a caption, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gesso.card import Card, Slot
from gesso.conditions.words import MAX_LETTERS, Words
from gesso.errors import GessoError
from gesso.media.subwords import END, START, learn, subwords
from gesso.ports import Frame

CAPTIONS = (("woman biking: light skin tone", ("bicycle", "sport", "hair, blond")), ("자전거 타는 여자", ("자전거",)))
VOCABULARY = learn([text for text, _ in CAPTIONS] * 3)
OPTIONS: dict[str, Any] = {"vocabulary": VOCABULARY, "length": 24}
SLOT = Slot(name="words", kind=Words, options=OPTIONS)


def written(seed: int, budget: float = 1.0, captions: Any = CAPTIONS) -> Any:
    return Words.simulate({"captions": captions, "slot": SLOT}, np.random.default_rng(seed), budget)


@pytest.mark.parametrize("given", ["two red apples", {"text": "two red apples"}, "  two\tred \n apples "])
def test_a_text_is_read_with_its_space_made_plain(given: object):
    value = SLOT.read(given)
    assert value.text == "two red apples" and SLOT.from_json(value.model_dump(mode="json")) == value


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("", "no words"),
        ("  \n", "no words"),
        (None, "not a text"),
        (5, "not a text"),
        (True, "not a text"),
        (["a"], "not a text"),
        (b"a", "not a text"),
        ({"text": 5}, "not a text"),
        ({"text": "a", "more": 1}, "not a text"),
        ("a\x00b", r"U\+0000"),
        ("a\x1b[31mred", r"U\+001B"),
        ("a\u202eb", r"U\+202E"),
        ("a\ud800b", r"U\+D800"),
        ("a" * (MAX_LETTERS + 1), "at most 400"),
        ("a" * 10_000_000, "at most 400"),
        ("q z " * 30, "too long"),
    ],
)
def test_what_is_no_short_text_is_refused(given: object, said: str):
    with pytest.raises(GessoError, match=said) as refused:
        SLOT.read(given)
    assert "words" in str(refused.value) and len(str(refused.value)) < 400


def test_a_text_is_never_cut():
    with pytest.raises(GessoError, match=r"pieces of words, and 22 fit"):
        Words.encode([Words(text="q z " * 30)], Frame(options=OPTIONS))
    with pytest.raises(GessoError, match="too long"):
        SLOT.from_json({"text": "q z " * 30})


def test_emoji_and_other_scripts_are_words():
    for text in ("👩🏽‍🚀 in space", "قط أحمر", "日本"):
        assert SLOT.kind.read(text, where="words", options={}).text == text


def test_tokens_are_ids_with_a_mask_and_no_text_has_none():
    ports = Words.encode([Words(text="woman"), None, Words(text="자전거 타는 여자")], Frame(options=OPTIONS))
    assert ports.tokens is not None and ports.tokens.ids is not None and ports.tokens.ids.shape == (3, 24)
    ids, mask = ports.tokens.ids, ports.tokens.mask
    assert ids[0, 0] == START and ids[0, mask[0]].tolist()[-1] == END and not mask[1].any()
    assert subwords(VOCABULARY).decode(ids[2].tolist()) == "자전거 타는 여자"
    assert int(ids.max()) < Words.sizes(OPTIONS).vocabulary and ports.tokens.values.shape == (3, 24, 0)


def test_users_write_captions_and_tags_in_either_language():
    said = {written(seed)[0].text for seed in range(300)}
    assert {"woman biking: light skin tone", "자전거 타는 여자", "자전거"} <= said
    assert any("sport" in text and "woman" in text for text in said) and any(set(text.split(", ")) <= {"bicycle", "sport"} for text in said)
    assert all(SLOT.read(text).text for text in said)


def test_hurried_users_leave_words_out_and_the_same_seed_writes_the_same():
    def short(budget: float) -> float:
        return float(np.mean([len(written(seed, budget, CAPTIONS[:1] * 1)[0].text.split()) for seed in range(300)]))

    assert short(0.0) < short(1.0) - 0.2
    assert written(7, 0.3) == written(7, 0.3)


def test_the_truth_tells_what_is_said_and_what_holds():
    for seed in range(50):
        value, truth = written(seed, 0.2)
        assert value is not None and truth["said"] <= truth["holds"] and {"woman", "자전거", "blond", "tone"} <= truth["holds"]


def test_a_picture_without_captions_is_not_described_and_long_ones_fit():
    assert written(0, captions=(("", ()),)) == (None, {}) and written(0, captions=()) == (None, {})
    for long in ("qz " * 100, "q" * 200):
        value, _ = written(1, captions=((long, ()),))
        assert SLOT.read(value.text) == value


def test_the_control_is_a_field_for_text_and_a_card_takes_it_by_name():
    control = SLOT.control()
    assert control["tool"] == "words" and control["schema"]["properties"]["text"]["maxLength"] == MAX_LETTERS
    card = Card(name="toy", title={}, summary={}, conditions=(SLOT,), outputs=())
    assert card.read({"words": "a woman"})["words"] == Words(text="a woman")
    assert Words(text="one").merge(Words(text="two")).text == "two"
