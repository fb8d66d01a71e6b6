"""Colour a drawing after another picture: where its parts are found there, and the colours they have there.

Zhang 2020, "Cross-domain Correspondence Learning for Exemplar-based Image Translation" ("CoCosNet"): features of the drawing and of the
exemplar in one domain, correlated and softly chosen; the exemplar's colours carried over; a network that paints the result; domain
alignment. Exemplars for training are warped copies of the true picture (Lee 2020). Deviations: the known warp teaches the correspondence
directly, by cross-entropy; the painter is a U-Net that sees what was carried over beside the drawing, without spatially adaptive norms;
an L1 term and no perceptual one; the critic is left out but in `base`. The preset `munit` takes another way, content and style as codes
(Huang 2018, "Multimodal Unsupervised Image-to-Image Translation"; deviations in `gesso.families.adversarial.codes`).

The user gives `picture`, a line drawing, and `exemplar`. Outputs: `image`; by correspondence also `warped`, and `places`, where each
colour came from.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gesso.card import Card, Out, Slot, wordbook
from gesso.conditions.picture import Picture
from gesso.datasets.exemplar_pictures import exemplar_pictures
from gesso.media.tensor import pictures_in
from gesso.ports import Frame
from gesso.recipes.recipe import LATER, Optimiser, Recipe, Stage, size_of

if TYPE_CHECKING:
    from gesso.families.adversarial import Adversarial

L1, FOUND, CARRIED, ALIGNED = 10.0, 1.0, 2.0, 1.0
AGAIN, SELF = 1.0, 5.0  # of both codes, and of a picture from its own


@dataclass(frozen=True)
class Preset:
    width: int  # of the matcher
    painter: tuple[int, ...]  # the painter's channels after each halving, for the way by correspondence
    side: int
    num_steps: int
    batch_size: int
    critic: int = 0  # the critic's width; 0 is none
    style: int = field(default=0, metadata=LATER)  # numbers of a style, for the way by codes; 0: by correspondence


PRESETS = {
    "tiny": Preset(width=8, painter=(8, 16), side=32, num_steps=200, batch_size=4, critic=8),
    "small": Preset(width=48, painter=(32, 64, 96, 128), side=64, num_steps=2000, batch_size=8),
    "munit": Preset(width=48, painter=(), side=64, num_steps=4000, batch_size=8, critic=32, style=8),
    "base": Preset(width=96, painter=(64, 128, 256, 512), side=128, num_steps=100_000, batch_size=16, critic=64),
}

CARD = Card(
    name="exemplar",
    title={"en": "Colour after an exemplar", "ko": "본보기로 채색"},
    summary={
        "en": "Colours a line drawing like another picture, and shows where each colour came from.",
        "ko": "다른 그림처럼 선화에 색을 입히고, 색이 어디에서 왔는지 보여 줍니다.",
    },
    conditions=(
        Slot(name="picture", kind=Picture, required=True),
        Slot(name="exemplar", kind=Picture, required=True, source="exemplar", options={"fit": "inside"}),
    ),
    outputs=(
        Out(name="image", medium="picture", help={"en": "the coloured drawing", "ko": "색을 입힌 그림"}),
        Out(name="warped", medium="picture", help={"en": "the exemplar's colours, carried over", "ko": "본보기에서 옮겨 온 색"}),
        Out(
            name="places",
            medium="picture",
            help={
                "en": "where a colour came from: red from left to right, green from top to bottom; blue how sure",
                "ko": "색이 온 곳. 빨강은 왼쪽에서 오른쪽, 초록은 위에서 아래, 파랑은 확신하는 정도",
            },
        ),
    ),
    words=wordbook("""
        picture | Drawing | 선화 | the line drawing to colour | 색을 입힐 선화
        exemplar | Exemplar | 본보기 | a coloured picture of something alike | 비슷한 것을 그린 색 있는 그림
    """),
    paper="Zhang 2020, arXiv:2004.05571; Lee 2020, arXiv:2005.05207; Huang 2018, arXiv:1804.04732",
    licence="Apache-2.0; weights, what their pictures allow",
    data="pairs of one's own; OpenMoji's line drawings and colours (CC BY-SA 4.0); flat drawings by 24 other artists",
    limits={
        "en": "It looks for parts at the size of its training; what the exemplar does not show is guessed.",
        "ko": "학습한 크기에서 대응을 찾으며, 본보기에 없는 부분은 짐작합니다.",
    },
    example="gesso generate exemplar --picture cat.png --exemplar tiger.png --weights runs/colours --out coloured.png",
)


def build(preset: Preset) -> dict[str, Any]:
    from gesso.networks.content_style import CodeDecoder, CodeReader
    from gesso.networks.correspondence import LEARNED, Correspondence
    from gesso.networks.patchgan import PatchGAN
    from gesso.networks.translator import SkipTranslator

    networks: dict[str, Any]
    if preset.style:
        networks = {"matcher": CodeReader(preset.width, preset.style), "painter": CodeDecoder(preset.width, preset.style)}
    else:
        matcher = Correspondence(preset.width, limit=preset.side + 8)
        networks = {"matcher": matcher, "painter": SkipTranslator(3 + 3 + LEARNED + 1, 3, preset.painter)}
    return networks | ({"critic": lambda: PatchGAN(6, width=preset.critic)} if preset.critic else {})


def family(preset: Preset) -> Adversarial:
    from gesso.families.adversarial import Adversarial, Seat, Term
    from gesso.families.adversarial.by_exemplar import ByExemplar
    from gesso.families.adversarial.codes import ContentAndStyle
    from gesso.families.adversarial.translation import l1

    game: Any
    if preset.style:
        game = ContentAndStyle()
        again = (Term("content", game.content_found, AGAIN), Term("style", game.style_found, AGAIN))
        terms = (*again, Term("self", game.picture_again, SELF))
    else:
        game = ByExemplar()
        found = (Term("found", game.found, FOUND), Term("carried", game.carried_over, CARRIED))
        terms = (*found, Term("aligned", game.aligned, ALIGNED))
    return Adversarial(
        game.play,
        game.show,
        seats=(Seat(given=("given",)),) if preset.critic else (),
        generators=("matcher", "painter"),
        weight=0.1,
        terms=(Term("l1", l1, L1), *terms),
    )


def stages(preset: Preset) -> list[Stage]:
    def data(folder: Path | None, split: str) -> Any:
        return exemplar_pictures(folder, split, preset.side)

    optimiser = Optimiser(rate=1e-3, betas=(0.5, 0.99), warmup=100, floor=0.02, clip=1.0)
    return [
        Stage(
            name="colour",
            family=family(preset),
            trains=dict.fromkeys(("matcher", "painter", *(("critic",) if preset.critic else ())), optimiser),
            data=data,
            num_steps=preset.num_steps,
            batch_size=preset.batch_size,
            average=0.99,
            frame=Frame((preset.side, preset.side)),
        )
    ]


def measure(make: Any, data: Path | None, options: dict[str, Any]) -> dict[str, Any]:
    """The right exemplar against a wrong one, and how well parts are found, on held-out pairs. Options: `limit`, the most pairs."""
    from gesso.metrics.exemplars import measure_exemplars

    (stage,) = make.model.recipe.stages(make.model.assembled.preset)
    return measure_exemplars(make, stage.data(data, "val"), data, options)


recipe = Recipe(
    card=CARD,
    presets=PRESETS,
    build=build,
    family=family,
    stages=stages,
    keeps=("matcher", "painter"),
    frames=size_of("picture"),
    shape=lambda request, frame, preset: (1, 3, *frame.size),
    finish=lambda request, made: pictures_in(made[-1][1].media),  # the way by codes knows no places
    layout={
        "en": "pairs, as for pix2pix: subfolders a (drawings) and b (colours), or a table of drawings",
        "ko": "pix2pix처럼 짝을 이룬 a(선화)와 b(색) 폴더, 또는 그림 표",
    },
    data_files=("a/*.png+b/*.png", "a/*.jpg+b/*.jpg", "train.parquet:line,color"),
    measures={"exemplars": measure},
)
