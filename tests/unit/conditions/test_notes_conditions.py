"""Conditions of music: JSON without loss, text, files, merging, encoding, and simulated users that tell the truth."""

from __future__ import annotations

import base64
import json

import numpy as np
import pytest

from gesso.conditions.bars import Bars
from gesso.conditions.chords import Chords
from gesso.conditions.known_notes import KnownNotes
from gesso.conditions.melody import Melody
from gesso.conditions.tonality import Tonality
from gesso.datasets.chorales import LOWEST, PITCHES, chorales
from gesso.errors import GessoError
from gesso.media.midi import encode_midi
from gesso.media.score import numbered, score_of
from gesso.ports import Frame

OPTIONS = {"voices": 4, "pitches": PITCHES, "lowest": LOWEST}


def piece(n: int = 0) -> np.ndarray:
    return chorales(None, "train").item(n, np.random.default_rng(0))["notes"]


def given(port: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    blocks = port[:, 0].reshape(4, PITCHES + 1, -1)
    return blocks[:, :-1].argmax(1), blocks[:, -1] > 0


@pytest.mark.parametrize("kind", [Melody, KnownNotes, Chords, Bars, Tonality])
def test_what_people_give_survives_json_and_equals_itself(kind):
    rng = np.random.default_rng(1)
    for n in range(12):
        notes = piece(n)
        value, _ = kind.simulate({"notes": notes, "start": 0, "steps": notes.shape[1], "slot": None}, rng, 0.8)
        if value is None:
            continue
        again = kind.model_validate(json.loads(json.dumps(value.model_dump(mode="json"))))
        assert again == value and again.model_dump() == value.model_dump()
        assert kind.read(value.model_dump(mode="json"), where="x", options=OPTIONS) == value
        frame = Frame((1, notes.shape[1]), options=OPTIONS)
        one, two = kind.encode([value, None], frame), kind.sizes(OPTIONS)
        assert (0 if one.spatial is None else one.spatial.shape[1]) == two.spatial
        assert (0 if one.vector is None else one.vector.shape[1]) == two.vector
        port = one.spatial if one.spatial is not None else one.vector
        assert port[0].any() and not port[1].any(), "absent is nothing"


def test_a_melody_is_read_from_text_midi_json_and_a_score(tmp_path):
    text = Melody.read("C5:4 C5:4 R:2 D5:6", where="melody", options=OPTIONS)
    assert text.notes == ((0, 4, 72), (4, 4, 72), (10, 6, 74)) and text.steps == 16
    pitches, onsets = text.melody_grid()
    score = score_of(pitches, onsets)
    (tmp_path / "a.mid").write_bytes(encode_midi(score))
    (tmp_path / "a.json").write_text(json.dumps(score.to_json()))
    (tmp_path / "b.json").write_text(json.dumps({"outputs": {"music": score.to_json()}, "record": {}}))
    url = "data:audio/midi;base64," + base64.b64encode((tmp_path / "a.mid").read_bytes()).decode()
    for source in (url, tmp_path / "a.mid", str(tmp_path / "a.json"), tmp_path / "b.json", score, score.to_json(), text.model_dump()):
        assert Melody.read(source, where="melody", options=OPTIONS) == text
    for wrong in (
        "",
        "H",
        5,
        None,
        {"steps": 4, "notes": [[0, 9, 60]]},
        "missing.mid",
        b"MThd",
        "data:,x",
        "data:audio/midi;base64,%%",
        {"steps": 4},
    ):
        with pytest.raises((GessoError, ValueError)):
            Melody.read(wrong, where="melody", options=OPTIONS)


def test_a_melody_is_the_soprano_to_the_network_and_rests_are_given():
    value = Melody.read("C5:4 R:4 C7:4", where="melody", options=OPTIONS)
    notes, valid = given(Melody.encode([value], Frame((1, 16), options=OPTIONS)).spatial[0].numpy())
    assert valid[0].tolist() == [True] * 12 + [False] * 4 and not valid[1:].any()
    assert notes[0, 0] == 72 - LOWEST + 1 and notes[0, 5] == 0 and notes[0, 9] == 72 - LOWEST + 1, "C7 is heard two octaves lower"


def test_voices_and_bars_of_a_file_are_known(tmp_path):
    notes = piece()[:, :48]
    (tmp_path / "a.json").write_text(json.dumps(score_of(notes).to_json()))
    value = KnownNotes.read(f"{tmp_path}/a.json,SB,1 3", where="known", options=OPTIONS)
    mask = value.known_steps()
    assert mask[[0, 3], :16].all() and not mask[[0, 3], 16:32].any() and mask[0, 32:48].all() and not mask[1:3].any()
    pitches, _, _ = value.known_grid()
    assert np.array_equal(pitches[mask], notes[mask])
    assert KnownNotes.read(tmp_path / "a.json", where="known", options=OPTIONS).known_steps().all()
    for wrong in ("SB,1", f"{tmp_path}/a.json,SB,0", f"{tmp_path}/a.json,S,1,2", f"{tmp_path}/a.json,x"):
        with pytest.raises(GessoError, match="known"):
            KnownNotes.read(wrong, where="known", options=OPTIONS)


def test_equal_known_parts_are_equal_whatever_lies_outside():
    a, b = np.full((2, 8), 60, np.int16), np.full((2, 8), 60, np.int16)
    b[:, 4:] = 72
    mask = np.zeros((2, 8), bool)
    mask[:, :4] = True
    none = np.zeros((2, 8), bool)
    assert KnownNotes.of(a, none, mask) == KnownNotes.of(b, none, mask)
    assert KnownNotes(steps=8, voices=((((0, 8, 60)),), ()), spans=(((0, 4),), ())).voices[0] == ((0, 4, 60),)


def test_a_later_known_part_wins_where_they_meet():
    first, later = piece(0)[:, :32], piece(1)[:, :32]
    none, early, late = (np.zeros((4, 32), bool) for _ in range(3))
    early[:, :20], late[1, 12:32] = True, True
    merged = KnownNotes.of(first, none, early).merge(KnownNotes.of(later, none, late))
    pitches, _, mask = merged.known_grid()
    assert np.array_equal(mask, early | late)
    assert np.array_equal(pitches[late], later[late]) and np.array_equal(pitches[early & ~late], first[early & ~late])


def test_too_many_voices_are_refused_and_fewer_are_filled_up():
    with pytest.raises(GessoError, match="5 voices"):
        KnownNotes.read(score_of(np.full((5, 4), 60, np.int16)), where="known", options=OPTIONS)
    value = KnownNotes.read(score_of(np.full((1, 4), 60, np.int16)), where="known", options=OPTIONS)
    assert len(value.voices) == 4 and not value.known_steps()[1:].any()


def test_simulated_notes_are_the_examples():
    rng = np.random.default_rng(0)
    for n in range(20):
        notes = piece(n)
        value, _ = KnownNotes.simulate({"notes": notes}, rng, rng.random())
        if value is not None:
            pitches, _, mask = value.known_grid()
            assert np.array_equal(pitches[mask], notes[mask]) and 0 < mask.mean() <= 1
            encoded, valid = given(KnownNotes.encode([value], Frame((1, notes.shape[1]), options=OPTIONS)).spatial[0].numpy())
            assert np.array_equal(valid, mask) and np.array_equal(encoded[mask], numbered(notes, LOWEST, PITCHES)[mask])


def test_chords_are_read_encoded_and_simulated():
    value = Chords.read("G:8 - D7:4 | Em", where="chords", options={})
    assert value.marks == ((0, 8, "G"), (12, 4, "D7"), (16, 4, "Em")) and value.steps == 20
    port = Chords.encode([value], Frame((1, 24))).spatial[0, :, 0]
    assert port[:12, 0].nonzero().flatten().tolist() == [2, 7, 11] and port[12 + 7, 0] == 1
    assert port[24].tolist() == [1.0] * 8 + [0.0] * 4 + [1.0] * 8 + [0.0] * 4
    for wrong in ("X", "G:0", "G:", "G:x", "", 5, {"marks": [[-1, 4, "G"]]}, {"marks": []}):
        with pytest.raises((GessoError, ValueError, TypeError)):
            Chords.read(wrong, where="chords", options={})


def test_the_length_is_in_bars():
    assert Bars.read(4, where="bars", options={}).steps == Bars.read("4", where="bars", options={}).steps == 64
    port = Bars.encode([Bars(steps=8)], Frame((1, 12))).spatial[0, :, 0]
    assert (port[0].diff()[:7] > 0).all() and port[0, 8:].unique().tolist() == [1.0]
    for wrong in (0, -1, 10_000, 1.5, True, "x"):
        with pytest.raises((GessoError, ValueError)):
            Bars.read(wrong, where="bars", options={})
