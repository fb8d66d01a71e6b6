"""A recipe without a network in which pieces of similar size to a marked one take its colour; a dial sets how similar."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from pydantic import Field

from gesso.card import Card, Out, Settings, Slot, wordbook
from gesso.conditions.hints import Hints
from gesso.conditions.sketch import Sketch
from gesso.families.family import Output
from gesso.ports import Frame
from gesso.recipes.recipe import Recipe
from gesso.rules.fill import flats, over_line
from gesso.rules.pieces import find_pieces


class Nothing:
    """A family that leaves everything to `finish`."""

    def sample(self, networks: Any, inputs: Any, rng: Any, settings: Any) -> Iterator[Output]:
        yield Output({}, final=True)


class Boldness(Settings):
    bold: float = Field(default=0.5, ge=0, le=1)
    grey: int = Field(default=0, ge=0, le=100)


PLACE = {"en": "a place", "ko": "자리"}
CARD = Card(
    name="likes",
    title={"en": "Likes", "ko": "닮은꼴"},
    summary={"en": "Like pieces follow.", "ko": "닮은 영역이 따라옵니다."},
    conditions=(
        Slot(name="sheet", kind=Sketch, required=True, network=False, help=PLACE),
        Slot(name="dots", kind=Hints, network=False, help=PLACE),
    ),
    outputs=(
        Out(name="image", medium="picture", help=PLACE),
        Out(name="areas", medium="pieces", help=PLACE),
        Out(name="copied", medium="picture", role="follows", help=PLACE),
    ),
    settings=Boldness,
    words=wordbook("""
        sheet | Sheet | 종이
        dots | Dots | 점
        bold | Boldness | 대담함 | how much is coloured | 얼마나 칠할지
        bold.0 | only what is sure | 확실한 곳만
        bold.0.5 | never worse than white | 흰색보다 나은 곳만
        bold.1 | colour everything | 전부 칠하기
        grey | Grey | 회색
    """),
)


def finish(request: Any, made: Sequence[Any]) -> dict[str, Any]:
    line = request.conditions["sheet"].line()
    pieces = find_pieces(line, gap=0)
    areas, ground = pieces.areas, int(pieces.labels[0, 0])
    near = 0.1 if request.settings.bold > 0 else 0.0  # the largest difference in size of a similar piece
    colours, marked = np.full((pieces.num, 3), 255, np.uint8), np.zeros(pieces.num, bool)
    if request.settings.bold == 1:
        colours[np.arange(pieces.num) != ground] = 200
    follows = np.zeros(pieces.num, bool)
    for mark in request.conditions["dots"].marks if "dots" in request.conditions else ():
        piece = int(pieces.labels[int(mark.y), int(mark.x)])
        like = np.abs(areas - areas[piece]) < near * areas[piece]
        like[[piece, ground]] = False
        if not mark.alone:
            colours[like & ~marked] = mark.rgb
            follows |= like
        colours[piece], marked[piece] = mark.rgb, True
    return {
        "image": over_line(flats(pieces, colours), line),
        "areas": pieces.labels,
        "copied": np.take(follows & ~marked, pieces.labels).astype(np.uint8) * 255,
    }


recipe = Recipe(
    card=CARD,
    presets={"small": None},
    build=lambda preset: {},
    family=lambda preset: Nothing(),  # type: ignore[arg-type, return-value]
    frames=lambda request, preset: [Frame((8, 8))],
    finish=finish,
)
