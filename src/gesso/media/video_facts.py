"""What a film is, as its header says: size, times, colours, sound; and the limits of one film."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from gesso.errors import GessoError


@dataclass(frozen=True)
class VideoBudget:
    """The limits of one film, checked from its header and again while it is decoded."""

    max_bytes: int = 2**36
    max_pixels: int = 2**24  # of one frame
    max_frames: int = 2**21  # 9.7 hours at 60 frames a second
    max_seconds: float = 6 * 3600.0

    def check(self, width: int, height: int, frames: int, seconds: float, *, where: object) -> None:
        if width < 1 or height < 1:
            raise GessoError("the size of its frames is missing or impossible", where=where, fix="give a film that plays")
        if width < 2 or height < 2:
            raise GessoError(f"the film has frames of {width} x {height} pixels", where=where, fix="give a film with a picture in it")
        if width * height > self.max_pixels:
            what = f"its frames have {width} x {height} pixels; the limit is {self.max_pixels / 1e6:.1f} million"
            raise GessoError(what, where=where, fix="give a smaller film")
        if frames > self.max_frames:
            raise GessoError(f"it holds {frames} frames; the limit is {self.max_frames}", where=where, fix="cut it into shorter films")
        if seconds > self.max_seconds:
            what = f"it lasts {seconds:.0f} seconds; the limit is {self.max_seconds:.0f}"
            raise GessoError(what, where=where, fix="cut it into shorter films")


@dataclass(frozen=True)
class Colours:
    """What a file says of its colours, in ffmpeg's numbers (ITU-T H.273's, but for the range: 1 studio, 2 full); 2 or 0 is unknown."""

    range: int = 0
    matrix: int = 2
    primaries: int = 2
    transfer: int = 2


@dataclass(frozen=True)
class Facts:
    """What a film's header says. `num_frames` is an estimate where the container counts none; `aspect` is a pixel's width by its height."""

    width: int
    height: int
    bits: int
    time_base: Fraction
    rate: Fraction
    num_frames: int
    seconds: float
    aspect: Fraction
    colours: Colours
    codec: str
    sound: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()  # streams that are neither the first picture nor sound


@dataclass(frozen=True)
class Damage:
    """A frame that the file holds wrongly: its number, its time in seconds, and what became of it."""

    number: int
    seconds: float
    what: str

    def __str__(self) -> str:
        return f"frame {self.number} at {self.seconds:.3f} s {self.what}"
