"""The kind "known_notes": these voices and bars of the music stay to the note, and the model makes the rest."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from pydantic import Field, field_validator, model_validator

from gesso.conditions.condition import Clean, Condition, Truth
from gesso.conditions.melody import MIDI_ENDINGS, score_from
from gesso.errors import GessoError, short_repr
from gesso.media.score import MAX_STEPS, MAX_VOICES, REST, STEPS_PER_BAR, NoteScore, Part, checked, numbered, one_hot, part_of
from gesso.number import Whole
from gesso.ports import Frame, Ports, PortSizes

LETTERS = "SATB"
Span = tuple[Whole, Whole]  # the first step and the one after the last
Notes = tuple[tuple[Whole, Whole, Whole], ...]


class KnownNotes(Condition):
    """`voices`, their notes (start, length, pitch), from the highest; `spans` [first, after last) of steps in which each is known.

    Within a span a step without a note is a rest that stays. Notes are cut to the spans, so that equal known parts compare equal.
    """

    kind: ClassVar[str] = "known_notes"
    reads: ClassVar[str] = "notes"
    notation: ClassVar[str] = "FILE[,VOICES][,BARS]: a .mid or .json, letters of SATB, bars from 1, such as piece.mid,SB,1-4 7"
    steps: Whole = Field(ge=1, le=MAX_STEPS)
    voices: tuple[Notes, ...] = Field(min_length=1, max_length=MAX_VOICES)
    spans: tuple[tuple[Span, ...], ...] = Field(max_length=MAX_VOICES)

    @field_validator("voices", mode="before")
    @classmethod
    def _sorted(cls, value: Any) -> Any:
        if not isinstance(value, Sequence) or isinstance(value, str):
            raise ValueError("should be a list of voices")
        return tuple(checked(part, where=f"voice {n + 1}") for n, part in enumerate(value))

    @model_validator(mode="after")
    def _cut(self) -> Self:
        if len(self.spans) != len(self.voices):
            raise ValueError(f"{len(self.voices)} voices have {len(self.spans)} lists of spans")
        if any(not 0 <= first < end <= self.steps for spans in self.spans for first, end in spans):
            raise ValueError(f"spans are [first, end] with 0 <= first < end <= {self.steps}")
        if any(note[0] + note[1] > self.steps for part in self.voices for note in part):
            raise ValueError(f"a note ends after the {self.steps} steps")
        pitches, onsets = NoteScore(self.voices, self.steps).grid()
        mask = self.known_steps()
        parts, spans = _notation(pitches, onsets, mask)
        object.__setattr__(self, "voices", parts)
        object.__setattr__(self, "spans", spans)
        return self

    @classmethod
    def of(cls, pitches: np.ndarray, onsets: np.ndarray, mask: np.ndarray) -> Self:
        """From a grid [voices steps] and where it is known, bool [voices steps]."""
        parts, spans = _notation(pitches, onsets, mask)
        return cls.model_construct(steps=pitches.shape[1], voices=parts, spans=spans)

    def known_steps(self) -> np.ndarray:
        """Where notes are known, bool [voices steps]."""
        known = np.zeros((len(self.voices), self.steps), bool)
        for row, spans in zip(known, self.spans, strict=True):
            for first, end in spans:
                row[first:end] = True
        return known

    def known_grid(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Pitches int16, onsets bool and the mask bool [voices steps]."""
        return *NoteScore(self.voices, self.steps).grid(), self.known_steps()

    @classmethod
    def read(cls, given: Any, *, where: str, options: Mapping[str, Any]) -> Self:
        """Parse {"steps", "voices", "spans"}, a score or its file (all of it is known), or "FILE,VOICES,BARS"."""
        if isinstance(given, Mapping) and "spans" in given:
            return cls.model_validate(dict(given)).fit(options, where=where)
        voices, bars = LETTERS, ""
        if isinstance(given, (str, Path)) and str(given)[:5].lower() != "data:" and not Path(given).is_file():
            given, *rest = (word.strip() for word in str(given).split(","))
            if len(rest) > 2:
                raise GessoError("has more than three parts", where=where, fix=cls.notation)
            for word in rest:
                if word and set(word.upper()) <= set(LETTERS):
                    voices = word.upper()
                else:
                    bars = word
        score = score_from(given, where=where)
        if score is None:
            raise GessoError(f"{short_repr(given)} is no file of notes", where=where, fix=cls.notation)
        pitches, onsets = score.grid()
        mask = np.zeros(pitches.shape, bool)
        for voice in range(len(mask)):
            mask[voice] = LETTERS[voice] in voices if voice < len(LETTERS) else True
        return cls.of(pitches, onsets, mask & _bars(bars, score.steps, where)).fit(options, where=where)

    def fit(self, options: Mapping[str, Any], *, where: str) -> Self:
        """With as many voices as the slot says; missing ones are unknown."""
        num = options.get("voices", len(self.voices))
        if len(self.voices) > num:
            raise GessoError(f"has {len(self.voices)} voices", where=where, fix=f"at most {num}")
        more = ((),) * (num - len(self.voices))
        return self.model_copy(update={"voices": self.voices + more, "spans": self.spans + more}) if more else self

    @classmethod
    def sizes(cls, options: Mapping[str, Any]) -> PortSizes:
        return PortSizes(spatial=options["voices"] * (options["pitches"] + 1))

    @classmethod
    def encode(cls, values: Sequence[Self | None], frame: Frame) -> Ports:
        """Encode as spatial [b c 1 steps]: a block of channels a voice, pitches one-hot and then validity."""
        import torch

        voices, num, steps = frame.options["voices"], frame.options["pitches"], frame.size[1]
        out = np.zeros((len(values), voices * (num + 1), 1, steps), np.float32)
        for row, value in zip(out, values, strict=True):
            if value is None:
                continue
            pitches, _, mask = (part[:, :steps] for part in value.known_grid())
            block = one_hot(numbered(pitches, frame.options["lowest"], num), mask, num)
            row[: len(block), 0, : block.shape[1]] = block
        return Ports(spatial=torch.from_numpy(out))

    @classmethod
    def simulate(cls, clean: Clean, rng: np.random.Generator, budget: float, given: Any = None) -> tuple[Self | None, Truth]:
        """Some voices of `clean["notes"]`, or all but a few bars, or all but a few bars of some voices."""
        pitches = clean["notes"]
        voices, steps = pitches.shape
        mask = np.zeros((voices, steps), bool)
        shape = rng.integers(3)
        if shape == 0:
            mask[rng.random(voices) < 0.5] = True
        else:
            mask[:] = True
            length = int(rng.integers(4, max(5, round(80 - 48 * budget))))
            first = int(rng.integers(max(1, steps - length // 2)))
            open_voices = np.ones(voices, bool) if shape == 1 else rng.random(voices) < 0.6
            mask[open_voices, first : first + length] = False
        if not mask.any():
            return None, {}
        onsets = np.zeros(pitches.shape, bool)
        return cls.of(pitches, onsets, mask), {}

    def merge(self, edit: Self) -> Self:
        """Both known parts. The edit's notes win where they overlap."""
        steps, voices = max(self.steps, edit.steps), max(len(self.voices), len(edit.voices))
        pitches = np.full((voices, steps), REST, np.int16)
        onsets, mask = np.zeros(pitches.shape, bool), np.zeros(pitches.shape, bool)
        for one in (self, edit):
            p, o, m = one.known_grid()
            part = (slice(len(one.voices)), slice(one.steps))
            for target, source in ((pitches, p), (onsets, o), (mask, m)):
                target[part] = np.where(m, source, target[part])
        return type(self).of(pitches, onsets, mask)

    def with_branch(self, later: Self, base: Self | None) -> Self | None:
        """Step by step and voice by voice: what the later branch changed is as it says, and the rest as it is here."""
        steps, voices = max(self.steps, later.steps), max(len(self.voices), len(later.voices))
        grids = [_padded(one, voices, steps) for one in (self, later, base)]
        (pitches, onsets, mask), (new_pitches, new_onsets, new_mask), begun = grids
        changed = (new_pitches != begun[0]) | (new_onsets != begun[1]) | (new_mask != begun[2])
        pairs = ((pitches, new_pitches), (onsets, new_onsets), (mask, new_mask))
        pitches, onsets, mask = (np.where(changed, new, old) for old, new in pairs)
        return type(self).of(pitches, onsets, mask) if mask.any() else None

    def paste(self, pitches: np.ndarray, onsets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Copies of a grid [voices steps] with the known notes written into it."""
        pitches, onsets = pitches.copy(), onsets.copy()
        for target, source in zip((pitches, onsets), self.known_grid(), strict=False):
            target[:, : self.steps][self.known_steps()] = source[self.known_steps()]
        return pitches, onsets

    @classmethod
    def control(cls, options: Mapping[str, Any]) -> dict[str, Any]:
        about = {key: options[key] for key in ("voices", "lowest", "pitches", "ranges") if key in options}
        return {"tool": "known_notes", "schema": cls.model_json_schema(), "files": MIDI_ENDINGS, **about}


def _padded(value: KnownNotes | None, voices: int, steps: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pitches, onsets and what is known, [voices steps]; nothing is known of None."""
    empty = np.full((voices, steps), REST, np.int16), np.zeros((voices, steps), bool), np.zeros((voices, steps), bool)
    for whole, part in zip(empty, value.known_grid() if value is not None else (), strict=False):
        whole[: part.shape[0], :steps][:, : part.shape[1]] = part[:, :steps]
    return empty


def _notation(
    pitches: np.ndarray, onsets: np.ndarray, mask: np.ndarray
) -> tuple[tuple[Part, ...], tuple[tuple[tuple[int, int], ...], ...]]:
    """Notes and spans of what is known of a grid."""
    cut = np.where(mask, pitches, REST)
    parts = tuple(part_of(row, begins) for row, begins in zip(cut, onsets, strict=True))
    edges = np.diff(np.pad(mask.astype(np.int8), ((0, 0), (1, 1))), axis=1)
    spans = tuple(
        tuple((int(first), int(end)) for first, end in zip(np.flatnonzero(row == 1), np.flatnonzero(row == -1), strict=True))
        for row in edges
    )
    return parts, spans


def _bars(text: str, steps: int, where: str) -> np.ndarray:
    """The steps of bars such as "1-4 7", bool [steps]; all of them for an empty text."""
    chosen = np.zeros(steps, bool)
    if not text:
        return ~chosen
    for word in text.split():
        found = re.fullmatch(r"(\d{1,4})(?:-(\d{1,4}))?", word)
        if found is None or not int(found[1]):
            raise GessoError(f"{short_repr(word)} are no bars", where=where, fix="such as 1-4 7, from 1")
        chosen[(int(found[1]) - 1) * STEPS_PER_BAR : int(found[2] or found[1]) * STEPS_PER_BAR] = True
    return chosen
