"""Rules of harmony that a user asks for: chords that sound where they are marked, and a close on the tonic of a key."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gesso.media.score import STEPS_PER_BEAT

CLOSING = STEPS_PER_BEAT  # steps: how long the last chord lasts at least


@dataclass(frozen=True)
class ChordTones:
    """What a step asks for: one of `chords`, each the pitch classes of which no other sounds, all of them where voices suffice.

    `root` is the pitch class of the lowest voice, -1 where it is free.
    """

    chords: tuple[frozenset[int], ...]
    root: int = -1

    def rules_for(self, candidates: np.ndarray, voice: int, now: Sequence[int]) -> list[np.ndarray]:
        """Which pitches int [n] (below 0: a rest) `voice` may take beside the voices `now` (MIDI numbers, -1 a rest, below: open).

        One or two rules bool [n], the more important first: no other pitch classes; and no class is left without a voice.
        """
        classes = np.where(candidates >= 0, candidates % 12, -1)
        sounding = {pitch % 12 for pitch in now if pitch >= 0}
        fewest = min(len(sounding - chord) for chord in self.chords)
        possible = [chord for chord in self.chords if len(sounding - chord) == fewest]  # given notes may belong to none
        if self.root >= 0 and voice == len(now) - 1:
            return [classes == self.root]
        last_to_come = -2 in map(int, now[-1:]) and voice != len(now) - 1
        num_open = sum(pitch < -1 for pitch in now) - (1 if self.root >= 0 and last_to_come else 0)
        within, completing = np.zeros(len(classes), bool), np.zeros(len(classes), bool)
        for chord in possible:
            missing = chord - sounding - ({self.root} if last_to_come and self.root >= 0 else set())
            within |= np.isin(classes, list(chord))
            completing |= np.isin(classes, list(missing if len(missing) >= num_open else chord))
        return [within, completing]


def asked_chords(marks: np.ndarray, known: np.ndarray) -> dict[int, ChordTones]:
    """What chords ask for, by step: `marks` bool [12 + 12 + 1, steps] are pitch classes, root, and where there is a chord at all.

    A chord holds where it begins and on each beat; between beats voices move as they like. `known` bool [voices steps]: a step whose
    voices are all given asks for nothing.
    """
    asked = {}
    for step in np.flatnonzero(marks[24] & ~known.all(0)):
        begins = step == 0 or not np.array_equal(marks[:, step], marks[:, step - 1])
        if begins or step % STEPS_PER_BEAT == 0:
            asked[int(step)] = ChordTones((frozenset(map(int, np.flatnonzero(marks[:12, step]))),))
    return asked


def closing(tonic: int, minor: bool, given: np.ndarray) -> dict[int, ChordTones]:
    """What a close in a key asks for: its triad (in minor the major one may end a piece as well) on the tonic through the last beat.

    `given` int [voices steps]: MIDI numbers that are given, -1 a rest, below that open. Nothing is asked where given notes end otherwise.
    """
    steps = given.shape[1]
    chords = tuple(frozenset((tonic + step) % 12 for step in (0, third, 7)) for third in ((3, 4) if minor else (4,)))
    asked = {}
    for step in range(max(0, steps - CLOSING), steps):
        sounding = {int(pitch) % 12 for pitch in given[:, step] if pitch >= 0}
        if (given[:, step] < -1).any() and any(sounding <= chord for chord in chords):
            asked[step] = ChordTones(chords, tonic)
    return asked if given[-1, -1] < 0 or given[-1, -1] % 12 == tonic else {}


def asked_for(marks: np.ndarray, key: np.ndarray, given: np.ndarray, *, chords: bool, close: bool) -> dict[int, ChordTones]:
    """What chords and a key ask for by step, chords before the close: `asked_chords(marks)` and `closing`, each where it is switched on.

    `key` [24 + 1]: one-hot over 12 tonics in major, then in minor, and 1 where there is a key.
    """
    asked = closing(int(key[:24].argmax()) % 12, bool(key[:24].argmax() >= 12), given) if close and key[24] else {}
    return asked | (asked_chords(marks > 0.5, given >= -1) if chords else {})
