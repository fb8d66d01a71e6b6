"""Films that are no films, or claim what they do not hold: made by PyAV, and by changing bytes of a good one."""

from __future__ import annotations

import io
import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from unit.media.clip import clip, frame


def patched(data: bytes, kind: bytes, offset: int, value: bytes) -> bytes:
    """The first box (or sample entry) of this kind with bytes changed, `offset` bytes after its name."""
    at = data.index(kind) + 4 + offset
    return data[:at] + value + data[at + len(value) :]


def audio_only(path: Path) -> Path:
    with av.open(str(path), "w") as out:
        tone = out.add_stream("aac", rate=48000, layout="mono")
        for number in range(20):
            part = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
            part.sample_rate, part.pts, part.time_base = 48000, number * 1024, Fraction(1, 48000)
            out.mux(tone.encode(part))
        out.mux(tone.encode())
    return path


def two_sizes(path: Path) -> Path:
    """A stream whose pictures grow after six frames: two MPEG transport streams, one after the other."""
    parts = []
    for number, size in enumerate(((48, 32), (64, 48))):
        held = io.BytesIO()
        with av.open(held, "w", format="mpegts") as out:
            stream = out.add_stream("libx264", rate=25, options={"bf": "0", "preset": "veryfast"})
            stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
            for n in range(6):
                one = frame(n, *size, "yuv420p")
                one.pts, one.time_base = 6 * number + n, Fraction(1, 25)
                out.mux(stream.encode(one))
            out.mux(stream.encode())
        parts.append(held.getvalue())
    path.write_bytes(b"".join(parts))
    return path


def picture(path: Path) -> Path:
    from PIL import Image

    held = io.BytesIO()
    Image.new("RGB", (40, 30), (200, 30, 30)).save(held, "PNG")
    path.write_bytes(held.getvalue())
    return path


def hostile(folder: Path) -> dict[str, Path]:
    """Files by what is wrong with them; none can be made into a film."""
    whole = clip(folder / "whole.mp4", 20, sound="aac").read_bytes()
    counts = struct.pack(">II", 1, 1_000_000_000)
    huge = clip(folder / "ffv1.mkv", 3, size=(320, 300), codec="ffv1").read_bytes()
    moov = whole.index(b"moov")
    texts: dict[str, bytes] = {
        "empty": b"",
        "a letter": b"Dear film,\n" * 40,
        "only the first box": whole[:40],
        "no index": whole[: moov - 4],
        "half an index": whole[: moov + 200],
        "zeros after the header": whole[:40] + bytes(5000),
        "65535 x 65535": huge.replace(b"\xb0\x82\x01\x40", b"\xb0\x82\xff\xff").replace(b"\xba\x82\x01\x2c", b"\xba\x82\xff\xff"),
        "a thousand million frames": patched(whole, b"stts", 8, struct.pack(">I", 1_000_000_000)),
        "a thousand million samples": patched(whole, b"stsz", 4, counts),
        "a playlist": f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile://{folder / 'whole.mp4'}\n#EXT-X-ENDLIST\n".encode(),
        "a list of files": f"ffconcat version 1.0\nfile '{folder / 'whole.mp4'}'\n".encode(),
    }
    made = {}
    for number, (name, data) in enumerate(texts.items()):
        made[name] = folder / f"{number}.mp4"
        made[name].write_bytes(data)
    made["sound only"] = audio_only(folder / "sound.mp4")
    made["a picture"] = picture(folder / "picture.mp4")
    made["one pixel"] = clip(folder / "one.mkv", 3, size=(1, 1), pixels="yuv444p", codec="ffv1")
    made["two sizes"] = two_sizes(folder / "sizes.ts")
    made["a folder"] = folder / "folder.mp4"
    made["a folder"].mkdir()
    made["nothing"] = folder / "nothing.mp4"
    return made
