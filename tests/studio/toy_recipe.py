"""A recipe without networks, quick enough to be drawn on in a test, with a condition kind that the package does not have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field

from gesso.card import Card, Out, Settings, Slot
from gesso.conditions.condition import Condition
from gesso.conditions.hints import Hints
from gesso.conditions.sketch import Sketch
from gesso.conditions.strokes import Strokes
from gesso.families.family import Output
from gesso.ports import Frame, Ports, PortSizes
from gesso.recipes.recipe import Recipe


class Weather(Condition):
    """How warm the light is, and which sky: a tool that the page has no widget for."""

    kind: ClassVar[str] = "weather"
    warmth: float = Field(default=0.0, ge=0, le=1)
    sky: Literal["clear", "cloudy"] = "clear"

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
    shade: int = Field(default=0, ge=0, le=100, description="how dark the paper is")
    choice: int = Field(default=0, ge=0, le=3, description="which variant")


class Nothing:
    """A family that leaves everything to `finish`."""

    def sample(self, networks: Any, inputs: Any, rng: Any, settings: Any) -> Iterator[Output]:
        yield Output({}, final=True)


CARD = Card(
    name="toy",
    title={"en": "A toy", "ko": "장난감"},
    summary={"en": "Puts dots on a sheet.", "ko": "종이에 점을 놓습니다."},
    conditions=(
        Slot(name="sheet", kind=Sketch, required=True, network=False, help={"en": "the sheet", "ko": "종이"}),
        Slot(name="dots", kind=Hints, network=False, help={"en": "dots", "ko": "점"}),
        Slot(name="cover", kind=Strokes, network=False, help={"en": "what is covered", "ko": "덮을 곳"}),
        Slot(name="weather", kind=Weather, network=False, help={"en": "the light", "ko": "빛"}),
    ),
    outputs=(
        Out(name="image", medium="picture", help={"en": "the sheet with its dots", "ko": "점이 놓인 종이"}),
        Out(name="variants", medium="pictures", help={"en": "all four", "ko": "넷 모두"}),
    ),
    settings=ToySettings,
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
