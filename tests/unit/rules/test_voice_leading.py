"""Rules of part-writing, by cases that a textbook has."""

from __future__ import annotations

import numpy as np
import pytest

from gesso.errors import GessoError
from gesso.rules.harmony import KEYS, chord_classes, chord_of, key_of, parse_chord, parse_key
from gesso.rules.voice_leading import RANGES, UNDECIDED, VoiceLeading, crossings, parallels

ALL = np.arange(-1, 128)
NEW = [UNDECIDED] * 4


def may(voice: int, now: list[int], before: list[int] | None = None, **rules: bool) -> set[int]:
    allowed = VoiceLeading().allowed(ALL, voice, now, before or NEW, **rules)
    return set(ALL[allowed].tolist())


def test_each_voice_has_its_range_and_may_rest():
    for voice, (low, high) in enumerate(RANGES):
        assert may(voice, NEW, crossing=True) == {-1, *range(low, high + 1)}
    assert may(0, NEW, in_range=False, crossing=True) == set(ALL.tolist())


def test_no_voice_crosses_one_that_is_decided():
    assert max(may(1, [65, UNDECIDED, UNDECIDED, 50])) == 65
    assert max(may(2, [65, 60, UNDECIDED, 50])) == 60 and min(may(2, [65, 60, UNDECIDED, 50]) - {-1}) == 50
    assert 70 in may(1, [65, UNDECIDED, UNDECIDED, 50], crossing=True)


def test_no_voice_leaves_one_that_is_to_come_without_room():
    assert min(may(0, [UNDECIDED, UNDECIDED, 68, UNDECIDED]) - {-1}) == 68
    assert max(may(3, [60, UNDECIDED, UNDECIDED, UNDECIDED])) == 60


@pytest.mark.parametrize("seed", range(50))
def test_any_order_of_any_choices_ends_in_range_and_uncrossed(seed: int):
    rng = np.random.default_rng(seed)
    now = list(NEW)
    for voice in (0, 3, 1, 2):
        now[voice] = int(rng.choice(sorted(may(voice, now) - {-1})))
    assert all(low <= pitch <= high for pitch, (low, high) in zip(now, RANGES, strict=True))
    assert now == sorted(now, reverse=True)


def test_fifths_and_octaves_do_not_follow_each_other():
    before, now = [67, UNDECIDED, UNDECIDED, 48], [69, UNDECIDED, UNDECIDED, UNDECIDED]
    allowed = may(3, now, before, parallels=False)
    assert 50 not in allowed and 38 not in allowed and 48 in allowed and 53 in allowed
    assert 50 in may(3, now, before, parallels=True)
    assert 48 in may(3, [67, UNDECIDED, UNDECIDED, UNDECIDED], before, parallels=False), "a repeated fifth is none"


def test_rules_that_leave_nothing_are_given_up():
    crossed = [60, UNDECIDED, 69, UNDECIDED]  # the given tenor is above the given soprano
    assert may(1, crossed) == {-1, *range(52, 75)}


def test_what_is_counted():
    pitches = np.array([[67, 69, 69], [60, 62, 70], [52, 55, 55], [48, 50, 50]])
    assert parallels(pitches, 7) == 2 and parallels(pitches, 0) == 1
    assert crossings(pitches).sum() == 1


def test_keys_and_chords_are_read_as_people_write_them():
    assert [parse_key(text, where="key") for text in ("G major", "g minor", "f#", "Bb", "Em", "C# min", "A♭")] == [
        "G major", "G minor", "F# minor", "Bb major", "E minor", "C# minor", "Ab major",
    ]  # fmt: skip
    assert all(parse_key(name, where="key") == name for name in KEYS)
    assert parse_chord("Db7", where="x") == "C#7" and chord_classes("Am7") == (9, (9, 0, 4, 7))
    for parse, text in ((parse_key, "H"), (parse_key, ""), (parse_chord, "Xm"), (parse_chord, "C13")):
        with pytest.raises(GessoError, match="such as"):
            parse(text, where="x")


def test_what_a_piece_is_in():
    scale = np.array([[60, 62, 64, 65, 67, 69, 71, 72]])
    assert key_of(scale) == "C major" and key_of(scale + 3) == "Eb major"
    minor = np.array(
        [[69, 71, 72, 74, 76, 77, 80, 81, 76, 72, 71] * 2 + [73] * 8, [57, 62, 57, 53, 60, 62, 64, 57, 60, 57, 64] * 2 + [57] * 8]
    )
    assert key_of(minor) == "A minor", "it ends in major"
    assert key_of(np.array([[57, 59, 60, 62, 64, 65, 68, 69, 64, 57, 60, 57]])) == "A minor"
    assert chord_of(np.array([72, 67, 64, 48])) == "C" and chord_of(np.array([65, 62, 59, 55])) == "G7"
    assert chord_of(np.array([-1, -1, -1, -1])) is None and chord_of(np.array([60, 61, 62, 63])) is None
