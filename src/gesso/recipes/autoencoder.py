"""A codec of pictures: into few numbers and back, for models that work on those numbers in place of pixels.

Rombach 2022, "High-Resolution Image Synthesis with Latent Diffusion Models" (the KL codec), and Esser 2021, "Taming Transformers" (the
codebook `vq`, here with unit codes after Yu 2022). Deviations: the pixels' squared error in place of LPIPS, whose network is not ours;
a critic of patches, late, in `base` alone; pixels are folded 2 × 2; no attention.

The user gives `picture` and gets `image`, what is left of it. A network that stands on a codec takes it by `--weights codec=RUN`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gesso.card import Card, Out, Slot, wordbook
from gesso.conditions.picture import Picture
from gesso.datasets.small_pictures import small_pictures
from gesso.ports import Frame
from gesso.recipes.recipe import Optimiser, Recipe, Stage, size_of

if TYPE_CHECKING:
    from gesso.families.adversarial import Adversarial


@dataclass(frozen=True)
class Preset:
    widths: tuple[int, ...]  # channels at half the size, a quarter, …
    channels: int  # of latents
    side: int
    num_steps: int
    batch_size: int
    codes: int = 0  # of the codebook; 0 is the KL codec
    penalty: float = 1e-4  # weight of what the bottleneck asks
    critic: int = 0  # the critic's width; 0 is none
    critic_from: int = 0


PRESETS = {
    "tiny": Preset(widths=(8, 16), channels=4, side=32, num_steps=200, batch_size=8),
    "small": Preset(widths=(48, 96), channels=4, side=64, num_steps=8000, batch_size=16),
    "vq": Preset(widths=(48, 96), channels=8, side=64, num_steps=8000, batch_size=16, codes=1024, penalty=0.1),
    "base": Preset(widths=(96, 192), channels=4, side=128, num_steps=100_000, batch_size=16, critic=64, critic_from=50_000),
}

CARD = Card(
    name="autoencoder",
    title={"en": "Picture codec", "ko": "그림 코덱"},
    summary={
        "en": "Learns to keep pictures in few numbers and to bring them back.",
        "ko": "그림을 적은 수로 줄였다가 되살리는 법을 배웁니다.",
    },
    conditions=(Slot(name="picture", kind=Picture, required=True),),
    outputs=(Out(name="image", medium="picture", help={"en": "what comes back", "ko": "되살린 그림"}),),
    words=wordbook("""
        picture | Picture | 그림 | the picture to keep and bring back | 줄였다가 되살릴 그림
    """),
    paper="Rombach 2022, arXiv:2112.10752; Esser 2021, arXiv:2012.09841",
    licence="Apache-2.0; weights, what their pictures allow",
    data="a folder of pictures",
    numbers=(
        "27.0 dB on 820 held-out flat drawings at 64², a quarter of the size: gesso train autoencoder --data flats --steps 2600, "
        "gesso measure autoencoder --data flats",
    ),
    limits={
        "en": "Detail finer than a few pixels is lost, most of all in pictures unlike those that it learned from.",
        "ko": "몇 픽셀보다 작은 세부는 사라지며, 배운 그림과 다를수록 더 그렇습니다.",
    },
    example="gesso train autoencoder --data my_pictures --out runs/codec",
)


def build(preset: Preset) -> dict[str, Any]:
    from gesso.networks.codec import PictureCodec
    from gesso.networks.patchgan import PatchGAN

    codec: dict[str, Any] = {"codec": PictureCodec(preset.widths, preset.channels, num_codes=preset.codes)}
    return codec | ({"critic": lambda: PatchGAN(3, width=preset.critic)} if preset.critic else {})


def family(preset: Preset) -> Adversarial:
    from gesso.families.adversarial.reconstruction import coding

    noisy, critic = not preset.codes, bool(preset.critic)
    return coding(preset.channels, noisy=noisy, penalty=preset.penalty, critic=critic, critics_from=preset.critic_from)


def stages(preset: Preset) -> list[Stage]:
    def data(folder: Path | None, split: str) -> Any:
        return small_pictures(folder, split, preset.side)

    codec = Optimiser(rate=1e-3, warmup=200, betas=(0.9, 0.99), floor=0.02)
    critic = Optimiser(rate=2e-4, betas=(0.5, 0.999), warmup=0, schedule="constant")
    return [
        Stage(
            name="code",
            family=family(preset),
            trains={"codec": codec} | ({"critic": critic} if preset.critic else {}),
            data=data,
            num_steps=preset.num_steps,
            batch_size=preset.batch_size,
            average=0.995,
            frame=Frame((preset.side, preset.side)),
        )
    ]


def measure(make: Any, data: Path | None, options: dict[str, Any]) -> dict[str, Any]:
    """What comes back of held-out pictures. Options: `limit`, the most pictures."""
    from gesso.metrics.reconstructed import measure_codec

    held = small_pictures(data, "val", make.model.assembled.preset.side)
    return measure_codec(make.model.networks["codec"], held, options)


recipe = Recipe(
    card=CARD,
    presets=PRESETS,
    build=build,
    family=family,
    stages=stages,
    keeps=("codec",),
    frames=size_of("picture"),
    shape=lambda request, frame, preset: (1, 3, *frame.size),
    layout={
        "en": "pictures, a subfolder for each class or none; or a parquet table with a column image or color",
        "ko": "그림들(분류별 하위 폴더 가능), 또는 image나 color 열이 있는 parquet 표",
    },
    learns_pictures=True,
    data_files=("*.png", "*.jpg", "*.parquet:image", "*.parquet:color"),
    measures={"kept": measure},
)
