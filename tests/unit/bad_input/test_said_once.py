"""What was given and what is wrong with it are said once, in words of our own, through every door."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import BaseModel, ConfigDict, field_validator

from gesso import recipes
from gesso.errors import GessoError, as_gesso_error
from gesso.request import Request
from gesso.rules.palette import parse_colour
from gesso.steering.edit import parse_edit

PAGE = np.full((64, 64), 255, np.uint8)
JARGON = ("Value error", "Assertion failed", "Input should", "validation error", "Extra inputs", "Field required")


def said(door: Callable[[], Any]) -> str:
    with pytest.raises(GessoError) as error:
        door()
    return str(error.value)


def check_plain(line: str, given: str) -> None:
    assert not [word for word in JARGON if word in line], line
    assert line.count(given) == 1, line
    assert len(re.findall(r", not ", line)) <= 1, line


HINTS = {
    "an invalid colour": ("3,3,blau", "'blau'"),
    "a colour in a hint": ({"x": 3, "y": 3, "color": "blau"}, "'blau'"),
    "a word for a place": ("3,here,#f80", "'here'"),
    "a radius of nothing": ({"x": 3, "y": 3, "color": "red", "radius": 0}, "not 0"),
    "a field too many": ({"x": 3, "y": 3, "color": "red", "width": 77}, "width"),
    "no colour": ({"x": 33, "y": 3}, "color"),
    "in a list of marks": ({"marks": [{"x": 3, "y": 3, "color": "blau"}]}, "'blau'"),
}


@pytest.mark.parametrize(("given", "shown"), HINTS.values(), ids=HINTS)
def test_hints(given: Any, shown: str):
    card = recipes.find("colorize").card
    line = said(lambda: card.read({"sketch": PAGE, "hints": given}))
    check_plain(line, shown)
    assert line.startswith("hints")


@pytest.mark.parametrize("given", [{"marks": [{"x": 3, "y": 3, "color": "blau"}]}, {"marks": [{"x": "q7", "y": 3, "color": "red"}]}])
def test_hints_in_a_request(given: Any):
    card = recipes.find("colorize").card
    line = said(lambda: Request.from_json({"recipe": "colorize", "conditions": {"hints": given}}, card))
    check_plain(line, "'blau'" if "blau" in str(given) else "'q7'")
    assert line.startswith("hints.marks.0.")


def test_a_colour_keeps_what_would_be_right():
    card = recipes.find("colorize").card
    line = said(lambda: card.read({"sketch": PAGE, "hints": "3,3,blau"}))
    assert line == "hints.color: 'blau' is not a colour (write '#rrggbb' or a name such as 'orange')"


@pytest.mark.parametrize(("given", "shown"), [("1,2 3,x", "3,x"), ({"strokes": [{"path": []}]}, "not 0"), ([[["a7", 2]]], "'a7'")])
def test_strokes(given: Any, shown: str):
    card = recipes.find("colorize").card
    check_plain(said(lambda: card.read({"sketch": PAGE, "paper": given})), shown)


def test_settings_and_requests(toy: Path):
    card = recipes.find(toy).card
    lenient = card.model_copy(update={"conditions": ()})
    for settings, shown in (
        ({"num_steps": 1.5}, "1.5"),
        ({"mood": "grim"}, "'grim'"),
        ({"steps": 3}, "steps"),
        ({"strength": "much"}, "'much'"),
    ):
        check_plain(said(lambda settings=settings: Request.build(lenient, {}, settings=settings)), shown)
    check_plain(said(lambda: Request.build(lenient, {}, preset=77)), "77")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("edit", "shown"),
    [
        ({"op": "seed", "value": 1.5}, "1.5"),
        ({"op": "seed", "value": True}, "True"),
        ({"op": "take", "slot": "hints", "index": -77}, "-77"),
        ({"op": "drop"}, "slot"),
        ({"op": "dance"}, "'dance'"),
    ],
)
def test_edits(edit: dict[str, Any], shown: str):
    check_plain(said(lambda: parse_edit(edit)), shown)


def test_the_command_line(toy: Path, photo: Path, refused: Callable[..., str]):
    check_plain(refused("generate", toy, "--photo", photo, "--num-steps", "1.5").removeprefix("gesso: "), "1.5")
    check_plain(refused("generate", toy, "--photo", photo, "--seed", "1.5").removeprefix("gesso: "), "1.5")


def test_a_recipe_whose_card_is_wrong(tmp_path: Path, refused: Callable[..., str]):
    (tmp_path / "mine.py").write_text(
        "from gesso.card import Card, wordbook\n"
        "card = Card(name='mine', title={}, summary={}, conditions=(), outputs=(), words=wordbook('size | Size | 크기'))\n"
    )
    line = refused("generate", tmp_path / "mine.py", "--help")
    assert "could not be read as a recipe: Card.words: mine has words for unknown names: size" in line
    assert not [word for word in JARGON if word in line] and line.count("words for") == 1


class Own(BaseModel):
    """A recipe's own condition may raise anything."""

    model_config = ConfigDict(extra="forbid")
    colour: str = "red"
    number: int = 0

    @field_validator("colour")
    @classmethod
    def _colour(cls, value: str) -> str:
        parse_colour(value)
        if value == "pink":
            raise ValueError("pink is too loud")
        return value


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({"colour": "blau"}, "colour: 'blau' is not a colour (write '#rrggbb' or a name such as 'orange')"),
        ({"colour": "pink"}, "colour: pink is too loud"),
        ({"number": "q"}, "number: should be a whole number, not 'q'"),
        ({"number": [1] * 10_000}, None),
        ({"colour": "x" * 10**6}, None),
    ],
    ids=lambda one: str(one)[:30],
)
def test_what_a_validator_raises_is_said_as_it_stands(given: dict[str, Any], line: str | None):
    from pydantic import ValidationError

    with pytest.raises(ValidationError) as error:
        Own(**given)
    told = str(as_gesso_error(error.value))
    assert told == line if line else "not [1, 1" in told or "not a colour" in told
