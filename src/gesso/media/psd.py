"""Writing of Photoshop documents with plain layers, one layer at a time.

psd-tools writes them too, but renders the merged picture anew in floats, in gigabytes for a large page and not to the bit;
it reads these in the tests. Source: Adobe Photoshop File Formats Specification (2019).
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from xml.sax.saxutils import escape

import numpy as np

from gesso.errors import GessoError
from gesso.media.density import Dpi
from gesso.media.layers import Blend, Layer, Layered
from gesso.media.packbits import packed, packed_solid
from gesso.media.profile import srgb_profile

MAX_SIDE = 30_000  # of the format; beyond lies .psb
MAX_BYTES = 2**31 - 1
BLENDS: dict[Blend, bytes] = {"normal": b"norm", "multiply": b"mul "}
RESOLUTION, PROFILE, XMP = 1005, 1039, 1060
RECORD, RECORD_NAME = 4711, b"gesso record"  # among the numbers that the specification leaves to plug-ins, 4000 to 4999
RLE, RGB_MODE, ALPHA = 1, 3, -1
PER_INCH, IN_CENTIMETRES = 1, 2
TRAINED = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"


def encode_psd(layers: Layered, text: Mapping[str, str] | None = None, record: str | None = None) -> bytes:
    """Encode the layers as a Photoshop document: 8-bit RGB in sRGB, packed, with the merged picture and Unicode names.

    `text` goes by keyword into the document's XMP, `record` into an image resource of its own, which other programs pass over
    (`record_in_psd` reads it). Raises GessoError for a side over 30,000 pixels, or a document over 2 GB.
    """
    if max(layers.width, layers.height) > MAX_SIDE:
        raise GessoError(
            f"a Photoshop document has at most {MAX_SIDE} pixels a side, and this is {layers.width} x {layers.height}",
            where=".psd",
            fix="save it as .ora",
        )
    head = struct.pack(">4sH6xHIIHH", b"8BPS", 1, 3, layers.height, layers.width, 8, RGB_MODE) + _block(b"")
    parts = [head, _block(_resources(layers.dpi, text or {}, record)), *_layer_section(layers), *_merged(layers.merged())]
    if sum(map(len, parts)) > MAX_BYTES:
        raise GessoError("a Photoshop document holds at most 2 GB", where=".psd", fix="save it as .ora, or with fewer colours")
    return b"".join(parts)


def _layer_section(layers: Layered) -> list[bytes]:
    """The records of all layers, then their pixels, from bottom to top."""
    records, pixels = [struct.pack(">h", len(layers))], list[bytes]()
    for layer in layers:
        channels = _channels(layer)
        records.append(_record(layer, {key: len(data) for key, data in channels.items()}))
        pixels.extend(channels.values())
    size = sum(map(len, records)) + sum(map(len, pixels))
    padding = bytes(-size % 4)
    info, no_masks = size + len(padding), struct.pack(">I", 0)
    if info > MAX_BYTES:
        raise GessoError("a Photoshop document holds at most 2 GB", where=".psd", fix="save it as .ora, or with fewer colours")
    return [struct.pack(">II", 4 + info + len(no_masks), info), *records, *pixels, padding, no_masks]


def _record(layer: Layer, sizes: Mapping[int, int]) -> bytes:
    box = struct.pack(">4i", layer.top, layer.left, layer.top + layer.height, layer.left + layer.width)
    channels = b"".join(struct.pack(">hI", key, size) for key, size in sizes.items())
    extra = _block(b"") + _block(b"") + _pascal(layer.name) + _unicode_name(layer.name)
    how = struct.pack(">4s4sBBBx", b"8BIM", BLENDS[layer.blend], 255, 0, 0x08)
    return box + struct.pack(">H", len(sizes)) + channels + how + _block(extra)


def _channels(layer: Layer) -> dict[int, bytes]:
    """The planes of a layer by channel number, packed row by row."""
    planes = {ALPHA: layer.pixels[..., 3]} if layer.pixels.shape[-1] == 4 else {}
    return {key: _plane(plane) for key, plane in (planes | {n: layer.pixels[..., n] for n in range(3)}).items()}


def _plane(plane: np.ndarray) -> bytes:
    data, sizes = _rows(plane)
    return struct.pack(">H", RLE) + sizes.astype(">u2").tobytes() + data


def _rows(plane: np.ndarray) -> tuple[bytes, np.ndarray]:
    return packed_solid(int(plane[0, 0]), *plane.shape) if (plane == plane[0, 0]).all() else packed(plane)


def _merged(picture: np.ndarray) -> list[bytes]:
    """The merged picture, which viewers show: all row sizes first, then all rows."""
    planes = [_rows(picture[..., n]) for n in range(3)]
    sizes = np.concatenate([sizes for _, sizes in planes])
    return [struct.pack(">H", RLE), sizes.astype(">u2").tobytes(), *(data for data, _ in planes)]


def _resources(dpi: Dpi | None, text: Mapping[str, str], record: str | None) -> bytes:
    out = _resource(PROFILE, srgb_profile())
    if dpi is not None:
        across, down = (round(value * 65536) for value in dpi)
        out += _resource(RESOLUTION, struct.pack(">IHHIHH", across, PER_INCH, IN_CENTIMETRES, down, PER_INCH, IN_CENTIMETRES))
    out += _resource(XMP, _xmp(text)) if text else b""
    return out if record is None else out + _resource(RECORD, record.encode("utf-8", "replace"), RECORD_NAME)


def _resource(number: int, data: bytes, name: bytes = b"") -> bytes:
    called = bytes([len(name)]) + name
    return struct.pack(">4sH", b"8BIM", number) + called + bytes(len(called) % 2) + _block(data) + bytes(len(data) % 2)


def _xmp(text: Mapping[str, str]) -> bytes:
    """The texts as properties in Gesso's namespace, with IPTC's source type for generated pictures."""
    said = "".join(
        f'<rdf:li rdf:parseType="Resource"><gesso:keyword>{escape(_legal(key))}</gesso:keyword>'
        f"<gesso:words>{escape(_legal(words))}</gesso:words></rdf:li>"
        for key, words in text.items()
    )
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" '
        'xmlns:gesso="urn:gesso:" xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" '
        f'Iptc4xmpExt:DigitalSourceType="{TRAINED}"><gesso:texts><rdf:Bag>{said}</rdf:Bag></gesso:texts>'
        '</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
    ).encode("utf-8", "replace")


def _legal(words: str) -> str:
    return "".join(c if (c >= " " or c in "\t\n\r") and c not in "\ufffe\uffff" else " " for c in words)


def _block(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data


def _pascal(name: str) -> bytes:
    """The legacy name, for readers without support for the Unicode name."""
    plain = name.encode("ascii", "replace")[:31]
    return (bytes([len(plain)]) + plain).ljust(-(-(len(plain) + 1) // 4) * 4, b"\x00")


def _unicode_name(name: str) -> bytes:
    letters = name.encode("utf-16-be")
    data = struct.pack(">I", len(letters) // 2) + letters
    data += bytes(-len(data) % 4)
    return b"8BIMluni" + _block(data)
