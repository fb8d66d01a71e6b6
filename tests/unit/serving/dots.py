"""A recipe for tests, outside the package: the page with each dot painted on it, in as many steps, and as slowly, as is asked."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from pydantic import Field

from gesso.card import Card, Out, Settings, Slot, wordbook
from gesso.conditions.hints import Hints
from gesso.conditions.label import Label
from gesso.conditions.picture import Picture
from gesso.families.family import Inputs, Networks, Output
from gesso.media.picture import to_white
from gesso.ports import Frame
from gesso.recipes.recipe import Recipe


class DotSettings(Settings):
    num_steps: int = Field(default=1, ge=1, le=1000)
    pause: float = Field(default=0.0, ge=0, le=10)
    boom: bool = False


class Slowly:
    def sample(self, networks: Networks, inputs: Inputs, rng: torch.Generator, settings: DotSettings) -> Iterator[Output]:
        if settings.boom:
            raise RuntimeError("the secret is at /srv/gesso/secret.txt")
        for step in range(settings.num_steps):
            time.sleep(settings.pause)
            last = step == settings.num_steps - 1
            yield Output({"image": torch.zeros(1, 3, 8, 8)}, final=last, step=step + 1, num_steps=settings.num_steps)


def finish(request: Any, made: Sequence[tuple[Frame, Output]]) -> dict[str, Any]:
    pixels = to_white(request.conditions["page"].pixels).copy()
    pieces = np.zeros(pixels.shape[:2], np.int32)
    for number, mark in enumerate(request.conditions["dots"].marks if "dots" in request.conditions else ()):
        pixels[int(mark.y), int(mark.x)] = mark.rgb
        pieces[int(mark.y), int(mark.x)] = number + 1
    made = {"image": pixels, "pieces": pieces, "several": (pixels, 255 - pixels), "mean": {"red": float(pixels[..., 0].mean())}}
    return made | ({"notes": [request.conditions["mood"].name]} if "mood" in request.conditions else {})


WORDS = {"en": "it", "ko": "그것"}
recipe = Recipe(
    card=Card(
        name="dots",
        title={"en": "Dots", "ko": "점"},
        summary={"en": "Paints dots.", "ko": "점을 찍습니다."},
        conditions=(
            Slot(name="page", kind=Picture, required=True, help=WORDS),
            Slot(name="dots", kind=Hints, help=WORDS),
            Slot(name="mood", kind=Label, options={"classes": ("calm", "wild")}, help=WORDS),
        ),
        outputs=(
            Out(name="image", medium="picture", help=WORDS),
            Out(name="pieces", medium="pieces", help=WORDS),
            Out(name="several", medium="pictures", help=WORDS),
            Out(name="mean", medium="table", help=WORDS),
        ),
        settings=DotSettings,
        words=wordbook("note.wild | It is wild. | 사납습니다."),
    ),
    presets={"small": None},
    build=lambda preset: {},
    family=lambda preset: Slowly(),
    frames=lambda request, preset: (Frame((8, 8)),),
    finish=finish,
)
