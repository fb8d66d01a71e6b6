"""Pictures of a class that the user names, by an adversarial game whose critic also says which class it sees.

Odena 2017, "Conditional Image Synthesis with Auxiliary Classifier GANs": a class head beside the critic's logit; both players learn from
the class that it finds, in real and in generated pictures. Deviations: the game is R3GAN's (Huang 2024), as in `cgan` and `gan`, and the
networks are residual without normalisation; the generator takes the classes of a batch rather than random ones.

The user gives `label`, one of the names that the data have. `cgan` is the same without the class head, and compares picture and class in
the logit instead. A class head is known to narrow what a class looks like; `gesso measure acgan` prints how much.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from gesso.card import Card, Out, Settings, Slot, wordbook
from gesso.conditions.label import Label
from gesso.datasets.small_pictures import labelled_pictures
from gesso.metrics.of_classes import class_measures
from gesso.ports import Frame
from gesso.recipes.recipe import Optimiser, Recipe, Stage, class_names

if TYPE_CHECKING:
    from gesso.families.adversarial import Adversarial

SIDE, PATCH = 32, 2
PENALTY_EVERY = 4
AIM = {"small": 0.55, "base": 0.80}  # of the classification accuracy score


@dataclass(frozen=True)
class Preset:
    widths: tuple[int, ...]  # channels from 4 × 4 on
    latent: int
    num_steps: int
    batch_size: int
    penalty: float = 0.2  # weight of R1 and of R2
    rate: float = 3e-4
    depth: int = 1  # blocks a level
    classes: float = 1.0  # weight of the classes that the critic finds


PRESETS = {
    "tiny": Preset(widths=(16, 16, 8), latent=16, num_steps=200, batch_size=8),
    "small": Preset(widths=(128, 128, 64), latent=64, num_steps=20_000, batch_size=32),
    "base": Preset(widths=(384, 256, 128), latent=128, num_steps=200_000, batch_size=64, penalty=0.05, rate=2e-4, depth=2),
}


class AcganSettings(Settings):
    truncation: float = Field(default=1.0, ge=0, le=2)


CARD = Card(
    name="acgan",
    title={"en": "Pictures of a class, by a class head", "ko": "종류를 골라 만드는 그림 (분류 보조)"},
    summary={
        "en": "Learns the classes of labelled pictures with a critic that tells them apart, and makes new pictures of the class you name.",
        "ko": "종류를 알아맞히는 판별기와 함께 익혀, 고른 종류의 새 그림을 만듭니다.",
    },
    conditions=(Slot(name="label", kind=Label, required=True, facts={"classes": "classes"}),),
    outputs=(Out(name="image", medium="picture", help={"en": "a new picture of the class, 32×32", "ko": "고른 종류의 새 그림, 32×32"}),),
    settings=AcganSettings,
    words=wordbook("""
        label | Class | 종류 | what to show: one of the classes that the pictures had | 무엇을 그릴지. 학습한 종류 가운데 하나
        truncation | Truncation | 절단 | below 1: more typical and less varied pictures | 1보다 작으면 전형적이고 덜 다양한 그림이 됩니다
    """),
    paper="Odena 2017, arXiv:1610.09585; Huang 2024, arXiv:2501.05441",
    licence="Apache-2.0; weights, what their pictures allow",
    data="a folder with a subfolder of pictures for each class; CIFAR-10 (research)",
    limits={
        "en": "One size, 32×32, only the classes that it learned, and less variety within a class than there is.",
        "ko": "크기는 32×32뿐이고, 학습한 종류만 만들며, 한 종류 안의 다양함이 실제보다 적습니다.",
    },
    example="gesso generate acgan --weights runs/acgan --label ship --seed 3 --out ship.png",
)


def build(preset: Preset, facts: Mapping[str, Any]) -> dict[str, Any]:
    from gesso.networks.residual_gan import ResidualCritic, ResidualGenerator

    given = CARD.with_facts(facts).port_sizes().vector
    classes = len(facts["classes"])
    return {
        "generator": ResidualGenerator(3, preset.widths, preset.latent, given, preset.depth, PATCH),
        "critic": lambda: ResidualCritic(3, preset.widths, 0, preset.depth, PATCH, classes),
    }


def family(preset: Preset) -> Adversarial:
    from gesso.families.adversarial import Adversarial, Term
    from gesso.families.adversarial.classes import classes_of_both, classes_of_fake
    from gesso.families.adversarial.latent import Latent
    from gesso.families.adversarial.objectives import RELATIVISTIC
    from gesso.families.adversarial.penalties import r1, r2

    latent = Latent(preset.latent)
    penalties = tuple(Term(one.__name__, one, preset.penalty, PENALTY_EVERY, slopes=True) for one in (r1, r2))
    return Adversarial(
        latent.play,
        latent.show,
        objective=RELATIVISTIC,
        terms=(Term("classes", classes_of_fake, preset.classes),),
        critic_terms=(*penalties, Term("classes", classes_of_both, preset.classes)),
    )


def stages(preset: Preset) -> list[Stage]:
    from gesso.metrics.progress import distance_of_sets

    def data(folder: Path | None, split: str) -> Any:
        return labelled_pictures(folder, split, SIDE)

    optimiser = Optimiser(rate=preset.rate, betas=(0.0, 0.99), warmup=100, floor=0.1, clip=0.0)
    return [
        Stage(
            name="game",
            family=family(preset),
            trains={"generator": optimiser, "critic": optimiser},
            data=data,
            num_steps=preset.num_steps,
            batch_size=preset.batch_size,
            average=0.998,
            frame=Frame((SIDE, SIDE)),
            figures=distance_of_sets,
        )
    ]


recipe = Recipe(
    card=CARD,
    presets=PRESETS,
    build=build,
    family=family,
    stages=stages,
    keeps=("generator",),
    facts=class_names,
    frames=lambda request, preset: [Frame((SIDE, SIDE), page=(SIDE, SIDE))],
    shape=lambda request, frame, preset: (1, 3, *frame.size),
    layout={
        "en": "a subfolder of pictures for each class; CIFAR-10's parquet files",
        "ko": "종류마다 그림이 든 하위 폴더. CIFAR-10의 parquet 파일도 가능",
    },
    data_files=("*/*.png", "*/*.jpg", "train.parquet:image,label+val.parquet"),
    measures=class_measures(SIDE, AIM),
)
