"""The kind "chords": which chord is to sound when, by its symbol."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
from pydantic import Field, field_validator

from gesso.conditions.condition import Clean, Condition, Truth
from gesso.errors import GessoError, short_repr
from gesso.media.score import MAX_STEPS, STEPS_PER_BEAT
from gesso.number import Whole
from gesso.ports import Frame, Ports, PortSizes
from gesso.rules.harmony import chord_classes, chord_of, parse_chord

CHANNELS = 12 + 12 + 1  # pitch classes, root, validity


class Chords(Condition):
    """`marks` (start, length, symbol) in sixteenths, later ones winning where two overlap; elsewhere the model is free."""

    kind: ClassVar[str] = "chords"
    reads: ClassVar[str] = "notes"
    notation: ClassVar[str] = '"G:8 Em:4 D7:4 …", symbol and sixteenths (4 without), - for no chord'
    marks: tuple[tuple[Whole, Whole, str], ...] = Field(min_length=1, max_length=MAX_STEPS)

    @field_validator("marks")
    @classmethod
    def _spelled(cls, value: tuple[tuple[int, int, str], ...]) -> tuple[tuple[int, int, str], ...]:
        for start, length, _ in value:
            if not (0 <= start and 1 <= length and start + length <= MAX_STEPS):
                raise ValueError(f"a chord lasts from {start} for {length} steps; 0 to {MAX_STEPS} are possible")
        return tuple((start, length, parse_chord(symbol, where="chord")) for start, length, symbol in value)

    @classmethod
    def read(cls, given: Any, *, where: str, options: Mapping[str, Any]) -> Self:
        """Parse a text such as "G:8 Em:4 D7:4", {"marks": […]}, or a list of (start, length, symbol)."""
        if isinstance(given, Mapping):
            return cls.model_validate(dict(given))
        if not isinstance(given, str):
            return cls(marks=tuple(tuple(mark) for mark in given))
        marks, at = [], 0
        for word in re.split(r"[\s|,]+", given.strip()):
            symbol, colon, length = word.partition(":")
            if colon and not re.fullmatch(r"[1-9]\d{0,3}", length):
                raise GessoError(f"{short_repr(word)} has no length in sixteenths", where=where, fix="such as G:8")
            steps = int(length or STEPS_PER_BEAT)
            if symbol != "-":
                marks.append((at, steps, parse_chord(symbol, where=where)))
            at += steps
        return cls(marks=tuple(marks))

    @property
    def steps(self) -> int:
        """Where the last chord ends."""
        return max(start + length for start, length, _ in self.marks)

    @classmethod
    def sizes(cls, options: Mapping[str, Any]) -> PortSizes:
        return PortSizes(spatial=CHANNELS)

    @classmethod
    def encode(cls, values: Sequence[Self | None], frame: Frame) -> Ports:
        """Encode as spatial [b 25 1 steps]: 1 for each pitch class of the chord, the root one-hot, and 1 where there is a chord."""
        import torch

        out = torch.zeros(len(values), CHANNELS, 1, frame.size[1])
        for row, value in zip(out, values, strict=True):
            for start, length, symbol in () if value is None else value.marks:
                root, classes = chord_classes(symbol)
                row[:, 0, start : start + length] = 0
                row[[*classes, 12 + root, 24], 0, start : start + length] = 1
        return Ports(spatial=out)

    @classmethod
    def simulate(cls, clean: Clean, rng: np.random.Generator, budget: float, given: Any = None) -> tuple[Self | None, Truth]:
        """The chords of some quarters of `clean["notes"]`, a run of them or scattered, where all voices together make a known chord."""
        pitches = clean["notes"]
        beats = range(0, pitches.shape[1], STEPS_PER_BEAT)
        share = 1.0 if rng.random() < 0.3 else 0.1 + 0.9 * budget * rng.random()
        told = rng.random(len(beats)) < share
        marks: list[tuple[int, int, str]] = []
        for beat, tell in zip(beats, told, strict=True):
            symbol = chord_of(pitches[:, beat]) if tell else None
            if symbol is not None:
                marks.append((beat, min(STEPS_PER_BEAT, pitches.shape[1] - beat), symbol))
        return (cls.model_construct(marks=tuple(marks)) if marks else None), {}

    @classmethod
    def control(cls, options: Mapping[str, Any]) -> dict[str, Any]:
        return {"tool": "chords", "schema": cls.model_json_schema()}
