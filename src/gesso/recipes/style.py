"""Neural style transfer: render one picture's content in another's style by optimising pixels through a frozen classifier.

Source: Gatys, Ecker and Bethge 2016, "Image Style Transfer Using Convolutional Neural Networks". Deviations: the features come from this
project's own small VGG of CIFAR-10 (`cifar_classifier`), which represents large forms less well than VGG-19, so that mainly strokes and
colours are transferred; the pixels' colours are an additional style layer; each layer's error is relative to its target; L-BFGS starts
from the content by default. With VGG-19's weights, converted by tools/convert_vgg.py, `--preset vgg19 --weights vgg19.safetensors` uses
the paper's layers.

The user gives `content` and `style`. The output `image` has the content's proportions and the longest side `size`. Nothing is trained.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from gesso.card import Card, Out, Settings, Slot, wordbook
from gesso.conditions.picture import Picture
from gesso.ports import Frame
from gesso.recipes.recipe import Recipe
from gesso.request import Request

if TYPE_CHECKING:
    from gesso.families.optimise import StyleTransfer


@dataclass(frozen=True)
class Preset:
    content_layer: str
    style_layers: tuple[str, ...]


PRESETS = {
    "tiny": Preset("conv2_1", ("pixels", "conv1_1", "conv2_1")),
    "small": Preset("conv3_2", ("pixels", "conv1_1", "conv1_2", "conv2_1", "conv2_2", "conv3_1", "conv3_2", "conv4_1")),
    "vgg19": Preset("conv4_2", ("conv1_1", "conv2_1", "conv3_1", "conv4_1", "conv5_1")),
}


class StyleSettings(Settings):
    num_steps: int = Field(default=100, ge=1, le=2000)
    size: int = Field(default=384, ge=16, le=4096)
    style_weight: float = Field(default=30.0, ge=0, le=1e6)
    content_weight: float = Field(default=1.0, ge=0, le=1e6)
    smoothness: float = Field(default=0.1, ge=0, le=1e6)
    start: Literal["content", "noise"] = Field(default="content")


CARD = Card(
    name="style",
    title={"en": "Style transfer", "ko": "화풍 옮기기"},
    summary={"en": "Repaints one picture in the style of another.", "ko": "한 그림을 다른 그림의 화풍으로 다시 그립니다."},
    conditions=(
        Slot(name="content", kind=Picture, required=True),
        Slot(name="style", kind=Picture, required=True, options={"fit": "inside"}),
    ),
    outputs=(Out(name="image", medium="picture", help={"en": "the repainted picture", "ko": "다시 그린 그림"}),),
    settings=StyleSettings,
    words=wordbook("""
        content | Content | 내용 그림 | the picture whose content is kept | 내용을 가져올 그림
        style | Style | 화풍 그림 | the picture whose style is used, of any size | 화풍을 가져올 그림. 크기는 자유
        num_steps | Steps | 단계 수 | iterations of L-BFGS | L-BFGS 반복 횟수
        size | Size | 크기 | the result's longest side in pixels; memory limits it | 결과의 긴 변(픽셀). 메모리에 따라 제한됩니다
        style_weight | Weight of the style | 화풍 비중 | weight of the style in the objective | 목적 함수에서 화풍의 비중
        content_weight | Weight of the content | 내용 비중 | weight of the content in the objective | 목적 함수에서 내용의 비중
        smoothness | Smoothness | 매끄러움 | how strongly pixel noise is reduced | 이웃 픽셀 사이의 잡티를 줄이는 정도
        start | Start from | 시작점 | start from the content, or from noise that the seed decides | 내용 그림 또는 노이즈에서 시작
        start.content | The content | 내용 그림
        start.noise | Noise | 노이즈
    """),
    paper="Gatys, Ecker and Bethge 2016, CVPR",
    licence="Apache-2.0; outputs are subject to the rights in both pictures",
    data="none; the features are cifar_classifier's",
    numbers=(
        "the objective falls to 8.3 % of its start in 100 iterations, mean of 6 pairs (0.3 to 13 %), at no iteration rising: "
        "gesso measure style --data style --pairs 6 --size 256 --num-steps 100",
    ),
    limits={
        "en": "The shipped features transfer colours and textures well, large brushwork less so. 1000 pixels take minutes on a CPU.",
        "ko": "기본 신경망은 색과 질감을 잘 옮기고 큰 붓질은 덜 옮깁니다. CPU에서 1000픽셀이면 몇 분 걸립니다.",
    },
    example="gesso fit style --content photo.jpg --style painting.jpg --out runs/painted",
)


def family(preset: Preset) -> StyleTransfer:
    from gesso.families.optimise import StyleTransfer

    return StyleTransfer(preset.content_layer, preset.style_layers)


def frames(request: Request, preset: Preset) -> list[Frame]:
    from gesso.families.optimise import longest_side

    content, settings = request.conditions["content"], request.settings
    assert isinstance(content, Picture) and isinstance(settings, StyleSettings)
    return [Frame(longest_side(content.page, settings.size), page=content.page)]


def measure(make: Any, data: Path | None, options: dict[str, Any]) -> dict[str, Any]:
    from gesso.metrics.descent import measure_descent

    return measure_descent(make, data, options)


recipe = Recipe(
    card=CARD,
    presets=PRESETS,
    build=lambda preset: {},
    family=family,
    uses={"features": "cifar_classifier"},
    frames=frames,
    shape=lambda request, frame, preset: (1, 3, *frame.size),
    measures={"descent": measure},
)
