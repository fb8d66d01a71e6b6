"""Classify pictures into the classes of your own data, by a convolutional network that shows what speaks for a class.

Jordan 2024, "94% on CIFAR-10 in 3.29 Seconds on a Single GPU": a fixed layer that whitens patches, convolutions that begin as the
identity, fast biases, smoothed labels, a triangular schedule, the mean over six views. Deviations: two signs of the
whitened patches come from one convolution; edges are reflected, mirroring is random, and the loop's own average replaces lookahead.
Evidence is Grad-CAM (Selvaraju 2017) by place (Draelos 2020) on the maps before the last block.

The user gives `picture`, and `label` to be shown the evidence for another class than the likeliest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gesso.card import Card, Out, Slot, wordbook
from gesso.conditions.label import Label
from gesso.conditions.picture import Picture
from gesso.datasets.small_pictures import labelled_pictures
from gesso.datasets.varied import Varied
from gesso.ports import Frame
from gesso.recipes.recipe import Optimiser, Recipe, Stage, class_names

if TYPE_CHECKING:
    from gesso.families.explained import Explained

SIDE, SHIFT = 32, 2
AIM = {"small": 0.91, "base": 0.94}  # of CIFAR-10's held-out pictures


@dataclass(frozen=True)
class Preset:
    widths: tuple[int, ...]  # channels of the blocks
    num_steps: int
    batch_size: int
    rate: float
    warmup: int
    average: float = 0.97
    hole: int = 0  # side of the square that is cut out of training pictures


PRESETS = {
    "tiny": Preset(widths=(16, 32), num_steps=200, batch_size=32, rate=0.05, warmup=40, average=0.9),
    "small": Preset(widths=(64, 256, 256), num_steps=1100, batch_size=512, rate=0.75, warmup=250),
    "base": Preset(widths=(128, 384, 512), num_steps=3600, batch_size=512, rate=0.6, warmup=800, hole=8),
}

CARD = Card(
    name="classifier",
    title={"en": "Classifier of your pictures", "ko": "내 그림 분류기"},
    summary={
        "en": "Learns the classes of your pictures, names the class of a new one, and shows which parts of it speak for that class.",
        "ko": "종류별로 나뉜 그림을 익혀 새 그림의 종류를 맞히고, 어느 부분이 근거인지 보여 줍니다.",
    },
    conditions=(
        Slot(name="picture", kind=Picture, required=True),
        Slot(name="label", kind=Label, facts={"classes": "classes"}),
    ),
    outputs=(
        Out(name="label", medium="label", help={"en": "the likeliest class", "ko": "가장 그럴듯한 종류"}),
        Out(name="probability", medium="table", help={"en": "the probability of each class", "ko": "종류별 확률"}),
        Out(name="evidence", medium="picture", help={"en": "the red and yellow parts speak for it", "ko": "붉고 노란 부분이 근거"}),
    ),
    words=wordbook("""
        picture | Picture | 그림 | a picture; the network sees it at 32×32 | 그림 한 장; 신경망은 32×32로 봅니다
        label | Evidence for | 근거를 볼 종류 | whose evidence to show; if empty, the likeliest class | 비우면 가장 그럴듯한 종류의 근거
    """),
    paper="Jordan 2024, arXiv:2404.00498; Selvaraju 2017, arXiv:1610.02391; Draelos 2020, arXiv:2011.08891",
    licence="Apache-2.0; weights, what their pictures allow",
    data="a folder with a subfolder of pictures for each class; CIFAR-10 (research)",
    numbers=(
        "89.8 % of 5,000 held-out pictures right (90 % interval 89.1 to 90.5; aim 91), 22 minutes of one core: gesso train classifier "
        "--data cifar10 --steps 1100, with batch norm's momentum 0.4 in place of today's 0.05; gesso measure classifier --data cifar10",
        "evidence for one of four pictures in one is strongest in its quarter in 67 %, on a plain page in 86 % (chance 25; n 300): "
        "gesso measure classifier --which evidence --num 300 --data cifar10 --weights runs/classifier",
    ),
    limits={
        "en": "It sees pictures at 32×32 and assigns each to one of the classes that it learned. Evidence is coarse: 7×7 places.",
        "ko": "그림을 32×32로 보고, 학습한 종류 가운데 하나로 분류합니다. 근거는 7×7칸으로 대략만 보여 줍니다.",
    },
    example="gesso generate classifier --weights runs/classifier --picture ship.png --out evidence.png",
)


def build(preset: Preset, facts: Mapping[str, Any]) -> dict[str, Any]:
    from gesso.networks.whitened_convnet import WhitenedConvNet

    return {"classifier": WhitenedConvNet(3, preset.widths, len(facts["classes"]))}


def family(preset: Preset) -> Explained:
    from gesso.families.explained import Explained

    return Explained(smoothing=0.2)


def stages(preset: Preset) -> list[Stage]:
    def data(folder: Path | None, split: str) -> Any:
        found = labelled_pictures(folder, split, SIDE)
        return Varied(found, shift=SHIFT, hole=preset.hole) if split == "train" else found

    optimiser = Optimiser(
        rate=preset.rate, betas=(0.85, 0.0), decay=1.3e-3, warmup=preset.warmup, floor=0.05, clip=0.0, kind="sgd", schedule="linear"
    )
    return [
        Stage(
            name="classify",
            family=family(preset),
            trains={"classifier": optimiser},
            data=data,
            num_steps=preset.num_steps,
            batch_size=preset.batch_size,
            average=preset.average,
            frame=Frame((SIDE, SIDE)),
            conditions=("picture",),
        )
    ]


def measure_accuracy(make: Any, data: Path | None, options: dict[str, Any]) -> dict[str, Any]:
    """The share of held-out pictures whose class is found. Option: `split` (`gesso.metrics.recognition`)."""
    from gesso.metrics.recognition import measure_accuracy

    return measure_accuracy(make, lambda split: labelled_pictures(data, split, SIDE), AIM, options)


def measure_evidence(make: Any, data: Path | None, options: dict[str, Any]) -> dict[str, Any]:
    """Whether evidence lies on what it is for. Options: `num`, `seed` (`gesso.metrics.recognition`)."""
    from gesso.metrics.recognition import measure_evidence

    return measure_evidence(make, lambda split: labelled_pictures(data, split, SIDE), options)


def finish(request: Any, made: Any, facts: Mapping[str, Any]) -> dict[str, Any]:
    from gesso.families.explained import explanation

    return explanation(request.conditions["picture"].pixels, made[-1][1], facts["classes"])


recipe = Recipe(
    card=CARD,
    presets=PRESETS,
    build=build,
    family=family,
    stages=stages,
    keeps=("classifier",),
    facts=class_names,
    frames=lambda request, preset: [Frame((SIDE, SIDE), page=request.conditions["picture"].page)],
    shape=lambda request, frame, preset: (1, 3, *frame.size),
    finish=finish,
    layout={
        "en": "a subfolder of pictures for each class; CIFAR-10's parquet files",
        "ko": "종류마다 그림이 든 하위 폴더. CIFAR-10의 parquet 파일도 가능",
    },
    data_files=("*/*.png", "*/*.jpg", "train.parquet:image,label+val.parquet"),
    measures={"accuracy": measure_accuracy, "evidence": measure_evidence},
)
