"""Chorales in four parts: a melody, a key, chords, known voices and bars, or nothing become soprano, alto, tenor and bass.

An autoregressive transformer over sixteenths with a head a voice, and a reader of what is given ahead, so that one network harmonises,
completes and composes. Deviations from Music Transformer (Huang 2018): a step, not a note, is a token, so a piece is a quarter as long;
each head scores intervals from its voice's last pitch beside pitches; how long a pitch has lasted is an input. The rules of part-writing
hold by what is never drawn. The grid tells no repeated note from a held one: repeats that you give stay, and none are made. How the
likelihood is measured, and with what it compares: `gesso.metrics.part_writing`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field

from gesso.card import Card, Out, Settings, Slot, wordbook
from gesso.conditions.bars import Bars, total_steps
from gesso.conditions.chords import Chords
from gesso.conditions.known_notes import KnownNotes
from gesso.conditions.melody import Melody
from gesso.conditions.tonality import Tonality
from gesso.datasets.chorales import LOWEST, PITCHES, VOICES, chorales
from gesso.media.roll import roll
from gesso.media.score import numbered, pitches_of, score_of
from gesso.ports import Frame
from gesso.recipes.recipe import Optimiser, Recipe, Stage
from gesso.request import Request
from gesso.rules.harmony import key_of
from gesso.rules.voice_leading import RANGES, crossings, switched

if TYPE_CHECKING:
    from gesso.families.family import Output
    from gesso.families.step_by_step import StepByStep

ORDER = (0, 3, 1, 2)  # soprano, bass, then what lies between
CANDIDATES = pitches_of(np.arange(PITCHES), LOWEST).astype(int)
GRID = {"voices": VOICES, "pitches": PITCHES, "lowest": LOWEST, "ranges": RANGES}


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
    chord_tones: bool = True
    close: bool = True
    guidance_scale: float = Field(default=3.0, ge=0, le=6)
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
        Slot(name="chords", kind=Chords, drop=0.75),
        Slot(name="bars", kind=Bars, drop=0.5),
        Slot(name="key", kind=Tonality, drop=0.5, source="whole"),
    ),
    outputs=(
        Out(name="music", medium="notes", help={"en": "four voices: MIDI or JSON", "ko": "네 성부. MIDI 또는 JSON"}),
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
        chord_tones | Chords hold | 화음 지키기 | on a chord's beats its notes alone sound | 화음을 준 박에는 그 화음의 음만 울립니다
        close | Close in the key | 으뜸화음으로 끝내기 | a piece with a key ends on its tonic | 조를 정하면 그 조의 으뜸화음으로 끝납니다
        guidance_scale | Key strength | 조의 힘 | 1: as learned, more: stays closer to it | 1이면 배운 그대로, 클수록 조를 엄격히 지킵니다
        parallels | Parallels allowed | 병행 허용 | fifths and octaves may follow each other | 병행 5도와 8도를 허용합니다
        tempo | Tempo | 빠르기 | quarters a minute | 1분에 4분음표 몇 개
        note.key | The given notes pull away from the key that you chose. | 주어진 음표가 고른 조와 잘 맞지 않습니다.
        note.crossed | The given notes leave no room: a rule was broken there. | 주어진 음표 때문에 규칙을 어긴 곳이 있습니다.
        note.high | Notes above A5 or below C2 were heard an octave away. | A5보다 높거나 C2보다 낮은 음은 옥타브를 옮겨 들었습니다.
    """),
    paper="Huang 2018, arXiv:1809.04281",
    licence="Apache-2.0",
    data="JSB-Chorales-dataset, Jsb16thSeparated: 229 chorales of J. S. Bach to learn from (public domain scores)",
    numbers=("0.388 nats a note on valid; keys followed 94 %, chords 97 %: gesso measure chorale --data jsb_chorales --num 16",),
    limits={
        "en": "Four voices on sixteenths, after 229 chorales; no repeated notes of its own, and metre is guessed from the notes.",
        "ko": "코랄 229곡에서 배운 16분음표 격자의 네 성부입니다. 같은 음의 반복은 만들지 않고, 박자는 음표에서 짐작합니다.",
    },
    example='gesso generate chorale --melody "G4:4 A4:4 B4:4 D5:4 C5:4 B4:4 A4:8 G4:16" --seed 1 --out chorale.mid',
)


def build(preset: Preset) -> dict[str, Any]:
    from gesso.networks.voice_transformer import VoiceTransformer

    sizes, shape = CARD.port_sizes(), {"width": preset.width, "depth": preset.depth, "heads": preset.heads}
    spare = {"grids": 2, "spatial": sizes.spatial, "vector": sizes.vector}
    return {"composer": VoiceTransformer(VOICES, PITCHES, **spare, **shape, order=ORDER, dropout=preset.dropout)}


def family(preset: Preset) -> StepByStep:
    from gesso.families.step_by_step import StepByStep

    return StepByStep(rules=switched(CANDIDATES, chords="chords", key="key"))


def stages(preset: Preset) -> list[Stage]:
    return [
        Stage(
            name="likelihood",
            family=family(preset),
            trains={"composer": Optimiser(rate=2e-3, betas=(0.9, 0.98), decay=0.1, warmup=100)},
            data=lambda folder, split: chorales(folder, split, crop=preset.crop if split == "train" else 0),
            num_steps=preset.num_steps,
            batch_size=preset.batch_size,
            average=0.998,
            frame=Frame((1, preset.crop)),
        )
    ]


def finish(request: Request, made: Sequence[tuple[Frame, Output]]) -> dict[str, Any]:
    """Given notes stand as they were given; notes tell where rules could not hold."""
    pitches = pitches_of(made[-1][1].media["notes"][0].numpy(), LOWEST)
    onsets = np.zeros(pitches.shape, bool)
    for given in (request.conditions.get("melody"), request.conditions.get("known")):
        if isinstance(given, (Melody, KnownNotes)):
            pitches, onsets = given.paste(pitches, onsets)
    heard = pitches_of(numbered(pitches, LOWEST, PITCHES), LOWEST)
    settings, key = request.settings, request.conditions.get("key")
    assert isinstance(settings, ChoraleSettings)
    other_key = isinstance(key, Tonality) and onsets.any() and key_of(pitches) != key.name
    crossed = not settings.crossing and crossings(pitches).any()
    notes = {"crossed": crossed, "high": not np.array_equal(heard, pitches), "key": other_key}
    score = score_of(pitches, onsets, settings.tempo)
    return {"music": score.to_json(), "roll": roll(score), "notes": [name for name, told in notes.items() if told]}


def measure(make: Any, data: Path | None, options: dict[str, Any]) -> dict[str, Any]:
    from gesso.metrics.part_writing import measure_part_writing

    return measure_part_writing(make, data, options)


recipe = Recipe(
    card=CARD,
    presets=PRESETS,
    build=build,
    family=family,
    stages=stages,
    keeps=("composer",),
    frames=lambda request, preset: [Frame((1, steps := total_steps(request.conditions)), options={"steps": steps})],
    shape=lambda request, frame, preset: (1, VOICES, frame.size[1]),
    finish=finish,
    layout={"en": "JSB chorales as Jsb16thSeparated.json", "ko": "JSB 코랄 Jsb16thSeparated.json"},
    data_files=("Jsb16thSeparated.json",),
    measures={"part_writing": measure},
)
