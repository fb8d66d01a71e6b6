"""The medium of notes: a score's JSON as the value, MIDI as the file, a piano roll to look at."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from gesso.errors import GessoError
from gesso.media.budget import Budget
from gesso.media.medium import Carried, Medium
from gesso.media.midi import SIGNATURE, MidiBudget, encode_midi, quantised, read_midi, text_in_midi
from gesso.media.roll import roll
from gesso.media.score import NoteScore

KEYWORD = "gesso"


class NotesMedium(Medium):
    """{"steps", "tempo", "voices": [[[start, length, pitch], …], …]}, as `NoteScore.to_json` makes it; the record is a text event."""

    name: ClassVar[str] = "notes"
    endings: ClassVar[Mapping[str, str]] = {".mid": "audio/midi"}
    inputs: ClassVar[frozenset[str]] = frozenset({".mid", ".midi"})
    viewer: ClassVar[str] = "notes"
    budget: ClassVar[Budget] = Budget(max_bytes=MidiBudget().max_bytes)

    def check(self, value: Any, *, where: str, recipe: str) -> None:
        try:
            NoteScore.from_json(value, where=where)
        except GessoError as error:
            raise GessoError(f"{error.where}: {error.what}", where=recipe, fix="finish gives a score's to_json()") from error

    def is_value(self, value: Any) -> bool:
        try:
            NoteScore.from_json(value)
        except GessoError:
            return False
        return True

    def encode(self, value: Any, ending: str, carried: Carried) -> bytes:
        texts = {KEYWORD: carried.record, "parameters": carried.parameters}
        return encode_midi(NoteScore.from_json(value), {key: text for key, text in texts.items() if text is not None})

    def carries(self, data: bytes) -> str:
        return "MIDI file" if data.startswith(SIGNATURE) else ""

    def record_in(self, data: bytes, *, where: str) -> str | None:
        return text_in_midi(data, KEYWORD, where=where)

    def decode(self, data: bytes, *, where: str, budget: Budget | None = None) -> Any:
        limit = MidiBudget() if budget is None else MidiBudget(max_bytes=budget.max_bytes)
        return quantised(read_midi(data, where=where, budget=limit), where=where).score.to_json()

    def content(self, value: Any) -> Any:
        return NoteScore.from_json(value).to_json()

    def thumb(self, value: Any) -> np.ndarray:
        return roll(NoteScore.from_json(value))


MEDIUM = NotesMedium()
