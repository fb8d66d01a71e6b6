"""MIDI: what is written is read to the tick, also by another library; a hostile file is refused early and cheaply."""

from __future__ import annotations

import random
import tracemalloc

import numpy as np
import pytest

from gesso.errors import GessoError
from gesso.media.midi import MidiBudget, _variable, encode_midi, highest, quantised, read_midi, text_in_midi
from gesso.media.score import NoteScore, score_of
from midi_bytes import END, HOSTILE, flood, idle, length_of, midi, named, track, tune


def some_score(seed: int = 0) -> NoteScore:
    rng = np.random.default_rng(seed)
    lengths = rng.integers(1, 6, (4, 40))
    rows = [np.repeat(rng.integers(-1, 6, 40) * 2 + 50 + 7 * (3 - v), lengths[v])[:64] for v in range(4)]
    pitches = np.stack(rows).astype(np.int16)
    pitches[:, -1] = 55
    pitches[(pitches - 50) % 7 == 5] = -1
    return score_of(pitches, rng.random(pitches.shape) < 0.1, 90.0)


def file(*tracks: bytes, kind: int = 1, division: int = 480) -> bytes:
    head = b"MThd" + (6).to_bytes(4, "big") + b"".join(n.to_bytes(2, "big") for n in (kind, len(tracks), division))
    return head + b"".join(b"MTrk" + len(one).to_bytes(4, "big") + one for one in tracks)


@pytest.mark.parametrize("seed", range(5))
def test_a_score_survives(seed: int):
    score = some_score(seed)
    back = quantised(read_midi(encode_midi(score)))
    assert back.score == score and back.moved == back.dropped == 0


def test_silent_voices_and_rests_at_the_end_survive():
    score = NoteScore(((), ((2, 3, 60),), ()), 64, 81.3)
    assert quantised(read_midi(encode_midi(score))).score == score
    changed = encode_midi(score).replace(b"gesso-grid:[64, 3", b"gesso-grid:[64, 1")
    assert quantised(read_midi(changed)).score.voices == (((2, 3, 60),),), "what is not true of the file is not believed"
    nothing = NoteScore(((),), 16)
    assert quantised(read_midi(encode_midi(nothing))).score == nothing


def test_the_record_is_in_a_text_event():
    data = encode_midi(some_score(), {"gesso": '{"recipe":"코랄"}', "parameters": "x"})
    assert text_in_midi(data, "gesso") == '{"recipe":"코랄"}' and text_in_midi(data, "other") is None


def test_bytes_written_by_hand_are_read_to_the_tick():
    """A format 1 file as the specification's example (page 141) lays one out: tempo and meter first, then a track a part."""
    first = b"\x00\xff\x58\x04\x04\x02\x18\x08" + b"\x00\xff\x51\x03\x07\xa1\x20" + END
    upper = b"\x00\xff\x03\x03Top" + b"\x00\xc0\x05" + b"\x00\x90\x4c\x20" + b"\x81\x40\x4c\x00" + END  # 192 ticks, running status
    lower = b"\x60\x91\x37\x40" + b"\x81\x40\x81\x37\x40" + b"\x30\x91\x30\x40" + b"\x30\x81\x30\x00" + END
    file = read_midi(midi(track(first), track(lower), track(upper)))
    assert file.ticks == 96 and file.tempo == 120 and file.names == {2: "Top"}
    assert file.parts == {(1, 1): [(96, 192, 55), (336, 48, 48)], (2, 0): [(0, 192, 76)]}
    found = quantised(file)
    assert found.score == NoteScore((((0, 8, 76),), ((4, 8, 55), (14, 2, 48))), 16, 120.0) and found.names == ("Top", "")
    assert found.moved == found.dropped == 0


def test_what_is_written_is_what_the_specification_asks_for_byte_by_byte():
    conductor = (
        b"\x00\xff\x01\x17" + b"gesso-grid:[8, 2, 90.0]" + b"\x00\xff\x51\x03\x0a\x2c\x2b" + b"\x00\xff\x58\x04\x04\x02\x18\x08" + END
    )
    upper = (
        named(b"Voice 1") + b"\x00\xc0\x34" + b"\x00\x90\x48\x50" + b"\x83\x60\x80\x48\x00" + b"\x00\x90\x48\x50" + b"\x83\x60\x80\x48\x00"
    )
    lower = named(b"Voice 2") + b"\x00\xc1\x34" + b"\x81\x70\x91\x30\x50" + b"\x78\x81\x30\x00" + b"\x84\x58\xff\x2f\x00"
    score = NoteScore((((0, 4, 72), (4, 4, 72)), ((2, 1, 48),)), 8, 90.0)
    assert encode_midi(score) == midi(track(conductor), track(upper, END), track(lower), division=480)


@pytest.mark.parametrize("value", [0, 1, 0x40, 0x7F, 0x80, 0x2000, 0x3FFF, 0x4000, 0x1FFFFF, 0x200000, 0xFFFFFFF])
def test_lengths_of_any_size_survive(value: int):
    """The specification's own table of variable-length quantities."""
    budget = MidiBudget(max_beats=1 << 28)
    if value:
        body = length_of(0) + b"\x90\x3c\x50" + length_of(value) + b"\x80\x3c\x00" + END
        assert read_midi(midi(track(body)), budget=budget).parts == {(0, 0): [(0, value, 60)]}
    assert _variable(value) == length_of(value)


def test_voices_are_sorted_from_the_highest_and_drums_never_are_one():
    low, high, drums = tune((48, 16)), tune((0, 8), (76, 8), channel=2), tune((90, 16), channel=9)
    found = quantised(
        read_midi(midi(track(named(b"Cello"), low, END), track(named(b"Kit"), drums, END), track(named(b"Flute"), high, END)))
    )
    assert found.names == ("Flute", "Cello") and [part[0][2] for part in found.score.voices] == [76, 48]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_say_what_is_wrong_where_and_what_would_be_right(name: str):
    data, word = HOSTILE[name]
    with pytest.raises(GessoError, match=word) as told:
        quantised(read_midi(data, where="a.mid"), where="a.mid")
    assert told.value.where == "a.mid" and told.value.fix


def test_a_tempo_of_zero_is_no_tempo():
    data = midi(track(b"\x00\xff\x51\x03\x00\x00\x00", tune((60, 4)), END))
    assert quantised(read_midi(data)).score.tempo == 80


@pytest.mark.parametrize("data", [flood(2_000_000), idle(8 << 20)], ids=["notes", "controllers"])
def test_floods_are_refused_at_their_first_excess(data: bytes):
    """Memory for what is kept of a file of megabytes stays small: nothing is read past the budget."""
    tracemalloc.start()
    with pytest.raises(GessoError, match="50000 notes|500000 events"):
        read_midi(data)
    assert tracemalloc.get_traced_memory()[1] < 32 << 20
    tracemalloc.stop()


def test_another_library_reads_the_same_notes(tmp_path):
    symusic = pytest.importorskip("symusic", reason="symusic is not installed: a second opinion, beside the bytes written by hand")
    score = some_score()
    path = tmp_path / "a.mid"
    path.write_bytes(encode_midi(score, {"gesso": "{}"}))
    read = symusic.Score(str(path))
    step = read.ticks_per_quarter // 4
    theirs = [
        tuple(sorted((n.start // step, n.duration // step, n.pitch) for n in track.notes)) for track in read.tracks if len(track.notes)
    ]
    assert tuple(theirs) == score.voices
    other = symusic.Score(96)
    track = symusic.Track(name="a", program=0, is_drum=False)
    for start, length, pitch in score.voices[0]:
        track.notes.append(symusic.Note(start * 24, length * 24, pitch, 64))
    other.tracks.append(track)
    other.dump_midi(str(path))
    assert quantised(read_midi(path.read_bytes())).score.voices == score.voices[:1]


def test_other_resolutions_are_moved_onto_the_grid_and_counted():
    triplet = b"".join(b"\0\x90" + bytes([p, 80]) + b"\x81\x20\x80" + bytes([p, 0]) for p in (60, 62, 64))  # 160 ticks each
    read = quantised(read_midi(file(triplet + END)))
    assert read.moved == 3 and [note[2] for note in read.score.voices[0]] == [60, 62, 64]


def test_running_status_and_a_note_that_nobody_ended():
    body = b"\0\x90\x3c\x50\x78\x3c\x00\x00\x40\x50\x83\x60\xff\x2f\0"
    assert quantised(read_midi(file(body))).score.voices[0] == ((0, 1, 60), (1, 4, 64))


def test_overlapping_notes_leave_the_highest():
    assert highest([(0, 4, 60), (0, 4, 72), (2, 2, 74), (5, 1, 50)]) == (((0, 2, 72), (2, 2, 74), (5, 1, 50)), 1)


def test_drums_are_left_out():
    with pytest.raises(GessoError, match="no notes"):
        quantised(read_midi(file(b"\0\x99\x3c\x50\x78\x89\x3c\x00" + END)))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "ends too early"),
        (b"RIFF" + bytes(20), "MThd"),
        (file(END)[:-3], "ends within a track"),
        (file(END, division=0xE728), "frames"),
        (file(END, division=0), "frames"),
        (file(END, kind=2), "format 2"),
        (file(*[END] * 300), "300 tracks"),
        (b"MThd\xff\xff\xff\xff" + bytes(8), "ends too early"),
        (file(b"\0\xff\x01\xff\xff\xff\x7f" + END), "ends too early"),
        (file(b"\xff\xff\xff\xff\x7f\x90\x3c\x50" + END), "four bytes"),
        (file(b"\xff\xff\xff\x7f\x90\x3c\x50" + END), "quarters"),
        (file(b"\0\x3c\x50" + END), "running status"),
        (file(b"\0\x90\xbc\x50" + END), "above 127"),
        (file(b"\0\xf3\x00" + END), "0xf3"),
        (file(b"\0\x90\x3c\x50" * 60_000 + END), "50000 notes"),
        (file(b"\0\xb0\x07\x50" * 600_000 + END), "500000 events"),
    ],
)
def test_hostile_files_are_refused(data: bytes, words: str):
    with pytest.raises(GessoError, match=words):
        read_midi(data, where="a.mid")


def test_a_file_larger_than_the_budget_is_refused():
    with pytest.raises(GessoError, match="larger"):
        read_midi(bytes(2 << 20), budget=MidiBudget(max_bytes=1 << 20))


def test_any_damage_gives_notes_or_one_kind_of_error():
    whole, chance = encode_midi(some_score()), random.Random(3)
    read = 0
    for _ in range(1500):
        data = bytearray(whole)
        for _ in range(chance.choice([1, 3, 10])):
            at = chance.randrange(len(data))
            if chance.random() < 0.7:
                data[at] = chance.choice([0, 127, 128, 255, chance.randrange(256)])
            else:
                del data[at : at + chance.randrange(1, 9)]
        try:
            quantised(read_midi(bytes(data)))
            read += 1
        except GessoError:
            pass
    assert read > 50
