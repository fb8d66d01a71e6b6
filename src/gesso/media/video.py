"""Reading of films frame by frame with PyAV: times, colour tags, rotation, damage; memory does not grow with a film's length."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, ClassVar, Self

import numpy as np

from gesso.errors import GessoError, MissingExtra
from gesso.media.budget import Budget, in_megabytes
from gesso.media.file import printable
from gesso.media.medium import Carried, Medium, Writer
from gesso.media.planes import CENTRE, LEFT, Planes
from gesso.media.video_facts import Colours, Damage, Facts, VideoBudget
from gesso.media.video_faults import fault_of

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

ENDINGS = {".mp4": "video/mp4", ".m4v": "video/mp4", ".mov": "video/quicktime", ".mkv": "video/x-matroska"}
STILL_BRANDS = (b"avif", b"avis", b"heic", b"heix", b"mif1", b"msf1")  # pictures in the same container
KEY = "gesso"  # of the record in a film's metadata
FULL_RANGE, BT709 = 2, 1  # of ffmpeg's AVColorRange and AVColorSpace
FULL_FORMATS = {"yuvj420p": "yuv420p", "yuvj422p": "yuv422p", "yuvj444p": "yuv444p"}
PLANAR = {"yuv420p": (2, 2), "yuv422p": (1, 2), "yuv444p": (1, 1), "gray": (1, 1)}  # rows and columns of luma for one of chroma
MOST_DAMAGE = 20  # damaged frames named one by one
MOST_IN_A_ROW = 250  # packets without a frame, after which a file is given up
# Only containers that hold their own frames are opened: a playlist in a film's clothes could name other files and addresses.
CONTAINERS = {"format_whitelist": "mov,matroska,webm,avi,mpegts,mpeg,flv,asf,ogg"}


@dataclass
class Shot:
    """One decoded frame: its number from 0, its time `pts` in units of the film's time base, and its planes."""

    number: int
    pts: int
    seconds: float
    frame: VideoFrame
    facts: Facts
    rotation: int = 0  # degrees that the frame is turned to the left when shown, as ffmpeg's display matrix has it

    @property
    def planes(self) -> Planes:
        name = self.frame.format.name
        down, across = PLANAR[name.partition("1")[0] if self.facts.bits > 8 else name]
        grey = name.startswith("gray")
        y, *rest = (_array(plane, self.facts.bits) for plane in self.frame.planes[: 1 if grey else 3])
        return Planes(
            y, None if grey else (rest[0], rest[1]), self.facts.bits, down, across, CENTRE if self.facts.codec == "mjpeg" else LEFT
        )

    def rgb(self) -> np.ndarray:
        """uint8 [h w 3], by the film's own matrix and range, as it is stored."""
        return np.asarray(self.frame.to_ndarray(format="rgb24"))

    def upright(self) -> np.ndarray:
        """uint8 [h w 3], turned as players show it: in quarters of a turn."""
        return np.rot90(self.rgb(), self.turns)

    @property
    def turns(self) -> int:
        """Quarters of a turn to the left that players make; phones store upright films lying."""
        return round(self.rotation / 90) % 4


@dataclass
class Video:
    """An open film. Use it as a context; `frames` may be called once. `threads` of the decoder: 0 is as many as there are cores.

    `damage` names frames that could not be decoded, or that the decoder mended; `num_damaged` counts all of them.
    """

    source: Path | BinaryIO
    budget: VideoBudget = field(default_factory=VideoBudget)
    where: str = ""
    threads: int = 0
    damage: list[Damage] = field(default_factory=list)
    num_damaged: int = 0
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        av = pyav()
        self._stream: Any = None
        self.where = self.where or (printable(self.source) if isinstance(self.source, Path) else "film")
        if isinstance(self.source, Path):
            check_file(self.source, self.budget)
        try:
            place = str(self.source) if isinstance(self.source, Path) else self.source
            self._container = av.open(place, options=CONTAINERS, metadata_errors="replace")
        except (av.FFmpegError, OSError, ValueError) as error:
            what, fix = fault_of(self.source) or (f"this is no film that can be read: {_reason(error)}", "give an MP4, MOV or MKV")
            raise GessoError(what, where=self.where, fix=fix) from error
        try:
            self._stream = self._container.streams.video[0] if self._container.streams.video else None
            if self._stream is None or "attached_pic" in str(self._stream.disposition):
                what, fix = fault_of(self.source) or ("the file holds no moving picture", "give a film")
                raise GessoError(what, where=self.where, fix=fix)
            self._stream.codec_context.options = {"max_pixels": str(self.budget.max_pixels)}
            self._stream.codec_context.thread_count = self.threads
            self._stream.thread_type = "SLICE"  # decoders that work on several frames at once report an error at a later one
            self.facts = self._facts()
        except BaseException:
            self._container.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._container.close()

    @property
    def container_name(self) -> str:
        """ffmpeg's names of the container's format, such as "matroska,webm"."""
        return str(self._container.format.name)

    @property
    def metadata(self) -> dict[str, str]:
        """The file's texts by key, as the container holds them."""
        return dict(self._container.metadata)

    def frames(self, after: int | None = None) -> Iterator[Shot]:
        """The frames in the order they are shown; `after` (a pts) begins with the first one later than that, numbered from 0.

        GessoError naming the frame where the size or the kind of pixels changes, a limit is passed, or nothing can be decoded.
        """
        av = pyav()
        if after is not None:
            with contextlib.suppress(av.FFmpegError):
                self._container.seek(after, stream=self._stream, backward=True)
        number, last, previous = 0, -1, after
        for frame in self._decoded():
            last += 1
            pts = frame.pts if frame.pts is not None else round(last / self.facts.rate / self.facts.time_base)
            if previous is not None and pts <= previous:
                if after is None or pts > after:
                    self._hurt(number, pts, "stands at no later time than the one before it, and is left out")
                continue
            previous = pts
            seconds = float(pts * self.facts.time_base)
            if frame.is_corrupt:
                self._hurt(number, pts, "is damaged; it is shown as the decoder mended it")
            self._check(frame, number, seconds)
            yield Shot(number, pts, seconds, self._planar(frame), self.facts, int(frame.rotation))
            number += 1
        if not number and after is None:
            raise GessoError("not one frame can be decoded", where=self.where, fix="give a film that plays")

    def _decoded(self) -> Iterator[Any]:
        """Frames as the decoder gives them; packets it refuses are counted as damage."""
        av = pyav()
        count, refused = 0, 0
        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets)
            except (StopIteration, EOFError):
                return
            except av.FFmpegError as error:
                self._hurt(count, None, f"and all after it are missing: the file ends early ({_reason(error)})")
                return
            try:
                frames = packet.decode()
                refused = 0
            except EOFError:
                return
            except av.FFmpegError as error:
                number = count if packet.pts is None else round(packet.pts * self.facts.time_base * self.facts.rate)
                self._hurt(number, packet.pts, f"cannot be decoded ({_reason(error)}), and is left out")
                frames, refused = [], refused + 1
                if refused > MOST_IN_A_ROW:
                    raise GessoError(
                        f"{self.damage[-1]}, nor can the {refused} before it", where=self.where, fix="mend the file"
                    ) from error
            count += len(frames)
            yield from frames

    def _facts(self) -> Facts:
        stream, context = self._stream, self._stream.codec_context
        rate = Fraction(stream.average_rate or stream.guessed_rate or 25)
        seconds = _seconds(stream, self._container)
        num = stream.frames or round(seconds * rate)
        self.budget.check(context.width, context.height, num, seconds, where=self.where)
        others = [one for one in self._container.streams if one.index != stream.index and one.type != "audio"]
        return Facts(
            width=context.width,
            height=context.height,
            bits=min(10, max((part.bits for part in context.format.components), default=8)) if context.format else 8,
            time_base=Fraction(stream.time_base),
            rate=rate,
            num_frames=num,
            seconds=seconds,
            aspect=Fraction(stream.sample_aspect_ratio or 1) or Fraction(1),
            colours=self._colours(context),
            codec=context.name,
            sound=tuple(one.codec_context.name if one.codec_context else "unknown" for one in self._container.streams.audio),
            left_out=tuple(f"{one.type} ({one.codec_context.name if one.codec_context else 'unknown'})" for one in others),
        )

    def _colours(self, context: Any) -> Colours:
        name = context.format.name if context.format else ""
        if context.format is not None and context.format.is_rgb:
            return Colours(1, BT709, int(context.color_primaries), int(context.color_trc))  # as `_planar` converts it
        full = name in FULL_FORMATS
        given = (context.color_range, context.colorspace, context.color_primaries, context.color_trc)
        return Colours(FULL_RANGE if full else int(given[0]), *(int(one) for one in given[1:]))

    def _planar(self, frame: Any) -> Any:
        """The frame with planes of 8 or 10 bits; formats that codecs of films rarely have are converted by ffmpeg."""
        name = FULL_FORMATS.get(frame.format.name, frame.format.name)
        wanted = name if self.facts.bits == 8 else name.replace("12le", "10le").replace("16le", "10le")
        if wanted not in PLANAR and not (self.facts.bits > 8 and wanted.endswith("10le") and wanted.removesuffix("10le") in PLANAR):
            wanted = "yuv444p" if frame.format.is_rgb else "yuv420p"
            wanted += "10le" if self.facts.bits > 8 else ""
        if wanted == frame.format.name or frame.format.name in FULL_FORMATS:
            return frame if wanted == frame.format.name else _renamed(frame, wanted)
        made = frame.reformat(format=wanted, **({"dst_colorspace": BT709} if frame.format.is_rgb else {}))
        made.pts = frame.pts
        return made

    def _check(self, frame: Any, number: int, seconds: float) -> None:
        facts, where = self.facts, f"{self.where}, frame {number} at {seconds:.3f} s"
        if (frame.width, frame.height) != (facts.width, facts.height):
            what = f"is {frame.width} x {frame.height}, and others are {facts.width} x {facts.height}"
            raise GessoError(what, where=where, fix="make the film one size first")
        self.budget.check(frame.width, frame.height, number + 1, seconds, where=where)
        if number:
            return
        if frame.interlaced_frame:
            self.notes.append("the film is interlaced; its frames are taken as they are")
        if any(part.is_alpha for part in frame.format.components):
            self.notes.append("the film's transparency is left out")

    def _hurt(self, number: int, pts: int | None, what: str) -> None:
        self.num_damaged += 1
        seconds = float(number / self.facts.rate if pts is None else pts * self.facts.time_base)
        if len(self.damage) < MOST_DAMAGE:
            self.damage.append(Damage(number, seconds, what))


class VideoMedium(Medium):
    """A film. Its value is an open `Video`, or the frames of one that was made: {"frames", "rate"} (`gesso.media.frames`).

    Its writer takes such frames; with the options `look` and `source`, whose sound it copies, it takes (planes, pts).
    """

    name: ClassVar[str] = "video"
    endings: ClassVar[Mapping[str, str]] = ENDINGS
    inputs: ClassVar[frozenset[str]] = frozenset({*ENDINGS, ".webm", ".avi", ".mpg", ".mpeg", ".ts"})
    viewer: ClassVar[str] = "video"
    on_request: ClassVar[bool] = True
    streamed: ClassVar[bool] = True
    digested: ClassVar[bool] = False
    exact: ClassVar[bool] = False
    budget: ClassVar[Budget] = Budget(max_bytes=2**31)  # of a film in memory; `film` reads larger ones from the disk

    def is_value(self, value: Any) -> bool:
        from gesso.media.frames import is_frames

        return isinstance(value, Video) or is_frames(value)

    def check(self, value: Any, *, where: str, recipe: str) -> None:
        from gesso.media.frames import FIX

        if not self.is_value(value):
            raise GessoError(f"{where!r} is no film", where=recipe, fix=f"finish gives {FIX}")

    def in_json(self, value: Any) -> Any:
        if isinstance(value, Video):
            return NotImplemented
        num, height, width, _ = value["frames"].shape
        return {"num_frames": num, "height": height, "width": width, "rate": value["rate"]}

    def encode(self, value: Any, ending: str, carried: Carried) -> bytes:
        from gesso.media.frames import encoded

        return super().encode(value, ending, carried) if isinstance(value, Video) else encoded(value, ending, carried)

    def writer(self, path: Path, carried: Carried) -> Writer:
        from gesso.media.frames import FramesWriter
        from gesso.media.video_writer import FilmWriter

        return FilmWriter(path, carried) if "look" in carried.options else FramesWriter(path, carried)

    def carries(self, data: bytes) -> str:
        if data[4:8] == b"ftyp" and data[8:12] not in STILL_BRANDS:
            return "MP4"
        return "Matroska file" if data.startswith(b"\x1aE\xdf\xa3") else ""

    def record_in(self, data: bytes, *, where: str) -> str | None:
        return read_record(io.BytesIO(data))

    def record_at(self, path: Path) -> str | None:
        return read_record(path)

    def decode(self, data: bytes, *, where: str, budget: Budget | None = None) -> Video:
        return decode(data, VideoBudget(max_bytes=(budget or self.budget).max_bytes), where=where)

    def thumb(self, value: Any) -> np.ndarray:
        return thumb(value) if isinstance(value, Video) else np.asarray(value["frames"][0])


MEDIUM = VideoMedium()


def decode(data: bytes, budget: VideoBudget | None = None, *, where: str = "film") -> Video:
    """An open film from a file's bytes, as uploads come."""
    limits = budget or VideoBudget()
    if len(data) > limits.max_bytes:
        raise GessoError(f"the file is larger than {in_megabytes(limits.max_bytes)}", where=where, fix="give a smaller file")
    return Video(io.BytesIO(data), limits, where)


def thumb(video: Video) -> np.ndarray:
    """The first frame, uint8 [h w 3], upright."""
    return next(video.frames()).upright()


def read_record(source: Path | BinaryIO) -> str | None:
    """The text of the record in a film's metadata; None where there is none."""
    with Video(source) as video:
        return next((text for key, text in video.metadata.items() if key.lower() == KEY), None)


def pyav() -> Any:
    """The module `av`, silent; MissingExtra where it is not installed."""
    try:
        import av
        import av.logging
    except ImportError:
        raise MissingExtra("av", "video", purpose="reading and writing film") from None
    av.logging.set_level(None)
    return av


def check_file(path: Path, budget: VideoBudget) -> None:
    """GessoError where this is no regular file within the limit."""
    if not path.is_file():
        what = "this is a folder" if path.is_dir() else "this is no file" if path.exists() else "there is no such file"
        raise GessoError(what, where=printable(path), fix="give a film")
    if path.stat().st_size > budget.max_bytes:
        raise GessoError(f"the file is larger than {in_megabytes(budget.max_bytes)}", where=printable(path), fix="give a smaller file")


def _array(plane: Any, bits: int) -> np.ndarray:
    """A plane's samples [h w], without the bytes that pad its rows."""
    kind = np.dtype(np.uint8 if bits == 8 else "<u2")
    return np.frombuffer(plane, kind).reshape(-1, plane.line_size // kind.itemsize)[: plane.height, : plane.width]


def _renamed(frame: Any, name: str) -> Any:
    """A frame of yuvj… as yuv…, whose samples are the same: the range is in the film's tags."""
    made = pyav().VideoFrame(frame.width, frame.height, name)
    for old, new in zip(frame.planes, made.planes, strict=True):
        rows = np.frombuffer(new, np.uint8).reshape(-1, new.line_size)
        rows[: new.height, : new.width] = _array(old, 8)
    made.pts = frame.pts
    return made


def _seconds(stream: Any, container: Any) -> float:
    if stream.duration is not None and stream.time_base is not None:
        return float(stream.duration * stream.time_base)
    return float(container.duration / 1_000_000) if container.duration else 0.0


def _reason(error: BaseException) -> str:
    """An error of ffmpeg in a few words, without its numbers and paths."""
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return str(text).splitlines()[0][:120].lower()
