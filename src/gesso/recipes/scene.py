"""A place from photographs: a radiance field is fitted to views with cameras, and seen from anywhere.

Müller 2022, "Instant Neural Graphics Primitives with a Multiresolution Hash Encoding" (`small`, `tiny`), and Mildenhall 2020, "NeRF"
(`base`: the paper's two networks, coarse and fine). Deviations: fewer and smaller tables, so that one scene takes under 8 MB; the
silhouettes of transparent photographs bound the box and empty the grid before learning; samples behind opaque ones are found first
and left out. With at most twelve views, fine frequencies join late (Yang 2023) and unseen views are compared with photographs by
features (Jain 2021), which are this project's own `cifar_classifier`'s in place of CLIP's.

`gesso fit scene --data FOLDER` learns a scene. The user gives `camera`; out come `image`, `depth` and `opacity`, and `points`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field

from gesso.card import Card, Out, Settings, Slot
from gesso.conditions.camera import Camera
from gesso.datasets.balls import balls
from gesso.datasets.camera_files import views as views_of
from gesso.datasets.cameras import Views
from gesso.media.tensor import from_tensor
from gesso.metrics.views import measure_views
from gesso.ports import Frame
from gesso.recipes._scene_words import LIMITS, OUTPUTS, SUMMARY, TITLE, WORDS
from gesso.recipes.recipe import Recipe
from gesso.request import Request

if TYPE_CHECKING:
    from torch import nn

    from gesso.families.family import Output
    from gesso.families.radiance import Radiance

AIM = 28.0  # decibels on held views of lego, 200 × 200


@dataclass(frozen=True)
class Preset:
    """Levels, log2 of rows and finest resolution of the hash grid, the networks' width, cells and steps of the box, samples of a step of
    learning; or the paper's networks, with rays of a step."""

    levels: int = 8
    log2_size: int = 16
    finest: int = 320
    width: int = 64
    side: int = 64
    num_steps: int = 256
    samples: int = 30_000
    paper_rays: int = 0


PRESETS = {
    "tiny": Preset(levels=4, log2_size=12, finest=64, width=16, side=24, num_steps=64, samples=4000),
    "small": Preset(),
    "base": Preset(width=256, paper_rays=1024),
}


class SceneSettings(Settings):
    num_steps: int = Field(default=3000, ge=1, le=1_000_000)
    minutes: float = Field(default=0.0, ge=0, le=10_000)
    size: int = Field(default=200, ge=8, le=2048)
    points: int = Field(default=0, ge=0, le=5_000_000)


CARD = Card(
    name="scene",
    title=TITLE,
    summary=SUMMARY,
    conditions=(Slot(name="camera", kind=Camera),),
    outputs=tuple(Out(name=name, medium=medium, help=help) for name, medium, help in OUTPUTS),
    settings=SceneSettings,
    words=WORDS,
    paper="Müller 2022, arXiv:2201.05989; Mildenhall 2020, arXiv:2003.08934",
    licence="Apache-2.0; a scene, what its photographs allow",
    data="the photographs of one place, with cameras",
    limits=LIMITS,
    example='gesso generate scene --weights runs/lego --camera "orbit 40 20 4" --out lego.png',
)


def build(preset: Preset) -> dict[str, nn.Module]:
    from gesso.families.scene import HashScene, PaperScene
    from gesso.families.volume import Volume
    from gesso.networks.hash_grid import HashGrid
    from gesso.networks.nerf import InstantNGP, NeRF

    volume = Volume(preset.side, preset.num_steps)
    if preset.paper_rays:
        return {"scene": PaperScene(NeRF(preset.width), NeRF(preset.width), volume)}
    grid = HashGrid(preset.levels, preset.log2_size, finest=preset.finest)
    return {"scene": HashScene(InstantNGP(grid, preset.width), volume)}


def family(preset: Preset) -> Radiance:
    from gesso.families.radiance import Radiance
    from gesso.families.scene_learner import Plan

    if preset.paper_rays:
        return Radiance(Plan(rays=preset.paper_rays, network_rate=5e-4, floor=0.1, hull=False))
    return Radiance(Plan(samples=preset.samples), Plan(samples=preset.samples, bands_until=0.6, consistency=0.02))


def data(folder: Path | None, split: str) -> Views:
    if folder is not None:
        return views_of(folder, split)
    made = balls(24) if split == "train" else balls(4, first=100)
    made.held = balls(4, first=100) if split == "train" else None
    return made


def shape(request: Request, frame: Frame, preset: Preset) -> tuple[int, ...]:
    settings = request.settings
    assert isinstance(settings, SceneSettings)
    return 1, 3, settings.size, settings.size


def finish(request: Request, made: Sequence[tuple[Frame, Output]]) -> dict[str, Any]:
    from gesso.families.radiance import depth_picture

    media = made[-1][1].media
    solid = media["opacity"][0, 0].numpy()
    outputs = {
        "image": from_tensor(media["image"][0]),
        "depth": depth_picture(media["depth"][0, 0].numpy(), solid),
        "opacity": (255 * solid.clip(0, 1)).round().astype(np.uint8),
    }
    return outputs | ({"points": media["points"]} if "points" in media else {})


def measure(make: Any, folder: Path | None, options: dict[str, Any]) -> dict[str, Any]:
    """PSNR on the held views; the option `limit` bounds their number."""
    from gesso.families.radiance import look, picture_of

    scene = make.model.networks["scene"]
    held = data(folder, "val")
    num = int(options.get("limit", len(held)))
    return measure_views(lambda view: from_tensor(picture_of(scene, look(scene, view, 0))[0]), held.views[:num], held.pixels[:num], AIM)


recipe = Recipe(
    card=CARD,
    presets=PRESETS,
    build=build,
    family=family,
    keeps=("scene",),
    uses={"features": "cifar_classifier"},
    shape=shape,
    finish=finish,
    measures={"views": measure},
    data=data,
)
