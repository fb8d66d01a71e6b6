"""Results as files and as pixels."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from gesso.card import Card
from gesso.errors import GessoError
from gesso.marking.marker import Marker
from gesso.marking.signing_request import FORMATS, Branch, signing_request_of
from gesso.media.medium import Carried, Medium, content_type, media, medium
from gesso.media.picture import encode_png
from gesso.record import KEYWORD, encoded, plain
from gesso.serving.storage.file_store import FileStore

if TYPE_CHECKING:
    from gesso.verbs.result import Result

MOST_INLINE = 65_536  # bytes of JSON inside a response


def medium_of(card: Card, name: str) -> str:
    for out in card.outputs:
        if out.name == name:
            return out.medium
    raise GessoError(f"{card.name} has no output {name!r}", where="output", fix="one of " + ", ".join(out.name for out in card.outputs))


def first_picture(card: Card) -> str | None:
    return next((out.name for out in card.outputs if out.medium == "picture"), None)


def shown_output(card: Card) -> str | None:
    """The output that a thumbnail shows: the first picture, or else the first that has one of its own."""
    own = (out.name for out in card.outputs if type(medium(out.medium)).thumb is not Medium.thumb)
    return first_picture(card) or next(own, None)


def pixels_of(result: Result, name: str, index: int = 0) -> np.ndarray:
    """An output as uint8 pixels: a picture, one of several, or integers [h w] as 24-bit colours (red holds the lowest byte)."""
    kind, value = medium(medium_of(result.card, name)), result.outputs.get(name)
    if value is None:
        raise GessoError(f"these weights make no {name}", where="output", fix="one of " + ", ".join(result.outputs))
    several = value if isinstance(value, tuple) else (value,)
    if not 0 <= index < len(several):
        raise GessoError(f"{name} has {len(several)} pictures", where="index", fix=f"0 to {len(several) - 1}")
    one = several[index]
    looks = medium("picture") if isinstance(value, tuple) and kind.viewer == "picture" else kind
    shown = looks.thumb(one) if looks.is_value(one) else labels_of(one)
    if shown is not None:
        return shown
    raise GessoError(
        f"{name} cannot be shown as a picture", where="output", fix=f"it is {kind.name}: see the outputs of POST /api/generate"
    )


def labels_of(value: Any) -> np.ndarray | None:
    """A map of whole numbers as colours, whatever its medium is called; None for anything else."""
    pieces = medium("pieces")
    return pieces.thumb(value) if pieces.is_value(value) else None


Pictures = dict[tuple[str, int], np.ndarray]  # by output and its index among several


def pictures_of(result: Result, names: Iterable[str]) -> Pictures:
    """The pixels of some outputs."""
    num = {name: len(value) if isinstance(value := result.outputs.get(name), tuple) else 1 for name in names}
    return {(name, index): pixels_of(result, name, index) for name in num for index in range(num[name])}


def png_of(result: Result, name: str, index: int = 0, *, clean: bool = False, max_side: int = 0) -> bytes:
    """A PNG with the record inside, unless it is `clean` or scaled down."""
    pixels, kind = pixels_of(result, name, index), medium(medium_of(result.card, name))
    is_picture = kind.viewer == "picture"
    if 0 < max_side < max(pixels.shape[:2]):
        return encode_png(smaller(pixels, max_side, exact=not is_picture), compress_level=4)
    carried = Carried() if clean else result.carried(pixels)
    return encode_png(pixels, texts_of(carried), dpi=result.dpi(pixels.shape[:2]), srgb=is_picture, compress_level=4)


class OutputFile(NamedTuple):
    """A file to send: its bytes and content type, its manifest if the format cannot hold one, and why it is `unsigned`."""

    data: bytes
    kind: str
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

    `format` is png, or an ending of the output's medium without its dot. Only a `clean` copy has neither record nor signature. If the
    signer fails, the file keeps its record, and `unsigned` says why it is not signed.
    """
    data, kind = file_of(result, name, format, index, clean=clean, max_side=max_side)
    if clean:
        return OutputFile(data, kind, unsigned=CLEAN)
    signed = FORMATS.get(f".{format}")
    if signed is None:
        return OutputFile(data, kind, unsigned=f"{format} files carry no content credentials")
    marked = marker.mark(signing_request_of(result.card, result.request, result.record, name, signed, branch), data)
    return OutputFile(marked.data, kind, marked.beside, marked.why)


def check_format(card: Card, name: str, format: str) -> None:
    """GessoError where an output of a card is not written in this format."""
    kind = medium(medium_of(card, name))
    known = dict.fromkeys(["png", "json", *(ending[1:] for ending in kind.endings)])
    if format not in known:
        raise GessoError(f"{name} is not written as {format}", where="format", fix="one of " + ", ".join(known))


def file_of(result: Result, name: str, format: str, index: int = 0, *, clean: bool = False, max_side: int = 0) -> tuple[bytes, str]:
    """An output as a file without a signature, and its content type; `output_file` adds the signature."""
    ending = f".{format}"
    kind = medium(medium_of(result.card, name))
    if format == "json":
        told = kind.in_json(result.outputs[name])
        value = plain(result.outputs[name]) if told is NotImplemented else told
        return encoded(json.dumps({"medium": kind.name, "value": value}, ensure_ascii=False)), content_type(ending)
    if format == "png":
        return png_of(result, name, index, clean=clean, max_side=max_side), content_type(ending)
    value = result.outputs[result.output_for(ending, name)]
    carried = result.carried(value, kind)
    return kind.encode(value, ending, Carried(dpi=carried.dpi) if clean else carried), content_type(ending)


def texts_of(carried: Carried) -> dict[str, str]:
    texts = {KEYWORD: carried.record, "parameters": carried.parameters}
    return {name: text for name, text in texts.items() if text is not None}


def accepted_file(card: Card, accept: str) -> tuple[str, str] | None:
    """The output and the format (an ending without its dot) that an Accept header asks for; None where it asks for JSON.

    GessoError where it asks for a format that is not of this recipe's outputs.
    """
    offered = {kind: (out.name, ending[1:]) for out in reversed(card.outputs) for ending, kind in medium(out.medium).endings.items()}
    found = next((kind for one in media() for kind in one.endings.values() if kind in accept), None)
    if found is None or found in offered:
        return None if found is None else offered[found]
    raise GessoError(f"{card.name} makes no {found}", where="Accept", fix=f"application/json{''.join(f', {kind}' for kind in offered)}")


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
        value, kind = result.outputs[out.name], medium(out.medium)
        if isinstance(value, tuple) and kind.viewer == "picture":
            items = [_store(files, owner, result, marker, out.name, out.medium, index) for index in range(len(value))]
            stored[out.name] = {"medium": out.medium, "items": items}
        elif kind.on_request:
            stored[out.name] = {"medium": out.medium, "formats": list(kind.endings.values())}  # requested with Accept
        elif kind.endings or labels_of(value) is not None:
            stored[out.name] = _store(files, owner, result, marker, out.name, out.medium, 0)
        else:
            stored[out.name] = {"medium": out.medium, "value": _inline(plain(value), out.name)}
    return stored


def _store(files: FileStore, owner: str, result: Result, marker: Marker, name: str, named: str, index: int) -> dict[str, Any]:
    ending = next(iter(medium(named).endings), ".png")
    file = output_file(marker, result, name, ending[1:], index)
    size = None
    if content_type(ending).startswith("image/"):
        height, width = pixels_of(result, name, index).shape[:2]
        size = width, height
    stored = files.put(owner, "output", file.data, medium=named, suffix=ending[1:], size=size).to_json()
    return stored if file.unsigned is None else stored | {"unsigned": file.unsigned}


def _inline(value: Any, name: str) -> Any:
    if len(encoded(json.dumps(value))) > MOST_INLINE:
        raise GessoError(f"{name} is too large to be stored", where=name, fix="gesso generate … --out result.json")
    return value
