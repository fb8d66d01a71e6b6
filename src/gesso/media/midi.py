"""MIDI files: notes read within a budget, and scores written with their record in a text event.

The reader counts as it goes, so that a hostile file is refused at its first excess: of bytes, of tracks, of notes, of ticks. A general
library reads all of a file before anything can be counted, and keeps no text events; the format's part that matters here is small.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from gesso.errors import GessoError
from gesso.media.score import MAX_STEPS, MAX_VOICES, STEPS_PER_BEAT, Note, NoteScore, Part

GRID = "gesso-grid"  # under which files say what notes do not: silent voices, rests at the end, the tempo to its last digit
TICKS = 480  # a beat, in files that are written
SIGNATURE = b"MThd"
TEXT, TRACK_NAME, END, TEMPO, METER = 0x01, 0x03, 0x2F, 0x51, 0x58
DRUMS = 9
VOICE_NAMES = ("Soprano", "Alto", "Tenor", "Bass")
CHOIR = 52  # General MIDI's "Choir Aahs", from 0
MAX_NAME = 80  # bytes of a track's name that are kept
LENGTHS = {0x8: 2, 0x9: 2, 0xA: 2, 0xB: 2, 0xC: 1, 0xD: 1, 0xE: 2}  # data bytes by kind of message


@dataclass(frozen=True)
class MidiBudget:
    """What is read of a file at most."""

    max_bytes: int = 40 << 20  # a record may hold 32 MB
    max_tracks: int = 256
    max_notes: int = 50_000
    max_events: int = 500_000
    max_beats: int = MAX_STEPS // STEPS_PER_BEAT


@dataclass
class MidiFile:
    """Notes (start, length, pitch) in ticks by (track, channel), without drums; `tempo` is the first, in beats a minute, and `names`
    what the tracks call themselves."""

    ticks: int
    parts: dict[tuple[int, int], list[Note]] = field(default_factory=dict)
    tempo: float | None = None
    texts: list[str] = field(default_factory=list)
    names: dict[int, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Quantised:
    """A score from a MIDI file, and what was changed: notes `moved` onto the grid, and `dropped` where another sounded.

    `names` are what the voices' tracks call themselves, "" where they do not."""

    score: NoteScore
    moved: int
    dropped: int
    names: tuple[str, ...] = ()


def read_midi(data: bytes, *, where: object = "MIDI", budget: MidiBudget = MidiBudget()) -> MidiFile:
    """Parse a standard MIDI file, format 0 or 1. GessoError where it is damaged, in frames of a film (SMPTE), or over the budget."""
    parser = _Parser(data, where, budget)
    return parser.read()


def quantised(file: MidiFile, *, where: object = "MIDI", voices: int | None = None) -> Quantised:
    """The parts of a file on the grid of sixteenths, one voice a track and channel, from the highest on average. Where notes of a part
    overlap the highest is kept, as far as it sounds. GessoError without notes, or with more than `voices` parts."""
    told = _grid_of(file)
    if told is None:
        found = {place: notes for place, notes in sorted(file.parts.items()) if notes}
        places = sorted(found, key=lambda place: -_height(found[place]))
    else:
        by_track = {track: place for place in file.parts for track in place[:1]}
        places = [by_track.get(voice + 1, (voice + 1, 0)) for voice in range(told[1])]
    parts = [file.parts.get(place, []) for place in places]
    if not parts:
        raise GessoError("holds no notes", where=where, fix="give a file with notes")
    if voices is not None and len(parts) > voices:
        raise GessoError(f"holds {len(parts)} parts", where=where, fix=f"at most {voices}, a track each")
    step = file.ticks / STEPS_PER_BEAT
    moved = dropped = 0
    made: list[Part] = []
    for notes in parts:
        placed: list[Note] = []
        for start, length, pitch in notes:
            first, last = round(start / step), max(round(start / step) + 1, round((start + length) / step))
            moved += abs(first * step - start) > 0.5 or abs((last - first) * step - length) > 0.5
            placed.append((first, last - first, pitch))
        part, lost = highest(placed)
        made.append(part)
        dropped += lost
    steps = max([note[0] + note[1] for part in made for note in part] + ([told[0]] if told else []))
    if steps > MAX_STEPS:
        raise GessoError(f"lasts {steps} sixteenths", where=where, fix=f"at most {MAX_STEPS}")
    tempo = told[2] if told else min(max(file.tempo or 80.0, 10.0), 400.0)
    return Quantised(NoteScore(tuple(made), steps, tempo), moved, dropped, tuple(file.names.get(track, "") for track, _ in places))


def _height(notes: list[Note]) -> float:
    """The mean pitch of notes, by how long they sound."""
    return sum(length * pitch for _, length, pitch in notes) / sum(length for _, length, _ in notes)


def _grid_of(file: MidiFile) -> tuple[int, int, float] | None:
    """Steps, voices and tempo as `encode_midi` wrote them; None where they are not there, or not true of the file any more."""
    text = next((text[len(GRID) + 1 :] for text in file.texts if text.startswith(f"{GRID}:")), "")
    try:
        steps, voices, tempo = json.loads(text)
        kept = 1 <= steps <= MAX_STEPS and 1 <= voices <= MAX_VOICES and 10 <= tempo <= 400
    except (ValueError, TypeError, RecursionError):
        return None
    if not kept or not all(type(one) is int for one in (steps, voices)):
        return None
    tracks = [track for track, _ in file.parts]
    same = file.tempo is not None and abs(round(60e6 / tempo) - round(60e6 / file.tempo)) <= 1
    return (steps, voices, float(tempo)) if same and len(set(tracks)) == len(tracks) and set(tracks) <= set(range(1, voices + 1)) else None


def highest(notes: list[Note]) -> tuple[Part, int]:
    """One note at a time: the highest of those that begin together, each cut where the next begins; and how many were left out."""
    by_start: dict[int, Note] = {}
    for note in sorted(notes):
        if note[0] not in by_start or note[2] > by_start[note[0]][2]:
            by_start[note[0]] = note
    made: list[Note] = []
    for note in sorted(by_start.values()):
        if made and made[-1][0] + made[-1][1] > note[0]:
            if made[-1][2] > note[2]:  # a lower note under one that sounds on
                continue
            made[-1] = (made[-1][0], note[0] - made[-1][0], made[-1][2])
        made.append(note)
    return tuple(made), len(notes) - len(made)


def encode_midi(score: NoteScore, texts: Mapping[str, str] | None = None) -> bytes:
    """A score as a format 1 MIDI file: tempo, meter and "key:text" events in the first track, then a track a voice."""
    conductor = bytearray()
    grid = json.dumps([score.steps, len(score.voices), score.tempo])
    for key, text in {GRID: grid, **(texts or {})}.items():
        conductor += b"\0" + _meta(TEXT, f"{key}:{text}".encode())
    conductor += b"\0" + _meta(TEMPO, round(60e6 / score.tempo).to_bytes(3, "big")) + b"\0" + _meta(METER, bytes([4, 2, 24, 8]))
    tracks = [bytes(conductor)]
    for n, part in enumerate(score.voices):
        channel = n + (n >= DRUMS)
        name = VOICE_NAMES[n] if len(score.voices) == len(VOICE_NAMES) else f"Voice {n + 1}"
        body = bytearray(b"\0" + _meta(TRACK_NAME, name.encode()) + b"\0" + bytes([0xC0 | channel, CHOIR]))
        at = 0
        events = [(start, 1, pitch) for start, _, pitch in part] + [(start + length, 0, pitch) for start, length, pitch in part]
        for when, on, pitch in sorted(events):  # a note ends before the next begins
            body += _variable((when - at) * TICKS // STEPS_PER_BEAT) + bytes([(0x90 if on else 0x80) | channel, pitch, 80 if on else 0])
            at = when
        tracks.append(bytes(body + _variable((score.steps - at) * TICKS // STEPS_PER_BEAT) + _meta(END, b"")))
    tracks[0] += b"\0" + _meta(END, b"")
    head = SIGNATURE + (6).to_bytes(4, "big") + b"".join(n.to_bytes(2, "big") for n in (1, len(tracks), TICKS))
    return head + b"".join(b"MTrk" + len(track).to_bytes(4, "big") + track for track in tracks)


def text_in_midi(data: bytes, key: str, *, where: object = "MIDI", budget: MidiBudget = MidiBudget()) -> str | None:
    """The text that `encode_midi` wrote under a key."""
    return next((text[len(key) + 1 :] for text in read_midi(data, where=where, budget=budget).texts if text.startswith(f"{key}:")), None)


class _Parser:
    def __init__(self, data: bytes, where: object, budget: MidiBudget) -> None:
        if len(data) > budget.max_bytes:
            raise GessoError(f"is larger than {budget.max_bytes >> 20} MB", where=where, fix="give a smaller file")
        self.data, self.where, self.budget, self.at, self.end = data, where, budget, 0, len(data)
        self.num_notes = self.num_events = 0

    def read(self) -> MidiFile:
        if self.take(4) != SIGNATURE:
            raise self.damaged("does not begin with MThd")
        head = self.take(self.number(4))
        if len(head) < 6:
            raise self.damaged("has a short head")
        kind, num_tracks, division = (int.from_bytes(head[i : i + 2], "big") for i in (0, 2, 4))
        if kind > 1:
            raise GessoError(f"is a MIDI file of format {kind}", where=self.where, fix="save it as format 0 or 1")
        if division & 0x8000 or not division:
            raise GessoError("counts time in frames of a film", where=self.where, fix="save it with ticks a quarter note")
        if num_tracks > self.budget.max_tracks:
            raise GessoError(f"has {num_tracks} tracks", where=self.where, fix=f"at most {self.budget.max_tracks}")
        file = MidiFile(division)
        track = 0
        while track < num_tracks and self.at < len(self.data):
            name, length = self.take(4), self.number(4)
            if self.at + length > len(self.data):
                raise self.damaged("ends within a track")
            stop = self.at + length
            if name == b"MTrk":  # other chunks are to be skipped
                self.end = stop
                self.track(file, track)
                self.end = len(self.data)
                track += 1
            self.at = stop
        return file

    def track(self, file: MidiFile, track: int) -> None:
        now, status = 0, 0
        sounding: dict[tuple[int, int], list[int]] = {}
        while self.at < self.end:
            now += self.variable()
            self.num_events += 1
            if now > self.budget.max_beats * file.ticks:
                raise GessoError(f"lasts more than {self.budget.max_beats} quarters", where=self.where, fix="cut it")
            if self.num_events > self.budget.max_events:
                raise GessoError(f"holds more than {self.budget.max_events} events", where=self.where, fix="cut it")
            byte = self.number(1)
            if byte == 0xFF:
                if self.meta(file, track):
                    break
            elif byte in (0xF0, 0xF7):
                self.take(self.variable())
            else:
                if byte < 0x80:
                    self.at -= 1
                    if not status:
                        raise self.damaged("uses running status before a status")
                elif byte < 0xF0:
                    status = byte
                else:
                    raise self.damaged(f"holds the message {byte:#x}, which files may not")
                self.message(file, track, status, now, sounding)
        for (channel, pitch), starts in sounding.items():  # notes without an end
            for start in starts:
                self.note(file, track, channel, start, now, pitch)

    def message(self, file: MidiFile, track: int, status: int, now: int, sounding: dict[tuple[int, int], list[int]]) -> None:
        values = self.take(LENGTHS[status >> 4])
        if any(value > 127 for value in values):
            raise self.damaged("holds a message with a data byte above 127")
        kind, channel = status >> 4, status & 15
        if kind not in (8, 9) or channel == DRUMS:
            return
        key = (channel, values[0])
        if kind == 9 and values[1]:
            sounding.setdefault(key, []).append(now)
            self.num_notes += 1
            if self.num_notes > self.budget.max_notes:
                raise GessoError(f"holds more than {self.budget.max_notes} notes", where=self.where, fix="cut it")
        elif sounding.get(key):
            self.note(file, track, channel, sounding[key].pop(0), now, values[0])

    def note(self, file: MidiFile, track: int, channel: int, start: int, end: int, pitch: int) -> None:
        if end > start:
            file.parts.setdefault((track, channel), []).append((start, end - start, pitch))

    def meta(self, file: MidiFile, track: int) -> bool:
        """Read a meta event; true at the end of the track."""
        kind = self.number(1)
        data = self.take(self.variable())
        if kind == TEMPO and len(data) == 3 and file.tempo is None and any(data):
            file.tempo = 60e6 / int.from_bytes(data, "big")
        elif kind == TRACK_NAME:
            file.names.setdefault(track, " ".join(filter(str.isprintable, data[:MAX_NAME].decode("utf-8", "replace").split())))
        elif kind == TEXT:
            file.texts.append(data.decode("utf-8", "replace"))
        return kind == END

    def take(self, num: int) -> bytes:
        if self.at + num > self.end:
            raise self.damaged("ends too early")
        self.at += num
        return self.data[self.at - num : self.at]

    def number(self, num: int) -> int:
        return int.from_bytes(self.take(num), "big")

    def variable(self) -> int:
        value = 0
        for _ in range(4):
            byte = self.number(1)
            value = value << 7 | byte & 127
            if byte < 128:
                return value
        raise self.damaged("holds a number of more than four bytes")

    def damaged(self, what: str) -> GessoError:
        return GessoError(f"is no MIDI file that can be read: it {what} (byte {self.at})", where=self.where, fix="export it again")


def _meta(kind: int, data: bytes) -> bytes:
    return bytes([0xFF, kind]) + _variable(len(data)) + data


def _variable(value: int) -> bytes:
    if value >= 1 << 28:
        raise GessoError("is too long for a MIDI file", where="MIDI", fix="save it as .json")
    out = [value & 127]
    while value := value >> 7:
        out.append(value & 127 | 128)
    return bytes(reversed(out))
