"""Pictures and film larger: a small network makes luma 2, 3 or 4 times as large, and bicubic interpolation the colours.

`small` is FSRCNN (Dong, Loy and Tang 2016), `base` SPAN (Wan 2024) with 32 channels. Deviations: one body for three scales, the
networks add to the bicubic enlargement, and beyond a picture's border its edge is repeated. Figures are by the published protocol:
PSNR of Y without a border of `scale` pixels, small versions by Matlab's imresize (`gesso.media.bicubic`).

From `picture` and `scale` comes `image`, with the picture's transparency. Large pictures are made in tiles, with the bits of the whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import Field

from gesso.card import Card, Out, Settings, Slot, wordbook
from gesso.conditions.picture import Picture
from gesso.datasets.enlarging import pairs
from gesso.ports import Frame
from gesso.recipes.recipe import Optimiser, Recipe, Stage
from gesso.request import Request
from gesso.rules.tiling import coloured, tiles

if TYPE_CHECKING:
    from gesso.families.enlarge import Enlarge, LargerFrames
    from gesso.families.family import Output
    from gesso.networks.subpixel import Upscaler

SCALES = (2, 3, 4)
AIMS = {"small": {2: 37.0, 3: 33.0, 4: 30.5}, "base": {4: 31.5}}  # dB on Set5


@dataclass(frozen=True)
class Preset:
    network: Literal["FSRCNN", "SPAN"]
    widths: tuple[int, ...]  # FSRCNN's d, s and m; SPAN's width and depth
    reach: int  # source pixels that an output pixel reads at each side
    side: int  # of the small pictures in training
    margin: int  # pixels at each side of them that are surroundings only
    num_steps: int
    batch_size: int = 16
    rate: float = 1e-3
    epsilon: float = 0.0  # Charbonnier's; 0 is squared error
    learns: tuple[int, ...] = field(default=SCALES, metadata={"later": True})  # of the batches; one given twice comes twice as often


PRESETS = {
    "tiny": Preset("FSRCNN", (8, 4, 1), reach=5, side=16, margin=2, num_steps=300, batch_size=8),
    "small": Preset("FSRCNN", (56, 12, 4), reach=8, side=40, margin=4, num_steps=200_000),
    "base": Preset("SPAN", (32, 6), reach=21, side=48, margin=4, num_steps=100_000, batch_size=8, epsilon=1e-3, learns=(2, 3, 4, 4)),
}


class UpscaleSettings(Settings):
    scale: Literal[2, 3, 4] = Field(default=2)


CARD = Card(
    name="upscale",
    title={"en": "Upscale", "ko": "크게 만들기"},
    summary={
        "en": "Makes a picture or a film 2, 3 or 4 times as large, with sharp edges.",
        "ko": "사진이나 영상을 윤곽을 또렷하게 살려 2배, 3배, 4배로 키웁니다.",
    },
    conditions=(Slot(name="picture", kind=Picture, required=True, options={"colours": "under alpha"}),),
    outputs=(Out(name="image", medium="picture", help={"en": "the larger picture", "ko": "커진 그림"}),),
    settings=UpscaleSettings,
    words=wordbook("""
        picture | Picture | 그림 | the picture to enlarge; its transparency is kept | 키울 그림 (투명한 부분은 그대로 유지)
        scale | Scale | 배율 | how many times as wide and as high | 가로와 세로를 몇 배로 키울지
        scale.2 | ×2 | 2배
        scale.3 | ×3 | 3배
        scale.4 | ×4 | 4배
    """),
    paper="Dong, Loy and Tang 2016, arXiv:1608.00367; Wan 2024, arXiv:2311.12770",
    licence="Apache-2.0",
    data="BSDS500's 200 training photographs (research and education); the papers' T91 and General-100, or DIV2K, are not at hand",
    numbers=(
        "small: Set5, Y: 36.86, 32.92, 30.69 dB at 2, 3, 4 times (bicubic 33.66, 30.39, 28.42): gesso measure upscale --data set5",
        "base: Set5, Y: 37.34, 33.46, 31.18 dB at 2, 3, 4 times: gesso measure upscale --data set5 --preset base",
    ),
    limits={
        "en": "Learned from clean photographs made smaller: it does not remove noise or compression, and invents no detail.",
        "ko": "깨끗한 사진을 줄여서 배웠습니다. 노이즈나 압축 흔적을 없애지 않고, 없던 세부를 지어내지 않습니다.",
    },
    example="gesso generate upscale --picture photo.png --scale 2 --out large.png",
)


def build(preset: Preset) -> dict[str, Upscaler]:
    from gesso.networks.fsrcnn import FSRCNN
    from gesso.networks.span import SPAN

    return {"upscaler": FSRCNN(*preset.widths, scales=SCALES) if preset.network == "FSRCNN" else SPAN(*preset.widths, scales=SCALES)}


def family(preset: Preset) -> Enlarge:
    from gesso.families.enlarge import Enlarge

    return Enlarge(epsilon=preset.epsilon)


def stages(preset: Preset) -> list[Stage]:
    def data(folder: Path | None, split: str) -> Any:
        return pairs(folder, split, scales=preset.learns, side=preset.side, margin=preset.margin)

    return [
        Stage(
            name="enlarge",
            family=family(preset),
            trains={"upscaler": Optimiser(rate=preset.rate, warmup=200, floor=0.01)},
            data=data,
            num_steps=preset.num_steps,
            batch_size=preset.batch_size,
            frame=Frame((preset.side, preset.side)),
        )
    ]


def frames(request: Request, preset: Preset) -> Sequence[Frame]:
    page = request.conditions["picture"].page
    return tiles(page, preset.reach) if page else []


def finish(request: Request, made: Sequence[tuple[Frame, Output]]) -> dict[str, Any]:
    picture, settings = request.conditions["picture"], request.settings
    assert isinstance(picture, Picture) and isinstance(settings, UpscaleSettings)
    parts = [(frame, np.asarray(output.media["luma"][0, 0])) for frame, output in made]
    return {"image": coloured(picture.pixels, parts, settings.scale)}


def measure(make: Any, data: Path | None, options: dict[str, Any]) -> dict[str, Any]:
    """PSNR on the folder's pictures (Set5, or any other), beside bicubic and the aim; without a folder on made-up pictures."""
    from gesso.metrics.fidelity import measure_published

    return measure_published(make.model.networks["upscaler"], data, AIMS.get(make.model.preset, {}))


def film(networks: Any, settings: Any) -> LargerFrames:
    from gesso.families.enlarge import LargerFrames

    return LargerFrames(networks["upscaler"], settings.scale)


recipe = Recipe(
    card=CARD,
    presets=PRESETS,
    build=build,
    family=family,
    stages=stages,
    keeps=("upscaler",),
    frames=frames,
    shape=lambda request, frame, preset: (1, 1, *(n * request.settings.scale for n in frame.size)),
    finish=finish,
    measures={"published": measure},
    layout={"en": "photographs, any sizes", "ko": "크기가 자유로운 사진들"},
    data_files=("*.jpg", "*.png", "train/*.jpg"),
    film=film,
)
