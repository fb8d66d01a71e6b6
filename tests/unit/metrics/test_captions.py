"""Captions against held-out ones: words in common, by language, beside those of another picture."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from gesso.datasets.captioned_shapes import CaptionedShapes
from gesso.datasets.one_language import LANGUAGES, OneLanguage
from gesso.errors import GessoError
from gesso.metrics.captions import f1, measure_captions


def test_f1_is_of_words():
    assert f1({"a", "red", "cat"}, {"red", "cat"}) == pytest.approx(0.8) and f1(set(), {"a"}) == 0 and f1(set(), set()) == 0


def test_the_truth_scores_one_and_a_fixed_text_scores_as_guessing():
    held = {language: OneLanguage(CaptionedShapes(30, 16), language) for language in LANGUAGES}
    shapes = CaptionedShapes(30, 16)
    truth = {shapes.item(i, None)["picture"].tobytes(): shapes.item(i, None)["captions"] for i in range(30)}  # type: ignore[arg-type]

    def right(picture: Any, language: str, **others: Any) -> Any:
        return SimpleNamespace(outputs={"caption": truth[picture.tobytes()][LANGUAGES.index(language)][0]})

    def fixed(**given: Any) -> Any:
        return SimpleNamespace(outputs={"caption": "red circle"})

    best, guess = (measure_captions(make, held, {"num": 25})["captions"] for make in (right, fixed))
    assert set(best) == set(LANGUAGES) and best["ko"]["F1 of words"] == 1 == best["en"]["the same words"] and best["en"]["n"] == 25
    assert best["en"]["of another picture"] < 0.6 and guess["en"]["F1 of words"] == pytest.approx(guess["en"]["of another picture"])
    with pytest.raises(GessoError, match="no option"):
        measure_captions(fixed, held, {"limit": 3})
