"""Reading of common picture files to uint8 pixels, and writing of PNG files with texts."""

from __future__ import annotations

import base64
import binascii
import io
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, ClassVar

import numpy as np
from PIL import Image

from gesso.errors import GessoError
from gesso.media import png
from gesso.media.budget import DEFAULT, Budget, in_megabytes
from gesso.media.decode import Sheet, check_size, decode, scaled, sheet_of
from gesso.media.density import Dpi
from gesso.media.file import printable, read_bounded, read_bytes
from gesso.media.medium import Carried, Medium
from gesso.media.tensor import from_tensor

Source = str | Path | bytes | BinaryIO | Image.Image | np.ndarray
DATA_URL = re.compile(r"data:image/[a-z0-9.+-]{1,40}(;[a-z0-9=._-]{1,40}){0,3};base64,", re.IGNORECASE)
ROUNDING = 0.5 / 255  # floats outside [0, 1] by at most this (resizing overshoots) still round to 0 or 255


def read_picture(source: Source, *, where: str | None = None, budget: Budget = DEFAULT, least_side: int = 8) -> np.ndarray:
    """The pixels of a path, bytes, open file, data URL, Pillow image or array: uint8 [h w 3], grey [h w], or [h w 4].

    The fourth channel, alpha, is present if any pixel is transparent.

    Files may be PNG, JPEG, WebP, BMP, TIFF, or GIF, with one frame; they are turned as their EXIF says, and 16-bit grey
    is scaled by /257 (16-bit colour keeps its high byte). Where a file has an ICC profile that is not sRGB, its colours and
    greys are converted to sRGB (`profile.to_srgb`); a file without one is taken to be sRGB, and PNG's gAMA and EXIF's
    ColorSpace are not looked at. Arrays may be uint8, bool, uint16 (by /257), or float in [0, 1]; floats in [-1, 1] are a
    tensor's and belong to `tensor.from_tensor`.
    Raises GessoError, before decoding where the header can tell, for anything else. `where` names the input in errors.
    """
    return read_sheet(source, where=where, budget=budget, least_side=least_side).pixels


def read_sheet(source: Source, *, where: str | None = None, budget: Budget = DEFAULT, least_side: int = 8) -> Sheet:
    """Like `read_picture`, with the file's DPI and the name of the profile that the pixels were converted from."""
    name = printable(where) if where is not None else None
    if isinstance(source, np.ndarray):
        return Sheet(_from_array(source, budget, least_side, name or "array"))
    if isinstance(source, Image.Image):
        return sheet_of(source, budget, least_side, where=name or "image")
    if isinstance(source, str) and source[:11].lower() == "data:image/":
        return sheet_from_data_url(source, budget, where=where, least_side=least_side)
    data, name = _bytes_of(source, budget.max_bytes, name)
    return decode(data, budget, least_side, where=name)


def to_white(picture: np.ndarray) -> np.ndarray:
    """Convert to uint8 [h w 3]: grey to three equal channels, alpha composited on white (rounded to the nearest)."""
    picture = check_picture(picture)
    if picture.ndim == 2:
        return np.repeat(picture[..., None], 3, axis=-1)
    if picture.shape[-1] == 3:
        return picture.copy()
    alpha = picture[..., 3:].astype(np.uint16)
    return ((picture[..., :3] * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)


def encode_png(
    picture: np.ndarray, text: Mapping[str, str] | None = None, *, dpi: Dpi | None = None, srgb: bool = False, compress_level: int = 6
) -> bytes:
    """A PNG of the pixels (uint8 [h w], [h w 3] or [h w 4], kept exactly) with the texts by keyword in iTXt chunks.

    `dpi` is written to a whole pixel a metre; `srgb` says in the file what is so anyway, that its colours are sRGB.
    Keywords are 1 to 64 plain characters. A text of more than a megabyte lies in several chunks; `read_png_text` joins them.
    """
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(check_picture(picture))).save(buffer, "PNG", compress_level=compress_level)
    return png.with_print(png.with_text(buffer.getvalue(), text or {}), dpi, srgb=srgb)


def read_png_text(source: str | Path | bytes | BinaryIO, *, where: str | None = None, budget: Budget = DEFAULT) -> dict[str, str]:
    """Read the texts of a PNG by keyword, without decoding pixels; GessoError beyond `budget.max_text_bytes`, compressed or not."""
    data, name = _bytes_of(source, budget.max_bytes, None if where is None else printable(where))
    return png.read_text(data, budget=budget, where=name)


def data_url(picture: np.ndarray, dpi: Dpi | None = None) -> str:
    """Encode the pixels (uint8) losslessly as `data:image/png;base64,…`."""
    return "data:image/png;base64," + base64.b64encode(encode_png(picture, dpi=dpi)).decode("ascii")


def from_data_url(url: str, budget: Budget = DEFAULT, *, where: str | None = None, least_side: int = 8) -> np.ndarray:
    """Decode a `data:image/…;base64,…` URL as `read_picture` does. The bytes decide the format, not the URL."""
    return sheet_from_data_url(url, budget, where=where, least_side=least_side).pixels


def sheet_from_data_url(url: str, budget: Budget = DEFAULT, *, where: str | None = None, least_side: int = 8) -> Sheet:
    """Like `read_sheet`, but accepts only data URLs: no text is ever opened as a path."""
    name = "data URL" if where is None else printable(where)
    head = DATA_URL.match(url)
    if head is None:
        raise GessoError("this is not a data URL of a picture", where=name, fix="it begins data:image/png;base64,")
    if (len(url) - head.end()) * 3 // 4 > budget.max_bytes + 2:
        raise GessoError(f"the picture is larger than {in_megabytes(budget.max_bytes)}", where=name, fix="give a smaller one")
    try:
        data = base64.b64decode(url[head.end() :], validate=True)
    except (binascii.Error, ValueError) as error:
        raise GessoError("the base64 text of the data URL is damaged", where=name, fix="encode the file again") from error
    return decode(data, budget, least_side, where=name)


def _bytes_of(source: str | Path | bytes | BinaryIO, max_bytes: int, name: str | None) -> tuple[bytes, str]:
    if isinstance(source, (str, Path)):
        if isinstance(source, str) and re.match(r"https?://", source, re.IGNORECASE):
            raise GessoError(
                "addresses on the web are not opened", where=name or printable(source), fix="download the picture and give the file"
            )
        name = name or printable(source)
        return read_bytes(source, max_bytes, name), name
    if isinstance(source, (bytes, bytearray, memoryview)):
        data, name = bytes(source), name or "bytes"
    elif hasattr(source, "read"):
        name = name or printable(getattr(source, "name", "open file"))
        try:
            data = read_bounded(source, max_bytes)
        except TypeError as error:
            raise GessoError("the file is open as text", where=name, fix='open it with mode "rb"') from error
        except (OSError, ValueError) as error:
            raise GessoError("the open file cannot be read", where=name, fix="open it for reading, and keep it open") from error
    else:
        kind = type(source).__name__
        raise GessoError(
            f"a picture cannot be read from {kind}", where=name, fix="give a path, bytes, an open file, a Pillow image or an array"
        )
    if len(data) > max_bytes:
        raise GessoError(f"the file is larger than {in_megabytes(max_bytes)}", where=name, fix="give a smaller file")
    return data, name


def _from_array(array: np.ndarray, budget: Budget, least_side: int, name: str) -> np.ndarray:
    if array.ndim == 3 and array.shape[-1] == 1:
        array = array[..., 0]
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[-1] not in (3, 4)):
        raise GessoError(
            f"an array of shape {list(array.shape)} is not a picture", where=name, fix="give [h w], [h w 3] or [h w 4], channels last"
        )
    height, width = array.shape[:2]
    check_size((width, height), budget, least_side, name)
    budget.check_decoded(width, height, 1 if array.ndim == 2 else array.shape[-1], where=name)
    if array.dtype == np.bool_:
        array = array.astype(np.uint8) * 255
    elif array.dtype == np.uint16:
        array = scaled(array, 65535)
    elif array.dtype.kind == "f":
        array = _from_floats(array, name)
    elif array.dtype != np.uint8:
        raise GessoError(f"an array of {array.dtype} is not a picture", where=name, fix="give uint8, or floats in [0, 1]")
    if array.ndim == 3 and array.shape[-1] == 4 and (array[..., 3] == 255).all():
        array = array[..., :3]
    return np.array(array, order="C")  # a copy, independent of the caller's array


def _from_floats(array: np.ndarray, name: str) -> np.ndarray:
    if not np.isfinite(array).all():
        raise GessoError("the array holds NaN or infinity", where=name, fix="find where they come from")
    low, high = float(array.min()), float(array.max())
    if low < -ROUNDING or high > 1 + ROUNDING:
        raise GessoError(f"the array holds floats from {low:g} to {high:g}", where=name, fix="give floats in [0, 1], or uint8")
    return scaled(array, 1)


def check_picture(picture: np.ndarray) -> np.ndarray:
    """Return the picture; GessoError unless it is a non-empty uint8 [h w], [h w 3] or [h w 4]."""
    good = isinstance(picture, np.ndarray) and picture.dtype == np.uint8 and picture.size > 0
    if not good or not (picture.ndim == 2 or (picture.ndim == 3 and picture.shape[-1] in (3, 4))):
        what = f"{picture.dtype} {list(picture.shape)}" if isinstance(picture, np.ndarray) else type(picture).__name__
        raise GessoError(f"this is not a picture: {what}", fix="give uint8 [h w], [h w 3] or [h w 4]")
    return picture


class PictureMedium(Medium):
    """A picture: uint8 [h w], [h w 3] or [h w 4]."""

    name: ClassVar[str] = "picture"
    usual: ClassVar[bool] = True
    endings: ClassVar[Mapping[str, str]] = {".png": "image/png"}
    inputs: ClassVar[frozenset[str]] = frozenset({".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff"})
    viewer: ClassVar[str] = "picture"

    def of(self, value: Any) -> Any:
        """uint8 pixels of a tensor [c h w] or [1 c h w] in [-1, 1]."""
        if not hasattr(value, "detach"):
            return value
        return from_tensor(value[0] if value.ndim == 4 and len(value) == 1 else value)

    def is_value(self, value: Any) -> bool:
        return isinstance(value, np.ndarray) and value.dtype == np.uint8 and value.ndim in (2, 3)

    def check(self, value: Any, *, where: str, recipe: str) -> None:
        if not self.is_value(value):
            raise GessoError(f"{where!r} is no picture", where=recipe, fix="finish gives pictures as uint8 [h w], [h w 3] or [h w 4]")

    def in_json(self, value: Any) -> Any:
        return data_url(value)

    def encode(self, value: Any, ending: str, carried: Carried) -> bytes:
        texts = {png.RECORD: carried.record, "parameters": carried.parameters}
        return encode_png(value, {k: v for k, v in texts.items() if v is not None}, dpi=carried.dpi, srgb=True, **carried.options)

    def carries(self, data: bytes) -> str:
        return "PNG" if data.startswith(png.SIGNATURE) else ""

    def record_in(self, data: bytes, *, where: str) -> str | None:
        return png.read_text(data, where=where).get(png.RECORD)

    def decode(self, data: bytes, *, where: str, budget: Budget | None = None) -> np.ndarray:
        return read_picture(data, where=where, budget=budget or self.budget, least_side=1)

    def thumb(self, value: Any) -> np.ndarray:
        return np.asarray(value)


MEDIUM = PictureMedium()


def middle_square(page: tuple[int, int]) -> tuple[int, int, int, int]:
    """The largest square in the middle of a page (height, width), as (left, top, right, bottom)."""
    h, w = page
    least = min(h, w)
    top, left = (h - least) // 2, (w - least) // 2
    return left, top, left + least, top + least
