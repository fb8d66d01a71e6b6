"""A place from photographs: a radiance field is fitted to views with cameras, and seen from anywhere.

Müller 2022, "Instant Neural Graphics Primitives" (`small`), and Mildenhall 2020, "NeRF" (`base`: coarse and fine). Deviations: small
tables, so that a scene takes under 8 MB; silhouettes of transparent photographs bound the box; samples behind opaque ones are left
out. With at most twelve views, fine frequencies join late (Yang 2023) and unseen views are compared with photographs by features
(Jain 2021) of this project's own `cifar_classifier`, not CLIP's. The user gives `camera`; `gesso fit scene --data FOLDER` learns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from gesso.card import FILM, FIT, Card, Out, Settings, Slot, wordbook
from gesso.conditions.camera import Camera
from gesso.datasets.camera_files import unseen, views
from gesso.media.tensor import from_tensor
from gesso.metrics.views import measure_views
from gesso.ports import Frame
from gesso.recipes.recipe import Recipe
from gesso.request import Request

if TYPE_CHECKING:
    from torch import nn

    from gesso.families.family import Output
    from gesso.families.radiance import Radiance

AIM = 28.0  # decibels on held views of lego, 200 × 200
LAYOUT = {"en": "photographs, and transforms.json or COLMAP's text", "ko": "사진들과 transforms.json 또는 COLMAP 텍스트"}


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
    num_steps: int = Field(default=3000, ge=1, le=1_000_000, json_schema_extra=FIT)
    minutes: float = Field(default=0.0, ge=0, le=10_000, json_schema_extra=FIT)
    views: int = Field(default=0, ge=0, le=4000, json_schema_extra=FIT)
    prior: Literal["auto", "none", "silhouettes", "frequencies", "features", "both"] = Field(default="auto", json_schema_extra=FIT)
    size: int = Field(default=200, ge=8, le=2048)
    points: int = Field(default=0, ge=0, le=5_000_000)
    seconds: float = Field(default=6.0, ge=0.1, le=600, json_schema_extra=FILM)


CARD = Card(
    name="scene",
    title={"en": "Scene from photographs", "ko": "사진으로 만드는 입체 장면"},
    summary={
        "en": "Learns a place from photographs with cameras, and shows it from any side.",
        "ko": "카메라 위치를 아는 사진들로 장면을 익혀, 어느 쪽에서든 보여 줍니다.",
    },
    conditions=(Slot(name="camera", kind=Camera),),
    outputs=(
        Out(name="image", medium="picture", help={"en": "the scene from the camera", "ko": "카메라에서 본 장면"}),
        Out(name="depth", medium="picture", help={"en": "distance: white is near, black is nothing", "ko": "거리: 밝을수록 가까움"}),
        Out(name="opacity", medium="picture", help={"en": "how much of the light is stopped", "ko": "빛이 가려진 정도"}),
        Out(name="points", medium="points", help={"en": "a point cloud, if `points` is above 0", "ko": "점 구름 (점의 수가 0보다 클 때)"}),
    ),
    settings=SceneSettings,
    words=wordbook("""
        camera | Camera | 카메라 | an orbit around the scene, or a matrix | 장면을 도는 위치, 또는 행렬
        num_steps | Steps | 단계 수 | steps of learning, for a fit | 장면을 익히는 단계 수
        minutes | Minutes | 시간(분) | the most time that a fit takes; 0 is no limit | 익히는 데 쓸 최대 시간, 0이면 제한 없음
        views | Photographs | 사진 수 | the most photographs to learn from; 0 is all | 익히는 데 쓸 최대 사진 수, 0이면 모두
        prior | Prior | 사전 지식 | what is assumed beside the photographs | 사진 외에 더 가정하는 것
        prior.auto | By the number | 사진 수에 따라
        prior.none | None | 없음
        prior.silhouettes | Silhouettes | 윤곽
        prior.frequencies | Silhouettes, coarse first | 윤곽과 큰 형태 먼저
        prior.features | Silhouettes, like features | 윤곽과 특징 비교
        prior.both | All | 모두
        size | Size | 크기 | pixels a side | 한 변의 픽셀 수
        seconds | Seconds | 초 | of one turn around the scene, for --out turn.mp4 | 장면을 한 바퀴 도는 시간, --out turn.mp4일 때
        points | Points | 점의 수 | the most points of the cloud; 0 makes none | 점 구름의 최대 점 수, 0이면 만들지 않음
    """),
    paper="Müller 2022, arXiv:2201.05989; Mildenhall 2020, arXiv:2003.08934",
    licence="Apache-2.0; a scene, what its photographs allow",
    data="the photographs of one place, with cameras",
    numbers=("lego, 12 held views: 30.6 dB after 3,000 steps: gesso measure scene --data nerf_lego --weights runs/lego",),
    limits={
        "en": "One box that stays still, without a far background. Cameras come from elsewhere, such as COLMAP. What no photograph "
        "shows is guessed: from one photograph, only what that camera saw is right.",
        "ko": "움직이지 않는 상자 하나만 다루며 먼 배경은 없습니다. 카메라 위치는 COLMAP 같은 도구로 구해야 합니다. "
        "사진에 없는 곳은 추측이라, 사진이 한 장이면 그 카메라가 본 것만 맞습니다.",
    },
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
    return Radiance(Plan(samples=preset.samples))


def shape(request: Request, frame: Frame, preset: Preset) -> tuple[int, ...]:
    settings = request.settings
    assert isinstance(settings, SceneSettings)
    return 1, 3, settings.size, settings.size


def finish(request: Request, made: Sequence[tuple[Frame, Output]]) -> dict[str, Any]:
    from gesso.families.radiance import pixels_of

    return pixels_of(made[-1][1].media)


def shots(request: Request) -> list[Request]:
    """One turn around the scene, from the request's camera on."""
    settings, camera = request.settings, request.conditions.get("camera") or Camera(azimuth=30, elevation=25)
    assert isinstance(camera, Camera) and isinstance(settings, SceneSettings)
    still = request.model_copy(update={"settings": settings.model_copy(update={"points": 0})})
    turned = camera.turn(max(1, round(24 * settings.seconds)))
    return [still.model_copy(update={"conditions": {**request.conditions, "camera": one}}) for one in turned]


def measure(make: Any, folder: Path | None, options: dict[str, Any]) -> dict[str, Any]:
    """PSNR on the held views; the option `limit` bounds their number. With `views`, on all that a fit with this setting did not see."""
    from gesso.families.radiance import look, picture_of

    scene = make.model.networks["scene"]
    held = views(folder, "val") if not options.get("views") else unseen(folder, int(options["views"]))
    held = held.some(int(options.get("limit", len(held))))
    return measure_views(lambda view: from_tensor(picture_of(scene, look(scene, view, 0))[0]), held.views, held.pixels, AIM)


recipe = Recipe(
    card=CARD,
    presets=PRESETS,
    build=build,
    family=family,
    keeps=("scene",),
    uses={"features": "cifar_classifier"},
    shape=shape,
    finish=finish,
    layout=LAYOUT,
    data_files=("transforms.json", "transforms_train.json", "cameras.txt+images.txt", "sparse/0/cameras.txt"),
    shots=shots,
    measures={"views": measure},
    data=views,
)
