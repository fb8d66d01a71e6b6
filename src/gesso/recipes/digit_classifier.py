"""Classify a handwritten digit. `digits` is evaluated with it: by class agreement, and by fd_gesso(digits) on its features.

Source: Simonyan and Zisserman 2015 (VGG), at a thirtieth of the width. Deviations: standardised filters (Qiao 2019) instead of batch
statistics, average pooling, one linear layer. The user gives a picture of a digit, white on black; outputs are its name and the
probability of each digit. It is trained on pictures that `digits` never sees (see `gesso.datasets.digits`).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gesso.card import Card, Out, Slot
from gesso.conditions.picture import Picture
from gesso.datasets.digits import CLASSES, SIZE, digits
from gesso.ports import Frame
from gesso.recipes.recipe import Optimiser, Recipe, Stage

if TYPE_CHECKING:
    from gesso.families.supervised import Supervised
    from gesso.networks.convnet import ConvNet


@dataclass(frozen=True)
class Preset:
    plan: tuple[tuple[int, int], ...]  # (channels, convolutions) of each stage
    num_steps: int
    batch_size: int


PRESETS = {
    "tiny": Preset(plan=((8, 1), (16, 1), (16, 1)), num_steps=200, batch_size=32),
    "small": Preset(plan=((32, 2), (64, 2), (96, 2)), num_steps=1500, batch_size=128),
}

CARD = Card(
    name="digit_classifier",
    title={"en": "Digit classifier", "ko": "숫자 분류기"},
    summary={"en": "Recognises a handwritten digit, with probabilities.", "ko": "손글씨 숫자를 알아보고 숫자별 확률을 알려 줍니다."},
    conditions=(
        Slot(
            name="picture",
            kind=Picture,
            required=True,
            title={"en": "Digit", "ko": "숫자"},
            help={
                "en": "a digit, white on black; the network sees it at 28×28",
                "ko": "검은 바탕에 흰 숫자 그림; 신경망은 28×28로 봅니다",
            },
        ),
    ),
    outputs=(
        Out(name="label", medium="label", help={"en": "the digit", "ko": "숫자"}),
        Out(name="probability", medium="table", help={"en": "the probability of each digit", "ko": "숫자별 확률"}),
    ),
    paper="Simonyan and Zisserman 2015, arXiv:1409.1556; Qiao 2019, arXiv:1903.10520",
    licence="Apache-2.0",
    data="MNIST's 10,000 test pictures (as MNIST, research), index modulo 10 in 0-3; validated on 4",
    numbers=("99.3 % of 1,000 validation pictures right: gesso measure digit_classifier --data mnist10k",),
    limits={
        "en": "It knows handwritten digits only and assigns every other picture to a digit, too.",
        "ko": "손글씨 숫자만 구별하며, 다른 그림도 숫자로 분류합니다.",
    },
    example="gesso generate digit_classifier --picture seven.png",
)


def build(preset: Preset) -> dict[str, ConvNet]:
    from gesso.networks.convnet import ConvNet

    return {"classifier": ConvNet(3, preset.plan, len(CLASSES), drop=0.1)}


def family(preset: Preset, smoothing: float = 0.0) -> Supervised:
    from gesso.families.supervised import Supervised

    return Supervised(smoothing=smoothing)


def stages(preset: Preset) -> list[Stage]:
    def data(folder: Path | None, split: str) -> Any:
        return digits(folder, split, "classifier", sway=1.0)

    optimiser = Optimiser(rate=3e-3, decay=0.02, warmup=50)
    return [
        Stage(
            name="classify",
            family=family(preset, 0.05),
            trains={"classifier": optimiser},
            data=data,
            num_steps=preset.num_steps,
            batch_size=preset.batch_size,
            average=0.99,
            frame=Frame(SIZE),
        )
    ]


def measure(make: Any, data: Path | None, options: dict[str, Any]) -> dict[str, Any]:
    from gesso.metrics.agreement import measure_classes

    return measure_classes(make.model.networks["classifier"], digits(data, "val", "classifier"), CLASSES)


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
    layout={"en": "MNIST's t10k files; without --data, scikit-learn's digits", "ko": "MNIST의 t10k 파일. 없으면 scikit-learn의 숫자"},
    data_files=("t10k-images-idx3-ubyte.gz+t10k-labels-idx1-ubyte.gz",),
    measures={"accuracy": measure},
)
