"""Pictures from words, in English or Korean: a text encoder, and a transformer that denoises patches and reads the words.

Peebles and Xie 2023 (DiT) with cross-attention to words (Rombach 2022), trained by flow matching (Lipman 2022) with guidance (Ho and
Salimans 2022). Deviations: small, in pixels, and the text encoder is trained with it. Without files it learns composed scenes, whose
captions say exactly what they hold, so that obedience can be measured without a judge that was trained.

The user gives `words`. Previews are the current estimate of the picture.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from gesso.card import Card, Out, Settings, Slot, wordbook
from gesso.conditions.words import Words
from gesso.datasets.composed_scenes import scenes_or_captioned
from gesso.media.subwords import learn
from gesso.ports import Frame, PortSizes
from gesso.recipes.recipe import LATER, Optimiser, Recipe, Stage

if TYPE_CHECKING:
    from gesso.families.diffusion import Diffusion

LENGTH = 28  # pieces of a text


@dataclass(frozen=True)
class Preset:
    side: int
    patch: int
    width: int
    depth: int
    heads: int
    text: int  # the text encoder's width
    num_steps: int
    batch_size: int = 64
    rate: float = 5e-4
    average: float = 0.998
    scenes: bool = field(default=False, metadata=LATER)  # a folder's sprites make scenes, in place of its captioned pictures


SMALL = Preset(side=32, patch=4, width=256, depth=6, heads=4, text=128, num_steps=8000)
PRESETS = {
    "tiny": Preset(side=32, patch=4, width=32, depth=2, heads=2, text=32, num_steps=200, batch_size=8),
    "small": SMALL,
    "scenes": replace(SMALL, scenes=True),
    "base": Preset(side=64, patch=4, width=512, depth=12, heads=8, text=384, num_steps=100_000, batch_size=128, rate=3e-4, average=0.9998),
}


class TextToImageSettings(Settings):
    num_steps: int = Field(default=16, ge=1, le=500)
    guidance_scale: float = Field(default=3.0, ge=0, le=15)
    sampler: Literal["auto", "dpm", "heun", "euler", "ddim", "ddpm"] = Field(default="auto")


CARD = Card(
    name="text_to_image",
    title={"en": "Words to pictures", "ko": "글로 그림 만들기"},
    summary={
        "en": "Makes a picture of what you write, in English or Korean, after the pictures that it learned.",
        "ko": "영어나 한국어로 쓴 글에 맞는 그림을, 익힌 그림들을 본떠 만듭니다.",
    },
    conditions=(Slot(name="words", kind=Words, drop=0.1, options={"length": LENGTH, "whole": True}, facts={"vocabulary": "vocabulary"}),),
    outputs=(Out(name="image", medium="picture", help={"en": "the picture", "ko": "그림"}),),
    settings=TextToImageSettings,
    words=wordbook("""
        words | Words | 글 | what the picture should show | 그림에 담을 내용
        num_steps | Steps | 단계 수 | sampling steps; more are finer and slower | 샘플링 단계. 많을수록 곱고 느립니다
        guidance_scale | Guidance | 조건 강도 | how strictly the words are followed: 0 not at all, 1 normally | 글을 따르는 정도
        sampler | Sampler | 샘플러 | how noise becomes a picture | 노이즈를 그림으로 바꾸는 방식
        sampler.auto | What suits the weights | 가중치에 맞게
        sampler.dpm | DPM-Solver++, second order | DPM-Solver++ (2차)
        sampler.heun | Heun, twice the work | Heun (계산 두 배)
        sampler.euler | Euler, first order | Euler (1차)
        sampler.ddim | DDIM, without added noise | DDIM (노이즈 없이)
        sampler.ddpm | DDPM, many steps | DDPM (단계가 많아야 함)
    """),
    paper="Peebles and Xie 2023, arXiv:2212.09748; Rombach 2022, arXiv:2112.10752; Lipman 2022, arXiv:2210.02747",
    licence="Apache-2.0; weights, what their pictures allow",
    data="composed scenes, made as they are needed; or pictures with captions",
    limits={
        "en": "It knows what its captions named, and no more: without files that is shapes in a few colours, numbers and places.",
        "ko": "설명에 나온 것만 압니다. 파일 없이 배우면 몇 가지 색의 도형과 수, 위치뿐입니다.",
    },
    example='gesso generate text_to_image --weights runs/words --words "two red stars left of a blue moon" --out moon.png',
)


def build(preset: Preset, facts: Mapping[str, Any]) -> dict[str, Any]:
    from gesso.networks.dit import DiT
    from gesso.networks.text_encoder import TextEncoder
    from gesso.networks.worded import Worded

    vocabulary = CARD.with_facts(facts).port_sizes().vocabulary
    text = TextEncoder(vocabulary, LENGTH, preset.text, depth=2, heads=4, out=preset.text, dropout=0.0)
    network = DiT(3, PortSizes(token=preset.text), preset.width, preset.depth, preset.heads, preset.patch)
    return {"denoiser": Worded(text, network)}


def family(preset: Preset) -> Diffusion:
    from gesso.families.diffusion import Diffusion

    return Diffusion()


def stages(preset: Preset) -> list[Stage]:
    return [
        Stage(
            name="denoise",
            family=family(preset),
            trains={"denoiser": Optimiser(rate=preset.rate, warmup=200, floor=0.05)},
            data=lambda folder, split: scenes_or_captioned(folder, split, preset.side, scenes=preset.scenes),
            num_steps=preset.num_steps,
            batch_size=preset.batch_size,
            average=preset.average,
            frame=Frame((preset.side, preset.side)),
        )
    ]


def facts(dataset: Any) -> dict[str, Any]:
    return {"vocabulary": learn(dataset.texts())}


def measure(make: Any, data: Path | None, options: dict[str, Any]) -> dict[str, Any]:
    """Composed scenes as their captions ask, of the sprites of `data` where it is given. Options: `num`, `num_steps`, `guidance_scale`,
    `best` and `rank`, a run of `clip` (`gesso.metrics.obedience.measure_obedience`)."""
    from gesso.datasets.composed_scenes import scenes_of
    from gesso.metrics.obedience import measure_obedience

    preset = make.model.assembled.preset
    return measure_obedience(make, options, scenes_of(data if preset.scenes else None, "val", preset.side))


recipe = Recipe(
    card=CARD,
    presets=PRESETS,
    build=build,
    family=family,
    stages=stages,
    keeps=("denoiser",),
    facts=facts,
    frames=lambda request, preset: [Frame((preset.side, preset.side), page=(preset.side, preset.side))],
    shape=lambda request, frame, preset: (1, 3, *frame.size),
    layout={
        "en": "a NAME.txt beside each picture, or metadata.csv with file_name and text, or a table; without it, composed scenes",
        "ko": "그림마다 NAME.txt, 또는 file_name과 text 열이 있는 metadata.csv, 또는 표. 없으면 도형 장면",
    },
    data_files=("*.png+*.txt", "*.jpg+*.txt", "metadata.csv", "captions.csv", "train.parquet:color,annotation"),
    measures={"obedience": measure},
)
