"""Notes: grids, JSON and text lose nothing; what is no score is refused with its place."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gesso.errors import GessoError
from gesso.media.roll import roll
from gesso.media.score import MAX_STEPS, NoteScore, numbered, parse_part, parse_pitch, part_of, part_text, pitches_of, score_of, spelled


def grids():
    cell = st.tuples(st.integers(-1, 127), st.booleans())
    return st.integers(1, 24).flatmap(lambda n: st.lists(st.lists(cell, min_size=n, max_size=n), min_size=1, max_size=5))


@given(grids())
def test_grid_score_json_and_back(cells):
    pitches = np.array([[cell[0] for cell in row] for row in cells], np.int16)
    onsets = np.array([[cell[1] for cell in row] for row in cells]) & (pitches >= 0)
    score = score_of(pitches, onsets, 96.5)
    again, begins = score.grid()
    assert np.array_equal(again, pitches) and (begins >= onsets).all()
    assert NoteScore.from_json(json.loads(json.dumps(score.to_json()))) == score
    assert score_of(again, begins, 96.5) == score
    for part in score.voices:
        if part:
            assert parse_part(part_text(part, score.steps), where="x") == (part, score.steps)


def test_repeated_and_held_notes_differ():
    held, repeated = part_of(np.array([60, 60])), part_of(np.array([60, 60]), np.array([True, True]))
    assert held == ((0, 2, 60),) and repeated == ((0, 1, 60), (1, 1, 60))


def test_the_notation_is_read():
    assert parse_part("C5:4 d5:2 R:2 | F#4, Bb3:8", where="melody") == (((0, 4, 72), (4, 2, 74), (8, 4, 66), (12, 8, 58)), 20)
    assert [parse_pitch(name, where="x") for name in ("C4", "B#3", "Cb4", "G9", "C-1")] == [60, 60, 59, 127, 0]
    assert all(parse_pitch(spelled(pitch), where="x") == pitch for pitch in range(128))


@pytest.mark.parametrize("text", ["", "H4:2", "C4:", "C4:0", "C4:99999", "C12:4", "C4:4 " * (MAX_STEPS // 4 + 1), "다"])
def test_other_texts_are_refused(text: str):
    with pytest.raises(GessoError, match="melody"):
        parse_part(text, where="melody")


@pytest.mark.parametrize(
    "data",
    [
        None,
        [],
        {"steps": 4},
        {"steps": 0, "voices": [[]]},
        {"steps": 1e9, "voices": [[]]},
        {"steps": 4, "voices": []},
        {"steps": 4, "voices": [[]] * 17},
        {"steps": 4, "voices": [[[0, 4, 128]]]},
        {"steps": 4, "voices": [[[0, 5, 60]]]},
        {"steps": 4, "voices": [[[0, 2, 60], [1, 2, 62]]]},
        {"steps": 4, "voices": [[[0, 2]]]},
        {"steps": 4, "voices": [[[0, 1.5, 60]]]},
        {"steps": 4, "voices": ["C4"]},
        {"steps": 4, "voices": [[]], "tempo": 0},
        {"steps": 4, "voices": [[]], "tempo": True},
    ],
)
def test_json_that_is_no_score_is_refused(data):
    with pytest.raises(GessoError):
        NoteScore.from_json(data)


def test_numbers_fold_by_octaves_what_lies_outside():
    pitches = np.array([-1, 36, 81, 82, 93, 94, 35, 24, 0, 127])
    counted = numbered(pitches, 36, 47)
    assert counted.min() >= 0 and counted.max() <= 46
    back = pitches_of(counted, 36)
    assert back[:3].tolist() == [-1, 36, 81] and ((back[1:] - pitches[1:]) % 12 == 0).all()


def test_the_roll_shows_each_note_in_its_row():
    score = score_of(np.array([[72, 72, 74, 74], [60, 60, 60, 60]], np.int16))
    picture = roll(score, row=4, step=10)
    assert picture.shape == ((74 + 2 - 60 + 2 + 1) * 4, 40, 3) and picture.dtype == np.uint8
    high, low = (74 + 2 - 72) * 4 + 1, (74 + 2 - 60) * 4 + 1
    assert not np.array_equal(picture[high, 5], picture[high, 25]) and np.array_equal(picture[low, 5], picture[low, 35])
    assert roll(score_of(np.full((1, MAX_STEPS), -1, np.int16))).shape[1] <= MAX_STEPS
