"""OpenRaster, a zip with PNG layers and a list of them, which Krita, GIMP and MyPaint open.

Source: OpenRaster specification 0.0.5 (freedesktop.org), "Baseline": mimetype, stack.xml, data/, Thumbnails/, mergedimage.png.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn
from xml.etree import ElementTree

import numpy as np

from gesso.errors import GessoError
from gesso.media.budget import DEFAULT, Budget
from gesso.media.decode import decode
from gesso.media.density import Dpi, kept_dpi
from gesso.media.file import printable
from gesso.media.layers import Blend, Layer, Layered
from gesso.media.picture import encode_png

MIMETYPE = "image/openraster"
RECORD = "gesso/record.json"  # readers of OpenRaster ignore files that the list of layers does not name
THUMBNAIL_SIDE = 256
MAX_FILES, MAX_XML_BYTES = 4096, 2**20
MERGED = "mergedimage.png"
OPERATIONS: dict[Blend, str] = {"normal": "svg:src-over", "multiply": "svg:multiply"}
_NO_DATE = (1980, 1, 1, 0, 0, 0)  # a fixed date, so that equal layers give equal bytes


@dataclass(frozen=True)
class OpenRaster:
    """A parsed file: its page size, its merged picture, and its layers from bottom to top by `each`."""

    width: int
    height: int
    merged: np.ndarray
    thumbnail: np.ndarray
    dpi: Dpi | None
    stack: tuple[dict[str, str], ...]
    _data: bytes
    _budget: Budget
    _where: str

    def iter_layers(self) -> Iterator[Layer]:
        """Iterate over the layers and decode them lazily; GessoError if a layer is missing or damaged."""
        with _opened(self._data, self._where) as archive:
            for entry in self.stack:
                where = f"{self._where}: {printable(entry['src'])}"
                pixels = decode(_read(archive, entry["src"], self._budget.max_bytes, where), self._budget, 1, where=where).pixels
                if pixels.ndim == 2:
                    pixels = np.repeat(pixels[..., None], 3, -1)
                blend = next(blend for blend, operation in OPERATIONS.items() if operation == entry["composite-op"])
                yield Layer(entry["name"], int(entry["x"]), int(entry["y"]), pixels, blend)


def encode_ora(layers: Layered, text: Mapping[str, str] | None = None, record: str | None = None) -> bytes:
    """Encode the layers as an OpenRaster file in sRGB. `text` is written into the PNG of the merged picture (see `encode_png`), and
    `record` into a separate file, which `record_in_ora` reads."""
    merged = layers.merged()
    root = ElementTree.Element("image", version="0.0.3", w=str(layers.width), h=str(layers.height))
    if layers.dpi is not None:
        root.set("xres", str(round(layers.dpi[0])))
        root.set("yres", str(round(layers.dpi[1])))
    stack = ElementTree.SubElement(root, "stack")
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        _put(archive, "mimetype", MIMETYPE.encode())
        for number, layer in enumerate(layers):
            file = f"data/layer{number:04}.png"
            _put(archive, file, encode_png(layer.pixels, dpi=layers.dpi, srgb=True, compress_level=4))
            entry = ElementTree.Element("layer", src=file, name=layer.name, x=str(layer.left), y=str(layer.top), opacity="1.0")
            entry.set("visibility", "visible")
            entry.set("composite-op", OPERATIONS[layer.blend])
            stack.insert(0, entry)  # the file lists the top layer first
        _put(archive, MERGED, encode_png(merged, text, dpi=layers.dpi, srgb=True))
        _put(archive, "Thumbnails/thumbnail.png", encode_png(thumbnail(merged)))
        if record is not None:
            _put(archive, RECORD, record.encode("utf-8", "replace"))
        _put(archive, "stack.xml", ElementTree.tostring(root, encoding="UTF-8", xml_declaration=True))
    return buffer.getvalue()


def read_ora(data: bytes, *, budget: Budget = DEFAULT, where: str = "bytes") -> OpenRaster:
    """Parse an OpenRaster file of plain layers (normal or multiply, opaque and visible), as `encode_ora` writes it.

    Raises GessoError for anything else: no zip, a broken or hostile list (DOCTYPE, files that are not there), groups,
    other ways of blending, sizes over the budget.
    """
    budget.check_bytes(len(data), where=where)
    with _checked(data, where) as archive:
        root = _parsed(_read(archive, "stack.xml", MAX_XML_BYTES, where), where)
        width, height = _whole(root, "w", where), _whole(root, "h", where)
        budget.check_size(width, height, where=where)
        merged = decode(_read(archive, MERGED, budget.max_bytes, where), budget, 1, where=f"{where}: {MERGED}")
        small = decode(_read(archive, "Thumbnails/thumbnail.png", budget.max_bytes, where), budget, 1, where=f"{where}: thumbnail.png")
    entries = tuple(_entry(element, where) for element in reversed(root.findall("./stack/*")))
    exact, said = merged.dpi, kept_dpi((root.get("xres"), root.get("yres")))
    agree = exact and said and max(abs(one - other) for one, other in zip(exact, said, strict=True)) < 1
    dpi = exact if agree else said  # the list holds only whole numbers
    return OpenRaster(width, height, merged.pixels, small.pixels, dpi, entries, data, budget, where)


def record_in_ora(data: bytes, *, budget: Budget = DEFAULT, where: str = "bytes") -> str | None:
    """The record that `encode_ora` wrote; None if there is no record, GessoError if the zip is damaged."""
    with _checked(data, where) as archive:
        if RECORD in archive.namelist():
            return _read(archive, RECORD, budget.max_text_bytes, where).decode("utf-8", "replace")
    return None


def merged_in_ora(data: bytes, *, budget: Budget = DEFAULT, where: str = "bytes") -> np.ndarray:
    """The merged picture stored in the file, uint8 [h w], [h w 3] or [h w 4]."""
    with _checked(data, where) as archive:
        return decode(_read(archive, MERGED, budget.max_bytes, where), budget, 1, where=f"{where}: {MERGED}").pixels


def thumbnail(picture: np.ndarray) -> np.ndarray:
    """The picture scaled to fit into 256 x 256, uint8 [h w 3]."""
    from PIL import Image

    image = Image.fromarray(picture)
    image.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE), Image.Resampling.BOX)
    return np.asarray(image)


def _put(archive: zipfile.ZipFile, name: str, data: bytes) -> None:
    # PNG is compressed already, and the mimetype must be stored uncompressed at the start of the file.
    archive.writestr(zipfile.ZipInfo(name, _NO_DATE), data, zipfile.ZIP_STORED)


def _opened(data: bytes, where: str) -> zipfile.ZipFile:
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
    except Exception as error:  # zipfile raises arbitrary exceptions for hostile files
        raise GessoError("this is not an OpenRaster file, or it is damaged", where=where, fix="give an .ora") from error
    if len(archive.infolist()) > MAX_FILES:
        raise GessoError(f"it holds more than {MAX_FILES} files", where=where, fix="give an .ora with fewer layers")
    return archive


def _checked(data: bytes, where: str) -> zipfile.ZipFile:
    """Open the zip and check that its mimetype is OpenRaster."""
    archive = _opened(data, where)
    if _read(archive, "mimetype", 100, where).strip() != MIMETYPE.encode():
        raise GessoError("this zip is not an OpenRaster file", where=where, fix="give an .ora")
    return archive


def _read(archive: zipfile.ZipFile, name: str, limit: int, where: str) -> bytes:
    try:
        with archive.open(name) as file:
            data = file.read(limit + 1)
    except KeyError:
        raise GessoError(f"{printable(name)} is missing from it", where=where, fix="save the .ora again") from None
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError, OSError) as error:
        raise GessoError(f"{printable(name)} in it is damaged", where=where, fix="save the .ora again") from error
    if len(data) > limit:
        raise GessoError(f"{printable(name)} in it is too large", where=where, fix="give a smaller .ora")
    return data


def _parsed(xml: bytes, where: str) -> Any:
    if b"<!" in xml.replace(b"<!--", b"") or b"\x00" in xml:  # a DOCTYPE, also in UTF-16, may define entities that expand without limit
        _refuse("it defines entities, which no list of layers does", where)
    try:
        root = ElementTree.fromstring(xml)
    except (ElementTree.ParseError, ValueError, LookupError, RecursionError) as error:
        raise GessoError("stack.xml is damaged", where=where, fix="save the .ora again") from error
    if root.tag != "image" or len(root.findall("stack")) != 1:
        _refuse("it lists no stack", where)
    return root


def _entry(element: Any, where: str) -> dict[str, str]:
    if element.tag != "layer":
        _refuse(f"it has a {printable(element.tag)} among its layers", where)
    said = {"name": "", "x": "0", "y": "0", "composite-op": "svg:src-over", "src": "", **element.attrib}
    if said["composite-op"] not in OPERATIONS.values() or float_of(said.get("opacity", "1")) != 1 or said.get("visibility") == "hidden":
        _refuse(f"the layer {printable(said['name'])!r} is blended, faint or hidden in a way that is not read", where)
    said["x"], said["y"] = (str(_whole(said, key, where)) for key in "xy")
    return said


def float_of(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _whole(said: Any, key: str, where: str) -> int:
    text = str(said.get(key, ""))
    if not text.removeprefix("-").isdecimal() or len(text) > 7:
        _refuse(f"{key} is {printable(text)!r}, not a whole number of pixels", where)
    return int(text)


def _refuse(what: str, where: str) -> NoReturn:
    raise GessoError(what, where=f"{where}: stack.xml", fix="save the .ora again, with plain layers")
