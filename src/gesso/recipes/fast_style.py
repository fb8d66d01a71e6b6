"""Style transfer in a moment: a network takes a few steps towards what `style` optimises for, for any style.

Johnson 2016, "Perceptual Losses for Real-Time Style Transfer": a feed-forward network learns the objective of the optimisation. Huang
2017, "Arbitrary Style Transfer in Real-time with Adaptive Instance Normalization": statistics of features carry the style, and the
decoder has no normalisation. Deviations: features come from `cifar_classifier`, as in `style`, and the objective is that recipe's own;
features are matched in mean and whole covariance where there are at most 128 of them, at three levels; the network changes a picture
that already has the style's colours, and may be applied several times, each time to its own result.

The user gives `content`, `style` and, to mix two, `second`. The output `image` has the content's proportions and the longest side `size`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from gesso.card import Card, Out, Settings, Slot, wordbook
from gesso.conditions.picture import Picture
from gesso.datasets.styled_pictures import styled_pictures
from gesso.ports import Frame
from gesso.recipes.recipe import Optimiser, Recipe, Stage
from gesso.request import Request

if TYPE_CHECKING:
    from gesso.families.restyle import Restyle
    from gesso.networks.restyler import Restyler

INSIDE = {"fit": "inside"}


@dataclass(frozen=True)
class Preset:
    levels: Mapping[str, int]  # the features' number by layer, from half the size on, each half the one before
    widths: tuple[int, ...]  # of the network at each level
    blocks: tuple[int, ...]
    style_layers: tuple[str, ...]
    content_layer: str
    passes: int  # in training
    side: int
    num_steps: int
    batch_size: int


LAYERS = ("pixels", "conv1_1", "conv1_2", "conv2_1", "conv2_2", "conv3_1", "conv3_2", "conv4_1")  # as in `style`
LEVELS = {"conv2_2": 64, "conv3_2": 128, "conv4_1": 256}

PRESETS = {
    "tiny": Preset({"conv2_1": 64, "conv3_1": 128}, (8, 16), (0, 1), LAYERS[:4], "conv2_1", passes=1, side=32, num_steps=200, batch_size=2),
    "small": Preset(LEVELS, (48, 96, 96), (1, 2, 1), LAYERS, "conv3_2", passes=2, side=96, num_steps=3000, batch_size=3),
    "base": Preset(LEVELS, (64, 128, 192), (2, 4, 2), LAYERS, "conv3_2", passes=4, side=128, num_steps=100_000, batch_size=8),
}


class FastStyleSettings(Settings):
    strength: float = Field(default=1.0, ge=0, le=1)
    mix: float = Field(default=0.5, ge=0, le=1)
    passes: int = Field(default=2, ge=1, le=8)
    size: int = Field(default=384, ge=16, le=2048)


CARD = Card(
    name="fast_style",
    title={"en": "Style transfer in a moment", "ko": "빠른 화풍 옮기기"},
    summary={
        "en": "Repaints a picture in the style of another while you watch, and mixes two styles.",
        "ko": "그림을 다른 그림의 화풍으로 바로 다시 그리고, 두 화풍을 섞습니다.",
    },
    conditions=(
        Slot(name="content", kind=Picture, required=True),
        Slot(name="style", kind=Picture, required=True, options=INSIDE),
        Slot(name="second", kind=Picture, options=INSIDE),
    ),
    outputs=(Out(name="image", medium="picture", help={"en": "the repainted picture", "ko": "다시 그린 그림"}),),
    settings=FastStyleSettings,
    words=wordbook("""
        content | Content | 내용 그림 | the picture whose content is kept | 내용을 가져올 그림
        style | Style | 화풍 그림 | the picture whose style is used, of any size | 화풍을 가져올 그림. 크기는 자유
        second | Second style | 둘째 화풍 | another style, to mix with the first | 첫째와 섞을 다른 화풍
        strength | Strength | 세기 | how much of the style, from none to all | 화풍을 얼마나 입힐지
        mix | Mix | 섞기 | from the first style to the second, where there are two | 화풍이 둘일 때 첫째에서 둘째로
        mix.0 | First | 첫째
        mix.1 | Second | 둘째
        passes | Passes | 횟수 | how often the network repaints: more is closer, and slower | 몇 번 다시 그릴지. 많을수록 가깝고 느립니다
        size | Size | 크기 | the result's longest side in pixels | 결과의 긴 변(픽셀)
    """),
    paper="Johnson 2016, arXiv:1603.08155; Huang and Belongie 2017, arXiv:1703.06868",
    licence="Apache-2.0; outputs are subject to the rights in both pictures",
    data="photographs, each a content and a style, and made-up pictures; the features are cifar_classifier's",
    numbers=(
        "the objective stands at 8.2 times what `style` reaches in 100 iterations (aim 1.3), mean of 12 pairs with styles never seen, "
        "4 passes; after 855 steps, where it still fell: gesso measure fast_style --data style --pairs 12 --size 128",
    ),
    limits={
        "en": "Colours carry over, textures partly, large brushwork and shapes do not. `style` takes longer and comes much closer.",
        "ko": "색은 옮기고 질감은 일부만 옮기며, 큰 붓질과 형태는 옮기지 못합니다. `style`은 오래 걸리지만 훨씬 가깝습니다.",
    },
    example="gesso train fast_style --data photos --out runs/styles",
)


def build(preset: Preset) -> dict[str, Restyler]:
    from gesso.networks.restyler import Restyler, code_length

    numbers = tuple(preset.levels.values())
    return {"restyler": Restyler([2 * num for num in numbers], preset.widths, preset.blocks, code_length(numbers))}


def family(preset: Preset) -> Restyle:
    from gesso.families.restyle import Restyle

    return Restyle(preset.content_layer, preset.style_layers, tuple(preset.levels), preset.passes)


def stages(preset: Preset) -> list[Stage]:
    def data(folder: Path | None, split: str) -> Any:
        return styled_pictures(folder, split, preset.side)

    return [
        Stage(
            name="restyle",
            family=family(preset),
            trains={"restyler": Optimiser(rate=1.5e-3, warmup=50)},
            data=data,
            num_steps=preset.num_steps,
            batch_size=preset.batch_size,
            average=0.99,
            frame=Frame((preset.side, preset.side)),
            conditions=(),
        )
    ]


def frames(request: Request, preset: Preset) -> list[Frame]:
    from gesso.families.optimise import longest_side

    content, settings = request.conditions["content"], request.settings
    assert isinstance(content, Picture) and isinstance(settings, FastStyleSettings)
    return [Frame(longest_side(content.page, settings.size), page=content.page)]


def measure(make: Any, data: Path | None, options: dict[str, Any]) -> dict[str, Any]:
    """The objective beside what `style` reaches. Options: `pairs`, `size`, `passes` (several with commas), `iterations`."""
    from gesso.metrics.restyled import measure_restyled

    return measure_restyled(make, data, options)


def preview(networks: Any, batch: Any, family: Any) -> Any:
    """Contents, their styles, and the contents repainted."""
    return family.sheet(networks, batch)


recipe = Recipe(
    card=CARD,
    presets=PRESETS,
    build=build,
    family=family,
    stages=stages,
    keeps=("restyler",),
    uses={"features": "cifar_classifier"},
    frames=frames,
    preview=preview,
    shape=lambda request, frame, preset: (1, 3, *frame.size),
    layout={
        "en": "pictures, each both a content and a style; or subfolders content and style",
        "ko": "내용과 화풍으로 함께 쓸 그림들, 또는 content와 style 두 폴더",
    },
    data_files=("*.jpg", "*.png", "train/*.jpg", "content/*.jpg+style/*.jpg"),
    measures={"objective": measure},
    native=True,
)
