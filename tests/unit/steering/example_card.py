"""A card with conditions of every kind, one of them defined here, and edits for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np
from pydantic import Field

from gesso.card import Card, Out, Settings, Slot
from gesso.conditions.condition import Condition
from gesso.conditions.hints import Hints
from gesso.conditions.known import Known
from gesso.conditions.label import Label
from gesso.conditions.sketch import Sketch
from gesso.conditions.strokes import Strokes
from gesso.errors import GessoError


class Weather(Condition):
    """A kind of the tests' own: merging adds the rain, to at most ten."""

    kind: ClassVar[str] = "weather"
    rain: int = Field(ge=0, le=10)
    wind: str = "calm"

    def merge(self, edit: Self) -> Self:
        return type(self)(rain=self.rain + edit.rain, wind=edit.wind)

    def fit(self, options: Mapping[str, Any], *, where: str) -> Self:
        if self.wind not in options["winds"]:
            raise GessoError(f"there is no wind {self.wind!r}", where=where)
        return self


class RoomSettings(Settings):
    num_steps: int = Field(default=3, ge=1, le=50)
    strength: float = Field(default=0.5, ge=0, le=1)
    mood: str = "plain"


WORDS = {"en": "x", "ko": "엑스"}
SLOTS = (
    Slot(name="sketch", kind=Sketch, required=True, help={"en": "the line drawing", "ko": "선화"}),
    Slot(name="hints", kind=Hints, help=WORDS),
    Slot(name="cuts", kind=Strokes, help=WORDS),
    Slot(name="label", kind=Label, options={"classes": ("cat", "dog", "고양이")}, help=WORDS),
    Slot(name="keep", kind=Known, options={"channels": 3}, help=WORDS),
    Slot(name="weather", kind=Weather, options={"winds": ("calm", "gale")}, help=WORDS),
)
CARD = Card(
    name="room",
    title=WORDS,
    summary=WORDS,
    conditions=SLOTS,
    outputs=(Out(name="image", medium="picture", help=WORDS),),
    settings=RoomSettings,
)


def cards(name: str) -> Card:
    if name != "room":
        raise GessoError(f"there is no recipe {name!r}", where="recipe")
    return CARD


def drawing(seed: int = 0, size: tuple[int, int] = (50, 80), channels: int | None = None) -> np.ndarray:
    shape = size if channels is None else (*size, channels)
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def sketch(seed: int = 0, size: tuple[int, int] = (50, 80)) -> dict[str, Any]:
    return {"op": "set", "slot": "sketch", "value": Sketch(pixels=drawing(seed, size)).model_dump(mode="json")}


def hint(x: float, y: float, color: str = "#ff8800") -> dict[str, Any]:
    return {"op": "merge", "slot": "hints", "value": {"marks": [{"x": x, "y": y, "color": color}]}}


def keep(left: int, seed: int = 0) -> dict[str, Any]:
    mask = np.zeros((50, 80), bool)
    mask[5:20, left : left + 10] = True
    return {"op": "merge", "slot": "keep", "value": Known(pixels=drawing(seed, channels=3), mask=mask).model_dump(mode="json")}
