"""Short films made by the tests: a square that moves over a gradient, with times, tags and sound as wanted."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

TIMES = Fraction(1, 12800)


def frame(number: int, width: int, height: int, pixels: str) -> av.VideoFrame:
    made = av.VideoFrame(width, height, pixels)
    wide = 2 if "10le" in pixels else 1
    for index, plane in enumerate(made.planes):
        rows = np.frombuffer(plane, np.uint8 if wide == 1 else "<u2").reshape(-1, plane.line_size // wide)
        peak = 255 if wide == 1 else 1023
        ys, xs = np.mgrid[: plane.height, : plane.width]
        slope = xs * 0.4 / plane.width + ys * 0.3 / plane.height + 0.1
        picture = peak * (np.full(xs.shape, 0.4 + index / 10) if index else slope)
        at = number * 2 % max(1, plane.width - 8)
        if index == 0:
            picture[4:12, at : at + 8] = 0.85 * peak
        rows[: plane.height, : plane.width] = picture
    return made


def clip(
    path: Path,
    num: int = 12,
    *,
    size: tuple[int, int] = (48, 32),
    pixels: str = "yuv420p",
    codec: str = "libx264",
    pts: Sequence[int] | None = None,
    sound: str | None = None,
    rotation: int = 0,
    tags: tuple[int, int, int, int] = (1, 1, 1, 1),
    aspect: Fraction = Fraction(1),
    keys: int = 12,
) -> Path:
    """Write a film of `num` frames, 25 a second unless `pts` says otherwise, in units of 1/12800 s."""
    options = {"g": str(keys), **({"crf": "12", "preset": "veryfast"} if codec == "libx264" else {})}
    with av.open(str(path), "w") as out:
        picture = out.add_stream(codec, rate=25, options=options)
        context = picture.codec_context
        context.width, context.height, context.pix_fmt = *size, pixels
        context.time_base = picture.time_base = TIMES
        context.color_range, context.colorspace, context.color_primaries, context.color_trc = tags
        context.sample_aspect_ratio = aspect
        if rotation:
            picture.set_display_rotation(rotation)
        times = pts or [512 * i for i in range(num)]
        if sound:
            tone = out.add_stream(sound, rate=48000, layout="mono")
        for number, at in enumerate(times):
            one = frame(number, *size, pixels)
            one.pts, one.time_base = at, TIMES
            out.mux(picture.encode(one))
            if sound:
                wave = (0.2 * np.sin(np.arange(1920) / 20)).astype(np.float32)[None]
                part = av.AudioFrame.from_ndarray(wave, format="fltp", layout="mono")
                part.sample_rate, part.pts, part.time_base = 48000, number * 1920, Fraction(1, 48000)
                out.mux(tone.encode(part))
        out.mux(picture.encode())
        if sound:
            out.mux(tone.encode())
    return path


def times(path: Path) -> list[Fraction]:
    """The times of the frames, in seconds."""
    with av.open(str(path)) as film:
        return [one.pts * one.time_base for one in film.decode(video=0)]


def sound(path: Path) -> list[bytes]:
    """The packets of the sound, as they lie in the file."""
    with av.open(str(path)) as film:
        return [bytes(packet) for packet in film.demux(audio=0) if packet.size]
