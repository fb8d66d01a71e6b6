"""The size limits of one input, counted in decoded bytes and checked before decoding."""

from __future__ import annotations

from dataclasses import dataclass

from gesso.errors import GessoError

FLOAT_BYTES = 4


@dataclass(frozen=True)
class Budget:
    """The limits of one input. Every reader checks them from the header.

    `max_decoded_bytes` counts float32 values (width x height x channels x frames x 4 bytes), because that is a picture's size as
    a tensor, whatever its size as a file.
    """

    max_bytes: int = 2**27  # of the file: 16.8 million RGBA pixels, or a picture with a record of 45 MB
    max_pixels: int = 2**24  # 4096 x 4096 = 16.8 million
    max_side: int = 2**15
    max_decoded_bytes: int = 2**28
    max_frames: int = 1
    max_text_bytes: int = 2**26  # of text and metadata beside the pixels, after decompression

    def check_bytes(self, num_bytes: int, *, where: object = None) -> None:
        """Refuse a file of more than `max_bytes`."""
        if num_bytes > self.max_bytes:
            raise GessoError(f"the file is larger than {in_megabytes(self.max_bytes)}", where=where, fix="give a smaller file")

    def check_size(self, width: int, height: int, *, where: object = None) -> None:
        """Refuse a picture by the width and height in pixels that its header claims."""
        if width < 1 or height < 1:
            raise GessoError(f"the picture has no pixels ({width} x {height})", where=where, fix="give a picture with pixels in it")
        if max(width, height) > self.max_side or width * height > self.max_pixels:
            raise GessoError(
                f"the picture claims {width} x {height} pixels; the limit is {self.max_pixels / 1e6:.1f} million "
                f"pixels and {self.max_side} a side",
                where=where,
                fix=f"make it smaller: {self._within()}",
            )

    def check_decoded(self, width: int, height: int, channels: int, frames: int = 1, *, where: object = None) -> None:
        """Refuse a picture by its decoded size: float32 values of all its channels and frames."""
        self.check_size(width, height, where=where)
        if frames > self.max_frames:
            raise GessoError(f"the file holds {frames} frames; the limit is {self.max_frames}", where=where, fix="save one frame as PNG")
        num_bytes = width * height * channels * frames * FLOAT_BYTES
        if num_bytes > self.max_decoded_bytes:
            raise GessoError(
                f"{width} x {height} pixels in {channels} channels would take {in_megabytes(num_bytes)} in memory; "
                f"the limit is {in_megabytes(self.max_decoded_bytes)}",
                where=where,
                fix="make it smaller",
            )

    def _within(self) -> str:
        side = min(self.max_side, int(self.max_pixels**0.5))
        return f"{side} x {side} is the largest square"


def in_megabytes(num_bytes: int) -> str:
    """A size as a text: 1 MB is 1,000,000 bytes, with one decimal below ten."""
    megabytes = num_bytes / 1e6
    return f"{megabytes:.0f} MB" if megabytes >= 10 else f"{megabytes:.1f} MB"


DEFAULT = Budget()
LAYERED = Budget(max_bytes=2**30)  # a layered file holds its picture many times
