"""A first look at a film, before anything is made of it: its facts as JSON, and a few of its first frames, upright."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from gesso.media.video import Shot, Video, pyav

NUM = 5  # frames that are shown
EVERY = 1.0  # seconds between two of them
SMALL = 200  # pixels of the longer side of all but the first
PATIENCE = 3.0  # seconds of computing, after which there are no more frames
# The ending of a film by ffmpeg's name of its container.
SUFFIXES = {"mov": "mp4", "matroska": "mkv", "avi": "avi", "mpegts": "ts", "mpeg": "mpg", "flv": "flv", "asf": "wmv", "ogg": "ogv"}


@dataclass(frozen=True)
class Glimpse:
    """A film's facts, plain JSON, and frames uint8 [h w 3], the first of its own size and the others small, with their seconds."""

    facts: dict[str, Any]
    frames: list[tuple[float, np.ndarray]]


def glimpse(video: Video) -> Glimpse:
    """Decode the film's first frames. GessoError where none can be decoded."""
    began, found, turned = time.process_time(), list[tuple[float, np.ndarray]](), False
    for shot in video.frames():
        turned = shot.turns % 2 == 1
        if not found or shot.seconds >= found[-1][0] + EVERY:
            found.append((round(shot.seconds, 3), shot.upright() if not found else _small(shot)))
        if len(found) == NUM or time.process_time() - began > PATIENCE:
            break
    facts = video.facts
    width, height = (facts.height, facts.width) if turned else (facts.width, facts.height)
    return Glimpse(
        {
            "width": width,
            "height": height,
            "seconds": round(facts.seconds, 3),
            "num_frames": facts.num_frames,
            "rate": round(float(facts.rate), 3),
            "bits": facts.bits,
            "codec": facts.codec,
            "sound": list(facts.sound),
            "suffix": suffix_of(video),
        },
        found,
    )


def suffix_of(video: Video) -> str:
    """The usual ending of the film's container, without the dot."""
    names = str(video.container_name).split(",")
    return next((SUFFIXES[name] for name in names if name in SUFFIXES), "mkv")


def _small(shot: Shot) -> np.ndarray:
    width, height = shot.frame.width, shot.frame.height
    share = min(1.0, SMALL / max(width, height))
    made = shot.frame.reformat(width=max(2, round(width * share)), height=max(2, round(height * share)), format="rgb24")
    return np.rot90(np.asarray(made.to_ndarray()), shot.turns)


def warm_up() -> None:
    """Encode and decode a film of two frames, so that all code is loaded: a sandboxed process cannot open files."""
    import io

    av = pyav()
    held = io.BytesIO()
    with av.open(held, "w", format="matroska") as out:
        stream = out.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 32, 32, "yuv420p"
        for level in (40, 90):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(np.full((48, 32), level, np.uint8), format="yuv420p")))
        out.mux(stream.encode())
    held.seek(0)
    with Video(held, threads=1) as video:
        glimpse(video)
