"""Pictures from noise with handles: StyleGAN2, for small sets of pictures by adaptive augmentation.

Karras 2020, "Analyzing and Improving the Image Quality of StyleGAN" and "Training GANs with Limited Data" (ADA): mapping network,
modulated convolutions, noise, skips, lazy R1 and path length, augmentation that follows the critic's overfitting. The preset `plain` is
the same without augmentation. Handles are the directions that change styles most, found in the weights (Shen and Zhou 2021).

The user gives `handles`, and `place`, where a picture was found; truncation and a second seed for the finer layers are settings.
`gesso fit` finds the place of `picture`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from gesso.card import FIT, Card, Out, Settings, Slot, wordbook
from gesso.conditions.handles import Handles
from gesso.conditions.latent_place import LatentPlace
from gesso.conditions.picture import Picture
from gesso.datasets.small_pictures import small_pictures
from gesso.media.picture import middle_square
from gesso.ports import Frame
from gesso.recipes.recipe import Optimiser, Recipe, Stage

if TYPE_CHECKING:
    from torch import nn

    from gesso.families.adversarial.projection import StyleGame

R1_EVERY, PATH_EVERY = 16, 4


@dataclass(frozen=True)
class Preset:
    widths: tuple[int, ...]  # channels at 4 × 4, 8 × 8, …
    width: int  # of w
    num_steps: int
    batch_size: int
    r1: float = 1.0
    path: float = 2.0
    speed: int = 20_000  # pictures in which augmentation can go from nothing to always; 0 is none

    @property
    def side(self) -> int:
        return 4 * 2 ** (len(self.widths) - 1)


PRESETS = {
    "tiny": Preset(widths=(16, 16, 8, 8), width=16, num_steps=200, batch_size=8, speed=1000),
    "plain": Preset(widths=(128, 128, 64, 32), width=128, num_steps=20_000, batch_size=32, speed=0),
    "small": Preset(widths=(128, 128, 64, 32), width=128, num_steps=20_000, batch_size=32),
    "base": Preset(widths=(512, 512, 512, 256, 128), width=512, num_steps=200_000, batch_size=64, speed=500_000),
}


class StyleGan2Settings(Settings):
    truncation: float = Field(default=0.8, ge=0, le=2)
    mix_seed: int = Field(default=-1, ge=-1, le=2**31 - 1)
    mix_from: int = Field(default=4, ge=0, le=20)
    num_steps: int = Field(default=400, ge=1, le=100_000, json_schema_extra=FIT)


CARD = Card(
    name="stylegan2",
    title={"en": "Pictures with handles", "ko": "손잡이로 다루는 그림 생성"},
    summary={
        "en": "Learns a folder of pictures, makes new ones, and offers handles that change them step by step.",
        "ko": "폴더의 그림을 익혀 새 그림을 만들고, 조금씩 바꿀 수 있는 손잡이를 줍니다.",
    },
    conditions=(
        Slot(name="handles", kind=Handles, options={"num": 8, "reach": 5.0}),
        Slot(name="place", kind=LatentPlace, options={"finds": "picture"}),
        Slot(name="picture", kind=Picture, required=True, fit=True),
    ),
    outputs=(Out(name="image", medium="picture", help={"en": "a new picture", "ko": "새 그림"}),),
    settings=StyleGan2Settings,
    words=wordbook("""
        handles | Handles | 손잡이 | how far along the directions that change most | 가장 크게 바꾸는 방향부터, 얼마나 움직일지
        place | Place | 자리 | where a picture was found, in place of seed and truncation | 그림을 찾은 자리. 시드와 절단 대신 사용
        picture | Picture to find | 찾을 그림 | the picture that is searched for | 비슷하게 만들 그림
        num_steps | Steps | 단계 수 | steps of the search, for a fit | 찾는 단계 수
        truncation | Truncation | 절단 | below 1: more typical and less varied pictures | 1보다 작으면 전형적이고 덜 다양한 그림이 됩니다
        mix_seed | Second seed | 둘째 시드 | whose picture gives the finer layers; -1 is none | 세부를 가져올 그림의 시드. -1이면 없음
        mix_from | Mix from layer | 섞기 시작할 층 | from which layer on the second seed counts | 이 층부터 둘째 시드를 씁니다
    """),
    paper="Karras 2020, arXiv:1912.04958 and arXiv:2006.06676; Shen and Zhou 2021, arXiv:2007.06600",
    licence="Apache-2.0; weights, what their pictures allow",
    data="a folder of pictures; CIFAR-10 (research)",
    limits={
        "en": "One size for all pictures, and what a handle changes has no name.",
        "ko": "그림 크기는 하나뿐이며, 손잡이가 무엇을 바꾸는지는 이름이 없습니다.",
    },
    example="gesso train stylegan2 --data my_pictures --out runs/styles",
)


def build(preset: Preset) -> dict[str, Any]:
    from gesso.networks.stylegan2 import MappingNetwork, StyleCritic, Synthesis

    mapping: dict[str, nn.Module] = {"mapping": MappingNetwork(preset.width, preset.width)}
    return mapping | {"synthesis": Synthesis(3, preset.widths, preset.width), "critic": lambda: StyleCritic(3, preset.widths)}


def family(preset: Preset) -> StyleGame:
    from gesso.families.adversarial import Term
    from gesso.families.adversarial.augment import Augment
    from gesso.families.adversarial.penalties import r1
    from gesso.families.adversarial.projection import StyleGame
    from gesso.families.adversarial.style_latent import StyleLatent, path_length

    latent = StyleLatent(preset.width)
    return StyleGame(
        latent.play,
        latent.show,
        generators=("mapping", "synthesis"),
        terms=(Term("path_length", path_length, preset.path, every=PATH_EVERY),),
        critic_terms=(Term("r1", r1, preset.r1, every=R1_EVERY, slopes=True),),
        augment=Augment(speed=preset.speed) if preset.speed else None,
        latent=latent,
    )


def stages(preset: Preset) -> list[Stage]:
    from gesso.metrics.progress import distance_of_sets

    def data(folder: Path | None, split: str) -> Any:
        return small_pictures(folder, split, preset.side)

    optimiser = Optimiser(rate=2e-3, betas=(0.0, 0.99), warmup=0, floor=1.0, clip=0.0, schedule="constant")
    return [
        Stage(
            name="game",
            family=family(preset),
            trains=dict.fromkeys(("mapping", "synthesis", "critic"), optimiser),
            data=data,
            num_steps=preset.num_steps,
            batch_size=preset.batch_size,
            average=0.998,
            frame=Frame((preset.side, preset.side)),
            figures=distance_of_sets,
            conditions=(),
        )
    ]


def frames(request: Any, preset: Preset) -> list[Frame]:
    """The picture's size; of a picture to find, the square in its middle."""
    size, given = (preset.side, preset.side), request.conditions.get("picture")
    return [Frame(size, page=size) if given is None else Frame(size, middle_square(given.page), given.page)]


def measure_pictures(make: Any, data: Path | None, options: dict[str, Any]) -> dict[str, Any]:
    """Generated against held-out pictures. Options: `num`, `learned`, `seed` (`gesso.metrics.yardstick`)."""
    from gesso.metrics.yardstick import measure_pictures

    return measure_pictures(make, lambda split: small_pictures(data, split, make.model.assembled.preset.side), options)


recipe = Recipe(
    card=CARD,
    presets=PRESETS,
    build=build,
    family=family,
    stages=stages,
    keeps=("mapping", "synthesis"),
    frames=frames,
    shape=lambda request, frame, preset: (1, 3, *frame.size),
    layout={
        "en": "pictures, a subfolder for each class or none; or a parquet table with a column image or color",
        "ko": "그림들(분류별 하위 폴더 가능), 또는 image나 color 열이 있는 parquet 표",
    },
    learns_pictures=True,
    data_files=("*.png", "*.jpg", "*.parquet:image", "*.parquet:color"),
    measures={"pictures": measure_pictures},
)
