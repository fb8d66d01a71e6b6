"""One caption and its language at a time."""

from __future__ import annotations

import numpy as np

from gesso.datasets.captioned_shapes import CaptionedShapes
from gesso.datasets.one_language import LANGUAGES, OneLanguage, language_of


def test_a_caption_goes_with_its_language():
    both = OneLanguage(CaptionedShapes(20, 16))
    seen = set()
    for index in range(20):
        item = both.item(index, np.random.default_rng(index))
        ((text, _),) = item["captions"]
        assert LANGUAGES[item["label"]] == language_of(text)
        seen.add(item["label"])
    assert seen == {0, 1} and set(both.texts()) == set(CaptionedShapes(20, 16).texts())
    assert both.stack([both.item(0, np.random.default_rng(0))])["image"].shape == (1, 3, 16, 16)


def test_one_language_alone():
    for language in LANGUAGES:
        one = OneLanguage(CaptionedShapes(20, 16), language)
        assert {LANGUAGES[one.item(i, np.random.default_rng(i))["label"]] for i in range(20)} == {language}
    assert language_of("red") == "en" and language_of("빨강") == "ko" and language_of("ㅋㅋ") == "ko"
