"""Rules of part-writing: ranges of voices, no crossing, no parallel fifths and octaves. They hold, since other pitches are never drawn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gesso.rules.chord_tones import asked_for

UNDECIDED = -2
PERFECT = (0, 7)  # semitones, modulo the octave: unison and octave, fifth
# Lowest and highest pitch of each voice in the training part of the chorales (Jsb16thSeparated).
RANGES = ((60, 81), (52, 74), (46, 69), (36, 66))


@dataclass(frozen=True)
class VoiceLeading:
    """Voices from the highest; `ranges` (lowest, highest) in MIDI numbers. A rest, -1, breaks no rule."""

    ranges: tuple[tuple[int, int], ...] = RANGES

    def allowed(
        self,
        candidates: np.ndarray,
        voice: int,
        now: Sequence[int],
        before: Sequence[int],
        *,
        in_range: bool = True,
        crossing: bool = False,
        parallels: bool = True,
        asked: Sequence[np.ndarray] = (),
    ) -> np.ndarray:
        """Which pitches int [n] `voice` may take, bool [n], beside the voices `now` (UNDECIDED where open) and those one step `before`.

        `crossing` and `parallels` true allow them; `asked` are more rules, the more important first, which may forbid rests too. Where
        the voices that are decided leave nothing, the rules are given up one by one: first parallels, then what is asked, then
        crossing, and last the range; it has then been broken by what was given.
        """
        rest = (candidates < 0) & (asked[0] if asked else True)
        rules = []
        if in_range:
            low, high = self.ranges[voice]
            rules.append((candidates >= low) & (candidates <= high))
        if not crossing:
            above, below = self.bounds(voice, now, in_range)
            rules.append((candidates >= below) & (candidates <= above))
        rules += asked
        if not parallels:
            rules.append(~self.parallel(candidates, voice, now, before))
        while rules:
            both = np.logical_and.reduce(rules)
            if both[candidates >= 0].any():
                return both | rest
            rules.pop()
        return np.ones(len(candidates), bool)

    def bounds(self, voice: int, now: Sequence[int], in_range: bool) -> tuple[int, int]:
        """The highest and lowest pitch that crosses no voice: also not one that is still to come, as far as its range goes."""
        above, below = 127, 0
        for other, pitch in enumerate(now):
            if other == voice or pitch == -1:
                continue
            low, high = (pitch, pitch) if pitch >= 0 else self.ranges[other] if in_range else (0, 127)
            if other < voice:
                above = min(above, high)
            else:
                below = max(below, low)
        return above, below

    def parallel(self, candidates: np.ndarray, voice: int, now: Sequence[int], before: Sequence[int]) -> np.ndarray:
        """Which pitches would make a fifth or octave follow one between the same two moving voices, bool [n]."""
        wrong = np.zeros(len(candidates), bool)
        own = before[voice]
        if own < 0:
            return wrong
        for other, pitch in enumerate(now):
            if other == voice or pitch < 0 or before[other] < 0 or pitch == before[other]:
                continue
            was = abs(own - before[other]) % 12
            if was in PERFECT:
                wrong |= (np.abs(candidates - pitch) % 12 == was) & (candidates != own) & (candidates >= 0)
        return wrong


Allowed = Callable[[int, int, Sequence[int], Sequence[int]], np.ndarray]


def switched(candidates: np.ndarray, *, chords: str, key: str) -> Callable[[Any, np.ndarray, np.ndarray, Any], Allowed]:
    """The rules of a sampler whose classes are the MIDI numbers `candidates` [n], -1 a rest: part-writing, and what harmony asks for.

    `chords` and `key` name the slots whose ports hold those. What is returned is called with the inputs, the classes int [voices steps]
    that are given where `known` bool [voices steps], and settings with the switches `ranges`, `crossing`, `parallels`, `chord_tones` and
    `close`; it returns (step, voice, now, before) -> bool [n], classes below 0 being open.
    """
    rules = VoiceLeading()

    def begin(inputs: Any, given: np.ndarray, known: np.ndarray, settings: Any) -> Allowed:
        marks, keys = inputs.ports.by_slot[chords].spatial[0, :, 0].cpu().numpy(), inputs.ports.by_slot[key].vector[0].cpu().numpy()
        sounding = np.where(known, candidates[given], UNDECIDED)
        asked = asked_for(marks, keys, sounding, chords=settings.chord_tones, close=settings.close)
        switches = {"in_range": settings.ranges, "crossing": settings.crossing, "parallels": settings.parallels}

        def allowed(step: int, voice: int, now: Sequence[int], before: Sequence[int]) -> np.ndarray:
            told, was = ([UNDECIDED if n < 0 else int(candidates[n]) for n in column] for column in (now, before))
            wanted = asked[step].rules_for(candidates, voice, told) if step in asked else ()
            return rules.allowed(candidates, voice, told, was, **switches, asked=wanted)

        return allowed

    return begin


def crossings(pitches: np.ndarray) -> np.ndarray:
    """Where a voice of a grid [voices steps] is higher than the one above it, bool [voices - 1, steps]."""
    upper, lower = pitches[:-1], pitches[1:]
    return np.asarray((upper >= 0) & (lower > upper))


def parallels(pitches: np.ndarray, interval: int) -> int:
    """How often two voices, both moving at a step, are `interval` (7 or 0, modulo the octave) apart before and after."""
    num = 0
    for high in range(len(pitches)):
        for low in range(high + 1, len(pitches)):
            a, b = pitches[high].astype(int), pitches[low].astype(int)
            sounding = (a[1:] >= 0) & (a[:-1] >= 0) & (b[1:] >= 0) & (b[:-1] >= 0)
            moving = (a[1:] != a[:-1]) & (b[1:] != b[:-1])
            apart = np.abs(a - b) % 12
            num += int((sounding & moving & (apart[1:] == interval) & (apart[:-1] == interval)).sum())
    return num
