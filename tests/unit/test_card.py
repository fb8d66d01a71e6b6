"""A card parses conditions by name, and its errors name the condition."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from pydantic import Field, ValidationError

from gesso import recipes
from gesso.card import Card, Settings, Slot, value_name, wordbook
from gesso.conditions.label import Label
from gesso.conditions.sketch import Sketch
from gesso.errors import GessoError
from gesso.ports import PortSizes


@pytest.fixture
def card(toy: Path) -> Card:
    return recipes.find(toy).card


def test_values_are_in_the_cards_order(card: Card, pixels: np.ndarray):
    values = card.read({"keep": "a", "tags": "warm", "photo": pixels})
    assert list(values) == ["photo", "tags", "keep"]
    assert np.array_equal(values["photo"].pixels, pixels)


def test_a_repeatable_condition_is_merged_in_order(card: Card, pixels: np.ndarray):
    assert card.read({"photo": pixels, "tags": ["warm", "none", "warm"]})["tags"].names == ("warm", "none", "warm")


def test_a_merged_value_over_the_limit_is_refused_and_named():
    card = recipes.find("colorize").card
    half = {"marks": [{"x": 5, "y": 5, "color": "red"}] * 3000}
    with pytest.raises(GessoError, match=r"hints.*4096"):
        card.read({"sketch": np.zeros((16, 16), np.uint8), "hints": [half, half]})


def test_a_value_of_the_kind_is_not_parsed_again(card: Card, pixels: np.ndarray):
    photo = card.slot("photo").kind(pixels=pixels)
    assert card.read({"photo": photo})["photo"] is photo


def test_none_means_absent(card: Card, pixels: np.ndarray):
    assert list(card.read({"photo": pixels, "tags": None})) == ["photo"]


def test_an_unknown_condition_is_refused_with_the_known_names(card: Card, pixels: np.ndarray):
    with pytest.raises(GessoError, match=r"no condition 'picture'.*photo, tags, keep"):
        card.read({"picture": pixels})


@pytest.mark.parametrize("given", [{}, {"tags": "warm"}, {"photo": None}])
def test_a_missing_required_condition_is_named_with_an_example(card: Card, given: dict):
    with pytest.raises(GessoError, match=r"photo: toy needs photo.*--photo cat\.png"):
        card.read(given)


def test_an_invalid_value_names_its_condition(card: Card, pixels: np.ndarray):
    with pytest.raises(GessoError, match=r"tags: there is no tag 'hot'.*none, warm, warmer"):
        card.read({"photo": pixels, "tags": ["warm", "hot"]})


def test_every_value_is_checked_against_the_page(card: Card, pixels: np.ndarray, monkeypatch: pytest.MonkeyPatch):
    seen = []
    monkeypatch.setattr(card.slot("tags").kind, "check", lambda self, page, where: seen.append((where, page)))
    card.read({"tags": "warm", "photo": pixels})
    assert seen == [("tags", (10, 14))]


def test_port_sizes_count_only_network_conditions(card: Card):
    assert card.port_sizes() == PortSizes(vector=2, spatial=4)  # `keep` is for rules alone


def test_token_widths_must_agree():
    assert PortSizes(token=3) + PortSizes(token=3) == PortSizes(token=3)
    with pytest.raises(ValueError, match="different widths, 3 and 4"):
        PortSizes(token=3) + PortSizes(token=4)


@pytest.mark.parametrize("name", ["", "Photo", "two words", "../x", "photo-1", "1photo"])
def test_a_name_that_cannot_be_a_flag_is_refused(card: Card, name: str):
    with pytest.raises(ValidationError):
        Slot(name=name, kind=card.slot("photo").kind, help={"en": "", "ko": ""})


def test_a_card_is_frozen(card: Card):
    with pytest.raises(ValidationError):
        card.name = "other"  # type: ignore[misc]


BOOK = """
    drawing | Drawing | 그림 | a drawing | 그림 한 장
    mood | Mood | 분위기 | how it feels | 어떤 느낌인지
    mood.calm | Calm | 차분하게
"""


class Moody(Settings):
    mood: Literal["calm", "wild"] = "calm"


def worded(book: str) -> Card:
    conditions = (Slot(name="drawing", kind=Sketch), Slot(name="other", kind=Sketch, title={"en": "Own"}))
    return Card(name="worded", title={}, summary={}, conditions=conditions, outputs=(), settings=Moody, words=wordbook(book))


def test_a_wordbook_gives_texts_to_conditions_settings_and_values():
    card = worded(BOOK + "other | Other | 다른 | another | 다른 그림")
    assert card.slot("drawing").title == {"en": "Drawing", "ko": "그림"} and card.slot("drawing").help["ko"] == "그림 한 장"
    assert card.slot("other").title == {"en": "Own"}, "its own words come first"
    field = card.settings_schema()["properties"]["mood"]
    assert field["description"] == "how it feels"
    assert field["words"]["choices"] == {"calm": {"en": "Calm", "ko": "차분하게"}}


@pytest.mark.parametrize(
    "row", ["nobody | Nobody | 아무도", "mood.sad | Sad | 슬프게", "drawing | Drawing", "drawing | A | 가 | only one help", "| a | 가"]
)
def test_words_for_unknown_names_or_incomplete_rows_are_refused(row: str):
    with pytest.raises(ValueError, match="words"):
        worded(row)


def test_a_name_with_two_rows_is_refused():
    with pytest.raises(GessoError, match="once"):
        wordbook("a | A | 가\na | B | 나")


class Dialled(Settings):
    share: float = Field(default=0.25, ge=0, le=1)
    steps: int = Field(default=3, ge=1, le=9)


def test_a_number_may_have_words_for_its_bounds_and_default():
    book = "share.0 | none | 없음\nshare.0.25 | some | 조금\nshare.1 | all | 모두\nsteps.9 | most | 최대"
    card = Card(name="dialled", title={}, summary={}, conditions=(), outputs=(), settings=Dialled, words=wordbook(book))
    assert {name: said["en"] for name, said in card.setting_words("share")["choices"].items()} == {"0": "none", "0.25": "some", "1": "all"}
    assert list(card.setting_words("steps")["choices"]) == ["9"] and value_name(1.0) == "1"
    with pytest.raises(ValueError, match=r"share\.0\.5"):
        Card(name="dialled", title={}, summary={}, conditions=(), outputs=(), settings=Dialled, words=wordbook("share.0.5 | half | 반"))


def grouped(one_of: tuple[tuple[str, ...], ...]) -> Card:
    slots = tuple(Slot(name=name, kind=Label, facts={"classes": "class_names"}) for name in ("digit", "word", "tone"))
    return Card(name="grouped", title={"en": "g"}, summary={"en": "g"}, conditions=slots, outputs=(), one_of=one_of)


def test_exactly_one_of_a_group_must_be_given():
    told = grouped((("digit", "word"),)).with_facts({"class_names": ["a", "b"]})
    assert list(told.read({"word": "b"})) == ["word"]
    with pytest.raises(GessoError, match="digit and word exclude each other"):
        told.read({"digit": "a", "word": "b"})
    with pytest.raises(GessoError, match="needs one of digit, word"):
        told.read({"tone": "a"})
    with pytest.raises(ValidationError, match="unknown conditions in one_of: mood"):
        grouped((("digit", "mood"),))


def test_options_may_come_from_facts_about_the_data():
    told = grouped(()).with_facts({"class_names": ["x", "y", "z"]})
    assert told.slot("tone").options == {"classes": ["x", "y", "z"]} and told.port_sizes().vector == 3 * 4
    assert told.read({"tone": "z"})["tone"].name == "z"
    with pytest.raises(GessoError, match="the weights do not say class_names"):
        grouped(()).with_facts({})
