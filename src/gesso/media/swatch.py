"""Adobe's palettes: Swatch Exchange (.ase) and Photoshop's colour swatches (.aco, versions 1 and 2).

Sources: Adobe Photoshop File Formats Specification (2019), "Color Swatches" and "Color structure". Adobe never published .ase;
its layout is the one that known readers share (blocks 0xC001, 0xC002, 1). Colours of other models are converted to sRGB by plain
arithmetic: CMYK without a press profile, Lab with the white point D50, grey as lightness.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from typing import NoReturn

import numpy as np

from gesso.errors import GessoError
from gesso.media.file import printable
from gesso.media.layers import RGB
from gesso.media.palette import MAX_SWATCHES, Palette, Swatch

ASE = b"ASEF"
GROUP_BEGINS, GROUP_ENDS, COLOUR = 0xC001, 0xC002, 0x0001
MAX_BLOCKS = 4 * MAX_SWATCHES
NORMAL = 2  # neither a global nor a spot colour
TOP = 65535
SPACES = {3: "Pantone", 4: "Focoltone", 5: "Trumatch", 6: "Toyo", 10: "HKS"}  # ink books; the file does not store their colours
# Linear sRGB of XYZ under D50 (Bradford), as in the profiles of ICC.
XYZ_TO_LINEAR = np.array([[3.1339, -1.6169, -0.4906], [-0.9788, 1.9161, 0.0335], [0.0719, -0.2290, 1.4052]])
WHITE_D50 = np.array([0.9642, 1.0, 0.8249])


class _Reader:
    """Reads bytes sequentially; GessoError if the file ends too soon."""

    def __init__(self, data: bytes, where: object) -> None:
        self.data, self.where, self.place = data, where, 0

    def take(self, num: int, what: str) -> bytes:
        if num > self.left:
            raise GessoError(
                f"the palette is cut short: it ends at byte {len(self.data)}, inside {what}", where=self.where, fix="copy it again"
            )
        self.place += num
        return self.data[self.place - num : self.place]

    def numbers(self, form: str, what: str) -> tuple[int, ...]:
        return struct.unpack(">" + form, self.take(struct.calcsize(">" + form), what))

    @property
    def left(self) -> int:
        return len(self.data) - self.place


def encode_ase(palette: Palette) -> bytes:
    """Encode the palette as .ase: RGB, in one group if it has a name."""
    blocks = [
        _block(COLOUR, _text(name) + b"RGB " + struct.pack(">3fH", *(v / 255 for v in rgb), NORMAL)) for rgb, name in palette.swatches
    ]
    if palette.name:
        blocks = [_block(GROUP_BEGINS, _text(palette.name)), *blocks, _block(GROUP_ENDS, b"")]
    return struct.pack(">4sHHI", ASE, 1, 0, len(blocks)) + b"".join(blocks)


def parse_ase(data: bytes, *, where: object = None) -> Palette:
    """Parse the colours of all groups in order, with the name of the first group; GessoError if the file is damaged or truncated."""
    file = _Reader(data, where)
    magic, major, _, num_blocks = file.numbers("4sHHI", "its head")
    if magic != ASE or major != 1:  # type: ignore[comparison-overlap]
        _refuse("this is not a Swatch Exchange file of version 1", where)
    if num_blocks > MAX_BLOCKS:
        _refuse(f"it claims {num_blocks} parts; the limit is {MAX_BLOCKS}", where)
    swatches: list[Swatch] = []
    title: str | None = None
    for number in range(1, num_blocks + 1):
        kind, length = file.numbers("HI", f"part {number}")
        part = _Reader(file.take(length, f"part {number}"), where)
        if kind == GROUP_BEGINS and title is None:
            title = _name_in(part, part.numbers("H", f"part {number}")[0], number)
        elif kind == COLOUR:
            swatches.append(_ase_swatch(part, number, where))
            _check_number(len(swatches), where)
    return Palette(tuple(swatches), title or "")


def encode_aco(palette: Palette) -> bytes:
    """Encode the palette as .aco: version 1 without names, then version 2 with names, as Photoshop writes it."""
    colours = [struct.pack(">5H", 0, *(value * 257 for value in rgb), 0) for rgb, _ in palette.swatches]
    names = [struct.pack(">H", 0) + _text(name) for _, name in palette.swatches]
    count = len(palette)
    second = b"".join(colour + name for colour, name in zip(colours, names, strict=True))
    return struct.pack(">HH", 1, count) + b"".join(colours) + struct.pack(">HH", 2, count) + second


def parse_aco(data: bytes, *, where: object = None) -> Palette:
    """Parse the colours of version 2, with names, or else of version 1; GessoError if the file is damaged or truncated."""
    file = _Reader(data, where)
    swatches: tuple[Swatch, ...] | None = None
    for version in (1, 2):
        if version == 2 and swatches is not None and not file.left:
            break
        said, count = file.numbers("HH", "its head")
        if said == 2 and version == 1:  # some programs omit version 1
            return Palette(_aco_swatches(file, 2, count))
        if said != version:
            _refuse(f"this is not a palette of Photoshop: version {said} instead of {version}", where)
        swatches = _aco_swatches(file, version, count)
    return Palette(swatches or ())


def _aco_swatches(file: _Reader, version: int, count: int) -> tuple[Swatch, ...]:
    _check_number(count, file.where)
    found = []
    for number in range(1, count + 1):
        space, *values = file.numbers("5H", f"colour {number}")
        name = ""
        if version == 2:
            _, letters = file.numbers("HH", f"the name of colour {number}")
            name = _name_in(file, letters, number)
        found.append(Swatch(_aco_colour(space, values, number, file.where), name))
    return tuple(found)


def _aco_colour(space: int, values: Sequence[int], number: int, where: object) -> RGB:
    if space == 0:
        return _rgb(value / TOP for value in values[:3])
    if space == 1:
        import colorsys

        return _rgb(colorsys.hsv_to_rgb(*(value / TOP for value in values[:3])))
    if space in (2, 9):  # 2 stores the inverse of the ink, 9 the ink
        inks = [1 - value / TOP if space == 2 else value / 10000 for value in values]
        return _from_inks(inks)
    if space == 7:
        a, b = (value - 65536 if value > 32767 else value for value in values[1:3])
        return from_lab(values[0] / 100, a / 100, b / 100)
    if space == 8:
        return _rgb([values[0] / 10000] * 3)
    what = f"a colour of the book {SPACES[space]}" if space in SPACES else f"in a colour space that is not known ({space})"
    raise GessoError(f"colour {number} is {what}", where=where, fix="save its colours as RGB")


def _ase_swatch(part: _Reader, number: int, where: object) -> Swatch:
    what = f"part {number}"
    name = _name_in(part, part.numbers("H", what)[0], number)
    model = part.take(4, what)
    num = {b"RGB ": 3, b"CMYK": 4, b"LAB ": 3, b"Gray": 1, b"GRAY": 1}.get(model)
    if num is None:
        raise GessoError(
            f"part {number} is in a colour model that is not known ({printable(model)})", where=where, fix="save its colours as RGB"
        )
    values = struct.unpack(f">{num}f", part.take(4 * num, what))
    if not all(map(math.isfinite, values)):
        _refuse(f"part {number} holds NaN or infinity", where)
    if model == b"CMYK":
        return Swatch(_from_inks(values), name)
    if model == b"LAB ":
        return Swatch(from_lab(values[0] * 100, values[1], values[2]), name)
    return Swatch(_rgb(values if num == 3 else [values[0]] * 3), name)


def _name_in(file: _Reader, letters: int, number: int) -> str:
    """Read a text of `letters` UTF-16 units, including the terminating zero."""
    data = file.take(2 * letters, f"the name of colour {number}")
    return data.decode("utf-16-be", "replace").split("\x00", 1)[0]


def _text(name: str) -> bytes:
    letters = name.encode("utf-16-be") + b"\x00\x00"
    return struct.pack(">H", len(letters) // 2) + letters


def _block(kind: int, data: bytes) -> bytes:
    return struct.pack(">HI", kind, len(data)) + data


def _rgb(shares: object) -> RGB:
    """Convert shares to whole numbers 0 to 255, clipped to [0, 1]."""
    red, green, blue = (round(min(1.0, max(0.0, float(share))) * 255) for share in shares)  # type: ignore[attr-defined]
    return red, green, blue


def _from_inks(inks: Sequence[float]) -> RGB:
    *colours, black = (min(1.0, max(0.0, ink)) for ink in inks)
    return _rgb((1 - ink) * (1 - black) for ink in colours)


def from_lab(lightness: float, a: float, b: float) -> RGB:
    """Convert CIE Lab under D50 (CIE 15:2004) to sRGB, clipped to the gamut."""
    lightness, a, b = (min(1000.0, max(-1000.0, value)) for value in (lightness, a, b))
    middle = (lightness + 16) / 116
    each = np.array([middle + a / 500, middle, middle - b / 200])
    xyz = WHITE_D50 * np.where(each > 6 / 29, each**3, 3 * (6 / 29) ** 2 * (each - 4 / 29))
    linear = np.clip(XYZ_TO_LINEAR @ xyz, 0, 1)
    return _rgb(np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055))


def _check_number(num: int, where: object) -> None:
    if num > MAX_SWATCHES:
        _refuse(f"it holds more than {MAX_SWATCHES} colours", where, "save it in parts")


def _refuse(what: str, where: object, fix: str = "save the palette again") -> NoReturn:
    raise GessoError(what, where=where, fix=fix)
