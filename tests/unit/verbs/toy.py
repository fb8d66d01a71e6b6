"""A recipe for tests, outside the package: a picture tinted by a label, "optimised" in steps, with no weights at all."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from pydantic import Field, field_serializer, field_validator

from gesso.card import Card, Out, Settings, Slot, wordbook
from gesso.conditions.condition import Clean, Condition, Truth
from gesso.errors import GessoError
from gesso.families.family import Inputs, Networks, Output, item_noise
from gesso.media.picture import data_url, from_data_url, read_picture, to_white
from gesso.media.tensor import to_tensor
from gesso.ports import Frame, Ports, PortSizes
from gesso.recipes.recipe import Recipe
from gesso.request import Request


class Photo(Condition):
    kind: ClassVar[str] = "photo"
    pixels: np.ndarray

    @field_validator("pixels", mode="before")
    @classmethod
    def _from_json(cls, value: Any) -> np.ndarray:
        return from_data_url(value, least_side=1) if isinstance(value, str) else value

    @field_serializer("pixels")
    def _to_json(self, value: np.ndarray) -> str:
        return data_url(value)

    @classmethod
    def read(cls, given: Any, *, where: str, options: Mapping[str, Any]) -> Photo:
        return cls(pixels=to_white(read_picture(given, where=str(given) if isinstance(given, (str, Path)) else where)))

    @classmethod
    def sizes(cls, options: Mapping[str, Any]) -> PortSizes:
        return PortSizes(spatial=4)

    @classmethod
    def encode(cls, values: Sequence[Photo | None], frame: Frame) -> Ports:
        out = torch.zeros(len(values), 4, *frame.size)
        for row, value in zip(out, values, strict=True):
            if value is not None:
                row[:3], row[3] = to_tensor(value.pixels), 1
        return Ports(spatial=out)

    @classmethod
    def simulate(cls, clean: Clean, rng: np.random.Generator, budget: float, given: Any = None) -> tuple[Photo | None, Truth]:
        return None, {}

    @property
    def page(self) -> tuple[int, int]:
        return self.pixels.shape[0], self.pixels.shape[1]


class Tags(Condition):
    """Some of the card's names, each given once or more."""

    kind: ClassVar[str] = "tags"
    repeatable: ClassVar[bool] = True
    names: tuple[str, ...] = Field(default=(), max_length=100)

    @classmethod
    def read(cls, given: Any, *, where: str, options: Mapping[str, Any]) -> Tags:
        if given not in options["names"]:
            raise GessoError(f"there is no tag {given!r}", where=where, fix="one of " + ", ".join(options["names"]))
        return cls(names=(given,))

    def merge(self, edit: Tags) -> Tags:
        return Tags(names=self.names + edit.names)

    @classmethod
    def sizes(cls, options: Mapping[str, Any]) -> PortSizes:
        return PortSizes(vector=2)

    @classmethod
    def encode(cls, values: Sequence[Tags | None], frame: Frame) -> Ports:
        names = list(frame.options["names"])
        wrong = {name for v in values if v is not None for name in v.names} - set(names)
        if wrong:
            raise GessoError(f"there is no tag {min(wrong)!r}", where="tags", fix="one of " + ", ".join(names))
        sums = [None if v is None else sum(names.index(name) for name in v.names) for v in values]
        return Ports(vector=torch.tensor([[0.0, 0.0] if one is None else [float(one), 1.0] for one in sums]))

    @classmethod
    def simulate(cls, clean: Clean, rng: np.random.Generator, budget: float, given: Any = None) -> tuple[Tags | None, Truth]:
        return None, {}


class ToySettings(Settings):
    num_steps: int = Field(default=3, ge=1, le=50, description="How many previews and a final picture.")
    strength: float = Field(default=0.2, ge=0, le=1, description="How strong the noise is.")
    mood: Literal["plain", "nan", "empty", "stopped"] = Field(default="plain", description="What goes wrong.")
    flip: bool = Field(default=False, description="Upside down.")


class ToyFamily:
    def fit(self, networks: Networks, inputs: Inputs, rng: torch.Generator, settings: ToySettings) -> Iterator[Output]:
        return self.sample(networks, inputs, rng, settings)

    def sample(self, networks: Networks, inputs: Inputs, rng: torch.Generator, settings: ToySettings) -> Iterator[Output]:
        photo, tags = inputs.ports.spatial, inputs.ports.vector
        assert photo is not None and tags is not None and inputs.null.vector is not None
        x = (
            photo[:, :3] * 0.7
            + 0.1 * tags[:, :1, None, None]
            + settings.strength * 0.5 * item_noise((1, *photo[:, :3].shape[1:]), rng.initial_seed(), [0])
        )
        if settings.mood == "nan":
            x[0, 0, 0, 0] = float("nan")
        if settings.mood == "empty":
            x = x[..., :0]
        for step in range(1, settings.num_steps + 1):
            if settings.mood == "stopped" and step == 5:
                raise KeyboardInterrupt
            final = step == settings.num_steps
            taps = {
                "objective": {"all": 1 / step, "tags": 2 / step},
                "threads": torch.get_num_threads(),
                "inference": torch.is_inference_mode_enabled(),
            }
            yield Output({"image": x * step / settings.num_steps}, taps, final=final, step=step, num_steps=settings.num_steps)


def _measure(make: Any, data: Any, options: Mapping[str, Any]) -> dict[str, Any]:
    photo = np.full((8, 8, 3), 200, np.uint8)
    rows = {
        str(n): {"mean": float(np.mean(make(photo=photo, seed=n, num_steps=1).outputs["image"]))}
        for n in range(int(options.get("limit", 2)))
    }
    return {"rows": rows, "data": str(data), "options": json.loads(json.dumps(dict(options)))}


def _finish(request: Request, made: Sequence[tuple[Frame, Output]]) -> dict[str, Any]:
    from gesso.media.tensor import from_tensor

    picture = from_tensor(made[-1][1].media["image"][0])
    notes = ("steps",) if request.settings.num_steps > 40 else ()
    return {"image": picture[::-1].copy() if request.settings.flip else picture, "mean": float(picture.mean()), "notes": notes}


recipe = Recipe(
    card=Card(
        name="toy",
        title={"en": "Toy", "ko": "장난감"},
        summary={"en": "Tints a picture.", "ko": "그림에 색을 입힙니다."},
        conditions=(
            Slot(name="photo", kind=Photo, required=True, help={"en": "The picture to tint.", "ko": "물들일 그림."}),
            Slot(name="tags", kind=Tags, help={"en": "Tints.", "ko": "색조."}, options={"names": ("none", "warm", "warmer")}),
            Slot(name="keep", kind=Tags, network=False, help={"en": "For rules alone.", "ko": "규칙만."}, options={"names": ("a", "b")}),
        ),
        outputs=(
            Out(name="image", medium="picture", help={"en": "It", "ko": "그것"}),
            Out(name="mean", medium="number", help={"en": "Mean", "ko": "평균"}),
        ),
        settings=ToySettings,
        words=wordbook("note.steps | Fewer steps do as well. | 단계를 줄여도 같습니다."),
        example="gesso generate toy.py --photo cat.png --tags warm",
    ),
    presets={"small": {}, "other": {}},
    build=lambda preset: {},
    family=lambda preset: ToyFamily(),
    frames=lambda request, preset: (Frame(request.conditions["photo"].page),),
    finish=_finish,
    measures={"means": _measure},
)
