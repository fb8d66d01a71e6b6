"""MIDI files byte by byte, as the Standard MIDI Files 1.0 specification lays them out: nothing here uses the package."""

from __future__ import annotations

import struct

END = b"\x00\xff\x2f\x00"


def length_of(value: int) -> bytes:
    """A variable-length quantity: seven bits a byte, the highest first, bit 7 set in all but the last (page 131 of the specification)."""
    return bytes([value >> shift & 127 | (128 if shift else 0) for shift in (21, 14, 7, 0) if shift == 0 or value >> shift])


def track(*events: bytes) -> bytes:
    body = b"".join(events)
    return b"MTrk" + struct.pack(">I", len(body)) + body


def midi(*chunks: bytes, kind: int = 1, num: int | None = None, division: int = 96) -> bytes:
    """A header chunk and these chunks; `num` tracks are declared (None: as many as there are)."""
    return b"MThd" + struct.pack(">IHHH", 6, kind, len(chunks) if num is None else num, division) + b"".join(chunks)


def named(name: bytes) -> bytes:
    return b"\x00\xff\x03" + length_of(len(name)) + name


def tune(*notes: tuple[int, int], channel: int = 0, step: int = 24) -> bytes:
    """Notes (pitch, sixteenths) one after the other, at 24 ticks a sixteenth; pitch 0 is a rest."""
    wait, out = 0, b""
    for pitch, steps in notes:
        if pitch:
            out += length_of(wait) + bytes([0x90 | channel, pitch, 80]) + length_of(steps * step) + bytes([0x80 | channel, pitch, 0])
            wait = 0
        else:
            wait += steps * step
    return out


# What a hostile file does, and a word of the answer.
HOSTILE = {
    "nothing": (b"", "ends too early"),
    "only its name": (b"MThd", "ends too early"),
    "a head that lies": (b"MThd\xff\xff\xff\xff" + bytes(8), "ends too early"),
    "cut off": (midi(track(tune((60, 4)), END))[:-9], "ends within a track"),
    "a track longer than the file": (midi(b"MTrk" + struct.pack(">I", 2**31) + tune((60, 4)) + END), "ends within a track"),
    "a track shorter than it is": (midi(b"MTrk" + struct.pack(">I", 2) + tune((60, 4)) + END), "ends too early"),
    "another format": (midi(track(END), kind=2), "format 2"),
    "frames of a film": (midi(track(tune((60, 4)), END), division=0xE728), "frames"),
    "no ticks": (midi(track(tune((60, 4)), END), division=0), "frames"),
    "65535 tracks": (midi(*[track(END)] * 300, num=65535), "65535 tracks"),
    "endless delta times": (midi(track(b"\xff\xff\xff\x7f\x90\x3c\x50" * 1000, END)), "quarters"),
    "a number that never ends": (midi(track(b"\xff" * 1000)), "four bytes"),
    "a huge text": (midi(track(b"\x00\xff\x01\xff\xff\xff\x7f", END)), "ends too early"),
    "status that never came": (midi(track(b"\x00\x3c\x50", END)), "running status"),
    "a real-time message": (midi(track(b"\x00\xf8", END)), "0xf8"),
    "no notes": (midi(track(END)), "no notes"),
    "only drums": (midi(track(tune((60, 4), channel=9), END)), "no notes"),
}


def flood(num: int) -> bytes:
    """`num` notes that begin at once, by running status: two bytes and a delta time each."""
    return midi(track(b"\x00\x90\x3c\x50", b"\x00\x3c\x50" * (num - 1), END))


def idle(num_bytes: int) -> bytes:
    """Controllers by running status, without a note."""
    return midi(track(b"\x00\xb0\x07\x50", b"\x00\x07\x50" * (num_bytes // 3), END))
