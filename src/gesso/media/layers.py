"""A coloured drawing in layers: paper at the bottom, a layer per colour, the line on top (black ink multiplied, other ink in its colour).

Layers are made one at a time, as a writer asks for them: of 16.8 million pixels one layer is 67 MB, and there may be hundreds.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np

from gesso.errors import GessoError
from gesso.media.budget import DEFAULT, LAYERED, Budget
from gesso.media.density import Dpi, kept_dpi
from gesso.media.medium import Carried, Medium

RGB = tuple[int, int, int]
Blend = Literal["normal", "multiply"]
MAX_COLOURS = 1000  # with more colours, a picture is shaded and not flat
WHITE: RGB = (255, 255, 255)
LONGEST_NAME = 100  # Photoshop keeps 255 UTF-16 units
STRIP_PIXELS = 2**20


class Layer(NamedTuple):
    """`pixels` uint8 [h w 3], or [h w 4] if some are transparent, with their top left corner at (left, top) of the page."""

    name: str
    left: int
    top: int
    pixels: np.ndarray
    blend: Blend = "normal"

    @property
    def height(self) -> int:
        return int(self.pixels.shape[0])

    @property
    def width(self) -> int:
        return int(self.pixels.shape[1])


@dataclass(frozen=True)
class Layered:
    """Flats and the line over them as layers. Iteration yields the layers from bottom to top; `len` is their number."""

    line: np.ndarray = field(repr=False)  # uint8 [h w]
    flats: np.ndarray = field(repr=False)  # uint8 [h w 3]
    colours: tuple[RGB, ...]  # without the paper's, the largest first
    names: tuple[str, ...]
    boxes: tuple[tuple[int, int, int, int], ...] = field(repr=False)  # left, top, right, bottom
    dpi: Dpi | None = None
    ink: np.ndarray | None = field(default=None, repr=False)  # uint8 [h w 3], the line's colour; None is black
    paper: RGB = WHITE

    @property
    def height(self) -> int:
        return int(self.line.shape[0])

    @property
    def width(self) -> int:
        return int(self.line.shape[1])

    def __len__(self) -> int:
        return len(self.colours) + 2

    def __iter__(self) -> Iterator[Layer]:
        yield Layer("paper", 0, 0, np.full((*self.line.shape, 3), self.paper, np.uint8))
        for name, colour, (left, top, right, bottom) in zip(self.names, self.colours, self.boxes, strict=True):
            part = self.flats[top:bottom, left:right]
            within = (part[..., 0] == colour[0]) & (part[..., 1] == colour[1]) & (part[..., 2] == colour[2])
            pixels = np.empty((*within.shape, 4), np.uint8)
            # Transparent pixels have the layer's colour too, so that smoothing or growing it in an editor gives no dark rim.
            pixels[..., :3] = colour
            pixels[..., 3] = within * np.uint8(255)
            yield Layer(name, left, top, pixels)
        if self.ink is None:
            yield Layer("line", 0, 0, np.repeat(self.line[..., None], 3, -1), "multiply")
        else:
            yield Layer("line", 0, 0, np.dstack([self.ink, 255 - self.line]))

    def merged(self) -> np.ndarray:
        """The flats under the line, uint8 [h w 3], which all layers composited give."""
        if self.ink is None:
            return multiplied(self.flats, self.line[..., None])
        out = np.empty_like(self.flats)
        for rows in _rows(self.flats):
            out[rows] = _mixed(self.flats[rows], self.ink[rows], 255 - self.line[rows][..., None])
        return out


def layered(
    line: np.ndarray,
    flats: np.ndarray,
    names: Mapping[RGB, str] | None = None,
    *,
    ink: np.ndarray | None = None,
    paper: RGB = WHITE,
    dpi: Dpi | None = None,
    budget: Budget = DEFAULT,
) -> Layered:
    """Make the layers of a drawing: `line` uint8 [h w] (255 is paper, 0 ink) over `flats` uint8 [h w 3] with at most 1000 colours.

    A colour's layer has its name in `names`, or its '#rrggbb'; that of the `paper` has no layer of its own. Without `ink` uint8 [h w 3] the
    line is black and multiplied.
    """
    _check(line, flats, budget)
    if ink is not None and (ink.dtype != np.uint8 or ink.shape != flats.shape):
        raise GessoError(f"is {ink.dtype} {list(ink.shape)}", where="ink", fix=f"give uint8 {list(flats.shape)}")
    keys = _found(flats)
    colours, boxes = _measured(flats, keys[keys != (paper[0] << 16 | paper[1] << 8 | paper[2])])
    return Layered(line, flats, colours, _names(colours, names or {}), boxes, kept_dpi(dpi), ink, paper)


def recompose(layers: Iterable[Layer], height: int, width: int) -> np.ndarray:
    """Composite layers from bottom to top, uint8 [h w 3], in whole numbers, with each step rounded to the nearest.

    Normal and multiply, on white (W3C Compositing and Blending Level 1, sections 5.1 and 10). A layer may reach over the page.
    """
    page = np.full((height, width, 3), 255, np.uint8)
    for layer in layers:
        top, left = max(0, layer.top), max(0, layer.left)
        part = page[top : max(0, layer.top + layer.height), left : max(0, layer.left + layer.width)]
        over: np.ndarray = layer.pixels[top - layer.top :, left - layer.left :][: part.shape[0], : part.shape[1]]
        if over.size == 0:
            continue
        colour = multiplied(part, over[..., :3]) if layer.blend == "multiply" else over[..., :3]
        part[:] = colour if over.shape[-1] == 3 else _mixed(part, colour, over[..., 3:])
    return page


def multiplied(one: np.ndarray, two: np.ndarray) -> np.ndarray:
    """Multiply two uint8 arrays and divide by 255, rounded to the nearest (ties cannot occur)."""
    out = np.empty(np.broadcast_shapes(one.shape, two.shape), np.uint8)
    for rows in _rows(out):
        out[rows] = (one[rows].astype(np.uint16) * two[rows] + 127) // 255
    return out


def _rows(array: np.ndarray) -> Iterator[slice]:
    """Slices of the rows in strips, so that intermediate results stay small."""
    step = max(1, STRIP_PIXELS // array.shape[1])
    return (slice(top, top + step) for top in range(0, len(array), step))


def plain_name(text: str) -> str:
    """A valid name of a layer or colour: one line without control characters or lone surrogates, at most 100 characters."""
    kept = "".join(
        " " if unicodedata.category(c) in ("Cc", "Zl", "Zp", "Cs") or c in "\ufffe\uffff" else c for c in text[: 4 * LONGEST_NAME]
    )
    return kept.strip()[:LONGEST_NAME].rstrip()


def hex_of(colour: RGB) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)


def _mixed(below: np.ndarray, above: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    weight = alpha.astype(np.uint16)
    return ((above * weight + below * (255 - weight) + 127) // 255).astype(np.uint8)


def _check(line: np.ndarray, flats: np.ndarray, budget: Budget) -> None:
    for name, value, ndim in (("line", line, 2), ("flats", flats, 3)):
        if not isinstance(value, np.ndarray) or value.dtype != np.uint8 or value.ndim != ndim or not value.size:
            found = f"{value.dtype} {list(value.shape)}" if isinstance(value, np.ndarray) else type(value).__name__
            raise GessoError(f"is {found}", where=name, fix="give uint8 " + ("[h w]" if ndim == 2 else "[h w 3]"))
    if flats.shape != (*line.shape, 3):
        raise GessoError(f"is {list(flats.shape)}, and the line {list(line.shape)}", where="flats", fix=f"give {[*line.shape, 3]}")
    budget.check_size(line.shape[1], line.shape[0], where="line")


def _strips(flats: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Strips of rows of the colours as numbers 0xrrggbb, uint32 [n w], each with the number of its first row."""
    step = max(1, STRIP_PIXELS // flats.shape[1])
    for top in range(0, len(flats), step):
        part = flats[top : top + step].astype(np.uint32)
        yield top, part[..., 0] << 16 | part[..., 1] << 8 | part[..., 2]


def _found(flats: np.ndarray) -> np.ndarray:
    found = np.empty(0, np.uint32)
    for _, keys in _strips(flats):
        found = np.union1d(found, keys)
        if len(found) > MAX_COLOURS:
            raise GessoError(
                f"the flats have more than {MAX_COLOURS} colours, and each would be a layer",
                where="flats",
                fix="give flat colours, not a shaded picture, or save it as .png",
            )
    return found


def _measured(flats: np.ndarray, keys: np.ndarray) -> tuple[tuple[RGB, ...], tuple[tuple[int, int, int, int], ...]]:
    """The colours from the largest area to the smallest, and the bounding box of each."""
    from scipy import ndimage

    count = np.zeros(len(keys), np.int64)
    low, high = np.full((len(keys), 2), 2**31), np.zeros((len(keys), 2), np.int64)
    for first, part in _strips(flats):
        place = np.searchsorted(keys, part).clip(max=max(0, len(keys) - 1))
        labels = np.where(keys[place] == part, place + 1, 0) if len(keys) else np.zeros(part.shape, np.int64)
        count += np.bincount(labels.ravel(), minlength=len(keys) + 1)[1:]
        for number, box in enumerate(ndimage.find_objects(labels.astype(np.int32), max_label=len(keys))):
            if box is not None:
                low[number] = np.minimum(low[number], [box[0].start + first, box[1].start])
                high[number] = np.maximum(high[number], [box[0].stop + first, box[1].stop])
    order = np.lexsort((keys, -count))
    colours = tuple((int(key) >> 16, int(key) >> 8 & 255, int(key) & 255) for key in keys[order])
    return colours, tuple((int(low[n, 1]), int(low[n, 0]), int(high[n, 1]), int(high[n, 0])) for n in order)


def _names(colours: tuple[RGB, ...], names: Mapping[RGB, str]) -> tuple[str, ...]:
    """A name for each colour. The hex colour is appended to names that are used twice or belong to the line or the paper."""
    called = [plain_name(names.get(colour, "")) or hex_of(colour) for colour in colours]
    taken = {"line", "paper"} | {name for name in called if called.count(name) > 1}
    return tuple(f"{name} {hex_of(colour)}" if name in taken else name for name, colour in zip(called, colours, strict=True))


class LayersMedium(Medium):
    """{"line": uint8 [h w], "flats": uint8 [h w 3]}, with "names" {"#rrggbb": a layer's name}, "ink" uint8 [h w 3] (black without it) and
    the "paper"'s colour (white without it) where there are any."""

    name: ClassVar[str] = "layers"
    endings: ClassVar[Mapping[str, str]] = {".ora": "image/openraster", ".psd": "image/vnd.adobe.photoshop"}
    viewer: ClassVar[str] = "picture"
    on_request: ClassVar[bool] = True
    digested: ClassVar[bool] = False
    budget: ClassVar[Budget] = LAYERED

    def stack(self, value: Any, dpi: Dpi | None = None) -> Layered:
        """The layers of a value."""
        names = {rgb_of(colour): words for colour, words in value.get("names", {}).items()}
        paper = tuple(value.get("paper", WHITE))
        return layered(value["line"], value["flats"], names, ink=value.get("ink"), paper=paper, dpi=dpi)

    def page(self, value: Any) -> tuple[int, ...]:
        return tuple(value["line"].shape)

    def in_json(self, value: Any) -> Any:
        from gesso.media.picture import data_url

        return {name: data_url(one) if isinstance(one, np.ndarray) else one for name, one in value.items()}

    def encode(self, value: Any, ending: str, carried: Carried) -> bytes:
        from gesso.media.ora import encode_ora
        from gesso.media.psd import encode_psd

        texts = {} if carried.parameters is None else {"parameters": carried.parameters}
        write = {".ora": encode_ora, ".psd": encode_psd}[ending]
        return write(self.stack(value, carried.dpi), texts, carried.record)

    def carries(self, data: bytes) -> str:
        from gesso.media.psd_reader import SIGNATURE

        return "OpenRaster file" if data.startswith(b"PK\x03\x04") else "Photoshop document" if data.startswith(SIGNATURE) else ""

    def record_in(self, data: bytes, *, where: str) -> str | None:
        from gesso.media.ora import record_in_ora
        from gesso.media.psd_reader import SIGNATURE, record_in_psd

        return record_in_psd(data, where=where) if data.startswith(SIGNATURE) else record_in_ora(data, where=where)

    def decode(self, data: bytes, *, where: str, budget: Budget | None = None) -> np.ndarray:
        """The merged picture of a file."""
        from gesso.media.ora import merged_in_ora
        from gesso.media.psd_reader import SIGNATURE, merged_in_psd

        return merged_in_psd(data, where=where) if data.startswith(SIGNATURE) else merged_in_ora(data, where=where)

    def content(self, value: Any) -> np.ndarray:
        return self.stack(value).merged()

    def thumb(self, value: Any) -> np.ndarray:
        return self.stack(value).merged()


def rgb_of(colour: str) -> RGB:
    """The colour of a text "#rrggbb"."""
    red, green, blue = bytes.fromhex(colour.removeprefix("#"))
    return red, green, blue


MEDIUM = LayersMedium()
