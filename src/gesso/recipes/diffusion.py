"""Pictures from noise by diffusion: of a class, around a part that stays, or whatever the folder shows.

Lipman 2022 with the straight path of Liu 2022 (`small`, `dit`, `base`); Ho 2020 (`epsilon`), Salimans and Ho 2022 (`v`) and Karras 2022
(`edm`) with the network of `small`, to compare with; Geng 2025 (`few`), which goes on from weights of `small` and needs few steps. Networks
are U-Nets on patches of 2 × 2, and a DiT (Peebles and Xie 2023). Deviations: pixel-wise layer normalisation, some times drawn uniformly.

The user gives `label`, a class, and `known`, pixels that stay: the network sees them at every step, and they are copied into the output.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from gesso.card import Card, Out, Settings, Slot, wordbook
from gesso.conditions.known import Known
from gesso.conditions.label import Label
from gesso.datasets.small_pictures import small_pictures
from gesso.media.tensor import from_tensor
from gesso.ports import Frame
from gesso.recipes.recipe import Optimiser, Recipe, Stage
from gesso.request import Request

if TYPE_CHECKING:
    from gesso.families.diffusion import Diffusion
    from gesso.families.family import Output

SIDE = 32
AIM = 1.25  # of the distance after four steps over that after fifty


@dataclass(frozen=True)
class Preset:
    """`widths` are a U-Net's channels at 16 × 16 and below, `depths` its blocks there; one width is a DiT's, and its depth."""

    widths: tuple[int, ...]
    depths: tuple[int, ...]
    num_steps: int
    batch_size: int = 64
    rate: float = 1e-3
    objective: Literal["flow", "epsilon", "v", "edm", "mean"] = "flow"
    average: float = 0.998


SMALL = Preset(widths=(64, 128), depths=(1, 2), num_steps=20_000)
PRESETS = {
    "tiny": Preset((8, 16), (1, 1), num_steps=200, batch_size=8),
    "small": SMALL,
    "few": replace(SMALL, objective="mean", num_steps=4_000, rate=3e-4),
    **{name: replace(SMALL, objective=name) for name in ("epsilon", "v", "edm")},
    "dit": Preset(widths=(192,), depths=(6,), num_steps=20_000, rate=5e-4),
    "base": Preset(widths=(128, 256, 256), depths=(2, 3, 3), num_steps=200_000, batch_size=128, rate=3e-4, average=0.9998),
}


class DiffusionSettings(Settings):
    num_steps: int = Field(default=16, ge=1, le=1000)
    guidance_scale: float = Field(default=1.5, ge=0, le=10)
    guidance_from: float = Field(default=0.0, ge=0, le=1)
    guidance_to: float = Field(default=1.0, ge=0, le=1)
    sampler: Literal["auto", "dpm", "heun", "euler", "ddim", "ddpm"] = Field(default="auto")
    eta: float = Field(default=0.0, ge=0, le=1)


CARD = Card(
    name="diffusion",
    title={"en": "Pictures by diffusion", "ko": "확산으로 만드는 그림"},
    summary={
        "en": "Learns the pictures of a folder, and makes new ones: of a class you name, or around a part that you keep.",
        "ko": "폴더의 그림들을 익혀 새 그림을 만듭니다. 종류를 고르거나, 남길 부분을 두고 나머지를 채울 수 있습니다.",
    },
    conditions=(
        Slot(name="label", kind=Label, facts={"classes": "classes"}, drop=0.1),
        Slot(name="known", kind=Known, options={"size": (SIDE, SIDE), "channels": 3}, drop=0.8, stays=True),
    ),
    outputs=(Out(name="image", medium="picture", help={"en": "a new picture, 32×32", "ko": "새 그림, 32×32"}),),
    settings=DiffusionSettings,
    words=wordbook("""
        label | Class | 종류 | what to show: one of the classes that the pictures had | 무엇을 그릴지. 학습한 종류 가운데 하나
        known | Kept part | 남길 부분 | 32×32 pixels that stay, transparent elsewhere | 그대로 남길 32×32 픽셀. 나머지는 투명하게
        num_steps | Steps | 단계 수 | sampling steps; more are finer and slower | 샘플링 단계. 많을수록 곱고 느립니다
        guidance_scale | Guidance | 조건 강도 | how strictly conditions are followed: 0 not at all, 1 normally | 조건을 따르는 정도
        guidance_from | Guidance from | 강조 시작 | of the way from noise to picture, where it begins | 조건 강도를 쓰기 시작하는 지점
        guidance_to | Guidance to | 강조 끝 | of the way, where it ends | 조건 강도를 그만 쓰는 지점
        sampler | Sampler | 샘플러 | how noise becomes a picture step by step | 노이즈를 그림으로 바꾸는 방식
        sampler.auto | What suits the weights | 가중치에 맞게
        sampler.dpm | DPM-Solver++, second order | DPM-Solver++ (2차)
        sampler.heun | Heun, twice the work | Heun (계산 두 배)
        sampler.euler | Euler, first order | Euler (1차)
        sampler.ddim | DDIM, with as much noise as wanted | DDIM (노이즈 조절)
        sampler.ddpm | DDPM, many steps | DDPM (단계가 많아야 함)
        eta | Added noise | 더하는 노이즈 | with ddim: 0 adds none, 1 as much as ddpm | ddim에서만. 0은 없음, 1은 ddpm만큼
    """),
    paper="Lipman 2022, arXiv:2210.02747; Ho 2020, arXiv:2006.11239; Karras 2022, arXiv:2206.00364; Geng 2025, arXiv:2505.13447",
    licence="Apache-2.0; weights, what their pictures allow",
    data="a folder of pictures, with a subfolder for each class where there are some; CIFAR-10 (research)",
    limits={"en": "One size, 32×32, and only the classes that it learned.", "ko": "크기는 32×32뿐이고, 학습한 종류만 만들 수 있습니다."},
    example="gesso train diffusion --data cifar10 --out runs/diffusion",
)


def build(preset: Preset, facts: Mapping[str, Any]) -> dict[str, Any]:
    from gesso.networks.dit import DiT
    from gesso.networks.unet import UNet

    ports = CARD.with_facts(facts).port_sizes()
    if len(preset.widths) == 1:
        return {"denoiser": DiT(3, ports, preset.widths[0], preset.depths[0], num_heads=3, patch=2, spans=True)}
    return {"denoiser": UNet(3, ports, preset.widths, preset.depths, 4 * preset.widths[0], patch=2, spans=True)}


def family(preset: Preset) -> Diffusion:
    from gesso.families.diffusion import Diffusion, Edm, Epsilon, FlowMatching, MeanFlow, Velocity
    from gesso.families.diffusion.schedules import Cosine

    if preset.objective == "mean":
        return MeanFlow()
    objectives = {"flow": FlowMatching(), "epsilon": Epsilon(limit=1.0), "v": Velocity(Cosine(), limit=1.0), "edm": Edm()}
    return Diffusion(objectives[preset.objective])


def stages(preset: Preset) -> list[Stage]:

    return [
        Stage(
            name="denoise",
            family=family(preset),
            trains={"denoiser": Optimiser(rate=preset.rate, warmup=100, floor=0.1)},
            data=lambda folder, split: small_pictures(folder, split, SIDE),
            num_steps=preset.num_steps,
            batch_size=preset.batch_size,
            average=preset.average,
            frame=Frame((SIDE, SIDE)),
        )
    ]


def facts(dataset: Any) -> dict[str, Any]:
    return {"classes": [name or "pictures" for name in getattr(dataset, "classes", ("",))]}


def finish(request: Request, made: Sequence[tuple[Frame, Output]]) -> dict[str, Any]:
    picture, known = from_tensor(made[-1][1].media["image"][0]), request.conditions.get("known")
    return {"image": known.paste(picture) if isinstance(known, Known) else picture}


def measure_pictures(make: Any, data: Path | None, options: dict[str, Any]) -> dict[str, Any]:
    """Generated against held-out pictures of their classes. Options: `num`, `learned`, `seed` (`gesso.metrics.yardstick`)."""
    from gesso.metrics.yardstick import measure_pictures

    return measure_pictures(make, lambda split: small_pictures(data, split, SIDE), options, gives=("label",))


def measure_steps(make: Any, data: Path | None, options: dict[str, Any]) -> dict[str, Any]:
    """Few steps against fifty. Options: `num`, `steps`, `sampler`, `guidance`, `seed` (`gesso.metrics.few_steps`)."""
    from gesso.metrics.few_steps import measure_steps

    return measure_steps(make, small_pictures(data, "val", SIDE), options, AIM, gives=("label",))


recipe = Recipe(
    card=CARD,
    presets=PRESETS,
    build=build,
    family=family,
    stages=stages,
    keeps=("denoiser",),
    facts=facts,
    frames=lambda request, preset: [Frame((SIDE, SIDE), page=(SIDE, SIDE))],
    shape=lambda request, frame, preset: (1, 3, *frame.size),
    finish=finish,
    aim=lambda example: {"image": example["picture"]},
    layout={
        "en": "pictures, or a subfolder of them for each class; parquet tables",
        "ko": "그림들, 또는 종류마다 하위 폴더. parquet 표도 가능",
    },
    learns_pictures=True,
    data_files=("*.png", "*.jpg", "*/*.png", "*/*.jpg", "*.parquet:image", "*.parquet:color"),
    measures={"pictures": measure_pictures, "steps": measure_steps},
)
