"""Chords and closes that are asked for: what each voice may take, in whatever order voices are decided."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from gesso.rules.chord_tones import ChordTones, asked_chords, asked_for, closing
from gesso.rules.harmony import KEYS, chord_classes, chord_of
from gesso.rules.voice_leading import UNDECIDED, VoiceLeading

ALL = np.arange(-1, 128)
NEW = [UNDECIDED] * 4
C, C7 = frozenset({0, 4, 7}), frozenset({0, 4, 7, 10})


def filled(wanted: ChordTones, order: tuple[int, ...], rng: np.random.Generator, now: list[int] | None = None) -> list[int]:
    """Voices that take any pitch that the rules leave, in an order; they may cross, so that there is always room."""
    now = list(now or NEW)
    for voice in order:
        if now[voice] == UNDECIDED:
            asked = wanted.rules_for(ALL, voice, now)
            now[voice] = int(rng.choice(ALL[VoiceLeading().allowed(ALL, voice, now, NEW, crossing=True, asked=asked)]))
    return now


@pytest.mark.parametrize("order", list(permutations(range(4)))[::5])
@pytest.mark.parametrize("chord", [C, C7])
def test_any_choices_in_any_order_make_the_chord(chord: frozenset[int], order: tuple[int, ...]):
    rng = np.random.default_rng(0)
    made = [filled(ChordTones((chord,)), order, rng) for _ in range(20)]
    assert all({pitch % 12 for pitch in one} == chord for one in made)
    assert all(pitch >= 0 for one in made for pitch in one), "a chord that is asked for is no rest"


def test_crossing_goes_before_a_chord():
    now = [60, UNDECIDED, 60, 48]  # between two voices on middle C there is no room for E or G
    asked = ChordTones((C,)).rules_for(ALL, 1, now)
    assert set(ALL[VoiceLeading().allowed(ALL, 1, now, NEW, asked=asked)].tolist()) == {60}


def test_the_root_is_in_the_bass_and_nobody_counts_it_twice():
    wanted, rng = ChordTones((C,), root=0), np.random.default_rng(1)
    for order in ((0, 3, 1, 2), (3, 2, 1, 0), (0, 1, 2, 3)):
        for _ in range(20):
            made = filled(wanted, order, rng)
            assert made[3] % 12 == 0 and {pitch % 12 for pitch in made} <= C


def test_given_notes_outside_the_chord_leave_the_others_within_it():
    now = filled(ChordTones((C,)), (0, 3, 1, 2), np.random.default_rng(2), [74, UNDECIDED, UNDECIDED, UNDECIDED])
    assert now[0] == 74 and {pitch % 12 for pitch in now[1:]} == C


def test_minor_may_end_in_major_but_never_in_both():
    asked = closing(9, True, np.full((4, 8), UNDECIDED))
    assert sorted(asked) == [4, 5, 6, 7] and asked[4].root == 9
    rng = np.random.default_rng(3)
    made = [{pitch % 12 for pitch in filled(asked[4], (0, 3, 1, 2), rng)} for _ in range(60)]
    assert all(not {0, 1} <= one for one in made) and any(0 in one for one in made) and any(1 in one for one in made)


def test_given_notes_that_end_otherwise_are_left_alone():
    given = np.full((4, 8), UNDECIDED)
    given[0, 4:] = 74  # D, in a piece in C
    assert closing(0, False, given) == {}
    given[0, 4:] = 76
    assert sorted(closing(0, False, given)) == [4, 5, 6, 7]
    given[3, 7] = 43
    assert closing(0, False, given) == {}


def test_chords_hold_where_they_begin_and_on_beats():
    marks = np.zeros((25, 16), bool)
    root, classes = chord_classes("G")
    for first, end in ((2, 9), (12, 14)):
        marks[[*classes, 12 + root, 24], first:end] = True
    known = np.zeros((4, 16), bool)
    assert sorted(asked_chords(marks, known)) == [2, 4, 8, 12]
    known[:, 8] = True
    assert sorted(asked_chords(marks, known)) == [2, 4, 12]


def test_each_is_switched_and_chords_come_before_the_close():
    marks, key = np.zeros((25, 8)), np.zeros(25)
    marks[[7, 11, 2, 12 + 7, 24], 4:] = 1
    key[KEYS.index("C major")] = key[24] = 1
    given = np.full((4, 8), UNDECIDED)
    both = asked_for(marks, key, given, chords=True, close=True)
    assert both[4].chords == (frozenset({2, 7, 11}),) and both[5].root == 0
    assert asked_for(marks, key, given, chords=False, close=False) == {}
    assert asked_for(marks, np.zeros(25), given, chords=False, close=True) == {}


def test_a_chord_of_four_given_sopranos():
    rng = np.random.default_rng(5)
    for symbol in ("G", "Am", "D7", "Bdim"):
        classes = frozenset(chord_classes(symbol)[1])
        soprano = next(pitch for pitch in range(70, 82) if pitch % 12 in classes)
        made = filled(ChordTones((classes,)), (0, 3, 1, 2), rng, [soprano, UNDECIDED, UNDECIDED, UNDECIDED])
        assert chord_of(np.array(made)) == symbol
