"""Pictures from noise, by an adversarial game: whatever the folder shows, new.

`small` has the objective of R3GAN (Huang 2024), relativistic with zero-centred penalties on real and generated pictures (R1, R2), and
DCGAN's networks (Radford 2016), the critic without normalisation. `dcgan` is that paper's own: normalisation everywhere and the
non-saturating objective. `residual` has networks after R3GAN's, without normalisation; at this size it learns more slowly.
Deviations: penalties at every fourth step with four times the weight, and in `residual` 2 × 2 pixels at once, for speed on CPUs. There is
nothing to give but a seed.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from gesso.card import Card, Out, Settings, wordbook
from gesso.datasets.small_pictures import small_pictures
from gesso.ports import Frame
from gesso.recipes.recipe import Optimiser, Recipe, Stage

if TYPE_CHECKING:
    from gesso.families.adversarial import Adversarial

SIDE = 32
PENALTY_EVERY = 4


@dataclass(frozen=True)
class Preset:
    """`widths` are channels from 4 × 4 on, for residual networks; one number is DCGAN's width at 16 × 16."""

    widths: tuple[int, ...]
    latent: int
    num_steps: int
    batch_size: int
    penalty: float = 0.0  # weight of R1 and of R2; 0 is DCGAN's loss
    rate: float = 2e-4


PRESETS = {
    "tiny": Preset(widths=(16, 16, 8), latent=16, num_steps=200, batch_size=8, penalty=0.2),
    "dcgan": Preset(widths=(64,), latent=100, num_steps=10_000, batch_size=64),
    "small": Preset(widths=(64,), latent=64, num_steps=6000, batch_size=64, penalty=1.0),
    "residual": Preset(widths=(128, 128, 64), latent=64, num_steps=10_000, batch_size=64, penalty=10.0, rate=3e-4),
}


class GanSettings(Settings):
    truncation: float = Field(default=1.0, ge=0, le=2)


CARD = Card(
    name="gan",
    title={"en": "Pictures from noise", "ko": "노이즈에서 그림으로"},
    summary={
        "en": "Learns what the pictures of a folder have in common, and makes new ones of their kind.",
        "ko": "폴더에 든 그림들의 공통점을 익혀 같은 종류의 새 그림을 만듭니다.",
    },
    conditions=(),
    outputs=(Out(name="image", medium="picture", help={"en": "a new picture, 32×32", "ko": "새 그림, 32×32"}),),
    settings=GanSettings,
    words=wordbook("""
        truncation | Truncation | 절단 | below 1: more typical and less varied pictures | 1보다 작으면 전형적이고 덜 다양한 그림이 됩니다
    """),
    paper="Huang 2024, arXiv:2501.05441; Radford 2016, arXiv:1511.06434",
    licence="Apache-2.0; weights, what their pictures allow",
    data="a folder of pictures; CIFAR-10 (research); MNIST's digits, three to a picture (research)",
    limits={
        "en": "One size, 32×32, and nothing but the seed chooses.",
        "ko": "크기는 32×32뿐이고, 시드 말고는 고를 수 있는 것이 없습니다.",
    },
    example="gesso train gan --data my_pictures --out runs/gan",
)


def build(preset: Preset) -> dict[str, Any]:
    from gesso.networks.dcgan import DCGANCritic, DCGANGenerator
    from gesso.networks.residual_gan import ResidualCritic, ResidualGenerator

    if len(preset.widths) == 1:
        (width,) = preset.widths
        critic = partial(DCGANCritic, 3, SIDE, width, norm=not preset.penalty)
        return {"generator": DCGANGenerator(3, SIDE, width, preset.latent), "critic": critic}
    return {
        "generator": ResidualGenerator(3, preset.widths, preset.latent, patch=2),
        "critic": partial(ResidualCritic, 3, preset.widths, patch=2),
    }


def family(preset: Preset) -> Adversarial:
    from gesso.families.adversarial import Adversarial, Term
    from gesso.families.adversarial.latent import Latent
    from gesso.families.adversarial.objectives import NON_SATURATING, RELATIVISTIC
    from gesso.families.adversarial.penalties import r1, r2

    latent = Latent(preset.latent)
    if not preset.penalty:
        return Adversarial(latent.play, latent.show, objective=NON_SATURATING)
    penalties = tuple(Term(one.__name__, one, preset.penalty, PENALTY_EVERY, slopes=True) for one in (r1, r2))
    return Adversarial(latent.play, latent.show, objective=RELATIVISTIC, critic_terms=penalties)


def stages(preset: Preset) -> list[Stage]:
    from gesso.metrics.progress import distance_of_sets

    def data(folder: Path | None, split: str) -> Any:
        return small_pictures(folder, split, SIDE)

    optimiser = Optimiser(rate=preset.rate, betas=(0.5, 0.99) if not preset.penalty else (0.0, 0.99), warmup=100, floor=0.1, clip=0.0)
    return [
        Stage(
            name="game",
            family=family(preset),
            trains={"generator": optimiser, "critic": optimiser},
            data=data,
            num_steps=preset.num_steps,
            batch_size=preset.batch_size,
            average=0.998,
            frame=Frame((SIDE, SIDE)),
            figures=distance_of_sets,
        )
    ]


def measure_modes(make: Any, data: Path | None, options: dict[str, Any]) -> dict[str, Any]:
    """Kinds of stacked digits, as `digit_classifier` reads them. Options: `num` pictures (25,600), `judge` (its weights)."""
    from gesso.metrics.modes import measure_modes

    return measure_modes(make.model, make.other("digit_classifier", weights=options.get("judge")), data, options)


def measure_pictures(make: Any, data: Path | None, options: dict[str, Any]) -> dict[str, Any]:
    """Generated against held-out pictures. Options: `num`, `learned`, `seed` (`gesso.metrics.yardstick`)."""
    from gesso.metrics.yardstick import measure_pictures

    return measure_pictures(make, lambda split: small_pictures(data, split, SIDE), options)


recipe = Recipe(
    card=CARD,
    presets=PRESETS,
    build=build,
    family=family,
    stages=stages,
    keeps=("generator",),
    frames=lambda request, preset: [Frame((SIDE, SIDE), page=(SIDE, SIDE))],
    shape=lambda request, frame, preset: (1, 3, *frame.size),
    layout={
        "en": "pictures; CIFAR-10's parquet files; MNIST's t10k files",
        "ko": "그림들. CIFAR-10의 parquet 파일, MNIST의 t10k 파일도 가능",
    },
    learns_pictures=True,
    data_files=("*.png", "*.jpg", "*.parquet:image", "*.parquet:color", "t10k-images-idx3-ubyte.gz+t10k-labels-idx1-ubyte.gz"),
    measures={"modes": measure_modes, "pictures": measure_pictures},
)
