"""Colour line art: the network proposes, rules keep colour inside the drawing, and the user's hints always win.

Sources: user-guided colourisation (Zhang 2017: simulated hints, annealed mean); pointer networks (Vinyals 2015). Deviations: a U-Net
encodes the drawing alone, and a transformer over its regions receives the hints; a region takes a colour of a fixed palette, or points to
a hint, whose colour is copied exactly; simulated users often want other colours than the example's; there is no critic.
The user gives `sketch`, and optionally `hints`, `avoid`, `paper`, `cuts`, `joins` and `keep`. Outputs: `image`, `proposal`, `pieces`, ….
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from gesso.card import Card, Out, Settings, Slot, wordbook
from gesso.conditions.avoid import Avoid
from gesso.conditions.hints import Hints
from gesso.conditions.known import Known
from gesso.conditions.sketch import Sketch
from gesso.conditions.strokes import Strokes
from gesso.datasets.coloured import from_folder
from gesso.datasets.drawings import PALETTE, synthetic_set
from gesso.metrics.colour import protocol
from gesso.metrics.reliability import reliability
from gesso.metrics.steadiness import steadiness
from gesso.ports import Frame
from gesso.recipes.recipe import Optimiser, Recipe, Stage
from gesso.rules import decision
from gesso.rules.colouring import UserEdits, colour_drawing, hash_predictions, mean_picture
from gesso.rules.fill import over_line
from gesso.rules.reach import Reach, predicted, views
from gesso.rules.reading import Lines, restore_paper_and_ink
from gesso.rules.window import detail_of, windows

if TYPE_CHECKING:
    from torch import nn

    from gesso.families.family import Output


@dataclass(frozen=True)
class Preset:
    widths: tuple[int, int, int]  # channels at 1/2, 1/4, 1/8 of the size
    depth: tuple[int, int, int]  # blocks there
    wide: int  # width of the transformer over regions
    layers: int
    num_steps: int
    batch_size: int  # at 72 x 72; fewer at larger sizes
    shares: dict[int, float]  # {size: its share of the batches}; 192 are scenes


PRESETS = {
    "tiny": Preset((16, 16, 16), (1, 1, 1), 48, 2, 300, 8, {72: 1.0}),
    "small": Preset((64, 128, 160), (1, 1, 2), 160, 4, 15000, 48, {72: 0.5, 144: 0.2, 192: 0.3}),
    "base": Preset((96, 192, 320), (2, 2, 3), 320, 6, 60000, 256, {72: 0.45, 144: 0.2, 192: 0.35}),
}


class ColorizeSettings(Settings):
    choice: int = Field(default=0, ge=0, le=3)
    num_proposals: int = Field(default=1, ge=1, le=4)
    spread: float = Field(default=1.0, ge=0, le=5)
    guess: float = Field(default=0.5, ge=0, le=1)
    gap: float | None = Field(default=None, ge=0, le=200)
    lines: Lines = "auto"
    reach: Reach = Field(default="all", exclude_if=lambda value: value == "all")  # a later field: requests of before stay as they are
    detail: int | None = Field(default=None, ge=64, le=256)


CARD = Card(
    name="colorize",
    title={"en": "Colour line art", "ko": "선화 채색"},
    summary={
        "en": "Flats for a line drawing: the network proposes, rules keep colour inside the lines, your hints always win.",
        "ko": "선화에 밑색을 깔아 줍니다. 신경망이 색을 제안하고, 색은 선을 넘지 않으며, 직접 칠한 색이 언제나 우선합니다.",
    },
    conditions=(
        Slot(name="sketch", kind=Sketch, required=True, stays=True, options={"regions": True}),
        Slot(name="hints", kind=Hints, options={"maps": False}),
        Slot(name="avoid", kind=Avoid, network=False, options={"clears": ("hints",)}),
        Slot(name="paper", kind=Strokes, network=False, options={"clears": ("hints",)}),
        Slot(name="cuts", kind=Strokes, network=False, options={"gestures": ("bridge", "split")}),
        Slot(name="joins", kind=Strokes, network=False, options={"gestures": ("join",)}),
        Slot(name="keep", kind=Known, network=False, stays=True, options={"channels": 3}),
    ),
    outputs=(
        Out(name="image", medium="picture", help={"en": "flats under the line, the sketch's size", "ko": "선 아래 밑색, 선화와 같은 크기"}),
        Out(name="proposal", medium="picture", help={"en": "the network's prediction before rules", "ko": "규칙 적용 전 신경망의 예측"}),
        Out(name="pieces", medium="pieces", help={"en": "which piece each pixel is in, int32 [h w]", "ko": "픽셀마다 속한 영역 번호"}),
        Out(name="sure", medium="picture", help={"en": "confidence per piece; 255 is certain", "ko": "영역별 신뢰도. 255가 가장 확실"}),
        Out(name="follows", medium="picture", role="follows", help={"en": "white: follows a hint elsewhere", "ko": "다른 힌트를 따른 곳"}),
        Out(name="proposals", medium="pictures", help={"en": "alternative colourings", "ko": "서로 다른 채색안"}),
        Out(name="layers", medium="layers", help={"en": "the line over its flats", "ko": "밑색 위의 선화"}),
    ),
    settings=ColorizeSettings,
    words=wordbook("""
        sketch | Line art | 선화 | the line drawing | 색을 칠할 선화
        hints | Colour | 색칠 | points and strokes of colour; they always win | 찍거나 그은 색이 항상 우선합니다
        avoid | Not this | 이 색 말고 | places that should have another colour than this one | 이 색이 아닌 다른 색이어야 할 곳
        paper | Paper | 여백 | strokes over areas that stay uncoloured | 칠하지 않고 비워 둘 곳을 긋습니다
        cuts | Split | 나누기 | strokes that split a piece in two | 그은 선을 따라 영역을 둘로 나눕니다
        joins | Merge | 합치기 | strokes over pieces that belong together | 그은 영역들을 하나로 합칩니다
        keep | Protect | 보호 | the part that stays unchanged | 바뀌지 않게 보호할 부분
        choice | Proposal | 제안 고르기 | the proposal used as image: 0 the likeliest, 1 to 3 others | 결과로 쓸 제안. 0번이 가장 무난합니다
        num_proposals | Number of proposals | 제안 개수 | how many proposals are made | 만들 제안의 수
        spread | Variety | 제안의 차이 | how much proposals 1 to 3 differ from proposal 0 | 1~3번 제안이 0번과 다른 정도
        guess | Guessing | 알아서 칠하기 | how much is coloured without hints: 0 little, 1 all | 힌트 없이 칠하는 정도. 1은 전부
        guess.0 | only what is sure | 확실한 곳만
        guess.0.5 | never worse than white | 흰색보다 나은 곳만
        guess.1 | colour everything | 전부 칠하기
        gap | Gap closing | 선 틈 막기 | the widest gap closed, in pixels; by default 1.2 % of the long side | 막을 틈의 최대 폭(픽셀)
        lines | Kind of lines | 선의 종류 | which pixels of the drawing are lines | 그림에서 선으로 볼 부분
        lines.auto | Detect | 자동 감지
        lines.dark | Dark lines on light paper | 밝은 바탕의 어두운 선
        lines.light | Light lines on a dark ground | 어두운 바탕의 밝은 선
        lines.alpha | Opaque pixels | 투명 바탕의 선
        lines.colour | All coloured lines | 색이 있는 모든 선
        note.light | Read as light lines on a dark ground. | 어두운 바탕의 밝은 선으로 읽었습니다.
        note.alpha | Read as lines on a transparent ground; they keep their colour. | 투명한 바탕의 선으로 읽고 선의 색을 그대로 두었습니다.
        note.colour | Read as coloured lines; they keep their colours. | 색이 있는 선으로 읽고 선의 색을 그대로 두었습니다.
        note.no_line | This page has no lines, so there is nothing to colour. | 이 그림에는 선이 없어서 칠할 곳이 없습니다.
        note.all_ink | Nearly all was read as ink. Try another kind of lines. | 거의 전체가 선으로 읽혔습니다. 선의 종류를 바꿔 보세요.
        note.scarce_paper | The page has hardly any bare paper. Is this line art? | 빈 바탕이 거의 없습니다. 선화가 맞나요?
        note.no_piece | No line encloses an area. Close the gaps. | 선으로 닫힌 영역이 없습니다. 틈을 막아 주세요.
        note.on_line | This hint is on a line, so it coloured the nearest piece. | 힌트가 선 위에 있어서 가장 가까운 영역을 칠했습니다.
        reach | Reach of colours | 색이 미치는 범위 | what else may change when you colour a piece | 한 곳을 칠할 때 함께 바뀔 수 있는 곳
        reach.all | The whole picture | 그림 전체
        reach.same | Only what takes the same colour | 같은 색이 되는 곳만
        reach.marked | Nothing else | 칠한 곳만
        detail | Detail | 세밀도 | the network's window in pixels; by default by the pen's width | 신경망이 보는 창의 크기(픽셀)
    """),
    paper="Zhang 2017, arXiv:1705.02999; Vinyals 2015, arXiv:1506.03134",
    licence="weights CC BY-SA 4.0 (made from OpenMoji and others), code Apache-2.0",
    data="OpenMoji 17, flat drawings by 24 other artists, scenes composed of them; train splits",
    limits={"en": "It was trained on flat colours and makes no shading.", "ko": "밑색만 칠한 그림으로 학습해서 명암은 넣지 못합니다."},
    example="gesso generate colorize --sketch cat.png --hints 300,400,#ff8800 --out coloured.png",
)


def build(preset: Preset) -> dict[str, nn.Module]:
    import torch

    from gesso.networks.region_painter import RegionPainter

    shape: dict[str, Any] = {"widths": preset.widths, "depth": preset.depth, "wide": preset.wide, "layers": preset.layers}
    return {"generator": RegionPainter(CARD.port_sizes(), torch.from_numpy(PALETTE), **shape)}


def objectives() -> Any:
    from gesso.families import colour_objectives

    return colour_objectives


def stages(preset: Preset) -> list[Stage]:
    def data(folder: Path | None, split: str) -> Any:
        return synthetic_set(split) if folder is None else from_folder(folder, "dev" if split == "val" else split, shares=preset.shares)

    trains = {"generator": Optimiser(rate=1e-3, decay=0.05, warmup=400)}
    return [
        Stage("colour", objectives().likelihood(), trains, data, num_steps=preset.num_steps, batch_size=preset.batch_size, look_every=5)
    ]


def frames(request: Any, preset: Preset) -> list[Frame]:
    """Windows of the page no larger than in training, nearly square, overlapping on a long page."""
    sketch, lines = request.conditions["sketch"], request.settings.lines
    detail = request.settings.detail or detail_of(sketch.line(lines))
    seen = [Frame(size, box, sketch.page, {"lines": lines}) for size, box in windows(sketch.page, detail)]
    return views(seen, request.settings.reach if "hints" in request.conditions else "all")


def finish(request: Any, made: Sequence[tuple[Frame, Output]]) -> dict[str, Any]:
    given, chosen, read = request.conditions, request.settings, request.conditions["sketch"].reading(request.settings.lines)
    line, marks = read.line, given["hints"].marks if "hints" in given else ()
    hints, avoid = ([(h.points, h.rgb, h.radius) for h in given[name].marks] if name in given else [] for name in ("hints", "avoid"))
    strokes = {k: [(s.path, s.radius) for s in given[k].strokes] if k in given else [] for k in ("paper", "cuts", "joins")}
    joins, steady = [p for p, _ in strokes["joins"]], chosen.reach != "all"
    fills = {n for n, h in enumerate(marks) if h.fill}
    alone = {n for n, h in enumerate(marks) if h.alone or chosen.reach == "marked"}
    edits = UserEdits(hints, strokes["paper"], strokes["cuts"], joins, chosen.gap, fills, alone, chosen.guess, steady, avoid)
    params, num = decision.DecisionParameters(heed=1.0 if steady else 0.0), max(chosen.num_proposals, chosen.choice + 1)
    predictions, colours = predicted(made, line.shape, len(PALETTE), params.follow)
    digest = hash_predictions(predictions, colours)
    out = colour_drawing(line, predictions, colours, edits, params, num=num, spread=chosen.spread, seed=request.seed, digest=digest)
    coloured, flats = restore_paper_and_ink(out.images, out.flats, out.pieces, read, hints)
    kept = given["keep"].paste if "keep" in given else lambda picture: picture
    images, flat = tuple(map(kept, coloured)), kept(flats[chosen.choice])
    pictures = {"proposal": mean_picture(predictions, colours, line.shape, digest=digest), "proposals": images}
    maps = {"pieces": out.pieces.labels, "sure": out.sure, "follows": out.follows, "layers": read.layers(flat)}
    return {"image": images[chosen.choice], **pictures, **maps, "notes": read.notes(out.num_closed) + out.notes}


recipe = Recipe(
    card=CARD, presets=PRESETS, build=build, family=lambda preset: objectives().mirrored(), stages=stages, keeps=("generator",),
    frames=frames, finish=finish, native=True, drafts=True,
    aim=lambda example: {"image": over_line(example["colours"][example["pieces"]], example["line"])},
    measures={"protocol": protocol, "reliability": reliability, "steadiness": steadiness},
    preview=lambda networks, batch, family: objectives().preview_sheet(networks, batch), learns_pictures=True,
    layout={"en": "coloured pictures, or tables of drawings as train.parquet", "ko": "색칠한 그림들, 또는 그림 표 train.parquet"},
    data_files=("train.parquet:color_svg,line_svg", "*/train.parquet:color_svg,line_svg", "*.png"),
)  # fmt: skip
