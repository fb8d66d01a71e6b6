"""Pictures to words: a short caption of a drawing, in English or Korean, which may go on from words that you begin.

Vinyals 2015 (Show and Tell): a convolutional network sees, a decoder writes by maximum likelihood. Deviations: a small transformer
(Vaswani 2017) with attention to all places of the picture, as Xu 2015 attends, in place of an LSTM; texts are pieces of words; the user
chooses the language. The user gives a `picture`, and may give `language` and the first `words`; the output is a text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from gesso.card import Card, Out, Settings, Slot, wordbook
from gesso.conditions.label import Label
from gesso.conditions.picture import Picture
from gesso.conditions.words import Words
from gesso.datasets.captioned_pictures import captioned_pictures
from gesso.datasets.one_language import LANGUAGES, OneLanguage
from gesso.media.subwords import learn, subwords
from gesso.ports import Frame
from gesso.recipes.recipe import Optimiser, Recipe, Stage

if TYPE_CHECKING:
    from gesso.families.captioning import Captioning
    from gesso.request import Request

LENGTH = 32  # pieces of a text


@dataclass(frozen=True)
class Preset:
    side: int
    plan: tuple[tuple[int, int], ...]  # (channels, convolutions) of each stage of the picture's network
    width: int  # of the writer
    depth: int
    heads: int
    num_steps: int
    batch_size: int
    dropout: float = 0.1
    average: float = 0.995
    warmup: int = 100


PRESETS = {
    "tiny": Preset(side=32, plan=((16, 1), (32, 1), (32, 1)), width=32, depth=1, heads=2, num_steps=300, batch_size=16, warmup=20),
    "small": Preset(side=48, plan=((32, 2), (64, 2), (128, 2), (256, 2)), width=192, depth=2, heads=4, num_steps=3000, batch_size=96),
    "base": Preset(side=96, plan=((64, 2), (128, 2), (256, 3), (512, 3)), width=384, depth=4, heads=6, num_steps=20_000, batch_size=256),
}


class CaptionSettings(Settings):
    temperature: float = Field(default=0.0, ge=0, le=2)
    top_p: float = Field(default=0.9, gt=0, le=1)


CARD = Card(
    name="caption",
    title={"en": "Captions", "ko": "그림 설명"},
    summary={"en": "Says in a few words what a drawing shows.", "ko": "그림에 무엇이 있는지 짧게 말합니다."},
    conditions=(
        Slot(name="picture", kind=Picture, required=True),
        Slot(name="language", kind=Label, options={"classes": LANGUAGES}, drop=0.1),
        Slot(name="words", kind=Words, options={"length": LENGTH, "whole": True}, facts={"vocabulary": "vocabulary"}),
    ),
    outputs=(
        Out(name="caption", medium="text", help={"en": "what the picture shows", "ko": "그림에 있는 것"}),
        Out(name="probability", medium="table", help={"en": "how likely each piece was", "ko": "조각마다의 확률"}),
    ),
    settings=CaptionSettings,
    words=wordbook("""
        picture | Picture | 그림 | one drawing on a plain ground | 단순한 배경의 그림 한 장
        language | Language | 언어 | en or ko; without it, the likelier | en 또는 ko. 없으면 더 그럴듯한 쪽
        words | First words | 첫 낱말 | the caption goes on from them | 설명이 이 말에서 이어집니다
        temperature | Boldness | 대담함 | 0: the likeliest caption, more: others too | 0이면 가장 그럴듯한 설명, 클수록 다양합니다
        top_p | Choice | 고르는 폭 | only the likeliest pieces that together have this share | 합쳐서 이 비율이 되는 그럴듯한 조각만 씁니다
    """),
    paper="Vinyals 2015, arXiv:1411.4555; Xu 2015, arXiv:1502.03044",
    licence="Apache-2.0; weights, what their pictures allow",
    data="pictures with captions, as for `clip`",
    limits={
        "en": "It knows drawings of single things and the words of their captions. It names what it does not know as something similar.",
        "ko": "사물 하나를 그린 그림과 그 설명의 낱말만 압니다. 모르는 것은 비슷한 것의 이름으로 부릅니다.",
    },
    example="gesso generate caption --weights runs/caption --picture apple.png --language ko --out apple.txt",
)


def build(preset: Preset, facts: Mapping[str, Any]) -> dict[str, Any]:
    from gesso.networks.caption_decoder import CaptionDecoder
    from gesso.networks.convnet import ConvNet

    sizes = CARD.with_facts(facts).port_sizes()
    eye = ConvNet(3, preset.plan, 0)
    shape = (preset.width, preset.depth, preset.heads, eye.num_features, sizes.vector, preset.dropout)
    return {"eye": eye, "writer": CaptionDecoder(sizes.vocabulary, LENGTH, *shape)}


def family(preset: Preset) -> Captioning:
    from gesso.families.captioning import Captioning

    return Captioning()


def stages(preset: Preset) -> list[Stage]:
    optimiser = Optimiser(rate=1e-3, betas=(0.9, 0.98), decay=0.1, warmup=preset.warmup)
    return [
        Stage(
            name="write",
            family=family(preset),
            trains={"eye": optimiser, "writer": optimiser},
            data=lambda folder, split: OneLanguage(captioned_pictures(folder, split, preset.side)),
            num_steps=preset.num_steps,
            batch_size=preset.batch_size,
            average=preset.average,
            frame=Frame((preset.side, preset.side)),
        )
    ]


def facts(dataset: Any) -> dict[str, Any]:
    return {"vocabulary": learn(dataset.texts())}


def finish(request: Request, made: Sequence[Any], facts: Mapping[str, Any]) -> dict[str, Any]:
    media, words = made[-1][1].media, subwords(facts["vocabulary"])
    ids, nats = media["ids"][0].tolist(), media["nats"][0]
    drawn = [(words.decode([number]), round(float((-nats[at]).exp()), 4)) for at, number in enumerate(ids) if float(nats[at]) > 0]
    return {"caption": words.decode(ids), "probability": [list(one) for one in drawn]}


def measure(make: Any, data: Path | None, options: dict[str, Any]) -> dict[str, Any]:
    """Words in common with held-out captions. Options: `num`, `seed`, `split` (`gesso.metrics.captions`)."""
    from gesso.metrics.captions import measure_captions

    held = captioned_pictures(data, str(options.get("split", "val")), make.model.assembled.preset.side)
    return measure_captions(make, {language: OneLanguage(held, language) for language in LANGUAGES}, options)


recipe = Recipe(
    card=CARD,
    presets=PRESETS,
    build=build,
    family=family,
    stages=stages,
    keeps=("eye", "writer"),
    facts=facts,
    frames=lambda request, preset: [Frame((preset.side, preset.side), page=request.conditions["picture"].page)],
    shape=lambda request, frame, preset: (1, LENGTH),
    finish=finish,
    layout={
        "en": "a NAME.txt beside each picture, or metadata.csv with file_name and text, or a table; cldr/*.json adds languages",
        "ko": "그림마다 NAME.txt, 또는 file_name과 text 열이 있는 metadata.csv, 또는 표. cldr/*.json이 있으면 다른 언어도 배웁니다",
    },
    data_files=("*.png+*.txt", "*.jpg+*.txt", "metadata.csv", "captions.csv", "train.parquet:color,annotation"),
    measures={"words": measure},
)
