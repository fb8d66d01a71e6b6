"""Colour for grey photographs: a network knows which colours a place could have, and points of colour say which it has.

Zhang 2016, "Colorful Image Colorization": bins of a* and b*, rare colours weighted, the annealed mean at T = 0.38. Zhang 2017, "Real-Time
User-Guided Image Colorization": points as hints with a mask, learned with simulated users, and suggested colours. Deviations: 261 bins,
those that a colour of sRGB rounds to; chroma at half the size; colours of points win, by a rule, and go on along edges of the lightness.
The preset `mean` is the same network with the squared error in place of bins.

The user gives `photo`, and optionally `hints`. Only the photograph's lightness is read, and it stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from gesso.card import Card, Out, Settings, Slot, wordbook
from gesso.conditions.grey import Grey
from gesso.conditions.hints import Hints
from gesso.datasets.colour_photos import colour_photos
from gesso.ports import Frame
from gesso.recipes.recipe import Optimiser, Recipe, Stage
from gesso.request import Request

if TYPE_CHECKING:
    from gesso.families.chroma import Chroma
    from gesso.families.family import Output
    from gesso.networks.colourist import Colourist


@dataclass(frozen=True)
class Preset:
    widths: tuple[int, ...]  # at 1/2, 1/4, … of the size
    depths: tuple[int, ...]
    side: int
    num_steps: int
    batch_size: int
    bins: bool = True


PRESETS = {
    "tiny": Preset(widths=(16, 16), depths=(1, 1), side=32, num_steps=200, batch_size=4),
    "small": Preset(widths=(48, 96, 128, 160), depths=(1, 1, 2, 2), side=96, num_steps=6000, batch_size=24),
    "mean": Preset(widths=(48, 96, 128, 160), depths=(1, 1, 2, 2), side=96, num_steps=6000, batch_size=24, bins=False),
    "base": Preset(widths=(64, 128, 256, 384), depths=(2, 2, 3, 3), side=176, num_steps=200_000, batch_size=32),
}


class PhotoSettings(Settings):
    spread: float = Field(default=0.5, ge=0, le=1)
    temperature: float = Field(default=0.38, ge=0.05, le=1)
    size: int = Field(default=256, ge=16, le=768)


CARD = Card(
    name="photo_colorize",
    title={"en": "Colour photographs", "ko": "흑백 사진 채색"},
    summary={
        "en": "Colours a grey photograph; points that you set say which colours are right, and others are suggested.",
        "ko": "흑백 사진에 색을 입힙니다. 찍은 점의 색을 따르고, 그 자리에 어울리는 다른 색도 권합니다.",
    },
    conditions=(
        Slot(name="photo", kind=Grey, required=True, stays=True),
        Slot(name="hints", kind=Hints, options={"tokens": False, "gestures": ("stroke",)}),
    ),
    outputs=(
        Out(name="image", medium="picture", help={"en": "the photograph in colour", "ko": "색을 입힌 사진"}),
        Out(name="suggested", medium="colours", help={"en": "likely colours of each hint's place", "ko": "힌트 자리에 있을 법한 색들"}),
    ),
    settings=PhotoSettings,
    words=wordbook("""
        photo | Photograph | 사진 | the grey photograph; colours that it has are ignored | 흑백 사진. 색이 있으면 무시합니다
        hints | Colour | 색칠 | points and strokes of colour; they always win | 찍거나 그은 색이 항상 우선합니다
        spread | Spreading | 번지기 | how far the rule carries a hint's colour | 규칙이 힌트 색을 퍼뜨리는 정도
        temperature | Temperature | 온도 | low: likely, vivid colours; high: means, which are pale | 낮으면 선명, 높으면 옅은 평균
        size | Size | 크기 | the longest side at which colours are found | 색을 찾는 긴 변(픽셀)
    """),
    paper="Zhang 2016, arXiv:1603.08511; Zhang 2017, arXiv:1705.02999",
    licence="Apache-2.0; weights, what their photographs allow",
    data="a folder of photographs; made-up pictures without one",
    limits={
        "en": "Chroma has half the resolution, and what the training photographs never showed is guessed.",
        "ko": "색 정보는 절반 해상도이고, 학습 사진에 없던 대상의 색은 추측입니다.",
    },
    example="gesso generate photo_colorize --photo old.jpg --hints 120,80,#7a4a2b --out coloured.png",
)


def family(preset: Preset) -> Chroma:
    from gesso.families.chroma import ByBins, ByMean, Chroma

    return Chroma(ByBins() if preset.bins else ByMean())


def build(preset: Preset) -> dict[str, Colourist]:
    from gesso.networks.colourist import Colourist

    return {"colourist": Colourist(8, family(preset).objective.num_out, preset.widths, preset.depths)}


def stages(preset: Preset) -> list[Stage]:
    return [
        Stage(
            name="colour",
            family=family(preset),
            trains={"colourist": Optimiser(rate=1e-3, warmup=100, floor=0.02)},
            data=lambda folder, split: colour_photos(folder, split, preset.side),
            num_steps=preset.num_steps,
            batch_size=preset.batch_size,
            average=0.998,
            frame=Frame((preset.side, preset.side)),
            look_every=4,
        )
    ]


def frames(request: Request, preset: Preset) -> list[Frame]:
    from gesso.families.optimise import longest_side

    photo, settings = request.conditions["photo"], request.settings
    assert isinstance(photo, Grey) and isinstance(settings, PhotoSettings)
    return [Frame(longest_side(photo.page, settings.size), page=photo.page)]


def finish(request: Request, made: Sequence[tuple[Frame, Output]]) -> dict[str, Any]:
    from gesso.rules.photo_colouring import coloured, suggested

    ((_, output),) = made
    photo, hints, settings = request.conditions["photo"], request.conditions.get("hints"), request.settings
    assert isinstance(photo, Grey) and isinstance(settings, PhotoSettings) and (hints is None or isinstance(hints, Hints))
    lightness, chroma = photo.lightness(), output.media["chroma"][0].float().cpu().numpy()
    points, exact = (
        Hints.encode([hints], Frame(size, page=photo.page, options={"tokens": False})).spatial[0].numpy()  # type: ignore[index]
        for size in (chroma.shape[1:], photo.page)
    )
    likely, places = output.media.get("likely"), [(mark.x, mark.y) for mark in hints.marks] if hints else []
    found = [] if likely is None else suggested(likely[0].float().cpu().numpy(), lightness, places)
    return {"image": coloured(lightness, chroma, points, exact, settings.spread), "suggested": found}


def measure_curve(make: Any, data: Path | None, options: dict[str, Any]) -> dict[str, Any]:
    """PSNR by the number of points, on held photographs. Options: `limit`, `side`, `points` (several with commas)."""
    from gesso.metrics.photo_colour import hint_curve, side_of

    return hint_curve(make.model, colour_photos(data, "val", side_of(options)), options)


def measure_rare(make: Any, data: Path | None, options: dict[str, Any]) -> dict[str, Any]:
    """Accuracy of colours without hints, plain and with rare colours weighing as much as frequent ones. Options: `limit`, `rival`."""
    from gesso.metrics.photo_colour import rare_colours, side_of

    learned, held = (colour_photos(data, split, side_of(options)) for split in ("train", "val"))
    rival = make.other("photo_colorize", weights=options["rival"]) if "rival" in options else None
    return rare_colours(make.model, learned, held, options, rival)


recipe = Recipe(
    card=CARD,
    presets=PRESETS,
    build=build,
    family=family,
    stages=stages,
    keeps=("colourist",),
    frames=frames,
    preview=lambda networks, batch, family: family.columns(networks, batch),
    shape=lambda request, frame, preset: (1, 2, *frame.size),
    finish=finish,
    aim=lambda example: {"image": example["picture"]},
    layout={"en": "photographs of any size", "ko": "크기가 자유로운 사진들"},
    learns_pictures=True,
    data_files=("*.jpg", "*.png", "train/*.jpg"),
    measures={"curve": measure_curve, "rare": measure_rare},
)
