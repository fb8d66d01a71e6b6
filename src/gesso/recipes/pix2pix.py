"""One kind of picture into another, learned from pairs: edges to photographs, line drawings to colour.

Isola 2017, "Image-to-Image Translation with Conditional Adversarial Networks": a U-Net, L1 with weight 100, and a critic of patches that
sees what is given beside the picture. Deviations: instance normalisation, which at batch size 1 is what the paper's batch normalisation
at test time computes; no dropout, so an output depends on its input alone; spectral normalisation in the critic; the preset `l1` learns
from L1 alone, the paper's ablation; `base` has critics of two scales and feature matching (Wang 2018, "pix2pixHD"). A picture of any
size is translated at its size.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gesso.card import Card, Out, Slot, wordbook
from gesso.conditions.picture import Picture
from gesso.datasets.paired_pictures import paired_pictures
from gesso.ports import Frame
from gesso.recipes.recipe import Optimiser, Recipe, Stage, size_of

if TYPE_CHECKING:
    from torch import nn

    from gesso.families.adversarial import Adversarial

L1_WEIGHT = 100.0


@dataclass(frozen=True)
class Preset:
    widths: tuple[int, ...]  # channels after each halving
    critic: int  # the critic's width
    side: int
    num_steps: int
    batch_size: int
    game: float = 1.0  # weight of the critic's judgement; 0 learns from L1 alone
    scales: int = 1  # of the critic
    matching: float = 0.0  # weight of feature matching


PRESETS = {
    "tiny": Preset(widths=(8, 16, 16), critic=8, side=32, num_steps=200, batch_size=4),
    "l1": Preset(widths=(32, 64, 128, 256), critic=32, side=64, num_steps=8000, batch_size=16, game=0.0),
    "small": Preset(widths=(32, 64, 128, 256), critic=32, side=64, num_steps=8000, batch_size=16),
    "base": Preset(widths=(64, 128, 256, 512, 512), critic=64, side=128, num_steps=100_000, batch_size=16, scales=2, matching=10.0),
}

CARD = Card(
    name="pix2pix",
    title={"en": "Picture to picture", "ko": "그림에서 그림으로"},
    summary={
        "en": "Turns one kind of picture into another, as your pairs of pictures show.",
        "ko": "짝지은 그림들이 보여 주는 대로 한 종류의 그림을 다른 종류로 바꿉니다.",
    },
    conditions=(Slot(name="picture", kind=Picture, required=True),),
    outputs=(Out(name="image", medium="picture", help={"en": "the translated picture", "ko": "바뀐 그림"}),),
    words=wordbook("""
        picture | Picture | 그림 | what to translate: edges, a drawing, or what your pairs begin with | 바꿀 그림. 윤곽선이나 선화 등
    """),
    paper="Isola 2017, arXiv:1611.07004",
    licence="Apache-2.0; weights, what their pictures allow",
    data="pairs of one's own; photographs and their edges; OpenMoji's line drawings and colours (CC BY-SA 4.0)",
    limits={
        "en": "It learns one translation from pairs, and guesses where what is given leaves a choice.",
        "ko": "짝에서 한 가지 변환만 배우며, 주어진 것으로 정해지지 않는 부분은 짐작합니다.",
    },
    example="gesso train pix2pix --data my_pairs --out runs/pairs",
)


def build(preset: Preset) -> dict[str, Any]:
    from gesso.networks.patchgan import MultiScalePatchGAN, PatchGAN
    from gesso.networks.translator import SkipTranslator

    given = CARD.port_sizes().spatial
    networks: dict[str, Any] = {"generator": SkipTranslator(given, 3, preset.widths)}

    def critic() -> nn.Module:
        if preset.scales > 1:
            return MultiScalePatchGAN(3 + given, width=preset.critic, scales=preset.scales)
        return PatchGAN(3 + given, width=preset.critic)

    return networks | ({"critic": critic} if preset.game else {})


def family(preset: Preset) -> Adversarial:
    from gesso.families.adversarial import Adversarial, Seat, Term
    from gesso.families.adversarial.matching import feature_matching
    from gesso.families.adversarial.translation import Paired, l1

    paired = Paired()
    seats = (Seat(given=("given",)),) if preset.game else ()
    terms = (Term("l1", l1, L1_WEIGHT),) + ((Term("matching", feature_matching, preset.matching),) if preset.matching else ())
    return Adversarial(paired.play, paired.show, seats, weight=preset.game, terms=terms)


def stages(preset: Preset) -> list[Stage]:
    from gesso.metrics.progress import distance_of_pairs

    def data(folder: Path | None, split: str) -> Any:
        return paired_pictures(folder, split, preset.side)

    optimiser = Optimiser(rate=2e-4, betas=(0.5, 0.999), warmup=0, floor=0.0, clip=0.0, schedule="linear")
    return [
        Stage(
            name="translate",
            family=family(preset),
            trains={"generator": optimiser} | ({"critic": optimiser} if preset.game else {}),
            data=data,
            num_steps=preset.num_steps,
            batch_size=preset.batch_size,
            average=0.99,
            frame=Frame((preset.side, preset.side)),
            figures=distance_of_pairs,
        )
    ]


def measure(make: Any, data: Path | None, options: dict[str, Any]) -> dict[str, Any]:
    """Distances from the true pictures of held-out pairs. Options: `limit`, the most pairs."""
    from gesso.metrics.translated import measure_pairs

    (stage,) = make.model.recipe.stages(make.model.assembled.preset)
    return measure_pairs(make.model, stage.data(data, "val"), options)


def measure_pictures(make: Any, data: Path | None, options: dict[str, Any]) -> dict[str, Any]:
    """Generated against held-out pictures. Options: `num`, `learned`, `seed` (`gesso.metrics.yardstick`)."""
    from gesso.metrics.yardstick import measure_pictures

    return measure_pictures(make, lambda split: paired_pictures(data, split, make.model.assembled.preset.side), options, target="target")


recipe = Recipe(
    card=CARD,
    presets=PRESETS,
    build=build,
    family=family,
    stages=stages,
    keeps=("generator",),
    frames=size_of("picture"),
    shape=lambda request, frame, preset: (1, 3, *frame.size),
    layout={
        "en": "subfolders a and b with the same names; or both side by side in one file; photographs alone, of which edges are given",
        "ko": "이름이 같은 그림이 든 a와 b 폴더, 또는 나란히 붙인 그림. 사진만 있으면 윤곽선을 입력으로 씁니다",
    },
    data_files=("a/*.png+b/*.png", "a/*.jpg+b/*.jpg", "*.jpg", "*.png", "train.parquet:line,color"),
    measures={"pairs": measure, "pictures": measure_pictures},
)
