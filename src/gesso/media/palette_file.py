"""Palette files: GIMP's .gpl, Adobe's .ase and .aco, with names in any script."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from gesso.errors import GessoError
from gesso.media.file import printable, read_bytes, write_atomic
from gesso.media.palette import MAX_SWATCHES, Palette, Swatch
from gesso.media.swatch import ASE, encode_aco, encode_ase, parse_aco, parse_ase

MAX_BYTES = 2**21  # 4096 colours with the longest names, twice in an .aco, are 1.7 MB
GIMP = b"GIMP Palette"
ASEPRITE = b"\xe0\xa5"  # Aseprite's drawings also have the extension .ase
KINDS_IN_WORDS = "a palette of GIMP (.gpl) or Adobe (.ase, .aco)"
ENTRY = re.compile(r"[ \t]*([0-9]{1,9})[ \t]+([0-9]{1,9})[ \t]+([0-9]{1,9})(?:[ \t]+(.*))?")
FIELD = re.compile(r"[ \t]*([A-Za-z][A-Za-z ]{0,30}):(.*)")
BYTE_ORDER_MARK = "\ufeff"


def read_palette(source: str | Path | bytes, *, where: object = None) -> Palette:
    """Read a palette from a file or bytes. The contents decide the format, not the name.

    Raises GessoError, saying what and where (a line, a colour, a byte), for anything else, for a file over 2 MB, over 4096
    colours, or cut short.
    """
    data = source if isinstance(source, bytes) else read_bytes(source, MAX_BYTES, where)
    name = printable(where if where is not None else "bytes" if isinstance(source, bytes) else source)
    if len(data) > MAX_BYTES:
        _refuse(f"the palette is larger than {MAX_BYTES // 2**20} MB", name, "give a smaller one")
    if data.startswith(ASE):
        return parse_ase(data, where=name)
    if data[4:6] == ASEPRITE:
        _refuse("this is a drawing of Aseprite, not a palette", name, "save its palette as .gpl")
    if data[:2] in (b"\x00\x01", b"\x00\x02"):
        return parse_aco(data, where=name)
    if data.removeprefix(b"\xef\xbb\xbf").startswith(GIMP):
        return parse_gpl(data, where=name)
    raise GessoError("this is not a readable palette" if data else "the file is empty", where=name, fix=f"give {KINDS_IN_WORDS}")


def encode_palette(palette: Palette, kind: str) -> bytes:
    """Encode the palette as ".gpl", ".ase" or ".aco" (which does not store the palette's name)."""
    if kind.lower() not in WRITERS:
        _refuse(f"palettes are not written as {printable(kind)!r}", None, "one of " + ", ".join(WRITERS))
    return WRITERS[kind.lower()](palette)


def write_palette(path: str | Path, palette: Palette) -> None:
    """Write the palette atomically, in the format of the file's extension."""
    write_atomic(path, encode_palette(palette, Path(path).suffix))


def encode_gpl(palette: Palette) -> bytes:
    """Encode the palette as .gpl in UTF-8."""
    lines = [GIMP.decode(), f"Name: {palette.name}", "Columns: 0", "#"]
    lines += [f"{red:3} {green:3} {blue:3}\t{name}".rstrip() for (red, green, blue), name in palette.swatches]
    return ("\n".join(lines) + "\n").encode()


def parse_gpl(data: bytes, *, where: object = None) -> Palette:
    """Parse a .gpl in UTF-8; a fourth number per colour (Aseprite's "Channels: RGBA") is ignored."""
    try:
        text = data.decode().removeprefix(BYTE_ORDER_MARK)
    except UnicodeDecodeError as error:
        before = data[: error.start].count(b"\n")
        raise GessoError("the names are not in UTF-8", where=f"{where}, line {before + 1}", fix="save it as UTF-8") from error
    head, *lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    if head.strip() != GIMP.decode():
        _refuse("this is not a palette of GIMP", where, f"its first line is {GIMP.decode()}")
    title, with_alpha = "", False
    swatches: list[Swatch] = []
    for number, line in enumerate(lines, 2):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        entry, field = ENTRY.fullmatch(line), FIELD.fullmatch(line)
        if entry:
            swatches.append(_swatch(entry, with_alpha, f"{where}, line {number}"))
            if len(swatches) > MAX_SWATCHES:
                _refuse(f"it holds more than {MAX_SWATCHES} colours", f"{where}, line {number}", "save it in parts")
        elif field and not swatches:
            key, value = field[1].strip().lower(), field[2].strip()
            title = value if key == "name" else title
            with_alpha = with_alpha or (key == "channels" and value.upper() == "RGBA")
        else:
            _refuse(
                f"this is not a colour: {printable(line.strip())!r}", f"{where}, line {number}", "write three numbers, 0 to 255, and a name"
            )
    return Palette(tuple(swatches), title)


def _swatch(entry: re.Match[str], with_alpha: bool, where: str) -> Swatch:
    red, green, blue = (int(entry[number]) for number in (1, 2, 3))
    if max(red, green, blue) > 255:
        _refuse(f"{red} {green} {blue} is not a colour", where, "write three numbers, 0 to 255")
    name = entry[4] or ""
    return Swatch((red, green, blue), re.sub(r"^[0-9]{1,3}(?:[ \t]+|$)", "", name) if with_alpha else name)


def _refuse(what: str, where: object, fix: str) -> NoReturn:
    raise GessoError(what, where=where, fix=fix)


WRITERS: dict[str, Callable[[Palette], bytes]] = {".gpl": encode_gpl, ".ase": encode_ase, ".aco": encode_aco}
