"""Chorales in four parts: a melody, a key, chords, known voices and bars, or nothing become soprano, alto, tenor and bass.

An autoregressive transformer over sixteenths (Vaswani 2017; rotary positions, Su 2021; attention that knows distance, Shaw 2018, Huang
2018) with a head a voice, and a reader of what is given ahead, so that one network harmonises, completes and composes. Deviations from
Music Transformer: a step, not a note, is a token, so a piece is a quarter as long; each head scores intervals from its voice's last
pitch beside pitches; how long a pitch has lasted is an input. The rules of part-writing hold exactly, by what is never drawn. Out
come `music` (MIDI, JSON) and `roll`, their picture. The grid tells no repeated note from a held one: repeats that you give stay, and
none are made. How the likelihood is measured, and with what it compares: `gesso.metrics.part_writing`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from gesso.card import Card, Out, Settings, Slot, wordbook
from gesso.conditions.bars import Bars
from gesso.conditions.chords import Chords
from gesso.conditions.known_notes import KnownNotes
from gesso.conditions.melody import Melody
from gesso.conditions.tonality import Tonality
from gesso.datasets.chorales import LOWEST, PITCHES, SPLITS, VOICES, chorales
from gesso.errors import GessoError
from gesso.families.family import Output
from gesso.families.step_by_step import StepByStep
from gesso.media.roll import roll
from gesso.media.score import STEPS_PER_BAR, numbered, pitches_of, score_of
from gesso.metrics.part_writing import measure_part_writing
from gesso.networks.voice_transformer import VoiceTransformer
from gesso.ports import Frame
from gesso.recipes.recipe import Optimiser, Recipe, Stage
from gesso.request import Request
from gesso.rules.voice_leading import VoiceLeading, crossings

ORDER = (0, 3, 1, 2)  # soprano, bass, then what lies between
CANDIDATES = pitches_of(np.arange(PITCHES), LOWEST).astype(int)
GRID = {"voices": VOICES, "pitches": PITCHES, "lowest": LOWEST}
DEFAULT_BARS = 8


@dataclass(frozen=True)
class Preset:
    width: int
    depth: int
    heads: int
    crop: int  # steps of an example
    num_steps: int
    batch_size: int
    dropout: float


PRESETS = {
    "tiny": Preset(width=32, depth=1, heads=2, crop=64, num_steps=200, batch_size=8, dropout=0.0),
    "small": Preset(width=128, depth=3, heads=4, crop=160, num_steps=6000, batch_size=24, dropout=0.2),
    "base": Preset(width=256, depth=5, heads=8, crop=256, num_steps=20000, batch_size=64, dropout=0.3),
}


class ChoraleSettings(Settings):
    temperature: float = Field(default=0.8, ge=0.05, le=2)
    ranges: bool = True
    crossing: bool = False
    parallels: bool = False
    tempo: float = Field(default=80.0, ge=20, le=240)


CARD = Card(
    name="chorale",
    title={"en": "Chorale", "ko": "코랄"},
    summary={
        "en": "Writes music in four parts: for your melody, in your key, over your chords, around the bars you keep.",
        "ko": "네 성부의 음악을 씁니다. 선율에 화성을 붙이고, 조와 화음을 따르며, 남겨 둔 마디는 그대로 둡니다.",
    },
    conditions=(
        Slot(name="melody", kind=Melody, options=GRID, drop=0.65, stays=True),
        Slot(name="known", kind=KnownNotes, options=GRID, drop=0.6, stays=True),
        Slot(name="chords", kind=Chords, drop=0.8),
        Slot(name="bars", kind=Bars, options={"default": DEFAULT_BARS}, drop=0.5),
        Slot(name="key", kind=Tonality, drop=0.6),
    ),
    outputs=(
        Out(
            name="music",
            medium="notes",
            help={"en": "four voices on sixteenths: MIDI or JSON", "ko": "16분음표 격자의 네 성부. MIDI 또는 JSON"},
        ),
        Out(name="roll", medium="picture", help={"en": "a picture of the notes, time to the right", "ko": "음표를 그린 피아노 롤 그림"}),
    ),
    settings=ChoraleSettings,
    words=wordbook("""
        melody | Melody | 선율 | the soprano as notes, kept to the note | 그대로 지킬 소프라노 선율
        known | Kept notes | 남길 음표 | voices and bars that stay to the note | 음표 하나까지 그대로 둘 성부와 마디
        chords | Chords | 화음 | which chord sounds when; elsewhere it is free | 언제 어떤 화음이 울릴지. 없는 곳은 자유롭게
        bars | Length | 길이 | in bars of four quarters | 4분의 4박자 마디 수
        key | Key | 조 | major or minor | 장조 또는 단조
        temperature | Boldness | 대담함 | low: the likeliest notes, 1: as varied as the originals | 낮으면 무난하고 1이면 다양합니다
        ranges | Voice ranges | 성부 음역 | each voice stays where people can sing it | 각 성부를 노래할 수 있는 음역 안에 둡니다
        crossing | Voices may cross | 성부 교차 허용 | a lower voice may go above a higher one | 아래 성부가 위 성부보다 높아질 수 있습니다
        parallels | Parallels allowed | 병행 허용 | fifths and octaves may follow each other | 병행 5도와 8도를 허용합니다
        tempo | Tempo | 빠르기 | quarters a minute | 1분에 4분음표 몇 개
        note.crossed | The given notes leave no room: a rule was broken there. | 주어진 음표 때문에 규칙을 어긴 곳이 있습니다.
        note.high | Notes above A5 or below C2 were heard an octave away. | A5보다 높거나 C2보다 낮은 음은 옥타브를 옮겨 들었습니다.
    """),
    paper="Huang 2018, arXiv:1809.04281",
    licence="Apache-2.0",
    data="JSB-Chorales-dataset, Jsb16thSeparated: 229 chorales of J. S. Bach to learn from (public domain scores)",
    limits={
        "en": "Four voices on sixteenths, after 229 chorales; no repeated notes of its own, and metre is guessed from the notes.",
        "ko": "코랄 229곡에서 배운 16분음표 격자의 네 성부입니다. 같은 음의 반복은 만들지 않고, 박자는 음표에서 짐작합니다.",
    },
    example='gesso generate chorale --melody "G4:4 A4:4 B4:4 D5:4 C5:4 B4:4 A4:8 G4:16" --seed 1 --out chorale.png',
)


def build(preset: Preset) -> dict[str, Any]:
    sizes = CARD.port_sizes()
    more = {"width": preset.width, "depth": preset.depth, "heads": preset.heads, "dropout": preset.dropout}
    return {"composer": VoiceTransformer(VOICES, PITCHES, grids=2, spatial=sizes.spatial, vector=sizes.vector, order=ORDER, **more)}


def allowed(voice: int, now: Sequence[int], before: Sequence[int], settings: ChoraleSettings) -> np.ndarray:
    """Which classes a voice may take: the rules of part-writing that are switched on."""
    told, was = ([-2 if n < 0 else int(CANDIDATES[n]) for n in column] for column in (now, before))
    switches = {"in_range": settings.ranges, "crossing": settings.crossing, "parallels": settings.parallels}
    return VoiceLeading().allowed(CANDIDATES, voice, told, was, **switches)


def stages(preset: Preset) -> list[Stage]:
    def data(folder: Path | None, split: str) -> Any:
        return chorales(folder, split, crop=preset.crop if split == "train" else 0)

    trains = {"composer": Optimiser(rate=2e-3, betas=(0.9, 0.98), decay=0.1, warmup=100)}
    more = {"num_steps": preset.num_steps, "batch_size": preset.batch_size, "average": 0.998, "frame": Frame((1, preset.crop))}
    return [Stage(name="likelihood", family=StepByStep(), trains=trains, data=data, **more)]


def steps_of(request: Request) -> int:
    """As long as what was given says; where several things say it they must agree, but chords may end sooner."""
    said = {name: request.conditions[name].steps for name in ("melody", "known", "bars") if name in request.conditions}
    if len(set(said.values())) > 1:
        lengths = ", ".join(f"{name} {steps / STEPS_PER_BAR:g}" for name, steps in said.items())
        raise GessoError(f"lengths in bars differ: {lengths}", where=next(iter(said)), fix="give one length, or leave --bars out")
    chords = request.conditions.get("chords")
    return next(iter(said.values()), chords.steps if chords is not None else DEFAULT_BARS * STEPS_PER_BAR)


def finish(request: Request, made: Sequence[tuple[Frame, Output]]) -> dict[str, Any]:
    pitches = pitches_of(made[-1][1].media["notes"][0].numpy(), LOWEST)
    onsets, notes = np.zeros(pitches.shape, bool), []
    melody, known = (request.conditions.get(name) for name in ("melody", "known"))
    if isinstance(melody, Melody):
        pitches[:1], onsets[:1] = melody.grid()
    if isinstance(known, KnownNotes):
        given, begins, mask = known.grid()
        pitches, onsets = np.where(mask, given, pitches).astype(np.int16), np.where(mask, begins, onsets)
    if not request.settings.crossing and crossings(pitches).any():
        notes.append("crossed")
    if not np.array_equal(pitches_of(numbered(pitches, LOWEST, PITCHES), LOWEST), pitches):
        notes.append("high")
    score = score_of(pitches, onsets, request.settings.tempo)
    return {"music": score.to_json(), "roll": roll(score), "notes": notes}


def measure(make: Any, data: Path | None, options: dict[str, Any]) -> dict[str, Any]:
    split = options.get("split", "val")
    if split not in SPLITS:
        raise GessoError(f"there is no split {split!r}", where="--split", fix="one of " + ", ".join(SPLITS))
    return measure_part_writing(make, chorales(data, split), lambda pitches: numbered(pitches, LOWEST, PITCHES), options)


recipe = Recipe(
    card=CARD,
    presets=PRESETS,
    build=build,
    family=lambda preset: StepByStep(allowed=allowed),
    stages=stages,
    keeps=("composer",),
    frames=lambda request, preset: [Frame((1, steps_of(request)))],
    shape=lambda request, frame, preset: (1, VOICES, frame.size[1]),
    finish=finish,
    measures={"part_writing": measure},
)
