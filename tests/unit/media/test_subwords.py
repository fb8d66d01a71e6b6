"""Subwords: any text has numbers, what is learned is the same each time, and a text comes back from its numbers."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gesso.errors import GessoError
from gesso.media.subwords import BYTES, END, FIRST_BYTE, FIRST_PIECE, MASK, PAD, START, folded, learn, plain_words, subwords

TEXTS = ("a red apple", "two red apples", "green apple", "빨간 사과", "사과 두 개", "빨간 자동차", "red car: left of a tree")


@pytest.mark.parametrize("text", ["two red apples", "빨간 사과를 든 소년", "schwäbisch, No. 7!", "日本 😀 tea", "ㅋㅋ"])
def test_a_text_comes_back_in_lower_case(text: str):
    words = subwords(learn(TEXTS))
    numbers = words.encode(text)
    assert words.decode(numbers) == unicodedata.normalize("NFC", folded(text))
    assert min(numbers) >= FIRST_BYTE and max(numbers) < len(words)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=60))
def test_no_text_is_outside_a_vocabulary(text: str):
    text = text.encode("utf-8", "ignore").decode()
    words = subwords(tuple(learn(TEXTS)))
    assert words.decode(words.encode(text)) == unicodedata.normalize("NFC", folded(text)).strip()
    exact = subwords(BYTES)
    assert exact.decode([START, *exact.encode(text), END, PAD]) == text


def test_frequent_words_are_one_piece_and_rare_ones_are_spelled():
    words = subwords(learn(TEXTS))
    assert len(words.encode("red")) == 1 and len(words.encode("사과")) == 1 and len(words.encode("zebra")) > 2
    assert len(subwords(()).encode("사과")) == 5, "a space and two syllables of two jamo each"
    assert all(number >= FIRST_PIECE for number in words.encode("red 사과"))


def test_learning_is_deterministic_and_stops_at_rare_pairs():
    assert learn(TEXTS) == learn(tuple(reversed(TEXTS))) and len(learn(TEXTS, 5)) == 5
    assert learn(["abc"]) == [] and learn([]) == [] and learn(["ab ab"]) == [" a", " ab"]


def test_case_and_form_make_no_difference():
    words = subwords(learn(TEXTS))
    assert words.encode("RED  Apple\n") == words.encode("red apple") == words.encode("\uff32\uff25\uff24 apple")
    assert words.encode(unicodedata.normalize("NFD", "사과")) == words.encode("사과")
    assert plain_words("Woman: medium-light, Skin!") == ["woman", "medium", "light", "skin"] and plain_words("사과.") == ["사과"]


def test_special_numbers_and_broken_bytes_are_no_text():
    words = subwords(())
    assert words.decode([PAD, START, END, MASK, 10**9, -1]) == "" and words.decode([FIRST_BYTE + 0xFF]) == "\ufffd"


@pytest.mark.parametrize("wrong", ["letters", ["ab", "ab"], ["a"], [3], ["a" * 99]])
def test_what_is_no_vocabulary_is_refused(wrong: object):
    with pytest.raises(GessoError, match="vocabulary"):
        subwords(wrong)  # type: ignore[arg-type]
