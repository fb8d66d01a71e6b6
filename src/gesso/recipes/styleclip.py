"""Words that change a generated picture: StyleCLIP, on `stylegan2` and `clip`, both frozen.

Patashnik 2021, "StyleCLIP: Text-Driven Manipulation of StyleGAN Imagery": global directions in the style space (section 6) and the
search of a latent (section 4). Deviations: the convolutions that show colour count as channels too, since at small sizes they move
colour alone; in place of a network that knows faces, a drawing's lightness and its page are what keeps identity.

`gesso fit styleclip` measures once, for a generator, what each of its channels does in the eyes of `clip`; its weights are these figures.
With a `picture` it finds that one's place instead, as `gesso fit stylegan2` does. The user gives `words`, `instead` (what the picture is
before) and `place`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from gesso.card import Card, Out, Settings, Slot, wordbook
from gesso.conditions.latent_place import LatentPlace
from gesso.conditions.picture import Picture
from gesso.conditions.words import Words
from gesso.media.picture import middle_square
from gesso.ports import Frame
from gesso.recipes.recipe import Recipe

if TYPE_CHECKING:
    from gesso.families.adversarial.styleclip import StyleClip

LENGTH = 32  # pieces of a text of `clip`
TEXT: dict[str, Any] = {
    "kind": Words,
    "options": {"length": LENGTH},
    "facts": {"vocabulary": "clip.vocabulary", "seen_at": "clip.preset.side"},
}

NO_FACTS: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True)
class Preset:
    num_latents: int  # on which each channel is measured


PRESETS = {"tiny": Preset(num_latents=2), "small": Preset(num_latents=6), "base": Preset(num_latents=100)}


class StyleClipSettings(Settings):
    way: Literal["direction", "search"] = Field(default="direction")
    strength: float = Field(default=2.0, ge=-20, le=20)
    disentanglement: float = Field(default=0.2, ge=0, le=1)
    truncation: float = Field(default=0.8, ge=0, le=2)
    num_steps: int = Field(default=60, ge=1, le=2000)
    keep: float = Field(default=0.008, ge=0, le=10)
    identity: float = Field(default=40.0, ge=0, le=1000)


CARD = Card(
    name="styleclip",
    title={"en": "Words that change a picture", "ko": "글로 그림 바꾸기"},
    summary={
        "en": "Changes a generated picture as your words say, and little else.",
        "ko": "만들어진 그림을 글이 말하는 대로 바꾸고, 나머지는 되도록 그대로 둡니다.",
    },
    conditions=(
        Slot(name="words", **TEXT),
        Slot(name="instead", **TEXT),
        Slot(name="place", kind=LatentPlace, options={"finds": "picture"}, facts={"side": "generator.preset.side"}),
        Slot(name="picture", kind=Picture, fit=True),
    ),
    outputs=(Out(name="image", medium="picture", help={"en": "the changed picture", "ko": "바뀐 그림"}),),
    settings=StyleClipSettings,
    words=wordbook("""
        words | Words | 글 | what the picture should become; without words it stays | 그림이 바뀔 모습. 없으면 그대로 둡니다
        instead | Instead of | 지금 모습 | what it is before: the change goes from there | 바뀌기 전의 모습
        place | Place | 자리 | where a picture was found, in place of seed and truncation | 그림을 찾은 자리. 시드와 절단을 대신함
        picture | Picture to find | 찾을 그림 | the picture that is searched for, to be changed | 찾아서 바꿀 그림
        way | Way | 방식 | directions are quick; a search is slower and comes closer | 방향은 빠르고, 탐색은 느리지만 더 잘 맞습니다
        way.direction | Direction | 방향
        way.search | Search | 탐색
        strength | Strength | 세기 | how far it moves; below 0 away from the words | 움직이는 정도. 0보다 작으면 반대로
        disentanglement | Disentanglement | 분리 | only channels at least so relevant move | 관련도가 이보다 낮은 채널은 그대로
        strength.-20 | Away | 반대로
        strength.20 | Towards | 글 쪽으로
        disentanglement.0 | All channels | 모든 채널
        disentanglement.1 | None | 없음
        truncation | Truncation | 절단 | below 1: more typical and less varied pictures | 1보다 작으면 전형적이고 덜 다양한 그림이 됩니다
        num_steps | Steps | 단계 수 | steps of a search, for words or for a picture | 글이나 그림을 찾는 단계 수
        keep | Keep the latent | 자리 유지 | weight of the distance from the first latent, in a search | 탐색에서 처음 자리와의 거리 비중
        identity | Keep the drawing | 형태 유지 | weight of the drawing and its page, in a search | 탐색에서 형태와 바탕의 비중
    """),
    paper="Patashnik 2021, arXiv:2103.17249; Wu 2021, arXiv:2011.12799",
    licence="Apache-2.0; weights, what the generator's pictures allow",
    data="none: it measures the generator that it is given",
    limits={
        "en": "It makes what the generator can make, for words that clip knows: of small drawings, colour before all else.",
        "ko": "생성기가 만들 수 있고 clip이 아는 말만 통합니다. 작은 그림에서는 무엇보다 색입니다.",
    },
    example='gesso generate styleclip --weights runs/styleclip --weights runs/styles --words "red" --seed 3 --out red.png',
)


def family(preset: Preset, facts: Mapping[str, Any] = NO_FACTS) -> StyleClip:
    from gesso.families.adversarial.styleclip import StyleClip

    return StyleClip(preset.num_latents, sees=facts.get("clip.preset.side", 48))


def frames(request: Any, preset: Preset, facts: Mapping[str, Any] = NO_FACTS) -> list[Frame]:
    """The generator's size; of a picture to find, the square in its middle."""
    size, given = (facts.get("generator.preset.side", 32),) * 2, request.conditions.get("picture")
    return [Frame(size, page=size) if given is None else Frame(size, middle_square(given.page), given.page)]


def measure(make: Any, data: Path | None, options: dict[str, Any]) -> dict[str, Any]:
    """Edits to named colours that succeed, and what else they change (`gesso.metrics.worded_edits`).

    Options: `num`, `seed`, `way`, `strength`, `disentanglement`, `num_steps`.
    """
    from gesso.metrics.worded_edits import measure_edits

    return measure_edits(make.model, options)


recipe = Recipe(
    card=CARD,
    presets=PRESETS,
    build=lambda preset: {},
    family=family,
    uses={"generator": "stylegan2", "clip": "clip"},
    keeps=("family",),
    frames=frames,
    shape=lambda request, frame, preset: (1, 3, *frame.size),
    measures={"edits": measure},
)
