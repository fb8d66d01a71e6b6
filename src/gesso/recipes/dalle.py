"""Pictures from words by a codebook and a transformer: pictures become few codes, and a transformer writes codes for words.

Ramesh 2021, "Zero-Shot Text-to-Image Generation" (DALL-E), in two stages: a codec with a codebook (Esser 2021; that of `autoencoder`),
then a transformer that writes one code after another (`small`), or fills in many at a time (`masked`: Chang 2022, "MaskGIT"). Deviations:
words are encoded and read by attention, and are not predicted; guidance on logits; top-p sampling. The measure reranks by `clip`.

The user gives `words`. Previews are the picture as far as it is written.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from gesso.card import Card, Out, Settings, Slot, wordbook
from gesso.conditions.words import Words
from gesso.datasets.composed_scenes import scenes_or_captioned
from gesso.media.subwords import learn
from gesso.ports import Frame
from gesso.recipes.recipe import LATER, Optimiser, Recipe, Stage

if TYPE_CHECKING:
    from gesso.families.autoregressive import Autoregressive

LENGTH = 28  # pieces of a text


@dataclass(frozen=True)
class Preset:
    side: int
    codec: tuple[int, ...]  # the codec's widths: one for each halving
    channels: int
    codes: int
    width: int
    depth: int
    heads: int
    text: int  # the text encoder's width
    codec_steps: int
    num_steps: int
    batch_size: int = 64
    rate: float = 5e-4
    masked: bool = False
    scenes: bool = field(default=False, metadata=LATER)  # a folder's sprites make scenes, in place of its captioned pictures

    @property
    def grid(self) -> tuple[int, int]:
        return (self.side // 2 ** len(self.codec),) * 2


SMALL = Preset(side=32, codec=(48, 96), channels=8, codes=256, width=256, depth=6, heads=4, text=128, codec_steps=3000, num_steps=8000)
PRESETS = {
    "tiny": Preset(
        side=32, codec=(8, 16), channels=4, codes=32, width=32, depth=2, heads=2, text=32, codec_steps=100, num_steps=100, batch_size=8
    ),
    "small": SMALL,
    "masked": replace(SMALL, masked=True),
    "scenes": replace(SMALL, scenes=True),
    "base": Preset(
        side=64, codec=(96, 192, 256), channels=8, codes=4096, width=512, depth=12, heads=8, text=384, codec_steps=50_000,
        num_steps=100_000, batch_size=128, rate=3e-4,
    ),
}  # fmt: skip


class DalleSettings(Settings):
    temperature: float = Field(default=1.0, ge=0, le=5)
    top_p: float = Field(default=0.95, gt=0, le=1)
    guidance_scale: float = Field(default=2.0, ge=0, le=15)
    num_steps: int = Field(default=12, ge=1, le=200)


CARD = Card(
    name="dalle",
    title={"en": "Words to pictures, code by code", "ko": "글로 그림 쓰기"},
    summary={
        "en": "Writes a picture for your words piece by piece, as a text is written.",
        "ko": "글에 맞는 그림을 한 조각씩 써 내려갑니다.",
    },
    conditions=(Slot(name="words", kind=Words, drop=0.1, options={"length": LENGTH, "whole": True}, facts={"vocabulary": "vocabulary"}),),
    outputs=(Out(name="image", medium="picture", help={"en": "the picture", "ko": "그림"}),),
    settings=DalleSettings,
    words=wordbook("""
        words | Words | 글 | what the picture should show | 그림에 담을 내용
        temperature | Temperature | 온도 | how freely pieces are chosen: 0 takes the likeliest | 얼마나 자유롭게 고를지. 0은 늘 같은 것
        top_p | Top-p | 상위 확률 | only the likeliest pieces that together have this probability | 합쳐서 이 확률이 되는 조각들만 고릅니다
        guidance_scale | Guidance | 조건 강도 | how strictly the words are followed: 0 not at all, 1 normally | 글을 따르는 정도
        num_steps | Steps | 단계 수 | looks of a model that fills in many pieces at once | 여러 조각을 한꺼번에 채우는 모델의 단계 수
    """),
    paper="Ramesh 2021, arXiv:2102.12092; Esser 2021, arXiv:2012.09841; Chang 2022, arXiv:2202.04200",
    licence="Apache-2.0; weights, what their pictures allow",
    data="composed scenes, made as they are needed; or pictures with captions",
    limits={
        "en": "It knows what its captions named, and shows detail as coarse as its codes.",
        "ko": "설명에 나온 것만 알고, 세부는 조각의 크기만큼 거칩니다.",
    },
    example='gesso generate dalle --weights runs/dalle --words "two red stars left of a blue moon" --out moon.png',
)


def build(preset: Preset, facts: Mapping[str, Any]) -> dict[str, Any]:
    from gesso.networks.code_writer import CodeWriter
    from gesso.networks.codec import PictureCodec
    from gesso.networks.text_encoder import TextEncoder

    vocabulary = CARD.with_facts(facts).port_sizes().vocabulary
    text = TextEncoder(vocabulary, LENGTH, preset.text, depth=2, heads=4, out=preset.text, dropout=0.0)
    writer = CodeWriter(preset.codes, preset.grid, text, preset.width, preset.depth, preset.heads, causal=not preset.masked)
    return {"codec": PictureCodec(preset.codec, preset.channels, num_codes=preset.codes), "writer": writer}


def family(preset: Preset) -> Autoregressive:
    from gesso.families.autoregressive import Autoregressive, Masked

    return Masked() if preset.masked else Autoregressive()


def stages(preset: Preset) -> list[Stage]:
    from gesso.families.adversarial.reconstruction import coding

    def data(folder: Path | None, split: str) -> Any:
        return scenes_or_captioned(folder, split, preset.side, scenes=preset.scenes)

    shared: dict[str, Any] = {"data": data, "batch_size": preset.batch_size, "frame": Frame((preset.side, preset.side))}
    codec, writer = Optimiser(rate=1e-3, warmup=200, floor=0.02), Optimiser(rate=preset.rate, warmup=200, floor=0.05)
    game = coding(preset.channels, noisy=False, penalty=0.1)
    return [
        Stage("code", game, {"codec": codec}, num_steps=preset.codec_steps, average=0.99, conditions=(), **shared),
        Stage("write", family(preset), {"writer": writer}, num_steps=preset.num_steps, average=0.998, **shared),
    ]


def facts(dataset: Any) -> dict[str, Any]:
    return {"vocabulary": learn(dataset.texts())}


def measure(make: Any, data: Path | None, options: dict[str, Any]) -> dict[str, Any]:
    """Composed scenes as their captions ask, of the sprites of `data` where it is given. Options: `num`, `guidance_scale`,
    `best` and `rank`, a run of `clip` (`gesso.metrics.obedience.measure_obedience`)."""
    from gesso.datasets.composed_scenes import scenes_of
    from gesso.metrics.obedience import measure_obedience

    preset = make.model.assembled.preset
    return measure_obedience(make, options, scenes_of(data if preset.scenes else None, "val", preset.side))


def measure_bits(make: Any, data: Path | None, options: dict[str, Any]) -> dict[str, Any]:
    """Bits a code and a dimension of held-out pictures, of which the codec's part is not known. Option: `num` pictures."""
    from gesso.metrics.bits import measure_bits

    preset = make.model.assembled.preset
    return measure_bits(make.model, scenes_or_captioned(data, "val", preset.side, scenes=preset.scenes), options)


def preview(networks: Any, batch: Any, family: Any) -> Any:
    """Of the codec, pictures and what comes back."""
    from gesso.families.adversarial import Adversarial
    from gesso.families.adversarial.preview import played

    return played(family, networks, batch, ("real", "fake")) if isinstance(family, Adversarial) else None


recipe = Recipe(
    card=CARD, presets=PRESETS, build=build, family=family, stages=stages, keeps=("codec", "writer"), facts=facts, preview=preview,
    frames=lambda request, preset: [Frame((preset.side, preset.side), page=(preset.side, preset.side))],
    shape=lambda request, frame, preset: (1, 3, *frame.size),
    layout={
        "en": "a NAME.txt beside each picture, or metadata.csv with file_name and text, or a table; without it, composed scenes",
        "ko": "그림마다 NAME.txt, 또는 file_name과 text 열이 있는 metadata.csv, 또는 표. 없으면 도형 장면",
    },
    data_files=("*.png+*.txt", "*.jpg+*.txt", "metadata.csv", "captions.csv", "train.parquet:color,annotation"),
    measures={"obedience": measure, "bits": measure_bits},
)  # fmt: skip
