"""Writing of films: finished segments in a folder, which are joined with the sound into one file; a stopped run continues.

A segment is a film of its own of up to SEGMENT frames. It is complete once its notes lie beside it, so a run that was killed loses
no more than one. 8-bit films are H.264 (libx264), because every player and browser plays it; 10-bit ones are AV1 (SVT-AV1), which
is free of royalties and played where H.264 of 10 bits mostly is not. The frames are 4:2:0: at twice the size and more it holds all
the colour that the source had.
"""

from __future__ import annotations

import hashlib
import heapq
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from gesso.errors import GessoError
from gesso.media.file import REASONS, printable, sync_folder, write_atomic
from gesso.media.medium import Carried
from gesso.media.planes import Planes
from gesso.media.video import CONTAINERS, ENDINGS, KEY, pyav
from gesso.media.video_facts import Colours

SEGMENT = 96  # frames
PLAN = "plan.json"
FORMATS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska"}
CODECS = {8: (("libx264", {"crf": "18", "preset": "fast"}),), 10: (("libsvtav1", {"crf": "24", "preset": "8"}), ("libx265", {"crf": "20"}))}
OWN_KEYS = {"major_brand", "minor_version", "compatible_brands", "encoder", "creation_time", KEY}


class OtherFilm(GessoError):
    """A folder holds segments of a film that was begun with another plan."""


@dataclass(frozen=True)
class Look:
    """What the written film is: size in pixels, times, tags. `rotation` is in degrees, as ffmpeg's display matrix has it."""

    width: int
    height: int
    bits: int
    time_base: Fraction
    rate: Fraction
    aspect: Fraction
    colours: Colours
    rotation: int = 0

    @property
    def codec(self) -> tuple[str, Mapping[str, str]]:
        av = pyav()
        for name, options in CODECS[self.bits]:
            with suppress(av.FFmpegError, ValueError):
                av.codec.Codec(name, "w")
                return name, options
        raise GessoError(f"this PyAV has none of {', '.join(name for name, _ in CODECS[self.bits])}", where="av", fix="pip install av")


@dataclass(frozen=True)
class Segment:
    """A complete segment: its number, its frames' number, the first and the last frame's pts, and the hash of their planes."""

    number: int
    frames: int
    first: int
    last: int
    sha256: str


class SegmentWriter:
    """Encodes frames into the segments of a folder. Segments that the folder holds of the same `plan` are kept: see `done`.

    `plan` is plain JSON that decides the frames; GessoError where the folder holds another film, or cannot be written.
    """

    def __init__(self, folder: Path, look: Look, plan: Mapping[str, Any], *, resume: bool = False, size: int | None = None) -> None:
        self.folder, self.look, self.size = folder, look, size or SEGMENT
        self._container: Any = None
        self._stream: Any = None
        self._count, self._hash = 0, hashlib.sha256()
        self._begin(dict(json.loads(json.dumps({**plan, "look": asdict(look), "segment": self.size}, default=str))), resume)
        self.done = complete(folder)

    @property
    def frames(self) -> int:
        """The number of frames in complete segments."""
        return sum(one.frames for one in self.done)

    @property
    def last(self) -> int | None:
        """The pts of the last frame in a complete segment."""
        return self.done[-1].last if self.done else None

    def append(self, planes: Planes, pts: int) -> None:
        """Encode one frame of 4:2:0 planes of the look's size."""
        if planes.luma.shape != (self.look.height, self.look.width):
            raise ValueError(f"a frame of {planes.luma.shape} does not fit a film of {self.look.height} x {self.look.width}")
        if self._container is None:
            self._open(pts)
        frame = video_frame(planes)
        frame.pts, frame.time_base = pts - self._first, self.look.time_base
        hash_planes(self._hash, planes)
        self._last, self._count = pts, self._count + 1
        self._mux(self._stream.encode(frame))
        if self._count == self.size:
            self.close_segment()

    def close_segment(self, *, whole: bool = True) -> Segment | None:
        """End the open segment; `whole` counts it as complete, else it is returned to be shown and made again later."""
        if self._container is None:
            return None
        self._mux(self._stream.encode())
        self._container.close()
        self._container = None
        made = Segment(len(self.done), self._count, self._first, self._last, self._hash.hexdigest())
        path = segment_path(self.folder, made.number)
        os.replace(self._open_path, path)
        if whole:
            with open(path, "rb") as file:
                os.fsync(file.fileno())
            write_atomic(path.with_suffix(".json"), json.dumps(asdict(made)).encode())
            self.done.append(made)
        return made

    def drop_segment(self) -> None:
        """Close the open segment without keeping it."""
        if self._container is not None:
            with suppress(Exception):
                self._container.close()
            self._container = None
            self._open_path.unlink(missing_ok=True)

    def _begin(self, plan: dict[str, Any], resume: bool) -> None:
        held = held_plan(self.folder)
        if resume and held:
            changed = sorted(key for key in {*held, *plan} if held.get(key) != plan.get(key))
            if changed:
                what = f"the stopped film has another {' and another '.join(changed)}"
                raise OtherFilm(what, where=printable(self.folder), fix="leave --resume out to begin again")
            return
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            for old in self.folder.glob("[0-9]*.*"):
                old.unlink()
            write_atomic(self.folder / PLAN, json.dumps(plan, indent=1).encode())
        except OSError as error:
            raise GessoError(f"cannot write: {_why(error)}", where=printable(self.folder)) from error

    def _open(self, pts: int) -> None:
        av, look = pyav(), self.look
        name, options = look.codec
        os.environ.setdefault("SVT_LOG", "1")  # errors only: the encoder prints its settings otherwise
        self._first, self._count, self._hash = pts, 0, hashlib.sha256()
        self._open_path = self.folder / "open.part"
        self._container = av.open(str(self._open_path), "w", format="mp4", options={"movie_timescale": str(_timescale(look.time_base))})
        self._stream = self._container.add_stream(name, rate=look.rate, options=dict(options))
        context = self._stream.codec_context
        context.width, context.height = look.width, look.height
        context.pix_fmt = "yuv420p" if look.bits == 8 else "yuv420p10le"
        context.time_base = self._stream.time_base = look.time_base
        context.sample_aspect_ratio = look.aspect
        context.color_range, context.colorspace = look.colours.range, look.colours.matrix
        context.color_primaries, context.color_trc = look.colours.primaries, look.colours.transfer

    def _mux(self, packets: Any) -> None:
        av = pyav()
        try:
            for packet in packets:
                self._container.mux(packet)
        except (av.FFmpegError, OSError) as error:
            raise GessoError(f"cannot write: {_why(error)}", where=printable(self.folder)) from error


def held_plan(folder: Path) -> dict[str, Any]:
    """The plan of the film whose segments a folder holds; {} where it holds none."""
    return dict(json.loads((folder / PLAN).read_text())) if (folder / PLAN).is_file() else {}


def held_look(folder: Path) -> Look:
    """The look of the film whose segments a folder holds."""
    held = held_plan(folder)["look"]
    ratios = {name: Fraction(held[name]) for name in ("time_base", "rate", "aspect")}
    return Look(**{**held, **ratios, "colours": Colours(**held["colours"])})


class FilmWriter:
    """Writes one film at `path`: `append((planes, pts))`, and `close`, before which there is no file; see `VideoMedium`."""

    def __init__(self, path: Path, carried: Carried) -> None:
        self._path, self._source = path, carried.options.get("source")
        self._record, self._folder = carried.record, path.with_name(f".{path.name}.parts")
        check_target(path, ())
        self._segments = SegmentWriter(self._folder, carried.options["look"], {})

    def append(self, chunk: Any) -> None:
        self._segments.append(*chunk)

    def close(self) -> None:
        self._segments.close_segment()
        if not self._segments.done:
            raise GessoError("a film has at least one frame", where=printable(self._path))
        join(self._folder, self._segments.done, self._path, self._segments.look, self._source, self._record)
        shutil.rmtree(self._folder)

    def abandon(self) -> None:
        self._segments.drop_segment()
        shutil.rmtree(self._folder, ignore_errors=True)


def complete(folder: Path) -> list[Segment]:
    """The complete segments of a folder, up to the first that is missing."""
    found: list[Segment] = []
    while (notes := segment_path(folder, len(found)).with_suffix(".json")).is_file():
        found.append(Segment(**json.loads(notes.read_text())))
    return found


def segment_path(folder: Path, number: int) -> Path:
    return folder / f"{number:06}.mp4"


def hash_planes(hashed: Any, planes: Planes) -> None:
    """Add a frame to a segment's hash."""
    for plane in (planes.luma, *(planes.chroma or ())):
        hashed.update(np.ascontiguousarray(plane).data)


def sha256_of(segments: list[Segment]) -> str:
    """One hash for the frames of all segments."""
    return hashlib.sha256("".join(one.sha256 for one in segments).encode()).hexdigest()


def check_target(path: Path, sound: tuple[str, ...]) -> None:
    """GessoError where the file's ending is no film's, or such a file cannot hold the source's sound."""
    if path.suffix.lower() not in ENDINGS:
        raise GessoError("films are written as .mp4, .mov or .mkv", where=printable(path), fix=f"{path.stem or 'film'}.mp4")
    if path.is_dir():
        raise GessoError("this is a folder", where=printable(path), fix="give the name of a file")
    refused = _refused(FORMATS[path.suffix.lower()], sound)
    if refused:
        what = f"{path.suffix} cannot hold the sound as it is ({', '.join(refused)}), and sound is never encoded again"
        held = not _refused("matroska", sound)
        raise GessoError(what, where=printable(path), fix=f"{path.stem}.mkv" if held else "encode the film's sound as AAC or FLAC first")


def formats_for(sound: tuple[str, ...]) -> list[str]:
    """The endings, without dot, of files that can hold this sound as it is."""
    return [ending for ending in ("mp4", "mov", "mkv") if not _refused(FORMATS[f".{ending}"], sound)]


def _refused(kind: str, sound: tuple[str, ...]) -> list[str]:
    """The kinds of sound that a container does not hold."""
    with pyav().open(os.devnull, "w", format=kind) as container:
        return [name for name in sound if name.removesuffix("float") not in container.supported_codecs]


def join(folder: Path, segments: list[Segment], target: Path, look: Look, source: Path | None, record: str | None) -> None:
    """Write the segments, the source's sound and its texts, and the record into `target`, which appears whole or not at all."""
    av = pyav()
    kind = FORMATS[target.suffix.lower()]
    part = target.with_name(f".{target.name}.part")
    flags = {"movflags": "use_metadata_tags+faststart", "movie_timescale": str(_timescale(look.time_base))} if kind != "matroska" else {}
    end = segments[-1].last * look.time_base + 1 / look.rate
    try:
        with ExitStack() as opened:
            out = opened.enter_context(av.open(str(part), "w", format=kind, options=flags))
            given = opened.enter_context(av.open(str(source), options=CONTAINERS)) if source else None
            picture = _picture_stream(out, folder, segments, look)
            streams = [_pictures(folder, segments, look, picture)]
            if given is not None:
                out.metadata.update({key: text for key, text in given.metadata.items() if key.lower() not in OWN_KEYS})
                sounds = {one.index: out.add_stream_from_template(one, opaque=True) for one in given.streams.audio}
                streams += [_sounds(given, sounds, end)] if sounds else []
            if record is not None:
                out.metadata[KEY] = record
            for _, _, packet in heapq.merge(*streams, key=lambda one: one[:2]):
                out.mux(packet)
        with open(part, "rb") as file:
            os.fsync(file.fileno())
        os.replace(part, target)
        sync_folder(target.parent)
    except (av.FFmpegError, OSError) as error:
        raise GessoError(f"cannot write: {_why(error)}", where=printable(target)) from error
    finally:
        part.unlink(missing_ok=True)


def _picture_stream(out: Any, folder: Path, segments: list[Segment], look: Look) -> Any:
    """The stream of the written film, as the first segment was encoded."""
    with pyav().open(str(segment_path(folder, segments[0].number))) as first:
        picture = out.add_stream_from_template(first.streams.video[0], opaque=True)
    picture.time_base = look.time_base
    if look.rotation:
        picture.set_display_rotation(look.rotation)
    return picture


def video_frame(planes: Planes) -> Any:
    """An ffmpeg frame of 4:2:0 planes."""
    height, width = planes.luma.shape
    frame = pyav().VideoFrame(width, height, "yuv420p" if planes.bits == 8 else "yuv420p10le")
    kind = np.dtype(np.uint8 if planes.bits == 8 else "<u2")
    for plane, values in zip(frame.planes, (planes.luma, *(planes.chroma or ())), strict=True):
        rows = np.frombuffer(plane, kind).reshape(-1, plane.line_size // kind.itemsize)
        rows[: plane.height, : plane.width] = values
    return frame


def _pictures(folder: Path, segments: list[Segment], look: Look, stream: Any) -> Iterator[tuple[float, int, Any]]:
    """The segments' packets with the film's own times, as (seconds, order, packet)."""
    av = pyav()
    last: int | None = None
    for segment in segments:
        with av.open(str(segment_path(folder, segment.number))) as container:
            source = container.streams.video[0]
            for packet in container.demux(source):
                if packet.size == 0:
                    continue
                step = Fraction(source.time_base) / look.time_base
                dts = round(packet.dts * step) + segment.first
                # A segment's first packets are decoded ahead of their time, which must not be before the segment before it.
                dts = dts if last is None else max(dts, last + 1)
                last = dts
                packet.pts, packet.dts = round(packet.pts * step) + segment.first, dts
                packet.duration = round((packet.duration or 0) * step)
                packet.time_base, packet.stream = look.time_base, stream
                yield float(dts * look.time_base), 0, packet


def _sounds(container: Any, streams: Mapping[int, Any], end: Fraction) -> Iterator[tuple[float, int, Any]]:
    """The source's packets of sound up to the end of the picture, as (seconds, order, packet); what is damaged is left out."""
    av = pyav()
    packets = container.demux([one for one in container.streams.audio if one.index in streams])
    while True:
        try:
            packet = next(packets)
        except (StopIteration, EOFError, av.FFmpegError):
            return
        if packet.size == 0 or packet.dts is None:
            continue
        seconds = packet.dts * packet.time_base
        if seconds < end:
            packet.stream = streams[packet.stream_index]
            yield float(seconds), 1, packet


def _timescale(time_base: Fraction) -> int:
    return min(time_base.denominator, 2**31 - 1)


def _why(error: BaseException) -> str:
    reason = REASONS.get(getattr(error, "errno", 0) or 0)
    return reason[0] if reason else (getattr(error, "strerror", None) or str(error)).splitlines()[0][:120].lower()
