"""Results as files and as pixels."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from gesso.card import Card
from gesso.errors import GessoError
from gesso.marking.marker import Marker
from gesso.marking.signing_request import Branch, Format, signing_request_of
from gesso.media.picture import encode_png
from gesso.record import KEYWORD, encoded, plain
from gesso.serving.storage.file_store import FileStore

if TYPE_CHECKING:
    from gesso.verbs.result import Result

MOST_INLINE = 65_536  # bytes of JSON inside a response
MOST_LABELS = 2**24
TYPES: dict[str, Format] = {"png": "image/png", "ora": "image/openraster", "psd": "image/vnd.adobe.photoshop"}


def medium_of(card: Card, name: str) -> str:
    for out in card.outputs:
        if out.name == name:
            return out.medium
    raise GessoError(f"{card.name} has no output {name!r}", where="output", fix="one of " + ", ".join(out.name for out in card.outputs))


def first_picture(card: Card) -> str | None:
    return next((out.name for out in card.outputs if out.medium == "picture"), None)


def pixels_of(result: Result, name: str, index: int = 0) -> np.ndarray:
    """An output as uint8 pixels: a picture, one of several, or integers [h w] as 24-bit colours (red holds the lowest byte)."""
    medium, value = medium_of(result.card, name), result.outputs.get(name)
    several = value if isinstance(value, tuple) else (value,)
    if not 0 <= index < len(several):
        raise GessoError(f"{name} has {len(several)} pictures", where="index", fix=f"0 to {len(several) - 1}")
    one = several[index]
    if medium.startswith("picture") and isinstance(one, np.ndarray):
        return one
    if isinstance(one, np.ndarray) and one.ndim == 2 and one.dtype.kind in "iub":
        return as_colours(one)
    raise GessoError(f"{name} cannot be shown as a picture", where="output", fix=f"it is {medium}: see the outputs of POST /api/generate")


Pictures = dict[tuple[str, int], np.ndarray]  # by output and its index among several


def pictures_of(result: Result, names: Iterable[str]) -> Pictures:
    """The pixels of some outputs."""
    num = {name: len(value) if isinstance(value := result.outputs.get(name), tuple) else 1 for name in names}
    return {(name, index): pixels_of(result, name, index) for name in num for index in range(num[name])}


def as_colours(labels: np.ndarray) -> np.ndarray:
    """uint8 [h w 3] of integers below 2^24; negative ones become 2^24 - 1."""
    if labels.size and int(labels.max()) >= MOST_LABELS:
        raise GessoError("there are too many pieces to be shown", where="output")
    numbers = np.where(labels < 0, MOST_LABELS - 1, labels).astype(np.uint32)
    return np.stack([(numbers >> shift & 255).astype(np.uint8) for shift in (0, 8, 16)], -1)


def png_of(result: Result, name: str, index: int = 0, *, clean: bool = False, max_side: int = 0) -> bytes:
    """A PNG with the record inside, unless it is `clean` or scaled down."""
    pixels = pixels_of(result, name, index)
    is_picture = medium_of(result.card, name).startswith("picture")
    if 0 < max_side < max(pixels.shape[:2]):
        return encode_png(smaller(pixels, max_side, exact=not is_picture), compress_level=4)
    dpi = result._dpi(pixels.shape[:2])
    return encode_png(pixels, None if clean else texts_of(result), dpi=dpi, srgb=is_picture, compress_level=4)


class OutputFile(NamedTuple):
    """A file to send: its bytes and content type, its manifest if the format cannot hold one, and why it is `unsigned`."""

    data: bytes
    kind: Format
    beside: bytes | None = None
    unsigned: str | None = None


CLEAN = "a clean copy was asked for"


def output_file(
    marker: Marker,
    result: Result,
    name: str,
    format: str = "png",
    index: int = 0,
    *,
    clean: bool = False,
    max_side: int = 0,
    branch: Branch | None = None,
) -> OutputFile:
    """An output as a file: all outputs are sent through this function, so it is the only place that signs them.

    `format` is png, or ora or psd for layers. Only a `clean` copy has neither record nor signature. If the signer fails, the file keeps
    its record, and `unsigned` says why it is not signed.
    """
    data, kind = file_of(result, name, format, index, clean=clean, max_side=max_side)
    if clean:
        return OutputFile(data, kind, unsigned=CLEAN)
    marked = marker.mark(signing_request_of(result.card, result.request, result.record, name, kind, branch), data)
    return OutputFile(marked.data, kind, marked.beside, marked.why)


def file_of(result: Result, name: str, format: str, index: int = 0, *, clean: bool = False, max_side: int = 0) -> tuple[bytes, Format]:
    """An output as a file without a signature, and its content type; `output_file` adds the signature."""
    if format == "png":
        return png_of(result, name, index, clean=clean, max_side=max_side), TYPES["png"]
    from gesso.media.ora import encode_ora
    from gesso.media.psd import encode_psd

    layers = result.layered(name)
    texts = {} if clean else {"parameters": result.record.parameters()}
    record = None if clean else result.record.text()
    if format == "ora":
        return encode_ora(layers, texts, record), TYPES["ora"]
    return encode_psd(layers, texts, record), TYPES["psd"]


def texts_of(result: Result) -> dict[str, str]:
    return {KEYWORD: result.record.text(), "parameters": result.record.parameters()}


def first_layers(card: Card) -> str | None:
    return next((out.name for out in card.outputs if out.medium == "layers"), None)


def smaller(pixels: np.ndarray, max_side: int, *, exact: bool = False) -> np.ndarray:
    """The picture with its longest side at most `max_side`; `exact` values are sampled, others averaged."""
    from PIL import Image

    height, width = pixels.shape[:2]
    if max(height, width) <= max_side:
        return pixels
    scale = max_side / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return np.asarray(
        Image.fromarray(np.ascontiguousarray(pixels)).resize(size, Image.Resampling.NEAREST if exact else Image.Resampling.BOX)
    )


def store_outputs(files: FileStore, owner: str, result: Result, marker: Marker) -> dict[str, Any]:
    """Sign and store all outputs. Gives by name {"id", "medium", "width", "height"}, a list of those, or {"medium", "value"}.

    An output that could not be signed has the reason under "unsigned".
    """
    stored: dict[str, Any] = {}
    for out in result.card.outputs:
        if out.name not in result.outputs:
            continue
        value = result.outputs[out.name]
        several = isinstance(value, tuple) and out.medium == "pictures"
        if several:
            items = [_store(files, owner, result, marker, out.name, out.medium, index) for index in range(len(value))]
            stored[out.name] = {"medium": out.medium, "items": items}
        elif out.medium == "layers":
            stored[out.name] = {"medium": out.medium, "formats": [TYPES["ora"], TYPES["psd"]]}  # requested with Accept
        elif _is_picture(value, out.medium):
            stored[out.name] = _store(files, owner, result, marker, out.name, out.medium, 0)
        else:
            stored[out.name] = {"medium": out.medium, "value": _inline(plain(value), out.name)}
    return stored


def _store(files: FileStore, owner: str, result: Result, marker: Marker, name: str, medium: str, index: int) -> dict[str, Any]:
    pixels = pixels_of(result, name, index)
    file = output_file(marker, result, name, index=index)
    stored = files.put(owner, "output", file.data, medium=medium, size=(pixels.shape[1], pixels.shape[0])).to_json()
    return stored if file.unsigned is None else stored | {"unsigned": file.unsigned}


def _is_picture(value: Any, medium: str) -> bool:
    return isinstance(value, np.ndarray) and (medium.startswith("picture") or (value.ndim == 2 and value.dtype.kind in "iub"))


def _inline(value: Any, name: str) -> Any:
    import json

    if len(encoded(json.dumps(value))) > MOST_INLINE:
        raise GessoError(f"{name} is too large to be stored", where=name, fix="gesso generate … --out result.json")
    return value
