"""Holes and borders: what you brush away, what is transparent, and what lies beyond the border is made anew, and nothing else.

Saharia 2022, "Palette": a flow (Lipman 2022) that sees the known part, trained on holes as people paint them. While it samples, the known
part is put in at each noise level, and steps can be taken several times (Lugmayr 2022, "RePaint"). A made part is shifted by the smoothest
field that makes it meet its surroundings (Pérez 2003). Deviation: small networks; each hole is made in a window of `side` pixels about it.

The user gives `picture`, and what shall be made anew: `hole`, transparency, or the settings `left`, `right`, `top`, `bottom`, by which the
picture grows. Pixels outside are kept to the bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from gesso.card import Card, Out, Settings, Slot, wordbook
from gesso.conditions.hole import Hole
from gesso.conditions.picture import Picture
from gesso.datasets.cropped_pictures import cropped_pictures
from gesso.ports import Frame, PortSizes
from gesso.recipes.recipe import Optimiser, Recipe, Stage
from gesso.request import Request
from gesso.rules.holes import Page, filled, windows_of

if TYPE_CHECKING:
    from gesso.families.diffusion.filling import Filling
    from gesso.families.family import Output

MOST = 2048  # pixels by which a side can grow


@dataclass(frozen=True)
class Preset:
    widths: tuple[int, ...]
    depths: tuple[int, ...]
    side: int
    num_steps: int
    batch_size: int
    average: float = 0.998
    rate: float = 1e-3


PRESETS = {
    "tiny": Preset(widths=(8, 16), depths=(1, 1), side=32, num_steps=200, batch_size=8),
    "small": Preset(widths=(48, 96, 128), depths=(1, 1, 2), side=64, num_steps=10_000, batch_size=32),
    "base": Preset(widths=(96, 192, 256), depths=(2, 2, 3), side=128, num_steps=200_000, batch_size=32, average=0.9998, rate=3e-4),
}


class InpaintSettings(Settings):
    num_steps: int = Field(default=16, ge=1, le=500)
    resampling: int = Field(default=1, ge=0, le=20)
    guidance_scale: float = Field(default=1.0, ge=0, le=10)
    left: int = Field(default=0, ge=0, le=MOST)
    right: int = Field(default=0, ge=0, le=MOST)
    top: int = Field(default=0, ge=0, le=MOST)
    bottom: int = Field(default=0, ge=0, le=MOST)

    @property
    def sampler(self) -> str:
        return "auto"

    @property
    def grows(self) -> tuple[int, int, int, int]:
        return self.left, self.top, self.right, self.bottom


CARD = Card(
    name="inpaint",
    title={"en": "Fill in and extend", "ko": "지우고 채우기, 넓히기"},
    summary={
        "en": "Makes anew what you brush away, and what lies beyond the border; everything else stays.",
        "ko": "붓으로 지운 곳과 테두리 바깥을 새로 그리고, 나머지는 그대로 둡니다.",
    },
    conditions=(
        Slot(name="picture", kind=Picture, required=True, stays=True, options={"gaps": True}),
        Slot(name="hole", kind=Hole),
    ),
    outputs=(Out(name="image", medium="picture", help={"en": "the picture, filled in", "ko": "채워진 그림"}),),
    settings=InpaintSettings,
    words=wordbook("""
        picture | Picture | 그림 | the picture; its transparent parts are made anew | 고칠 그림. 투명한 부분은 새로 그립니다
        hole | Make anew | 지울 곳 | brush over what should be made anew | 새로 그릴 곳을 칠하세요
        num_steps | Steps | 단계 수 | sampling steps; more are finer and slower | 샘플링 단계. 많을수록 곱고 느립니다
        resampling | Repeats | 반복 | how often each step is taken, so that both sides agree; 0: the network alone | 단계마다 반복 횟수
        guidance_scale | Guidance | 조건 강도 | how strictly the surroundings are followed | 주변을 따르는 정도
        left | Extend left | 왼쪽 넓히기 | pixels added at the left | 왼쪽에 더할 픽셀 수
        right | Extend right | 오른쪽 넓히기 | pixels added at the right | 오른쪽에 더할 픽셀 수
        top | Extend at the top | 위쪽 넓히기 | pixels added at the top | 위쪽에 더할 픽셀 수
        bottom | Extend at the bottom | 아래쪽 넓히기 | pixels added at the bottom | 아래쪽에 더할 픽셀 수
        note.nothing | There is no hole yet: brush over what should be made anew. | 아직 지운 곳이 없습니다. 새로 그릴 곳을 칠하세요.
    """),
    paper="Saharia 2022, arXiv:2111.05826; Lugmayr 2022, arXiv:2201.09865",
    licence="Apache-2.0; weights, what their pictures allow",
    data="a folder of pictures: photographs, of which parts are learned, or a table of drawings",
    limits={
        "en": "It works in windows of 64 pixels: larger holes are filled softly, and nothing is known of what a picture means.",
        "ko": "64픽셀 창으로 작업하므로 큰 구멍은 흐릿하게 채워지고, 그림의 뜻은 알지 못합니다.",
    },
    example="gesso generate inpaint --picture photo.png --hole '40,60 80,60' --out filled.png",
)


def build(preset: Preset) -> dict[str, Any]:
    from gesso.networks.unet import UNet

    return {"denoiser": UNet(3, PortSizes(spatial=4), preset.widths, preset.depths, 4 * preset.widths[0], patch=2)}


def family(preset: Preset) -> Filling:
    from gesso.families.diffusion.filling import Filling

    return Filling()


def stages(preset: Preset) -> list[Stage]:
    return [
        Stage(
            name="fill",
            family=family(preset),
            trains={"denoiser": Optimiser(rate=preset.rate, warmup=200, floor=0.05)},
            data=lambda folder, split: cropped_pictures(folder, split, preset.side),
            num_steps=preset.num_steps,
            batch_size=preset.batch_size,
            average=preset.average,
            frame=Frame((preset.side, preset.side)),
        )
    ]


def page_of(request: Request) -> Page:
    settings = request.settings
    assert isinstance(settings, InpaintSettings)
    picture, hole = request.conditions["picture"], request.conditions.get("hole")
    assert isinstance(picture, Picture)
    return Page.of(picture.pixels, hole.covered if isinstance(hole, Hole) else None, settings.grows)


def frames(request: Request, preset: Preset) -> list[Frame]:
    page = page_of(request)
    return [Frame((preset.side, preset.side), box, page.size) for box in windows_of(page, preset.side)]


def finish(request: Request, made: Sequence[tuple[Frame, Output]]) -> dict[str, Any]:
    page = page_of(request)
    parts = [(frame.box, output.media["image"][0]) for frame, output in made]
    return {"image": filled(page, parts)} | ({} if page.hole.any() else {"notes": ("nothing",)})


def measure(make: Any, data: Path | None, options: dict[str, Any]) -> dict[str, Any]:
    """Holes of all habits in held-out pictures, beside simpler ways. Options: `limit`, `num_steps`, `resampling`."""
    from gesso.metrics.filling import measure_filling

    return measure_filling(make.model, cropped_pictures(data, "val", make.model.assembled.preset.side), options)


recipe = Recipe(
    card=CARD,
    presets=PRESETS,
    build=build,
    family=family,
    stages=stages,
    keeps=("denoiser",),
    frames=frames,
    shape=lambda request, frame, preset: (1, 3, *frame.size),
    finish=finish,
    aim=lambda example: {"image": example["picture"]},
    layout={
        "en": "pictures of any size; photos; or a parquet table with a column image or color",
        "ko": "크기가 자유로운 그림들, 또는 image나 color 열이 있는 parquet 표",
    },
    learns_pictures=True,
    data_files=("*.png", "*.jpg", "train/*.jpg", "*.parquet:image", "*.parquet:color"),
    measures={"holes": measure},
)
