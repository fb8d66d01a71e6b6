"""Classify a small picture into the ten classes of CIFAR-10; `style` uses this network's features.

Source: Simonyan and Zisserman 2015 (VGG), at an eighth of the width and with four stages. Deviations: weight-standardised
convolutions (Qiao 2019) replace batch normalisation and fold into plain weights at export; average pooling, as Gatys 2016 (section 2)
advises for Gram matrices; one linear layer. The user gives a picture; outputs are its class and the probability of each class.

The preset `vgg19` is the paper's network for `style`, without a classifier. Its weights are not included and not trained here;
tools/convert_vgg.py converts them. `score` is a short training, by which generated pictures are measured (`gesso.metrics.class_score`).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gesso.card import Card, Out, Slot
from gesso.conditions.picture import Picture
from gesso.datasets.cifar import CLASSES, SIZE, Patterns, cifar
from gesso.ports import Frame
from gesso.recipes.recipe import Optimiser, Recipe, Stage

if TYPE_CHECKING:
    from gesso.families.supervised import Supervised
    from gesso.networks.convnet import ConvNet


@dataclass(frozen=True)
class Preset:
    plan: tuple[tuple[int, int], ...]  # (channels, convolutions) of each stage; empty is VGG-19
    num_steps: int
    batch_size: int
    made_up: bool = False  # without --data, train on synthetic patterns
    warmup: int = 200
    average: float = 0.995


PRESETS = {
    "tiny": Preset(plan=((8, 1), (8, 1), (16, 1), (16, 1)), num_steps=200, batch_size=16, made_up=True),
    "small": Preset(plan=((32, 2), (64, 2), (128, 2), (256, 2)), num_steps=3000, batch_size=128),
    "score": Preset(plan=((32, 2), (64, 2), (128, 2), (256, 2)), num_steps=400, batch_size=128, warmup=50, average=0.98),
    "vgg19": Preset(plan=(), num_steps=0, batch_size=0),
}

CARD = Card(
    name="cifar_classifier",
    title={"en": "Picture classifier", "ko": "사진 분류기"},
    summary={
        "en": "Classifies a small picture into CIFAR-10's ten classes. Style transfer uses its features.",
        "ko": "작은 사진을 CIFAR-10의 열 가지로 분류합니다. 화풍 옮기기가 이 신경망의 특징을 씁니다.",
    },
    conditions=(
        Slot(
            name="picture",
            kind=Picture,
            required=True,
            title={"en": "Picture", "ko": "그림"},
            help={"en": "a picture; the network sees it at 32×32", "ko": "사진 한 장; 신경망은 32×32로 봅니다"},
        ),
    ),
    outputs=(
        Out(name="label", medium="label", help={"en": "the class", "ko": "종류"}),
        Out(name="probability", medium="table", help={"en": "the probability of each class", "ko": "종류별 확률"}),
    ),
    paper="Simonyan and Zisserman 2015, arXiv:1409.1556; Qiao 2019, arXiv:1903.10520",
    licence="Apache-2.0",
    data="CIFAR-10 (research): 48,000 of its 50,000 training pictures as JPEG, mirrored and shifted",
    numbers=("84.7 % of 5,000 validation pictures right: gesso measure cifar_classifier --data cifar10",),
    limits={
        "en": "It knows ten classes at 32×32 and assigns every picture to one of them.",
        "ko": "32×32 크기의 열 가지 종류만 구별하며, 어떤 사진이든 그중 하나로 분류합니다.",
    },
    example="gesso generate cifar_classifier --picture ship.png",
)


def build(preset: Preset) -> dict[str, ConvNet]:
    from gesso.networks.convnet import ConvNet, vgg19

    return {"classifier": ConvNet(3, preset.plan, len(CLASSES), drop=0.1) if preset.plan else vgg19()}


def family(preset: Preset, smoothing: float = 0.0) -> Supervised:
    from gesso.families.supervised import Supervised

    return Supervised(smoothing=smoothing)


def stages(preset: Preset) -> list[Stage]:
    def data(folder: Path | None, split: str) -> Any:
        if folder is None and preset.made_up:
            return Patterns(500, first=0 if split == "train" else 500)
        return cifar(folder, split)

    if not preset.num_steps:
        return []
    optimiser = Optimiser(rate=2e-3, decay=0.05, warmup=preset.warmup)
    return [
        Stage(
            name="classify",
            family=family(preset, 0.05),
            trains={"classifier": optimiser},
            data=data,
            num_steps=preset.num_steps,
            batch_size=preset.batch_size,
            average=preset.average,
            frame=Frame(SIZE),
        )
    ]


def measure(make: Any, data: Path | None, options: dict[str, Any]) -> dict[str, Any]:
    from gesso.metrics.agreement import measure_classes

    return measure_classes(make.model.networks["classifier"], cifar(data, "val"), CLASSES)


def measure_faults(make: Any, data: Path | None, options: dict[str, Any]) -> dict[str, Any]:
    """What measures on this network's features say of real pictures with planted faults. Options: `num` pictures a set."""
    from gesso.metrics.planted_faults import measure_faults

    return measure_faults(make.model, cifar(data, "val"), options)


def finish(request: Any, made: Any) -> dict[str, Any]:
    from gesso.families.supervised import classification

    return classification(made[-1][1], CLASSES)


recipe = Recipe(
    card=CARD,
    presets=PRESETS,
    build=build,
    family=family,
    stages=stages,
    keeps=("classifier",),
    frames=lambda request, preset: [Frame(SIZE, page=request.conditions["picture"].page)],
    shape=lambda request, frame, preset: (1, 3, *frame.size),
    finish=finish,
    layout={
        "en": "CIFAR-10 as train.parquet and val.parquet, with the columns image and label",
        "ko": "image와 label 열이 있는 CIFAR-10의 train.parquet와 val.parquet",
    },
    data_files=("train.parquet:image,label+val.parquet",),
    measures={"accuracy": measure, "faults": measure_faults},
)
