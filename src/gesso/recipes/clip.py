"""Words and pictures in one space: how well a text, in English or Korean, fits a picture; and vectors of either.

Radford 2021 (CLIP) with the sigmoid loss of Zhai 2023, which needs no large batch. Deviations: it is small and trained from nothing, so the
picture network is convolutional (`cifar_classifier`'s); texts see all of their words instead of those before; a text that is true of
another picture of the batch makes no negative pair with it; captions are what a hurried user would write.

The user gives `words`, a `picture` or both; outputs are their similarity and the vectors. Other recipes take its networks as a frozen
parent: `uses={"text": "clip"}` gives the text encoder under the role `text`, and the vocabulary as the fact `text.vocabulary`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from gesso.card import Card, Out, Slot, wordbook
from gesso.conditions.picture import Picture
from gesso.conditions.words import Words
from gesso.datasets.captioned_pictures import captioned_pictures
from gesso.datasets.composed_scenes import scenes_of
from gesso.errors import GessoError
from gesso.hub import clip_weights
from gesso.media.subwords import learn
from gesso.ports import Frame
from gesso.recipes.recipe import LATER, Optimiser, Recipe, Stage

if TYPE_CHECKING:
    from gesso.families.contrastive import Contrastive
    from gesso.request import Request

LENGTH = 32  # pieces of a text
SLOT = Slot(name="words", kind=Words, options={"length": LENGTH}, facts={"vocabulary": "vocabulary"})


@dataclass(frozen=True)
class Preset:
    side: int
    plan: tuple[tuple[int, int], ...]  # (channels, convolutions) of each stage of the picture's network
    width: int  # of the text's
    depth: int
    heads: int
    out: int
    num_steps: int
    batch_size: int
    drop: float = 0.1
    average: float = 0.995
    warmup: int = 100
    objective: Literal["sigmoid", "softmax"] = "sigmoid"
    scenes: bool = field(default=False, metadata=LATER)  # learns composed scenes, to choose among pictures of them


PRESETS = {
    "tiny": Preset(side=32, plan=((16, 1), (32, 1), (32, 1)), width=32, depth=1, heads=2, out=32, num_steps=300, batch_size=32, warmup=20),
    "small": Preset(
        side=48, plan=((32, 2), (64, 2), (128, 2), (256, 2)), width=192, depth=2, heads=4, out=256, num_steps=2400, batch_size=128
    ),
    "scenes": Preset(
        side=32, plan=((32, 1), (64, 1), (128, 2), (256, 1)), width=128, depth=2, heads=4, out=128, num_steps=6000, batch_size=128,
        scenes=True,
    ),
    "base": Preset(
        side=96, plan=((64, 2), (128, 2), (256, 3), (512, 3)), width=384, depth=4, heads=6, out=512, num_steps=20_000, batch_size=512
    ),
}  # fmt: skip

CARD = Card(
    name="clip",
    title={"en": "Words and pictures", "ko": "낱말과 그림"},
    summary={
        "en": "Says how well words fit a picture, and gives vectors in which words and pictures can be compared.",
        "ko": "글이 그림과 얼마나 어울리는지 알려 주고, 글과 그림을 견줄 수 있는 벡터를 냅니다.",
    },
    conditions=(SLOT, Slot(name="picture", kind=Picture)),
    outputs=(
        Out(name="similarity", medium="table", help={"en": "how near words and picture are", "ko": "글과 그림이 얼마나 가까운지"}),
        Out(name="embedding", medium="table", help={"en": "a unit vector of what was given", "ko": "넣은 것의 단위 벡터"}),
    ),
    words=wordbook("""
        words | Words | 글 | what the picture may show, in English or Korean | 그림에 있을 법한 것을 영어나 한국어로
        picture | Picture | 그림 | one drawing on a plain ground | 단순한 배경의 그림 한 장
    """),
    paper="Radford 2021, arXiv:2103.00020; Zhai 2023, arXiv:2303.15343",
    licence="weights CC BY-SA 4.0 (made from OpenMoji and others), code Apache-2.0",
    data="pictures with captions: OpenMoji (CC BY-SA 4.0), flat drawings (by row), Unicode's names of emoji (Unicode License V3)",
    numbers=(
        "a held-out OpenMoji caption finds its picture among the first 10 of 483 in 62.1 % (58.4 to 65.8), without people and flags in "
        "45.1 %, in Korean in 62.2 %: gesso train clip --data DATA --steps 1600, gesso measure clip --data openmoji",
    ),
    limits={
        "en": "It knows drawings of single things and the words of their captions. It does not count, and knows no photographs.",
        "ko": "사물 하나를 그린 단순한 그림과 그 설명에 나오는 낱말만 압니다. 수를 세지 못하고 사진은 모릅니다.",
    },
    example='gesso generate clip --weights runs/clip --words "a red apple" --picture apple.png',
)


def build(preset: Preset, facts: Mapping[str, Any]) -> dict[str, Any]:
    from gesso.networks.convnet import ConvNet
    from gesso.networks.pair_logits import PairLogits
    from gesso.networks.text_encoder import TextEncoder

    vocabulary = CARD.with_facts(facts).port_sizes().vocabulary
    sigmoid = preset.objective == "sigmoid"
    return {
        "text": TextEncoder(vocabulary, LENGTH, preset.width, preset.depth, preset.heads, preset.out, preset.drop),
        "picture": ConvNet(3, preset.plan, preset.out, drop=preset.drop),
        "match": PairLogits() if sigmoid else PairLogits(scale=1 / 0.07, bias=None),
    }


def family(preset: Preset) -> Contrastive:
    from gesso.families.contrastive import Contrastive

    return Contrastive(objective=preset.objective)


def examples(folder: Path | None, split: str, preset: Preset, num: int = 20_000) -> Any:
    return scenes_of(folder, split, preset.side, num) if preset.scenes else captioned_pictures(folder, split, preset.side)


def stages(preset: Preset) -> list[Stage]:
    optimiser = Optimiser(rate=1e-3, betas=(0.9, 0.98), decay=0.1, warmup=preset.warmup)
    match = Optimiser(rate=5e-3, betas=(0.9, 0.98), warmup=preset.warmup)
    return [
        Stage(
            "match", family(preset), {"text": optimiser, "picture": optimiser, "match": match},
            data=lambda folder, split: examples(folder, split, preset), num_steps=preset.num_steps, batch_size=preset.batch_size,
            average=preset.average, frame=Frame((preset.side, preset.side)),
        )
    ]  # fmt: skip


def frames(request: Request, preset: Preset) -> list[Frame]:
    picture = request.conditions.get("picture")
    return [Frame((preset.side, preset.side), page=picture.page if picture is not None else None)]


def finish(request: Request, made: Sequence[Any]) -> dict[str, Any]:
    media = made[-1][1].media
    given = [name for name in ("words", "picture") if name in request.conditions]
    if not given:
        raise GessoError("nothing was given", where="words", fix=CARD.example)
    similarity = {"cosine": float(media["cosine"][0]), "probability": float(media["logit"][0].float().sigmoid())}
    embedding = {name: [round(value, 6) for value in media[name][0].tolist()] for name in given}
    return {"similarity": similarity if len(given) == 2 else {}, "embedding": embedding}


def facts(dataset: Any) -> dict[str, Any]:
    return {"vocabulary": learn(dataset.texts())}


def measure(make: Any, data: Path | None, options: dict[str, Any]) -> dict[str, Any]:
    """Held-out captions and pictures (500 scenes) find each other. Options: `split` ("val", "dev"), `seed`, `learned`, a folder."""
    from gesso.metrics.retrieval import measure_model

    held = examples(data, str(options.get("split", "val")), make.model.assembled.preset, num=500)
    learned = captioned_pictures(Path(options["learned"]), "train", 8) if "learned" in options else None
    return measure_model(make.model, held, options, learned)


recipe = Recipe(
    card=CARD, presets=PRESETS, build=build, family=family, stages=stages, keeps=("text", "picture", "match"), facts=facts, frames=frames,
    shape=lambda request, frame, preset: (1, preset.out), finish=finish,
    opens=lambda folder: clip_weights(folder, CARD.name, PRESETS["small"]),
    layout={
        "en": "a NAME.txt beside each picture, or metadata.csv with file_name and text, or a table; cldr/*.json adds languages",
        "ko": "그림마다 NAME.txt, 또는 file_name과 text 열이 있는 metadata.csv, 또는 표. cldr/*.json이 있으면 다른 언어도 배웁니다",
    },
    data_files=("*.png+*.txt", "*.jpg+*.txt", "metadata.csv", "captions.csv", "train.parquet:color,annotation"),
    measures={"retrieval": measure},
)  # fmt: skip
