"""Every recipe found can be read by people: in English and in Korean, everywhere."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Literal, get_args, get_origin

import pytest

from gesso import recipes
from gesso.card import Card, value_name

HANGUL = re.compile(r"[가-힣]")


def words(card: Card) -> Iterator[tuple[str, Mapping[str, str]]]:
    yield "title", card.title
    yield "summary", card.summary
    if card.limits:
        yield "limits", card.limits
    for slot in card.conditions:
        yield f"what condition {slot.name} is called", slot.title
        yield f"condition {slot.name}", slot.help
    for out in card.outputs:
        yield f"output {out.name}", out.help


def test_the_recipes_of_the_ground_are_found():
    assert {"colorize", "digits", "style", "digit_classifier", "cifar_classifier"} <= set(recipes.names())


@pytest.mark.parametrize("name", recipes.names())
def test_card_is_whole(name: str):
    card = recipes.find(name).card
    assert card.name == name, "a recipe is found by its file's name, and called by its card's"
    for where, text in words(card):
        assert set(text) >= {"en", "ko"}, where
        assert text["en"].strip() and not HANGUL.search(text["en"]), f"{where}: {text['en']}"
        assert HANGUL.search(text["ko"]), f"{where}: {text['ko']}"
    assert card.outputs, "a recipe makes something"
    assert card.licence and card.data, "whose data, on what terms"


@pytest.mark.parametrize("name", recipes.names())
def test_settings_explain_themselves(name: str):
    card = recipes.find(name).card
    for field, info in card.settings.model_fields.items():
        told = card.setting_words(field)
        named = {part: told.get(part, {}) for part in ("title", "help")}
        if get_origin(info.annotation) is Literal:
            named |= {one: told.get("choices", {}).get(value_name(one), {}) for one in get_args(info.annotation)}
        for part, text in named.items():
            assert set(text) >= {"en", "ko"}, f"{name}: the setting {field} has no words for {part}"
            assert not HANGUL.search(text["en"]) and HANGUL.search(text["ko"]), f"{name}: {field}, {part}: {text}"


@pytest.mark.parametrize("name", recipes.names())
def test_conditions_draw_themselves(name: str):
    import json

    for slot in recipes.find(name).card.conditions:
        control = slot.control()
        assert control["tool"], slot.name
        json.dumps(control["schema"])
