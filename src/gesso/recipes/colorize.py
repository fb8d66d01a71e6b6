"""Colour line art: the network proposes, rules keep colour inside the drawing, and the person's hints always win.

Lineage: pix2pix (Isola 2017: a U-Net and a conditional critic of patches); user-guided colourisation (Zhang 2017: simulated
people's hints as maps; an annealed mean). Deviations: colours are a closed palette's and the hints' own, pointed at, so that
a hint is copied exactly; the maker's first duty is likelihood, not L1; people often want other colours than the example's.

The user gives `sketch`, and if they like `hints`, `paper`, `cuts`, `joins`, `keep`; out come `image`, `proposal`, `pieces`, `layers`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from pydantic import Field

from gesso.card import Card, Out, Settings, Slot, wordbook
from gesso.conditions.hints import Hints
from gesso.conditions.known import Known
from gesso.conditions.sketch import Sketch
from gesso.conditions.strokes import Strokes
from gesso.datasets.coloured import from_folder
from gesso.datasets.drawings import PALETTE, made_up
from gesso.families import colours as aims
from gesso.families.adversarial import Adversarial
from gesso.families.family import Output
from gesso.families.mirrored import Mirrored
from gesso.metrics.colour import protocol
from gesso.networks.patchgan import PatchGAN
from gesso.networks.pointer_unet import PointerUNet
from gesso.ports import Frame
from gesso.recipes.recipe import Optimiser, Recipe, Stage
from gesso.rules import proposal
from gesso.rules.colouring import Wishes, colour, fingerprint, mean_picture
from gesso.rules.window import detail_of, windows


@dataclass(frozen=True)
class Preset:
    widths: tuple[int, ...]  # channels at 1/2, 1/4, 1/8 of the size
    depth: tuple[int, ...]  # blocks there, down and up
    critic: int
    num_steps: int
    batch_size: int  # of 72 x 72; fewer where larger
    sizes: tuple[tuple[int, int, float], ...]  # (size, drawings a side, share of batches)


PRESETS = {
    "tiny": Preset((16, 16, 16), (1, 1, 1), 8, 300, 8, ((72, 1, 1.0),)),
    "small": Preset((64, 128, 160), (1, 2, 2), 32, 9000, 48, ((72, 1, 0.55), (144, 2, 0.2), (144, 1, 0.25))),
    "base": Preset((64, 128, 160), (2, 2, 2), 64, 60000, 256, ((72, 1, 0.5), (144, 1, 0.3), (144, 2, 0.2))),
}


class ColorizeSettings(Settings):
    choice: int = Field(default=0, ge=0, le=3)
    num_proposals: int = Field(default=1, ge=1, le=4)
    spread: float = Field(default=1.0, ge=0, le=5)
    gap: float | None = Field(default=None, ge=0, le=200)
    detail: int | None = Field(default=None, ge=64, le=256)


CARD = Card(
    name="colorize",
    title={"en": "Colour line art", "ko": "선화 채색"},
    summary={
        "en": "Flats for a line drawing: the network proposes, rules keep colour inside the lines, your hints always win.",
        "ko": "선화에 밑색을 깔아 줍니다. 신경망이 색을 제안하고, 색은 선을 넘지 않으며, 직접 칠한 색이 언제나 우선합니다.",
    },
    conditions=(
        Slot(name="sketch", kind=Sketch, required=True, stays=True),
        Slot(name="hints", kind=Hints),
        Slot(name="paper", kind=Strokes, network=False, options={"clears": ("hints",)}),
        Slot(name="cuts", kind=Strokes, network=False, options={"gestures": ("bridge", "split")}),
        Slot(name="joins", kind=Strokes, network=False, options={"gestures": ("join",)}),
        Slot(name="keep", kind=Known, network=False, stays=True, options={"channels": 3}),
    ),
    outputs=(
        Out(name="image", medium="picture", help={"en": "flats under the line, the sketch's size", "ko": "선 아래 밑색, 선화와 같은 크기"}),
        Out(name="proposal", medium="picture", help={"en": "what the network alone would do", "ko": "신경망만의 제안"}),
        Out(name="pieces", medium="pieces", help={"en": "which piece each pixel is in, int32 [h w]", "ko": "픽셀마다 속한 영역 번호"}),
        Out(name="proposals", medium="pictures", help={"en": "four colourings of different colours", "ko": "서로 다른 색의 네 가지 채색"}),
        Out(name="layers", medium="layers", help={"en": "the line over its flats", "ko": "밑색 위의 선화"}),
    ),
    settings=ColorizeSettings,
    words=wordbook("""
        sketch | Line art | 선화 | the line drawing | 색을 칠할 선화
        hints | Colour | 색칠 | points and strokes of colour, which always win | 찍거나 그은 색은 반드시 지킵니다
        paper | Paper | 여백 | strokes over what stays paper | 칠하지 않고 비워 둘 곳을 긋습니다
        cuts | Split | 나누기 | strokes that part a piece in two | 그은 선을 따라 영역을 둘로 나눕니다
        joins | Merge | 합치기 | strokes over pieces that are one | 그은 영역들을 하나로 합칩니다
        keep | Protect | 보호 | what stays as it is | 지금 그대로 지킬 부분
        choice | Proposal | 제안 고르기 | which proposal becomes the image: 0 the surest, 1 to 3 others | 쓸 제안. 0번이 가장 무난합니다
        num_proposals | Proposals made | 제안 개수 | how many proposals are made | 제안을 몇 가지 만들지
        spread | Variety | 제안의 차이 | how far proposals 1 to 3 stray from the surest | 1~3번 제안이 0번과 얼마나 다를지
        gap | Gap closing | 선 틈 막기 | widest gap bridged, in pixels; by default 1.2 % of the long side | 막을 틈의 폭(픽셀)
        detail | Detail | 세밀도 | a window's side for the network, in pixels; by default, by the pen | 신경망이 보는 창(픽셀)
    """),
    paper="Isola 2017, arXiv:1611.07004; Zhang 2017, arXiv:1705.02999",
    licence="weights CC BY-SA 4.0 (made from OpenMoji), code Apache-2.0",
    data="OpenMoji 17 (CC BY-SA 4.0), train split",
    limits={"en": "It learned from emoji: for crowded scenes it proposes little.", "ko": "이모지로 배워서 복잡한 장면에는 약합니다."},
    example="gesso generate colorize --sketch cat.png --hints 300,400,#ff8800 --out coloured.png",
)


def family(preset: Preset) -> Adversarial:
    late, seen, truth = preset.num_steps * 11 // 12, aims.critic_sees, aims.critic_sees_truth
    return Adversarial(aims.colour_likelihood, seen, truth, aims.judged_beside, aims.shares, aims.looked_at, critic_from=late, weight=0.02)


def build(preset: Preset) -> dict[str, torch.nn.Module]:
    maker = PointerUNet(CARD.port_sizes(), torch.from_numpy(PALETTE), widths=preset.widths, depth=preset.depth)
    return {"generator": maker, "critic": PatchGAN(3 + CARD.port_sizes().spatial, width=preset.critic)}


def stages(preset: Preset) -> list[Stage]:
    def data(folder: Path | None, split: str) -> Any:
        return made_up(split) if folder is None else from_folder(folder, "dev" if split == "val" else split, sizes=preset.sizes)

    trains = {"generator": Optimiser(rate=1.5e-3, decay=0.02, warmup=200), "critic": Optimiser(rate=3e-4, betas=(0.5, 0.99), warmup=0)}
    return [Stage("colour", family(preset), trains, data, preset.num_steps, preset.batch_size, look_every=5)]


def frames(request: Any, preset: Preset) -> list[Frame]:
    """The page in windows no larger than the network was taught on, near square, overlapping where the page is long."""
    sketch = request.conditions["sketch"]
    return [Frame(size, box, sketch.page) for size, box in windows(sketch.page, request.settings.detail or detail_of(sketch.line()))]


def finish(request: Any, made: Sequence[tuple[Frame, Output]]) -> dict[str, Any]:
    given, chosen, line = request.conditions, request.settings, request.conditions["sketch"].line()
    marks = given["hints"].marks if "hints" in given else ()
    hints, fills = [(h.points, h.rgb, h.radius) for h in marks], {n for n, h in enumerate(marks) if h.fill}
    strokes = {k: [(s.path, s.radius) for s in given[k].strokes] if k in given else [] for k in ("paper", "cuts", "joins")}
    num_told = sum(not one.alone for one in marks)
    wishes = Wishes(hints, strokes["paper"], strokes["cuts"], [p for p, _ in strokes["joins"]], chosen.gap, fills, num_told)
    fields = [proposal.Field(o.media["shares"][0].numpy(), f.box or (0, 0, line.shape[1], line.shape[0])) for f, o in made]
    colours, num = made[0][1].media["colours"][0].numpy(), max(chosen.num_proposals, chosen.choice + 1)
    told = fingerprint(fields, colours)
    out = colour(line, fields, colours, wishes, proposal.Knobs(), num=num, spread=chosen.spread, seed=request.seed, told=told)
    images = tuple(given["keep"].paste(one) if "keep" in given else one for one in out.images)
    flat = given["keep"].paste(out.flats[chosen.choice]) if "keep" in given else out.flats[chosen.choice]
    shown = {"image": images[chosen.choice], "proposal": mean_picture(fields, colours, line.shape, told=told), "proposals": images}
    return {**shown, "pieces": out.pieces.labels, "layers": {"line": line, "flats": flat}}


more: dict[str, Any] = {"measures": {"protocol": protocol}, "preview": aims.wished_beside, "native": True, "drafts": True}
more["learns_pictures"] = True
maker = ("generator",)
recipe = Recipe(CARD, PRESETS, build, lambda p: Mirrored(family(p), aims.mean_shares), stages, maker, {}, frames, finish=finish, **more)
