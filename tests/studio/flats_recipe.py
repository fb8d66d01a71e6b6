"""A recipe with pieces and without a network: dots and strokes fill the piece that contains them. Fast enough for tests of every tool."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from gesso.card import Card, Out, Settings, Slot, wordbook
from gesso.conditions.hints import Hints
from gesso.conditions.known import Known
from gesso.conditions.sketch import Sketch
from gesso.conditions.strokes import Strokes
from gesso.families.family import Output
from gesso.media.layers import RGB
from gesso.ports import Frame
from gesso.recipes.recipe import Recipe
from gesso.rules.colouring import _painted
from gesso.rules.fill import flats, over_line
from gesso.rules.pieces import find_pieces
from gesso.rules.reading import Lines, restore_paper_and_ink


class Nothing:
    """A family that leaves everything to `finish`."""

    def sample(self, networks: Any, inputs: Any, rng: Any, settings: Any) -> Iterator[Output]:
        yield Output({}, final=True)


class Kinds(Settings):
    lines: Lines = "auto"


PLACE = {"en": "a place", "ko": "자리"}
CARD = Card(
    name="flats",
    title={"en": "Flats", "ko": "밑색"},
    summary={"en": "Fills pieces.", "ko": "조각을 채웁니다."},
    conditions=(
        Slot(name="sheet", kind=Sketch, required=True, network=False, help=PLACE),
        Slot(name="dots", kind=Hints, network=False, help=PLACE),
        Slot(name="blank", kind=Strokes, network=False, options={"clears": ("dots",)}, help=PLACE),
        Slot(name="walls", kind=Strokes, network=False, options={"gestures": ("bridge", "split")}, help=PLACE),
        Slot(name="unions", kind=Strokes, network=False, options={"gestures": ("join",)}, help=PLACE),
        Slot(name="guard", kind=Known, network=False, options={"channels": 3}, help=PLACE),
    ),
    outputs=(
        Out(name="image", medium="picture", help=PLACE),
        Out(name="areas", medium="pieces", help=PLACE),
        Out(name="stack", medium="layers", help=PLACE),
    ),
    settings=Kinds,
    words=wordbook("""
        lines | Kind of lines | 선의 종류
        lines.dark | Dark lines | 어두운 선
        note.light | Light lines. | 밝은 선입니다.
        note.all_ink | All of it is ink. | 전체가 선입니다.
    """),
)


def finish(request: Any, made: Sequence[Any]) -> dict[str, Any]:
    given = request.conditions
    read = given["sheet"].reading(request.settings.lines)
    line = read.line
    walls, unions = (given[name].strokes if name in given else () for name in ("walls", "unions"))
    cuts = _painted(line.shape, [(s.path, s.radius) for s in walls])
    pieces = find_pieces(line, gap=0, cuts=cuts, joins=[s.path for s in unions])
    colours = np.full((pieces.num, 3), 255, np.uint8)
    ground = int(pieces.labels[0, 0])

    def flood(points: Sequence[tuple[float, float]], rgb: RGB, fill: bool = True) -> None:
        for x, y in points:
            piece = int(pieces.labels[int(y), int(x)])
            if fill or piece != ground:
                colours[piece] = rgb

    for stroke in given["blank"].strokes if "blank" in given else ():
        flood(stroke.path, (255, 255, 255))
    for mark in given["dots"].marks if "dots" in given else ():
        flood(mark.points, mark.rgb, mark.fill)
    flat = flats(pieces, colours)
    marks = [(mark.points, mark.rgb, mark.radius) for mark in given["dots"].marks] if "dots" in given else []
    (image,), (flat,) = restore_paper_and_ink([over_line(flat, line)], [flat], pieces, read, marks)
    if "guard" in given:
        image = given["guard"].paste(image)
    return {"image": image, "areas": pieces.labels, "stack": read.layers(flat), "notes": read.notes(pieces.num)}


recipe = Recipe(
    card=CARD,
    presets={"small": None},
    build=lambda preset: {},
    family=lambda preset: Nothing(),  # type: ignore[arg-type, return-value]
    frames=lambda request, preset: [Frame((8, 8))],
    finish=finish,
)
