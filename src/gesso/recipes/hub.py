"""Models of others: a pipeline of diffusers in a folder on this machine, steered like every recipe here (extra [hub]).

Any text-to-image pipeline that the library can also use for pictures and holes: Stable Diffusion (Rombach 2022), SD XL, SD 3, FLUX and
others, with a ControlNet (Zhang 2023) where the folder has one. The user gives `words` and what to `avoid`; a `picture` to begin with
(Meng 2022), with a `hole` in it, or wider borders, that is made anew; `strokes` of colour over it; and a `control` picture. The card has
what the folder can take. Nothing is downloaded, no code of a model's own is run, and only safetensors are read. The record names the
folder's content by its hash. Pixels outside a hole are kept to the bit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pydantic import Field

from gesso.card import Card, Out, Settings, Slot, wordbook
from gesso.conditions.hints import Hints
from gesso.conditions.hole import Hole
from gesso.conditions.picture import Picture
from gesso.conditions.words import Words
from gesso.errors import GessoError
from gesso.hub import pipeline_weights
from gesso.ports import Frame
from gesso.recipes.recipe import Recipe
from gesso.request import Request
from gesso.rules.holes import Page, filled, resized, working_size

if TYPE_CHECKING:
    from gesso.families.family import Output
    from gesso.families.piped import Piped

MOST = 4096  # pixels of a side
PRESETS = {"stored": None, "float32": "float32", "bfloat16": "bfloat16", "float16": "float16"}  # the number type of the networks


class HubSettings(Settings):
    num_steps: int = Field(default=20, ge=1, le=500)
    guidance_scale: float = Field(default=5.0, ge=0, le=30)
    strength: float = Field(default=0.75, ge=0, le=1)
    control_scale: float = Field(default=1.0, ge=0, le=2)
    control_lines: bool = False
    width: int = Field(default=0, ge=0, le=MOST)
    height: int = Field(default=0, ge=0, le=MOST)
    left: int = Field(default=0, ge=0, le=MOST)
    right: int = Field(default=0, ge=0, le=MOST)
    top: int = Field(default=0, ge=0, le=MOST)
    bottom: int = Field(default=0, ge=0, le=MOST)

    @property
    def grows(self) -> tuple[int, int, int, int]:
        return self.left, self.top, self.right, self.bottom


FACTS = {"side": 512, "multiple": 16}  # of a model that is not known yet
TEXT: Mapping[str, Any] = {"vocabulary": "bytes"}  # the pipeline reads the text itself
CARD = Card(
    name="hub",
    title={"en": "A diffusers model of yours", "ko": "내 diffusers 모델"},
    summary={
        "en": "Stable Diffusion, FLUX and others, from a folder here: with words, pictures, holes, strokes and control pictures.",
        "ko": "이 컴퓨터의 폴더에 있는 Stable Diffusion, FLUX 등을 글, 그림, 지운 곳, 붓질, 제어 그림으로 조종합니다.",
    },
    conditions=(
        Slot(name="words", kind=Words, options=TEXT),
        Slot(name="avoid", kind=Words, options=TEXT, when="avoid"),
        Slot(name="picture", kind=Picture, stays=True, options={"gaps": True}, when="picture"),
        Slot(name="hole", kind=Hole, when="hole"),
        Slot(name="strokes", kind=Hints, options={"gestures": ("stroke",)}, when="strokes"),
        Slot(name="control", kind=Picture, options={"gaps": True}, when="control"),
    ),
    outputs=(Out(name="image", medium="picture", help={"en": "the picture", "ko": "그림"}),),
    settings=HubSettings,
    words=wordbook("""
        words | Words | 글 | what the picture should show | 그림에 담을 내용
        avoid | Avoid | 피할 것 | what the picture should not show | 그림에 없어야 할 것
        picture | Picture | 그림 | what to begin with; transparent parts are made anew | 바탕이 될 그림. 투명한 곳은 새로 그립니다
        hole | Make anew | 새로 그릴 곳 | brush over what should be made anew; the rest stays | 새로 그릴 곳을 칠하세요
        strokes | Colours | 색 칠하기 | colours over the picture before it is made | 그리기 전에 그림 위에 칠할 색
        control | Control picture | 제어 그림 | what the control network reads: edges, depth | 제어 신경망이 읽는 윤곽선, 깊이 등
        num_steps | Steps | 단계 수 | sampling steps; more are finer and slower | 샘플링 단계. 많을수록 곱고 느립니다
        guidance_scale | Guidance | 조건 강도 | how strictly the words are followed | 글을 따르는 정도
        strength | Change | 바꾸는 정도 | how much of the picture may change: 0 least, 1 all of it | 그림을 바꾸는 정도. 1은 전부
        control_scale | Control | 제어 강도 | how strictly the control picture is followed | 제어 그림을 따르는 정도
        control_lines | Lines on white | 흰 바탕의 선 | a drawing on white, read as light lines | 제어 그림이 흰 바탕의 선화일 때
        width | Width | 너비 | pixels; 0 is what suits the model and the picture | 픽셀 수. 0은 모델과 그림에 맞게
        height | Height | 높이 | pixels; 0 is what suits the model and the picture | 픽셀 수. 0은 모델과 그림에 맞게
        left | Extend left | 왼쪽 넓히기 | pixels added at the left | 왼쪽에 더할 픽셀 수
        right | Extend right | 오른쪽 넓히기 | pixels added at the right | 오른쪽에 더할 픽셀 수
        top | Extend at the top | 위쪽 넓히기 | pixels added at the top | 위쪽에 더할 픽셀 수
        bottom | Extend at the bottom | 아래쪽 넓히기 | pixels added at the bottom | 아래쪽에 더할 픽셀 수
        note.flagged | The model's own safety checker blanked this picture. | 모델의 안전 검사가 이 그림을 지웠습니다.
    """),
    paper="Rombach 2022, arXiv:2112.10752; Meng 2022, arXiv:2108.01073; Zhang 2023, arXiv:2302.05543",
    licence="that of the model in the folder; nothing is shipped",
    data="what the model in the folder was trained on",
    limits={
        "en": "A model works at its own size: a larger picture is made anew smaller and enlarged, and only holes keep what is around them.",
        "ko": "모델은 자기 크기로 그립니다. 더 큰 그림은 작게 그려 키우며, 지운 곳을 채울 때만 주변이 그대로 남습니다.",
    },
    example='gesso generate hub --weights models/stable-diffusion --words "a red fox in the snow" --out fox.png',
)


def build(preset: str | None) -> dict[str, Any]:
    from gesso.networks.hub_pipeline import HubPipeline

    return {"pipeline": HubPipeline()}


def family(preset: str | None) -> Piped:
    from gesso.families.piped import Piped

    return Piped()


def page_of(request: Request) -> Page | None:
    """The picture with what shall be made anew of it; None without a picture."""
    settings, picture, hole = request.settings, request.conditions.get("picture"), request.conditions.get("hole")
    assert isinstance(settings, HubSettings)
    if not isinstance(picture, Picture):
        if hole is not None or any(settings.grows):
            raise GessoError("a hole needs the picture that it is in", where="picture", fix="--picture photo.png")
        return None
    return Page.of(picture.pixels, hole.covered if isinstance(hole, Hole) else None, settings.grows)


def frames(request: Request, preset: str | None, facts: Mapping[str, Any] = FACTS) -> list[Frame]:
    page, settings, control = page_of(request), request.settings, request.conditions.get("control")
    assert isinstance(settings, HubSettings)
    shown = page.hole.shape if page else control.page if isinstance(control, Picture) else (1, 1)
    size = working_size(shown, (settings.height, settings.width), int(facts["side"]), int(facts["multiple"]))
    if page is None:
        return [Frame(size, page=control.page if isinstance(control, Picture) else size)]
    if isinstance(control, Picture) and any(settings.grows) and control.page != page.size:
        raise GessoError("is of another size than the picture, which grows", where="control", fix="a control picture of the picture's size")
    return [Frame(size, page.box if any(settings.grows) else None, page.size)]


def finish(request: Request, made: Sequence[tuple[Frame, Output]]) -> dict[str, Any]:
    (frame, output), page = made[-1], page_of(request)
    image, notes = output.media["image"][0], ("flagged",) if bool(output.taps["flagged"].any()) else ()
    if page is not None and page.hole.any():
        return {"image": filled(page, [(page.box, image)]), "notes": notes}
    return {"image": resized(image, frame.page or frame.size), "notes": notes}


recipe = Recipe(
    card=CARD,
    presets=PRESETS,
    build=build,
    family=family,
    keeps=("pipeline",),
    opens=lambda folder: pipeline_weights(folder, CARD.name),
    frames=frames,
    shape=lambda request, frame, preset: (1, 3, *frame.size),
    finish=finish,
    default_preset="stored",
    layout={
        "en": "a pipeline's folder with model_index.json and safetensors",
        "ko": "model_index.json과 safetensors가 있는 파이프라인 폴더",
    },
)
