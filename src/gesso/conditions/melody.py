"""The kind "melody": the highest voice as notes, which stays to the note while the other voices are made to go with it."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from pydantic import Field, field_validator, model_validator

from gesso.conditions.condition import Clean, Condition, Truth
from gesso.errors import GessoError, short_repr
from gesso.media.file import read_bytes, read_json
from gesso.media.midi import MidiBudget, quantised, read_midi
from gesso.media.score import MAX_STEPS, NoteScore, Part, checked, numbered, one_hot, parse_part, part_of
from gesso.number import Whole
from gesso.ports import Frame, Ports, PortSizes

MIDI_ENDINGS = (".mid", ".midi")


class Melody(Condition):
    """Notes (start, length, pitch) over `steps` sixteenths; where no note is, there is a rest. Repeated notes are notes of their own.

    The slot's options: `voices` and `pitches`, how many of each the network knows (a rest among the pitches), and the `lowest` pitch.
    Notes outside are shown to the network an octave or more away, and stay as they are in what is made.
    """

    kind: ClassVar[str] = "melody"
    reads: ClassVar[str] = "notes"
    notation: ClassVar[str] = '"C5:4 D5:2 R:2 …" (sixteenths), a .mid or a .json file'
    steps: Whole = Field(ge=1, le=MAX_STEPS)
    notes: tuple[tuple[Whole, Whole, Whole], ...] = Field(max_length=MAX_STEPS)

    @field_validator("notes", mode="before")
    @classmethod
    def _sorted(cls, value: Any) -> Part:
        return checked(value, where="notes")

    @model_validator(mode="after")
    def _inside(self) -> Self:
        if self.notes and self.notes[-1][0] + self.notes[-1][1] > self.steps:
            raise ValueError(f"the last note ends after {self.notes[-1][0] + self.notes[-1][1]} of {self.steps} steps")
        return self

    @classmethod
    def read(cls, given: Any, *, where: str, options: Mapping[str, Any]) -> Self:
        """Parse a text of notes, a MIDI or JSON file's path, {"steps", "notes"}, a score's JSON, or a NoteScore (its first voice)."""
        if isinstance(given, Mapping) and "notes" in given:
            return cls.model_validate(dict(given))
        score = score_from(given, where=where)
        if score is not None:
            return cls(steps=score.steps, notes=score.voices[0])
        notes, steps = parse_part(str(given), where=where)
        return cls(steps=steps, notes=notes)

    def melody_grid(self) -> tuple[np.ndarray, np.ndarray]:
        """Pitches int16 and onsets bool [1 steps]."""
        return NoteScore((self.notes,), self.steps).grid()

    def paste(self, pitches: np.ndarray, onsets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Copies of a grid [voices steps] with the melody as its first voice."""
        pitches, onsets = pitches.copy(), onsets.copy()
        pitches[:1, : self.steps], onsets[:1, : self.steps] = self.melody_grid()
        return pitches, onsets

    @classmethod
    def sizes(cls, options: Mapping[str, Any]) -> PortSizes:
        return PortSizes(spatial=options["voices"] * (options["pitches"] + 1))

    @classmethod
    def encode(cls, values: Sequence[Self | None], frame: Frame) -> Ports:
        """Encode as spatial [b c 1 steps]: a block of channels a voice, pitches one-hot and then validity; all but the first are empty."""
        import torch

        lowest, num, steps = frame.options["lowest"], frame.options["pitches"], frame.size[1]
        out = np.zeros((len(values), frame.options["voices"] * (num + 1), 1, steps), np.float32)
        for row, value in zip(out, values, strict=True):
            if value is None:
                continue
            pitches = value.melody_grid()[0][:, :steps]
            row[: num + 1, 0, : pitches.shape[1]] = one_hot(numbered(pitches, lowest, num), np.ones(pitches.shape, bool), num)
        return Ports(spatial=torch.from_numpy(out))

    @classmethod
    def simulate(cls, clean: Clean, rng: np.random.Generator, budget: float, given: Any = None) -> tuple[Self | None, Truth]:
        """The highest voice of `clean["notes"]`."""
        pitches = clean["notes"][0]
        return cls.model_construct(steps=len(pitches), notes=part_of(pitches)), {}

    @classmethod
    def control(cls, options: Mapping[str, Any]) -> dict[str, Any]:
        about = {key: options[key] for key in ("voices", "lowest", "pitches", "ranges") if key in options}
        return {"tool": "notes", "schema": cls.model_json_schema(), "files": MIDI_ENDINGS, **about}


def score_from(given: Any, *, where: str) -> NoteScore | None:
    """A score from a NoteScore, its JSON, bytes of MIDI, or a .mid or .json file's path; None for any other text."""
    if isinstance(given, NoteScore):
        return given
    if isinstance(given, Mapping):
        if "outputs" in given and isinstance(given["outputs"], Mapping):  # a result that was saved as JSON
            given = given["outputs"].get("music", {})
        return NoteScore.from_json(given, where=where)
    if isinstance(given, bytes):
        return quantised(read_midi(given, where=where), where=where).score
    if isinstance(given, str) and given[:5].lower() == "data:":
        return score_from(_bytes_of(given, where), where=where)
    if not isinstance(given, (str, Path)):
        raise GessoError(f"is {short_repr(given)}", where=where, fix='notes such as "C5:4 D5:2", a .mid or a .json file')
    suffix = Path(given).suffix.lower() if len(str(given)) < 1000 else ""
    if suffix in MIDI_ENDINGS:
        return quantised(read_midi(read_bytes(given, MidiBudget().max_bytes), where=given), where=given).score
    if suffix == ".json":
        return score_from(read_json(given), where=str(given))
    return None


def _bytes_of(url: str, where: str) -> bytes:
    """The bytes of a data URL, of at most the size that MIDI files may have."""
    head, _, body = url.partition(",")
    if not head.endswith(";base64") or len(body) > MidiBudget().max_bytes * 4 // 3 + 4:
        raise GessoError("is no data URL of a MIDI file", where=where, fix="data:audio/midi;base64,…")
    try:
        return base64.b64decode(body, validate=True)
    except ValueError as error:
        raise GessoError("is no base64", where=where, fix="data:audio/midi;base64,…") from error
