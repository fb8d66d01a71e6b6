"""A recipe for tests that gives layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gesso.card import Card, Out, Slot
from gesso.conditions.picture import Picture
from gesso.families.family import Output
from gesso.media.picture import to_white
from gesso.ports import Frame
from gesso.recipes.recipe import Recipe
from unit.serving.dots import DotSettings, Slowly

WORDS = {"en": "it", "ko": "그것"}


def finish(request: Any, made: Sequence[tuple[Frame, Output]]) -> dict[str, Any]:
    pixels = to_white(request.conditions["page"].pixels)
    return {"layers": {"line": pixels[..., 0], "flats": np.full_like(pixels, 200)}}


recipe = Recipe(
    card=Card(
        name="layered",
        title={"en": "Layers", "ko": "레이어"},
        summary={"en": "A line over flats.", "ko": "밑색 위의 선."},
        conditions=(Slot(name="page", kind=Picture, required=True, stays=True, help=WORDS),),
        outputs=(Out(name="layers", medium="layers", help=WORDS),),
        settings=DotSettings,
    ),
    presets={"small": None},
    build=lambda preset: {},
    family=lambda preset: Slowly(),
    frames=lambda request, preset: (Frame((8, 8)),),
    finish=finish,
)
