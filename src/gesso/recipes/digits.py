"""Generate handwritten 28×28 digits by flow matching, from a class, known pixels and noise.

Sources: Lipman 2022, "Flow Matching for Generative Modeling", with the straight path of Liu 2022; logit-normal times after Esser 2024;
classifier-free guidance (Ho and Salimans 2022). Deviations: a U-Net of 1.2 M parameters on patches of 2×2 with pixel-wise layer
normalisation; some times are drawn uniformly. The user gives `label` (the digit) and `known` (pixels that stay: the network sees them at
every step, and they are copied exactly into the output). The output is `image`. Previews are the flow's current estimate of it.

It is trained on digits that are in neither `digit_classifier`'s training set nor the reference set (see `gesso.datasets.digits`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from gesso.card import Card, Out, Settings, Slot, wordbook
from gesso.conditions.known import Known
from gesso.conditions.label import Label
from gesso.datasets.digits import CLASSES, SIZE, digits
from gesso.media.tensor import from_tensor
from gesso.ports import Frame
from gesso.recipes.recipe import Optimiser, Recipe, Stage
from gesso.request import Request

if TYPE_CHECKING:
    from gesso.families.family import Output
    from gesso.families.flow import Flow
    from gesso.networks.unet import UNet


@dataclass(frozen=True)
class Preset:
    widths: tuple[int, ...]  # channels at 14×14 and 7×7
    embedding: int
    num_steps: int
    batch_size: int


PRESETS = {
    "tiny": Preset(widths=(8, 16), embedding=32, num_steps=200, batch_size=16),
    "small": Preset(widths=(64, 96), embedding=128, num_steps=3000, batch_size=128),
}


class DigitSettings(Settings):
    num_steps: int = Field(default=16, ge=1, le=200)
    guidance_scale: float = Field(default=1.5, ge=0, le=10)
    solver: Literal["heun", "euler"] = Field(default="heun")


CARD = Card(
    name="digits",
    title={"en": "Digits", "ko": "손글씨 숫자"},
    summary={
        "en": "Generates a handwritten digit: any digit, the digit you choose, or one that completes a fragment.",
        "ko": "손글씨 숫자를 만듭니다. 아무 숫자나, 고른 숫자, 또는 주어진 조각을 완성하는 숫자를 만들 수 있습니다.",
    },
    conditions=(
        Slot(name="label", kind=Label, options={"classes": CLASSES}, drop=0.1),
        Slot(name="known", kind=Known, options={"size": SIZE, "channels": 1}, drop=0.7, stays=True),
    ),
    outputs=(
        Out(name="image", medium="picture", help={"en": "the digit, 28×28, white on black", "ko": "숫자 그림, 28×28, 검은 바탕에 흰 글씨"}),
    ),
    settings=DigitSettings,
    words=wordbook("""
        label | Digit | 숫자 | the digit to write: 0 to 9 | 만들 숫자: 0부터 9까지
        known | Kept part | 남길 부분 | 28×28 pixels that stay, transparent elsewhere | 그대로 남길 28×28 픽셀. 나머지는 투명하게
        num_steps | Steps | 단계 수 | sampling steps; more are finer and slower | 샘플링 단계. 많을수록 곱고 느립니다
        guidance_scale | Guidance | 조건 강도 | how strictly conditions are followed: 0 not at all, 1 normally | 조건을 따르는 정도
        solver | Solver | 계산 방식 | heun runs the network twice per step, euler once | heun은 단계마다 두 번, euler는 한 번 계산
        solver.heun | Heun, more accurate | Heun (더 정확)
        solver.euler | Euler, faster | Euler (더 빠름)
    """),
    paper="Lipman 2022, arXiv:2210.02747",
    licence="Apache-2.0",
    data="MNIST's 10,000 test pictures (as MNIST, research), index modulo 10 in 5-8; compared with 9",
    limits={"en": "28×28 grey digits only, trained on 4,000 examples.", "ko": "예시 4천 장으로 학습한 28×28 흑백 숫자만 만듭니다."},
    example="gesso generate digits --label 7 --seed 3 --out seven.png",
)


def build(preset: Preset) -> dict[str, UNet]:
    from gesso.networks.unet import UNet

    return {"velocity": UNet(1, CARD.port_sizes(), preset.widths, (1, 1), preset.embedding, patch=2)}


def family(preset: Preset) -> Flow:
    from gesso.families.flow import Flow

    return Flow()


def stages(preset: Preset) -> list[Stage]:
    def data(folder: Path | None, split: str) -> Any:
        return digits(folder, split, "flow")

    return [
        Stage(
            name="flow",
            family=family(preset),
            trains={"velocity": Optimiser(rate=2e-3, warmup=200)},
            data=data,
            num_steps=preset.num_steps,
            batch_size=preset.batch_size,
            average=0.998,
            frame=Frame(SIZE),
        )
    ]


def finish(request: Request, made: Sequence[tuple[Frame, Output]]) -> dict[str, Any]:
    picture = from_tensor(made[-1][1].media["image"][0])
    known = request.conditions.get("known")
    return {"image": known.paste(picture) if isinstance(known, Known) else picture}


def measure(make: Any, data: Path | None, options: dict[str, Any]) -> dict[str, Any]:
    """Evaluate with digit_classifier on digits outside both training sets; the option `judge` gives other weights for the classifier."""
    from gesso.metrics.steered import measure_steered

    judge = make.other("digit_classifier", weights=options.get("judge"))
    return measure_steered(make.model, judge, digits(data, "val", "flow"), options)


recipe = Recipe(
    card=CARD,
    presets=PRESETS,
    build=build,
    family=family,
    stages=stages,
    keeps=("velocity",),
    frames=lambda request, preset: [Frame(SIZE, page=SIZE)],
    shape=lambda request, frame, preset: (1, 1, *frame.size),
    finish=finish,
    aim=lambda example: {"image": example["picture"]},
    layout={"en": "MNIST's t10k files; without --data, scikit-learn's digits", "ko": "MNIST의 t10k 파일. 없으면 scikit-learn의 숫자"},
    data_files=("t10k-images-idx3-ubyte.gz+t10k-labels-idx1-ubyte.gz",),
    measures={"steered": measure},
)
