"""A recipe without networks, fast enough for tests, with a condition kind that is not in the package."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field

from gesso.card import Card, Out, Settings, Slot, wordbook
from gesso.conditions.condition import Condition
from gesso.conditions.hints import Hints
from gesso.conditions.sketch import Sketch
from gesso.conditions.strokes import Strokes
from gesso.families.family import Output
from gesso.ports import Frame, Ports, PortSizes
from gesso.recipes.recipe import Recipe

SKY: dict[str, Any] = {
    "title": {"en": "Sky", "ko": "하늘"},
    "choices": {"clear": {"en": "Clear", "ko": "맑음"}, "cloudy": {"en": "Cloudy", "ko": "흐림"}},
}


class Weather(Condition):
    """The warmth of the light, and the sky: a control whose tool has no widget."""

    kind: ClassVar[str] = "weather"
    warmth: float = Field(default=0.0, ge=0, le=1, json_schema_extra={"words": {"title": {"en": "Warmth", "ko": "따뜻함"}}})
    sky: Literal["clear", "cloudy"] = Field(default="clear", json_schema_extra={"words": SKY})

    @classmethod
    def read(cls, given: Any, *, where: str, options: Mapping[str, Any]) -> Self:
        return cls.model_validate(given)

    @classmethod
    def sizes(cls, options: Mapping[str, Any]) -> PortSizes:
        return PortSizes()

    @classmethod
    def encode(cls, values: Sequence[Self | None], frame: Frame) -> Ports:
        return Ports()

    @classmethod
    def control(cls, options: Mapping[str, Any]) -> dict[str, Any]:
        return {"tool": "weather_vane", "schema": cls.model_json_schema()}


class ToySettings(Settings):
    shade: int = Field(default=0, ge=0, le=100)
    choice: int = Field(default=0, ge=0, le=3)


class Nothing:
    """A family that leaves everything to `finish`."""

    def sample(self, networks: Any, inputs: Any, rng: Any, settings: Any) -> Iterator[Output]:
        yield Output({}, final=True)


CARD = Card(
    name="toy",
    title={"en": "A toy", "ko": "장난감"},
    summary={"en": "Puts dots on a sheet.", "ko": "종이에 점을 놓습니다."},
    conditions=(
        Slot(name="sheet", kind=Sketch, required=True, network=False),
        Slot(name="dots", kind=Hints, network=False),
        Slot(name="cover", kind=Strokes, network=False),
        Slot(name="weather", kind=Weather, network=False),
    ),
    outputs=(
        Out(name="image", medium="picture", help={"en": "the sheet with its dots", "ko": "점이 놓인 종이"}),
        Out(name="variants", medium="pictures", help={"en": "all four", "ko": "넷 모두"}),
    ),
    settings=ToySettings,
    words=wordbook("""
        sheet | Sheet | 종이 | what is drawn on | 그릴 종이
        dots | Dots | 점 | dots of colour | 색 점
        cover | Cover | 덮기 | what is covered | 덮을 곳
        weather | Weather | 날씨 | the light | 빛
        shade | Shade | 어둡기 | how dark the paper is | 종이가 얼마나 어두운지
        choice | Variant | 고르기 | which variant | 몇 번째 그림인지
    """),
)


def finish(request: Any, made: Sequence[Any]) -> dict[str, Any]:
    given = request.conditions
    line = given["sheet"].line()
    page = np.repeat(line[..., None], 3, -1).astype(np.int16) - request.settings.shade
    ys, xs = np.mgrid[: line.shape[0], : line.shape[1]]
    marks = [(m.points, m.rgb) for m in given["dots"].marks] if "dots" in given else []
    marks += [(s.path, (255, 255, 255)) for s in given["cover"].strokes] if "cover" in given else []
    for points, colour in marks:
        for x, y in points:
            page[np.hypot(xs - x, ys - y) < 40] = colour
    if "weather" in given:
        page[..., 2] -= int(200 * given["weather"].warmth)
    variants = [(page - [0, 60 * n, 0]).clip(0, 255).astype(np.uint8) for n in range(4)]
    return {"image": variants[request.settings.choice], "variants": tuple(variants)}


recipe = Recipe(
    card=CARD,
    presets={"small": None},
    build=lambda preset: {},
    family=lambda preset: Nothing(),  # type: ignore[arg-type, return-value]
    frames=lambda request, preset: [Frame((8, 8))],
    finish=finish,
)
