"""A film that was made frame by frame, {"frames": uint8 [t h w 3], "rate": frames a second}: a value of the medium `video`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from gesso.media.medium import Carried
from gesso.media.planes import LEFT, Planes
from gesso.media.video import BT709, pyav
from gesso.media.video_facts import Colours
from gesso.media.video_writer import FilmWriter, Look

FIX = '{"frames": uint8 [t h w 3] of even height and width, "rate": frames a second}, or an open gesso.media.video.Video'
STUDIO_RANGE = 1  # of ffmpeg's AVColorRange
MOST_RATE = 1000


def is_frames(value: Any) -> bool:
    """Whether a value is the frames of a film."""
    if not (isinstance(value, Mapping) and set(value) == {"frames", "rate"}):
        return False
    frames, rate = value["frames"], value["rate"]
    if not (isinstance(frames, np.ndarray) and frames.dtype == np.uint8 and frames.ndim == 4 and frames.shape[3] == 3 and frames.size):
        return False
    return not (frames.shape[1] % 2 or frames.shape[2] % 2) and isinstance(rate, (int, float)) and 0 < rate <= MOST_RATE


def look_of(value: Mapping[str, Any]) -> Look:
    """The film that the frames are written as: 8 bits, BT.709, a constant rate."""
    _, height, width, _ = value["frames"].shape
    rate = Fraction(value["rate"]).limit_denominator(1001)
    return Look(width, height, 8, 1 / rate, rate, Fraction(1), Colours(STUDIO_RANGE, BT709, BT709, BT709))


def planes_of(frame: np.ndarray) -> Planes:
    """A frame uint8 [h w 3] as 4:2:0 planes of BT.709 in studio range."""
    made = pyav().VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
    made = made.reformat(format="yuv420p", dst_colorspace=BT709, dst_color_range=STUDIO_RANGE)
    luma, *chroma = (
        np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[: plane.height, : plane.width].copy() for plane in made.planes
    )
    return Planes(luma, (chroma[0], chroma[1]), site=LEFT)


def chunks(value: Mapping[str, Any]) -> Iterator[tuple[Planes, int]]:
    """What a film's writer takes, frame by frame."""
    return ((planes_of(frame), number) for number, frame in enumerate(value["frames"]))


class FramesWriter:
    """Writes the film of one value; see `gesso.media.medium.Writer`."""

    def __init__(self, path: Path, carried: Carried) -> None:
        self._path, self._carried = path, carried
        self._film: FilmWriter | None = None

    def append(self, chunk: Any) -> None:
        options = {**self._carried.options, "look": look_of(chunk)}
        self._film = FilmWriter(self._path, Carried(self._carried.record, self._carried.parameters, options=options))
        for one in chunks(chunk):
            self._film.append(one)

    def close(self) -> None:
        assert self._film is not None, "append the value first"
        self._film.close()

    def abandon(self) -> None:
        if self._film is not None:
            self._film.abandon()


def encoded(value: Mapping[str, Any], ending: str, carried: Carried) -> bytes:
    """The bytes of the film's file."""
    with TemporaryDirectory(prefix="gesso-film-") as folder:
        path = Path(folder) / f"film{ending}"
        writer = FramesWriter(path, carried)
        writer.append(value)
        writer.close()
        return path.read_bytes()
