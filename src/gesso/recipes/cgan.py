"""Pictures of a class that the user names, by an adversarial game whose critic compares picture and class.

Miyato and Koyama 2018, "cGANs with Projection Discriminator": the critic's logit adds the projection of its features on the class. The
game is R3GAN's (Huang 2024), as in `gan`: a relativistic objective of pairs of one class, and penalties on slopes at real and generated
pictures. Deviations: no normalisation, so latent and class scale channels in place of class-conditional batch normalisation; penalties
are taken at every fourth step with four times the weight (lazily, Karras 2020), for speed; 2 × 2 pixels are made at once.

The user gives `label`, one of the names that the data have: CIFAR-10's classes, or the subfolders of a folder.
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


PRESETS = {
    "tiny": Preset(widths=(16, 16, 8), latent=16, num_steps=200, batch_size=8),
    "small": Preset(widths=(128, 128, 64), latent=64, num_steps=20_000, batch_size=32),
    "base": Preset(widths=(384, 256, 128), latent=128, num_steps=200_000, batch_size=64, penalty=0.05, rate=2e-4, depth=2),
}


class CganSettings(Settings):
    truncation: float = Field(default=1.0, ge=0, le=2)


CARD = Card(
    name="cgan",
    title={"en": "Pictures of a class", "ko": "종류를 골라 만드는 그림"},
    summary={
        "en": "Learns the classes of labelled pictures, and makes new pictures of the class you name.",
        "ko": "종류별로 나뉜 그림들을 익혀, 고른 종류의 새 그림을 만듭니다.",
    },
    conditions=(Slot(name="label", kind=Label, required=True, facts={"classes": "classes"}),),
    outputs=(Out(name="image", medium="picture", help={"en": "a new picture of the class, 32×32", "ko": "고른 종류의 새 그림, 32×32"}),),
    settings=CganSettings,
    words=wordbook("""
        label | Class | 종류 | what to show: one of the classes that the pictures had | 무엇을 그릴지. 학습한 종류 가운데 하나
        truncation | Truncation | 절단 | below 1: more typical and less varied pictures | 1보다 작으면 전형적이고 덜 다양한 그림이 됩니다
    """),
    paper="Miyato and Koyama 2018, arXiv:1802.05637; Huang 2024, arXiv:2501.05441",
    licence="Apache-2.0; weights, what their pictures allow",
    data="a folder with a subfolder of pictures for each class; CIFAR-10 (research)",
    numbers=(
        "a classifier that learns from 10,000 generated pictures is right on 32.0 % of real ones, from as many real ones on 68.3 %: ratio "
        "0.47 (0.45 to 0.48); 3,800 steps, twelve minutes of one core: gesso train cgan --data cifar10 --steps 3800 --out runs/cgan, "
        "gesso measure cgan --data cifar10 --weights runs/cgan",
    ),
    limits={
        "en": "One size, 32×32, and only the classes that it learned.",
        "ko": "크기는 32×32뿐이고, 학습한 종류만 만들 수 있습니다.",
    },
    example="gesso generate cgan --weights runs/cgan --label ship --seed 3 --out ship.png",
)


def build(preset: Preset, facts: Mapping[str, Any]) -> dict[str, Any]:
    from gesso.networks.residual_gan import ResidualCritic, ResidualGenerator

    given = CARD.with_facts(facts).port_sizes().vector
    return {
        "generator": ResidualGenerator(3, preset.widths, preset.latent, given, preset.depth, PATCH),
        "critic": lambda: ResidualCritic(3, preset.widths, given, preset.depth, PATCH),
    }


def family(preset: Preset) -> Adversarial:
    from gesso.families.adversarial import Adversarial, Term
    from gesso.families.adversarial.latent import Latent
    from gesso.families.adversarial.objectives import RELATIVISTIC
    from gesso.families.adversarial.penalties import r1, r2

    latent = Latent(preset.latent)
    penalties = tuple(Term(one.__name__, one, preset.penalty, PENALTY_EVERY, slopes=True) for one in (r1, r2))
    return Adversarial(latent.play, latent.show, objective=RELATIVISTIC, critic_terms=penalties)


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
