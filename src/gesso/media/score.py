"""Notes: music in parts as notes on a grid of steps, to and from JSON and a text notation.

A note is (start, length, pitch): its first step, how many steps it lasts, and its MIDI number. Two notes of one pitch that meet stay two
notes, so that what is repeated and what is held differ. A step is a sixteenth where nothing else is said.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gesso.errors import GessoError, short_repr
from gesso.number import whole

Note = tuple[int, int, int]  # start, length, pitch
Part = tuple[Note, ...]

REST = -1
STEPS_PER_BEAT = 4
STEPS_PER_BAR = 16
MAX_VOICES = 16
MAX_STEPS = 4096
NAMES = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "G#", "A", "Bb", "B")
LETTERS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
SIGNS = {"": 0, "#": 1, "♯": 1, "b": -1, "♭": -1, "##": 2, "bb": -2}
WORD = re.compile(r"(?:([A-Ga-g])(##|bb|[#b♯♭]?)(-?\d)|([Rr]))(?::(\d{1,4}))?")


@dataclass(frozen=True)
class NoteScore:
    """Parts by voice, from the highest, over `steps` steps; `tempo` in beats (four steps) a minute."""

    voices: tuple[Part, ...]
    steps: int
    tempo: float = 80.0

    @property
    def seconds(self) -> float:
        return self.steps / STEPS_PER_BEAT * 60 / self.tempo

    def grid(self) -> tuple[np.ndarray, np.ndarray]:
        """`pitches` int16 [voices steps], REST where a voice is silent, and `onsets` bool [voices steps], true where a note begins."""
        pitches = np.full((len(self.voices), self.steps), REST, np.int16)
        onsets = np.zeros(pitches.shape, bool)
        for voice, part in enumerate(self.voices):
            for start, length, pitch in part:
                pitches[voice, start : start + length] = pitch
                onsets[voice, start] = True
        return pitches, onsets

    def to_json(self) -> dict[str, Any]:
        return {"steps": self.steps, "tempo": float(self.tempo), "voices": [[list(note) for note in part] for part in self.voices]}

    @classmethod
    def from_json(cls, data: Any, *, where: str = "notes") -> NoteScore:
        """A checked score from untrusted JSON."""
        if not isinstance(data, Mapping) or not {"steps", "voices"} <= set(data) <= {"steps", "voices", "tempo"}:
            raise GessoError(
                f"is {short_repr(data)}", where=where, fix='{"steps": 16, "voices": [[[start, length, pitch], …], …], "tempo": 80}'
            )
        steps = whole(data["steps"], where=f"{where}.steps", low=1, high=MAX_STEPS)
        voices = data["voices"]
        if not isinstance(voices, Sequence) or isinstance(voices, str) or not 1 <= len(voices) <= MAX_VOICES:
            raise GessoError(f"is not a list of 1 to {MAX_VOICES} voices", where=f"{where}.voices")
        tempo = data.get("tempo", 80.0)
        if isinstance(tempo, bool) or not isinstance(tempo, (int, float)) or not 10 <= tempo <= 400:
            raise GessoError(f"is {short_repr(tempo)}", where=f"{where}.tempo", fix="10 to 400 beats a minute")
        parts = tuple(checked(part, steps, where=f"{where}.voices.{n}") for n, part in enumerate(voices))
        return cls(parts, steps, float(tempo))


def checked(part: Any, steps: int | None = None, *, where: str) -> Part:
    """A part from untrusted JSON, sorted; GessoError where a note is none, lies outside `steps`, or overlaps another."""
    if not isinstance(part, Sequence) or isinstance(part, str) or len(part) > MAX_STEPS:
        raise GessoError(f"is not a list of at most {MAX_STEPS} notes", where=where, fix="[[start, length, pitch], …]")
    notes: list[Note] = []
    for n, note in enumerate(part):
        if not isinstance(note, Sequence) or isinstance(note, str) or len(note) != 3:
            raise GessoError(f"is {short_repr(note)}", where=f"{where}.{n}", fix="[start, length, pitch]")
        last = MAX_STEPS if steps is None else steps
        start = whole(note[0], where=f"{where}.{n}.start", low=0, high=last - 1)
        length = whole(note[1], where=f"{where}.{n}.length", low=1, high=last - start)
        notes.append((start, length, whole(note[2], where=f"{where}.{n}.pitch", low=0, high=127)))
    notes.sort()
    for before, after in zip(notes, notes[1:], strict=False):
        if before[0] + before[1] > after[0]:
            raise GessoError(
                f"two notes sound at step {after[0]}, {spelled(before[2])} and {spelled(after[2])}", where=where, fix="one note at a time"
            )
    return tuple(notes)


def part_of(pitches: np.ndarray, onsets: np.ndarray | None = None) -> Part:
    """The notes of one voice of a grid, pitches [steps]: a new note where the pitch changes, and where `onsets` [steps] says so."""
    begins = np.ones(len(pitches), bool)
    begins[1:] = pitches[1:] != pitches[:-1]
    if onsets is not None:
        begins |= onsets
    begins &= pitches >= 0
    silent = np.flatnonzero(pitches < 0)
    ends = np.union1d(np.flatnonzero(begins), np.append(silent, len(pitches)))
    return tuple((int(s), int(ends[np.searchsorted(ends, s, "right")] - s), int(pitches[s])) for s in np.flatnonzero(begins))


def score_of(pitches: np.ndarray, onsets: np.ndarray | None = None, tempo: float = 80.0) -> NoteScore:
    """The score of a grid [voices steps]."""
    rows = [None] * len(pitches) if onsets is None else list(onsets)
    return NoteScore(tuple(part_of(row, begins) for row, begins in zip(pitches, rows, strict=True)), pitches.shape[1], tempo)


def numbered(pitches: np.ndarray, lowest: int, num: int) -> np.ndarray:
    """MIDI numbers as networks count them, int64: 0 is a rest, 1 `lowest`, `num` - 1 the highest; others move by octaves until they fit."""
    highest = lowest + num - 2
    pitches = pitches.astype(np.int64)
    low = np.where(pitches < lowest, lowest - pitches + 11, 0) // 12 * 12
    high = np.where(pitches > highest, pitches - highest + 11, 0) // 12 * 12
    return np.where(pitches < 0, 0, pitches + low - high - lowest + 1)


def pitches_of(counted: np.ndarray, lowest: int) -> np.ndarray:
    """The opposite of `numbered`: MIDI numbers int16, REST for 0."""
    return np.where(counted <= 0, REST, counted + lowest - 1).astype(np.int16)


def one_hot(counted: np.ndarray, given: np.ndarray, num: int) -> np.ndarray:
    """A grid as channels, float32 [voices (num + 1), steps]: for each voice its pitch one-hot where `given` (bool), and `given` itself."""
    voices, steps = counted.shape
    out = np.zeros((voices, num + 1, steps), np.float32)
    voice, step = np.nonzero(given)
    out[voice, counted[voice, step], step] = 1
    out[:, num] = given
    return out.reshape(voices * (num + 1), steps)


def spelled(pitch: int) -> str:
    """The name of a MIDI number: 60 is C4."""
    return f"{NAMES[pitch % 12]}{pitch // 12 - 1}"


def parse_pitch(text: str, *, where: str) -> int:
    """The MIDI number of a name such as C4, F#5 or Bb3."""
    found = WORD.fullmatch(text.strip())
    if found is None or found[4] or found[5]:
        raise GessoError(f"{short_repr(text)} is not the name of a note", where=where, fix="such as C4, F#5 or Bb3")
    return _pitch(found, where)


def parse_part(text: str, *, where: str) -> tuple[Part, int]:
    """The notes of a text such as "C5:4 D5:2 R:2 | E5:8" and how many steps they last together.

    A note is its name and its length in steps (4, a quarter, where there is none); R is a rest; bars and commas are for the eye.
    """
    notes: list[Note] = []
    at = 0
    for word in re.split(r"[\s|,]+", text.strip()):
        if not word:
            continue
        found = WORD.fullmatch(word)
        if found is None:
            raise GessoError(
                f"{short_repr(word)} is not a note", where=where, fix="name:steps, such as C5:4, F#4:2, Bb4:8, or R:4 for a rest"
            )
        length = int(found[5] or STEPS_PER_BEAT)
        if length < 1 or at + length > MAX_STEPS:
            raise GessoError(f"{short_repr(word)} ends after {at + length} steps", where=where, fix=f"1 to {MAX_STEPS} steps in all")
        if not found[4]:
            notes.append((at, length, _pitch(found, where)))
        at += length
    if not at:
        raise GessoError("has no notes", where=where, fix='such as "C5:4 D5:2 E5:2"')
    return tuple(notes), at


def part_text(part: Iterable[Note], steps: int) -> str:
    """A part in the notation that `parse_part` reads."""
    words, at = [], 0
    for start, length, pitch in [*part, (steps, 0, 0)]:
        if start > at:
            words.append(f"R:{start - at}")
        if length:
            words.append(f"{spelled(pitch)}:{length}")
        at = start + length
    return " ".join(words)


def _pitch(found: re.Match[str], where: str) -> int:
    pitch = LETTERS[found[1].upper()] + SIGNS[found[2]] + 12 * (int(found[3]) + 1)
    if not 0 <= pitch <= 127:
        raise GessoError(f"{found[0]} is outside MIDI's range", where=where, fix="C-1 to G9")
    return pitch
