"""One generator for many looks of a picture: tones of skin, colours of hair, or the subfolders of one's own folder.

Choi 2020, "StarGAN v2: Diverse Image Synthesis for Multiple Domains": a mapping network and a style encoder with a head for each domain,
a generator with adaptive instance normalisation, a critic with a head for each domain, R1, style reconstruction, a cycle, and a diversity
term that decays to 0. Deviations: the generator answers with a change and a share for each pixel, which are blended with its input,
because most of a picture looks alike in all domains, and the share is kept small; its U-Net has skips; an item's style comes from noise or
from an exemplar at equal odds; StarGAN v1's classification stands beside the critic's heads, and tells the domains apart sooner.

The user gives `picture` and `attribute`, the look that is wanted; the style is drawn by the seed, or taken from `exemplar`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gesso.card import Card, Out, Slot, wordbook
from gesso.conditions.label import Label
from gesso.conditions.picture import Picture
from gesso.datasets.looks import look_pictures
from gesso.ports import Frame
from gesso.recipes.recipe import Optimiser, Recipe, Stage, class_names, size_of

if TYPE_CHECKING:
    from gesso.families.adversarial import Adversarial

LATENT, STYLE = 16, 32
R1, CLASSES, STYLE_AGAIN, CYCLE, SAMENESS, SHARE = 1.0, 1.0, 1.0, 1.0, 0.1, 0.1
LAZY = 4  # steps between two of the costly terms


@dataclass(frozen=True)
class Preset:
    widths: tuple[int, ...]  # the generator's channels at 1/2, 1/4, … of the size
    critic: tuple[int, ...]  # the critic's, and the encoder's
    side: int
    num_steps: int
    batch_size: int


PRESETS = {
    "tiny": Preset(widths=(8, 16, 16), critic=(8, 16, 16), side=32, num_steps=200, batch_size=4),
    "small": Preset(widths=(32, 64, 96), critic=(32, 64, 128, 128), side=64, num_steps=3000, batch_size=8),
    "base": Preset(widths=(64, 128, 256, 256), critic=(64, 128, 256, 512, 512), side=128, num_steps=100_000, batch_size=16),
}

CARD = Card(
    name="stargan",
    title={"en": "Many looks", "ko": "여러 모습"},
    summary={
        "en": "Gives a picture another look: the one you name, or that of another picture.",
        "ko": "그림의 모습을 바꿉니다. 이름으로 고르거나 다른 그림의 모습을 따릅니다.",
    },
    conditions=(
        Slot(name="picture", kind=Picture, required=True),
        Slot(name="attribute", kind=Label, required=True, source="target", facts={"classes": "classes"}),
        Slot(name="exemplar", kind=Picture, source="exemplar"),
    ),
    outputs=(Out(name="image", medium="picture", help={"en": "the picture in its new look", "ko": "모습이 바뀐 그림"}),),
    words=wordbook("""
        picture | Picture | 그림 | the picture to change | 모습을 바꿀 그림
        attribute | Look | 모습 | the look it should have, by its name in the data | 바꿀 모습의 이름. 데이터에 있는 것 중 하나
        exemplar | Exemplar | 본보기 | a picture with that look, whose style is taken | 그 모습을 한 그림. 스타일을 따옵니다
    """),
    paper="Choi 2020, arXiv:1912.01865; Choi 2018, arXiv:1711.09020",
    licence="Apache-2.0; weights, what their pictures allow",
    data="a subfolder for each look; OpenMoji's tones of skin (CC BY-SA 4.0); LPC's colours of hair and clothes (CC BY-SA 3.0)",
    limits={
        "en": "It knows the looks of its data only, and changes colours and surfaces more readily than shapes.",
        "ko": "학습한 데이터의 모습만 알며, 모양보다 색과 겉모습을 잘 바꿉니다.",
    },
    example="gesso generate stargan --picture hand.png --attribute dark --weights runs/looks --out dark.png",
)


def build(preset: Preset, facts: Mapping[str, Any]) -> dict[str, Any]:
    from gesso.networks.stargan import DomainCritic, DomainMapping, StyledTranslator, StyleEncoder

    num = len(facts["classes"])
    return {
        "generator": StyledTranslator(3, preset.widths, STYLE),
        "mapping": DomainMapping(LATENT, STYLE, num),
        "encoder": StyleEncoder(3, preset.critic, STYLE, num),
        "critic": lambda: DomainCritic(3, preset.critic, num, "attribute"),
    }


def family(preset: Preset) -> Adversarial:
    from gesso.families.adversarial import Adversarial, Term
    from gesso.families.adversarial.looks import Looks
    from gesso.families.adversarial.penalties import r1

    looks = Looks(LATENT, fades=preset.num_steps // 2)
    return Adversarial(
        looks.play,
        looks.show,
        generators=("generator", "mapping", "encoder"),
        terms=(
            Term("style", looks.style_again, STYLE_AGAIN),
            Term("cycle", looks.cycle, CYCLE),
            Term("sameness", looks.sameness, SAMENESS, every=LAZY),
            Term("share", looks.share_made, SHARE),
            Term("taken_for", looks.taken_for, CLASSES),
        ),
        critic_terms=(Term("r1", r1, R1, every=LAZY, slopes=True), Term("classified", looks.classified, CLASSES)),
    )


def stages(preset: Preset) -> list[Stage]:
    def data(folder: Path | None, split: str) -> Any:
        return look_pictures(folder, split, preset.side)

    optimiser = Optimiser(rate=8e-4, betas=(0.0, 0.99), decay=1e-4, warmup=0, floor=0.05, clip=0.0, schedule="linear")
    return [
        Stage(
            name="looks",
            family=family(preset),
            trains=dict.fromkeys(("generator", "mapping", "encoder", "critic"), optimiser),
            data=data,
            num_steps=preset.num_steps,
            batch_size=preset.batch_size,
            average=0.995,
            frame=Frame((preset.side, preset.side)),
        )
    ]


def measure(make: Any, data: Path | None, options: dict[str, Any]) -> dict[str, Any]:
    """Nearness to the true variants and accuracy of the looks on held-out pictures. Options: `limit`, the most pictures a look."""
    from gesso.metrics.looks import measure_looks

    (stage,) = make.model.recipe.stages(make.model.assembled.preset)
    learned, held = (stage.data(data, split) for split in ("train", "val"))
    told = learned if learned.knows_variants else stage.data(data, "dev")
    return measure_looks(make, learned, held, told, options)


def preview(networks: Any, batch: Any, family: Any) -> Any:
    from gesso.families.adversarial.preview import played

    return played(family, networks, batch, ("picture", "fake", "real"))  # real ones of the wanted look


recipe = Recipe(
    card=CARD,
    presets=PRESETS,
    build=build,
    family=family,
    stages=stages,
    keeps=("generator", "mapping", "encoder"),
    preview=preview,
    frames=size_of("picture"),
    shape=lambda request, frame, preset: (1, 3, *frame.size),
    facts=class_names,
    layout={
        "en": "a subfolder for each look; OpenMoji's tables; LPC's layers (colours of hair), or their folder torso (of clothes)",
        "ko": "모습마다 그림 폴더 하나씩. OpenMoji 표, LPC 캐릭터 레이어(머리색)나 그 안의 torso 폴더(옷 색)도 가능",
    },
    data_files=("*/*.png", "*/*.jpg", "train.parquet:skintone,base,color", "hair/*/*/*.png+body/*/*.png"),
    measures={"looks": measure},
)
