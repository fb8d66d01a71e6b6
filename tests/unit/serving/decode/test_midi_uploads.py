"""MIDI uploads: read in the sandbox, kept as notes alone, given to a condition; hostile files end soon, in bounded memory."""

from __future__ import annotations

import base64
import time
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from gesso.conditions.known_notes import KnownNotes
from gesso.conditions.melody import Melody
from gesso.errors import GessoError
from gesso.media.midi import quantised, read_midi
from gesso.serving.decode.decoder import Decoder
from gesso.serving.decode.midi_upload import decoded_music
from gesso.serving.settings import Limits
from midi_bytes import END, HOSTILE, flood, idle, midi, named, track, tune

BASS, TREBLE = tune((48, 8), (43, 8)), tune((72, 4), (0, 2), (74, 10))
TWO = midi(track(named(b"Left <b>hand</b>"), BASS, END), track(named(b"Right"), TREBLE, END))


def test_a_file_becomes_notes_and_nothing_else(ann: TestClient):
    secret = b"\x00\xff\x01\x0bsecret text" + b"\x00\xf0\x06secret"
    answer = ann.post("/api/uploads", content=TWO.replace(b"MTrk\x00\x00\x00", b"MTrk\x00\x00\x00"), headers={"Content-Type": "audio/midi"})
    told = answer.json()
    assert answer.status_code == 201 and told["medium"] == "notes" and "width" not in told
    assert [(one["name"], one["num_notes"], one["lowest"], one["highest"]) for one in told["voices"]] == [
        ("Right", 2, 72, 74), ("Left <b>hand</b>", 2, 43, 48),
    ]  # fmt: skip
    assert (told["moved"], told["dropped"], told["score"]["steps"]) == (0, 0, 16)
    back = ann.get(answer.headers["location"])
    assert back.headers["content-type"] == "audio/midi" and back.headers["content-disposition"].startswith("attachment")
    assert quantised(read_midi(back.content)).score.voices == (((0, 4, 72), (6, 10, 74)), ((0, 8, 48), (8, 8, 43)))
    hidden = midi(track(secret, TREBLE, END))
    assert b"secret" in hidden
    assert b"secret" not in ann.get(ann.post("/api/uploads", content=hidden).headers["location"]).content


def test_what_was_changed_is_counted(ann: TestClient):
    chord = b"\x00\x90\x3c\x50\x00\x40\x50\x00\x43\x50\x60\x3c\x00\x00\x40\x00\x00\x43\x00" + tune((60, 1), step=20)
    told = ann.post("/api/uploads", content=midi(track(chord, END))).json()
    assert told["dropped"] == 2 and told["moved"] == 1 and told["score"]["voices"] == [[[0, 4, 67], [4, 1, 60]]]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_are_refused_with_what_where_and_how_to_mend_it(ann: TestClient, name: str):
    data, word = HOSTILE[name]
    answer = ann.post("/api/uploads", content=data, headers={"Content-Type": "audio/midi"})
    error = answer.json()["error"]
    assert answer.status_code == 400 and word in error["what"] and error["where"] == "music" and error["fix"]
    assert ann.get("/api/uploads/" + "a" * 22).status_code == 404, "nothing was kept"


def test_more_parts_than_a_score_has_are_told(ann: TestClient):
    answer = ann.post("/api/uploads", content=midi(*[track(tune((60, 4)), END)] * 17), headers={"Content-Type": "audio/midi"})
    assert answer.status_code == 400 and "17 parts" in answer.json()["error"]["what"]


@pytest.mark.parametrize("data", [flood(10_000_000), idle(39 << 20)], ids=["10 million notes", "39 MB of running status"])
def test_floods_end_soon_and_in_bounded_memory(data: bytes):
    decoder = Decoder(Limits(decode_seconds=8, decode_bytes=700 << 20))
    try:
        decoder.start()
        began = time.monotonic()
        with pytest.raises(GessoError, match=r"50000 notes|500000 events"):
            decoder.music(data)
        assert time.monotonic() - began < 40  # other tests share the processors; its own time is limited to 8 s
        assert decoder.music(TWO).about["voices"][0]["name"] == "Right", "the next file is read"
    finally:
        decoder.close()


def test_a_body_larger_than_any_upload_is_refused(ann: TestClient):
    assert (
        ann.post("/api/uploads", content=bytes(Limits().picture.max_bytes + 70_000), headers={"Content-Type": "audio/midi"}).status_code
        == 413
    )


def test_files_over_the_budget_of_the_reader_are_refused():
    decoder = Decoder(Limits())
    try:
        with pytest.raises(GessoError, match="larger than 40 MB"):
            decoder.music(b"MThd" + bytes(41 << 20))
    finally:
        decoder.close()


@pytest.mark.parametrize("answer", [b"", b"[]", b"{}", b'{"score": 3, "names": [], "moved": 0, "dropped": 0}', b"\xff" * 9, b"[" * 10**5])
def test_a_compromised_worker_can_only_fail(answer: bytes):
    with pytest.raises(GessoError, match="decoder failed"):
        decoded_music(answer)


def test_an_upload_is_the_melody_or_the_known_notes(app: FastAPI, ann: TestClient):
    url = "data:audio/midi;base64," + base64.b64encode(ann.get(ann.post("/api/uploads", content=TWO).headers["location"]).content).decode()
    assert Melody.read(url, where="melody", options={}).notes == ((0, 4, 72), (6, 10, 74)), "the highest voice"
    known = KnownNotes.read(url, where="known", options={"voices": 4})
    assert known.voices[1] == ((0, 8, 48), (8, 8, 43)) and known.spans == (((0, 16),), ((0, 16),), (), ())


def test_a_picture_slot_refuses_music_and_a_melody_takes_it(make_app, client_of, tmp_path: Path):
    ann = client_of(make_app(recipes=["chorale"]), "ann")
    id = ann.post("/api/uploads", content=TWO).json()["id"]
    made = ann.post("/api/sessions", json={"recipe": "chorale", "edits": [{"op": "set", "slot": "melody", "value": {"upload": id}}]})
    assert made.status_code == 201, made.text
    wrong = ann.post("/api/sessions", json={"recipe": "chorale", "edits": [{"op": "set", "slot": "chords", "value": {"upload": id}}]})
    assert wrong.status_code == 400 and "Traceback" not in wrong.text
