"""One kind of picture into another and back, learned from two sets without pairs.

Zhu 2017, "Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks": two residual generators with instance
normalisation, two critics of patches, least squares, a pool of 50 pictures for each critic, cycle consistency with weight 10 and identity
with half of it. Deviations: spectral normalisation in the critics, and 3×3 convolutions after nearest neighbours on the way up.

The user gives `picture`; the setting `direction` says which way.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from gesso.card import Card, Out, Settings, Slot, wordbook
from gesso.conditions.picture import Picture
from gesso.datasets.paired_pictures import paired_pictures
from gesso.datasets.unpaired_pictures import unpaired_pictures
from gesso.ports import Frame
from gesso.recipes.recipe import Optimiser, Recipe, Stage, size_of

if TYPE_CHECKING:
    from gesso.families.adversarial import Adversarial

CYCLE, IDENTITY, POOL = 10.0, 5.0, 50


@dataclass(frozen=True)
class Preset:
    width: int
    num_blocks: int
    critic: int  # the critics' width
    side: int
    num_steps: int
    batch_size: int


PRESETS = {
    "tiny": Preset(width=8, num_blocks=1, critic=8, side=32, num_steps=200, batch_size=4),
    "small": Preset(width=16, num_blocks=4, critic=32, side=64, num_steps=20_000, batch_size=4),
    "base": Preset(width=64, num_blocks=9, critic=64, side=128, num_steps=200_000, batch_size=4),
}


class CycleGanSettings(Settings):
    direction: Literal["there", "back"] = Field(default="there")


CARD = Card(
    name="cyclegan",
    title={"en": "Picture to picture, without pairs", "ko": "짝 없이 배우는 그림 변환"},
    summary={
        "en": "Turns pictures of one set into pictures of another, and back, though no two of them belong together.",
        "ko": "서로 짝이 없는 두 무리의 그림에서, 한쪽을 다른 쪽처럼 바꾸고 되돌립니다.",
    },
    conditions=(Slot(name="picture", kind=Picture, required=True),),
    outputs=(Out(name="image", medium="picture", help={"en": "the translated picture", "ko": "바뀐 그림"}),),
    settings=CycleGanSettings,
    words=wordbook("""
        picture | Picture | 그림 | a picture of the set to start from | 바꿀 그림
        direction | Direction | 방향 | from the first set to the second, or back | 첫째 무리에서 둘째로, 또는 그 반대로
        direction.there | There | 가기
        direction.back | Back | 돌아오기
    """),
    paper="Zhu 2017, arXiv:1703.10593",
    licence="Apache-2.0; weights, what their pictures allow",
    data="two folders of one's own; OpenMoji's line drawings and colours, with the pairs hidden (CC BY-SA 4.0)",
    limits={
        "en": "It changes surfaces more readily than shapes, and may hide what it needs for the way back.",
        "ko": "모양보다 겉모습을 잘 바꾸며, 되돌아오는 데 필요한 것을 그림에 숨길 수 있습니다.",
    },
    example="gesso train cyclegan --data two_sets --out runs/sets",
)


def build(preset: Preset) -> dict[str, Any]:
    from gesso.networks.patchgan import PatchGAN
    from gesso.networks.translator import ResidualTranslator

    def generator() -> ResidualTranslator:
        return ResidualTranslator(3, 3, preset.width, preset.num_blocks)

    def critic() -> PatchGAN:
        return PatchGAN(3, width=preset.critic)

    return {"there": generator(), "back": generator(), "critic_a": critic, "critic_b": critic}


def family(preset: Preset) -> Adversarial:
    from gesso.families.adversarial import Adversarial, Seat, Term
    from gesso.families.adversarial.objectives import LEAST_SQUARES
    from gesso.families.adversarial.translation import Unpaired, cycle, identity

    unpaired = Unpaired()
    return Adversarial(
        unpaired.play,
        unpaired.show,
        seats=(Seat("critic_a", "a", "ba", pool=POOL), Seat("critic_b", "b", "ab", pool=POOL)),
        generators=("there", "back"),
        objective=LEAST_SQUARES,
        terms=(Term("cycle", cycle, CYCLE), Term("identity", identity, IDENTITY)),
    )


def stages(preset: Preset) -> list[Stage]:
    def data(folder: Path | None, split: str) -> Any:
        return unpaired_pictures(folder, split, preset.side)

    optimiser = Optimiser(rate=2e-4, betas=(0.5, 0.999), warmup=0, floor=0.0, clip=0.0, schedule="linear")
    return [
        Stage(
            name="translate",
            family=family(preset),
            trains=dict.fromkeys(("there", "back", "critic_a", "critic_b"), optimiser),
            data=data,
            num_steps=preset.num_steps,
            batch_size=preset.batch_size,
            average=0.99,
            frame=Frame((preset.side, preset.side)),
            conditions=(),
        )
    ]


def measure(make: Any, data: Path | None, options: dict[str, Any]) -> dict[str, Any]:
    """Distances from the hidden other picture of held-out pairs. Options: `limit`, the most pairs; `rival`, weights of `pix2pix`."""
    from gesso.metrics.translated import measure_pairs

    rival = make.other("pix2pix", weights=options["rival"]) if "rival" in options else None
    return measure_pairs(make.model, paired_pictures(data, "val", make.model.assembled.preset.side), options, rival)


def measure_pictures(make: Any, data: Path | None, options: dict[str, Any]) -> dict[str, Any]:
    """Generated against held-out pictures. Options: `num`, `learned`, `seed` (`gesso.metrics.yardstick`)."""
    from gesso.metrics.yardstick import measure_pictures

    return measure_pictures(make, lambda split: unpaired_pictures(data, split, make.model.assembled.preset.side), options, target="b")


def preview(networks: Any, batch: Any, family: Any) -> Any:
    """Pictures of the first set and there, pictures of the second and back."""
    from gesso.families.adversarial.preview import played

    return played(family, networks, batch, ("a", "ab", "b", "ba"))


recipe = Recipe(
    card=CARD,
    presets=PRESETS,
    build=build,
    family=family,
    stages=stages,
    keeps=("there", "back"),
    preview=preview,
    frames=size_of("picture"),
    shape=lambda request, frame, preset: (1, 3, *frame.size),
    layout={
        "en": "subfolders a and b; names need not agree",
        "ko": "a와 b 두 폴더. 이름이 같을 필요는 없습니다",
    },
    data_files=("a/*.png+b/*.png", "a/*.jpg+b/*.jpg", "train.parquet:line,color"),
    measures={"pairs": measure, "pictures": measure_pictures},
)
