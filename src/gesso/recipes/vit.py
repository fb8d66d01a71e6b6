"""Classify pictures into the classes of your own data, by a compact transformer that shows what it attends to.

Hassani 2021, "Escaping the Big Data Paradigm with Compact Transformers": convolutions make the tokens, positions are learned, layer
norms come first, attention pools the tokens. Deviations: a fixed layer that whitens patches (Jordan 2024) and batch norms in the
tokenizer, which learns faster; the hidden layers are twice as wide as a token throughout. Evidence is Grad-CAM (Selvaraju 2017) by
place (Draelos 2020) on the last tokens, attention the rollout through all layers (Abnar and Zuidema 2020), which is of no particular class.

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
AIM = {"small": 0.80, "base": 0.90}  # of CIFAR-10's held-out pictures


@dataclass(frozen=True)
class Preset:
    stem: tuple[int, ...]  # channels of the convolutions; the last is a token's width
    depth: int
    num_heads: int
    num_steps: int
    batch_size: int = 128
    rate: float = 2e-3
    warmup: int = 500
    average: float = 0.998
    hole: int = 0  # side of the square that is cut out of training pictures


PRESETS = {
    "tiny": Preset(stem=(8, 16, 32), depth=2, num_heads=2, num_steps=200, batch_size=32, warmup=40, average=0.98),
    "small": Preset(stem=(64, 128), depth=4, num_heads=4, num_steps=4400),
    "base": Preset(stem=(64, 256), depth=7, num_heads=4, num_steps=60_000, rate=1e-3, warmup=2000, average=0.9995, hole=12),
}

CARD = Card(
    name="vit",
    title={"en": "Classifier by attention", "ko": "주목으로 보는 분류기"},
    summary={
        "en": "Learns the classes of your pictures, names the class of a new one, and shows where it looked and what speaks for the class.",
        "ko": "종류별로 나뉜 그림을 익혀 새 그림의 종류를 맞히고, 어디에 주목했으며 무엇이 근거인지 보여 줍니다.",
    },
    conditions=(
        Slot(name="picture", kind=Picture, required=True),
        Slot(name="label", kind=Label, facts={"classes": "classes"}),
    ),
    outputs=(
        Out(name="label", medium="label", help={"en": "the likeliest class", "ko": "가장 그럴듯한 종류"}),
        Out(name="probability", medium="table", help={"en": "the probability of each class", "ko": "종류별 확률"}),
        Out(name="attention", medium="picture", help={"en": "where it looked, for any class", "ko": "종류와 상관없이 주목한 곳"}),
        Out(
            name="evidence",
            medium="picture",
            help={"en": "the red and yellow parts speak for it", "ko": "붉고 노란 부분이 근거"},
        ),
    ),
    words=wordbook("""
        picture | Picture | 그림 | a picture; the network sees it at 32×32 | 그림 한 장; 신경망은 32×32로 봅니다
        label | Evidence for | 근거를 볼 종류 | whose evidence to show; if empty, the likeliest class | 비우면 가장 그럴듯한 종류의 근거
    """),
    paper="Hassani 2021, arXiv:2104.05704; Abnar and Zuidema 2020, arXiv:2005.00928; Draelos 2020, arXiv:2011.08891",
    licence="Apache-2.0; weights, what their pictures allow",
    data="a folder with a subfolder of pictures for each class; CIFAR-10 (research)",
    limits={
        "en": "It sees pictures at 32×32 and assigns each to one of the classes that it learned. Attention is no proof of a reason.",
        "ko": "그림을 32×32로 보고, 학습한 종류 가운데 하나로 분류합니다. 주목한 곳이 곧 판단의 이유는 아닙니다.",
    },
    example="gesso generate vit --weights runs/vit --picture ship.png --label ship --take evidence --out evidence.png",
)


def build(preset: Preset, facts: Mapping[str, Any]) -> dict[str, Any]:
    from gesso.networks.compact_transformer import CompactTransformer

    classes = len(facts["classes"])
    return {"classifier": CompactTransformer(3, SIDE, classes, stem=preset.stem, depth=preset.depth, num_heads=preset.num_heads)}


def family(preset: Preset) -> Explained:
    from gesso.families.explained import Explained

    return Explained(smoothing=0.1)


def stages(preset: Preset) -> list[Stage]:
    def data(folder: Path | None, split: str) -> Any:
        found = labelled_pictures(folder, split, SIDE)
        return Varied(found, shift=SHIFT, hole=preset.hole) if split == "train" else found

    optimiser = Optimiser(rate=preset.rate, betas=(0.9, 0.98), decay=0.05, warmup=preset.warmup)
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
