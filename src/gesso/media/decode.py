"""Decoding of picture files and opened Pillow images to pixels: limits are checked on the header, then the pixels are read exactly."""

from __future__ import annotations

import io
from typing import NamedTuple, NoReturn

import numpy as np
from PIL import Image

from gesso.errors import GessoError
from gesso.media import png
from gesso.media.budget import Budget
from gesso.media.density import Dpi, kept_dpi
from gesso.media.profile import to_srgb

# MPO, which phones write, is a JPEG with further pictures appended. Pillow opens it as JPEG, and the first picture is used.
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")
FORMATS_IN_WORDS = "PNG, JPEG, WebP, BMP, TIFF, or GIF with one frame"
SEVERAL_IS_FINE = {"MPO"}
# The compressions that libtiff may unpack. Others (old JPEG, LogLuv, ThunderScan …) are rare, and most of libtiff's bugs are there.
TIFF_COMPRESSIONS = {"raw", "packbits", "tiff_lzw", "tiff_deflate", "tiff_adobe_deflate", "group3", "group4", "tiff_ccitt", "jpeg"}
TIFF_BITS, TIFF_TILE_WIDTH, TIFF_TILE_HEIGHT = 258, 322, 323
ORIENTATION = 0x0112
ON_ITS_SIDE = (5, 6, 7, 8)
GREY_16 = {"I;16", "I;16L", "I;16B", "I;16N"}
WITH_ALPHA = {"LA", "La", "PA", "RGBA", "RGBa"}

KNOWN_OTHERS = (
    (b"%PDF", "a PDF", "export the page as PNG"),
    (b"8BPS", "a Photoshop document", "export it as PNG"),
    (b"%!PS", "a PostScript file", "export it as PNG"),
    (b"PK\x03\x04", "a zip archive or a layered document", "export the picture inside as PNG"),
    (b"gimp xcf", "a GIMP document", "export it as PNG"),
    (b"\x1f\x8b", "a gzip archive", "unpack it first"),
    (b"\x00\x00\x01\x00", "an icon file", "save it as PNG"),
    (b"II*\x00\x10\x00\x00\x00CR", "a raw photograph", "develop it and save it as PNG or JPEG"),
)


class Sheet(NamedTuple):
    """A picture with the metadata of its file.

    `pixels` uint8 [h w], [h w 3] or [h w 4] in sRGB; `dpi` (across, down) or None; `profile`, the name of the colour profile that
    the pixels were converted from, None if they were not converted.
    """

    pixels: np.ndarray
    dpi: Dpi | None = None
    profile: str | None = None


def decode(data: bytes, budget: Budget, least_side: int, *, where: object = None) -> Sheet:
    """Decode a file in one of FORMATS, rotated by its EXIF."""
    if not data:
        raise GessoError("the file is empty", where=where, fix="give a picture file")
    if data.startswith(png.SIGNATURE):
        header = png.read_header(data, where=where)
        check_size((header.width, header.height), budget, least_side, where)
        bits = header.bits
        beside = png.read_beside(data, budget=budget, where=where)
        data = png.pixel_chunks(data, header, budget=budget, where=where)
    else:
        bits, beside = 8, None
        _check_webp(data, budget, where)
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
    except Image.DecompressionBombError as error:
        limit = f"{budget.max_pixels / 1e6:.1f} million"
        raise GessoError(f"the picture claims far more pixels than the limit of {limit}", where=where, fix="make it smaller") from error
    except Exception as error:  # decoders raise arbitrary exceptions for invalid data
        _refuse_format(data, error, where)
    with image:
        return sheet_of(image, budget, least_side, bits=bits, beside=beside, where=where)


def check_size(size: tuple[int, int], budget: Budget, least_side: int, where: object) -> None:
    """Refuse a width and height (in pixels) beyond the budget or below `least_side`."""
    width, height = size
    budget.check_size(width, height, where=where)
    if min(width, height) < least_side:
        raise GessoError(
            f"the picture is {width} x {height} pixels, which is too small",
            where=where,
            fix=f"give one of at least {least_side} x {least_side}",
        )


def sheet_of(
    image: Image.Image,
    budget: Budget,
    least_side: int,
    *,
    bits: int = 8,
    beside: tuple[bytes | None, Dpi | None] | None = None,
    where: object = None,
) -> Sheet:
    """Decode a Pillow image that may not be loaded yet. `bits` is the number of bits per sample in its PNG file. The image stays open.

    `beside` is its profile and DPI, if they were read from the file already; None: take them from Pillow.
    """
    check_size(image.size, budget, least_side, where)
    _check_mode(image, where)
    channels = len(image.getbands()) if image.mode not in ("P", "PA") else 3
    if "transparency" in image.info or image.mode in WITH_ALPHA:
        channels = 4
    budget.check_decoded(*image.size, channels, where=where)
    try:
        _check_frames(image, where)
        _check_tiff(image, budget, where)
        bits = _tiff_bits(image) or bits
        image.load()
        check_size(image.size, budget, least_side, where)
        pixels = _exactly(image, bits, where)
        profile, dpi = beside or (_profile(image), kept_dpi(image.info.get("dpi")))
        pixels, name = to_srgb(pixels, profile)
        orientation = _orientation(image)
        turned = _turned(pixels, orientation)
    except GessoError:
        raise
    except MemoryError as error:
        raise GessoError("there is not enough memory to read the picture", where=where, fix="make it smaller") from error
    except Exception as error:  # decoders raise arbitrary exceptions for invalid data
        _refuse_damaged(error, where)
    if dpi is not None and orientation in ON_ITS_SIDE:
        dpi = dpi[1], dpi[0]
    return Sheet(np.require(turned, requirements=["C", "W"]), dpi, name)


def _profile(image: Image.Image) -> bytes | None:
    profile = image.info.get("icc_profile")
    return profile if isinstance(profile, bytes) else None


def _check_webp(data: bytes, budget: Budget, where: object) -> None:
    """Check the size in a WebP's header (RFC 9649, section 2) first, because Pillow allocates the canvas when it opens the file."""
    if data[:4] != b"RIFF" or data[8:12] != b"WEBP":
        return
    data = data[:30].ljust(30, b"\x00")
    kind = data[12:16]
    if kind == b"VP8X":
        budget.check_size(1 + int.from_bytes(data[24:27], "little"), 1 + int.from_bytes(data[27:30], "little"), where=where)
    elif kind == b"VP8L":
        sides = int.from_bytes(data[21:25], "little")
        budget.check_size(1 + (sides & 0x3FFF), 1 + (sides >> 14 & 0x3FFF), where=where)
    elif kind == b"VP8 ":
        sides = int.from_bytes(data[26:30], "little")
        budget.check_size(sides & 0x3FFF, sides >> 16 & 0x3FFF, where=where)


def _check_mode(image: Image.Image, where: object) -> None:
    if image.mode == "CMYK":
        raise GessoError("the picture is in CMYK, the colours of a printing press", where=where, fix="save it as RGB")
    if image.mode == "LAB":
        raise GessoError("the picture is in Lab colours", where=where, fix="save it as RGB")


def _check_frames(image: Image.Image, where: object) -> None:
    if getattr(image, "is_animated", False) and image.format not in SEVERAL_IS_FINE:
        kind = "has several pages" if image.format == "TIFF" else f"is an animated {image.format}"
        raise GessoError(f"the picture {kind}", where=where, fix="save one frame as PNG")


def _check_tiff(image: Image.Image, budget: Budget, where: object) -> None:
    if image.format != "TIFF":
        return
    compression = image.info.get("compression", "raw")
    if compression not in TIFF_COMPRESSIONS:
        raise GessoError(f"the TIFF is packed in a way that is not read ({compression})", where=where, fix="save it as PNG")
    tags = getattr(image, "tag_v2", {})
    width, height = tags.get(TIFF_TILE_WIDTH), tags.get(TIFF_TILE_HEIGHT)
    if isinstance(width, int) and isinstance(height, int):  # a small picture may claim huge tiles, and libtiff allocates one
        budget.check_size(width, height, where=where)


def _tiff_bits(image: Image.Image) -> int:
    bits = getattr(image, "tag_v2", {}).get(TIFF_BITS, 0) if image.format == "TIFF" else 0
    return bits[0] if isinstance(bits, tuple) and bits else bits if isinstance(bits, int) else 0


def _exactly(image: Image.Image, bits: int, where: object) -> np.ndarray:
    """Convert the pixels of any mode to uint8. Grey stays [h w]; alpha is kept if any of it is below 255."""
    mode, key = image.mode, image.info.get("transparency")
    if mode in GREY_16 or mode in ("I", "F"):
        raw = np.asarray(image)
        grey = _grey_of_many(raw, mode, bits, where)
        return grey if not isinstance(key, int) else _with_alpha(grey, np.where(raw == key, 0, 255))
    if mode in ("1", "L"):
        grey = np.asarray(image.convert("L"))
        if not isinstance(key, int):
            return grey
        transparent = 255 * bool(key) if mode == "1" else _to_8_bits(key, bits)
        return _with_alpha(grey, np.where(grey == transparent, 0, 255))
    if mode == "RGB":
        colour = np.asarray(image)
        if not isinstance(key, tuple):
            return colour
        see_through = (colour == np.array([_to_8_bits(value, bits) for value in key])).all(-1)
        return _with_alpha(colour, np.where(see_through, 0, 255))
    if mode in WITH_ALPHA or key is not None:
        grey_alpha = mode in ("LA", "La")
        both = np.asarray((image.convert("LA") if mode == "La" else image) if grey_alpha else image.convert("RGBA"))
        colour = both[..., 0] if grey_alpha else both[..., :-1]
        return _with_alpha(colour, both[..., -1])
    return np.asarray(image.convert("RGB"))


def _to_8_bits(value: int, bits: int) -> int:
    # Pillow keeps the high byte of 16-bit colours and spreads fewer bits over 0 to 255,
    # but leaves the transparent colour as the file has it.
    return value >> 8 if bits == 16 else value * 255 // (2**bits - 1)


def _with_alpha(colour: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    if (alpha == 255).all():
        return colour
    if colour.ndim == 2:
        colour = np.repeat(colour[..., None], 3, axis=-1)
    return np.concatenate([colour, alpha[..., None].astype(np.uint8)], axis=-1)


def _grey_of_many(raw: np.ndarray, mode: str, bits: int, where: object) -> np.ndarray:
    """Convert grey of more than 8 bits to uint8: 16-bit by /257; the modes "I" and "F" have no fixed range, so the values decide."""
    if mode in GREY_16:
        return scaled(raw, 4095 if bits == 12 else 65535)
    if not np.isfinite(raw).all():
        raise GessoError("the picture holds NaN or infinity", where=where, fix="save it as 8-bit or 16-bit")
    low, high = float(raw.min()), float(raw.max())
    top = 1 if mode == "F" and high <= 1 else 255 if high <= 255 else 65535
    if low < 0 or high > top or (mode == "F" and top == 65535):
        raise GessoError(f"the picture holds values from {low:g} to {high:g}", where=where, fix="save it as 8-bit or 16-bit")
    return scaled(raw, top)


def scaled(values: np.ndarray, top: float) -> np.ndarray:
    """Scale values to uint8 with `top` at 255, rounded to the nearest; in strips, so that a large picture is never in float64 at once."""
    out = np.empty(values.shape, np.uint8)
    for start in range(0, len(values), 256):
        strip = values[start : start + 256].astype(np.float64)
        out[start : start + 256] = np.clip(np.rint(strip * (255 / top)), 0, 255)
    return out


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(ORIENTATION, 1))
    except Exception:  # broken metadata beside sound pixels: the picture is read as it lies
        return 1


def _turned(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Turned upright, by the eight values of the EXIF tag Orientation (EXIF 2.3, 4.6.4)."""
    if orientation in ON_ITS_SIDE:
        pixels = np.swapaxes(pixels, 0, 1)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return pixels


def _refuse_format(data: bytes, error: Exception, where: object) -> NoReturn:
    start = data[:1024].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if b"<svg" in start:
        raise GessoError("this is an SVG, a drawing that is not pixels yet", where=where, fix="render it first, as PNG") from error
    if data[4:8] == b"ftyp":
        raise GessoError("this is an AVIF, HEIC or video file, which is not read", where=where, fix="save it as PNG") from error
    for magic, name, fix in KNOWN_OTHERS:
        if data.startswith(magic):
            raise GessoError(f"this is {name}, not a picture", where=where, fix=fix) from error
    if data[:3] == b"\xff\xd8\xff" or data[:4] in (b"RIFF", b"GIF8", b"II*\x00", b"MM\x00*") or data[:2] == b"BM":
        _refuse_damaged(error, where)
    kind = "text" if start and all(byte >= 32 or byte in b"\t\r\n" for byte in start) else "not a picture that can be read"
    raise GessoError(f"this is {kind}, whatever its name says", where=where, fix=f"give a picture: {FORMATS_IN_WORDS}") from error


def _refuse_damaged(error: Exception, where: object) -> NoReturn:
    short = isinstance(error, EOFError) or any(word in str(error).lower() for word in ("truncated", "eof", "not enough"))
    what = "the picture is cut short: the file ends before it does" if short else "the picture file is damaged"
    raise GessoError(what, where=where, fix="copy or download it again, or save it again from an image editor") from error
