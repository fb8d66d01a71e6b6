"""The truth of a drawing for the colouring protocol: its coloured pieces, its paper, and the hints to give."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import scipy
from PIL import Image

from gesso.errors import GessoError, MissingExtra
from gesso.media.picture import read_picture
from gesso.metrics.own_pictures import OwnPictures, held_out_pictures
from gesso.rules.line import INK
from gesso.rules.palette import RGB, lab_of

TABLE = "val.parquet"  # the file in a folder that measurements use
WANTED = f"a parquet file, or a folder that holds {TABLE}, or coloured pictures"
SIDE = 72  # the side in pixels to which the protocol's lengths and areas refer
MIN_AREA = 9
RIM_BELOW = 235  # the median line value below which a piece is the rim of a stroke
PAPER_FROM = 243  # a piece whose median is at least this in all channels is not coloured
BLANK_FROM = 250  # a pixel that is at least this in all channels is truly white


@dataclass(frozen=True)
class Piece:
    """A coloured piece: the flat indices of its pixels `where` int [n], their median `colour` float [3], its innermost pixel (y, x)."""

    where: np.ndarray
    colour: np.ndarray
    y: int
    x: int


@dataclass(frozen=True)
class Dot:
    """A hint of the protocol at (x, y) in `colour` float [3] 0-255. Rules that use the truth read `piece`."""

    x: int
    y: int
    colour: np.ndarray
    radius: float
    piece: Piece

    @property
    def rgb(self) -> RGB:
        red, green, blue = (round(float(v)) for v in self.colour)
        return red, green, blue

    def permuted(self) -> Dot:
        """The same hint with permuted channels, R G B -> G B R."""
        return Dot(self.x, self.y, self.colour[[1, 2, 0]], self.radius, self.piece)


@dataclass(frozen=True)
class Truth:
    """A drawing and its true colours: `line` uint8 [h w], `colour` uint8 [h w 3], `pieces` largest first.

    `paper` and `inside` int [n] are flat indices of truly white pixels that are connected to the page's border, or not.
    """

    line: np.ndarray
    colour: np.ndarray
    cluster: str
    pieces: tuple[Piece, ...]
    paper: np.ndarray
    inside: np.ndarray

    @cached_property
    def lab(self) -> np.ndarray:
        """The pieces' colours in CIE Lab, float [num 3]."""
        return lab_of(np.array([piece.colour for piece in self.pieces]).reshape(-1, 3))

    def dots(self, count: str, number: int) -> tuple[list[int], list[Dot]]:
        """The numbers of the hinted pieces and their hints, for a count ("0", "3", "half"); `number` seeds the random choice.

        A whole number hints the largest pieces at their innermost pixel; "half" hints a random half, rounded up, at random pixels.
        """
        radius = self.line.shape[0] / SIDE
        if count != "half":
            first = self.pieces[: int(count)]
            return list(range(len(first))), [Dot(p.x, p.y, p.colour, radius, p) for p in first]
        rng = np.random.default_rng(number)
        chosen = sorted(rng.permutation(len(self.pieces))[: (len(self.pieces) + 1) // 2].tolist())
        dots = []
        for piece in (self.pieces[i] for i in chosen):
            y, x = divmod(int(piece.where[rng.integers(len(piece.where))]), self.line.shape[1])
            dots.append(Dot(x, y, piece.colour, radius, piece))
        return chosen, dots


def truth_of(line: np.ndarray, colour: np.ndarray, cluster: object = "") -> Truth:
    """Make the Truth of a drawing from line values uint8 [h w] and true colours uint8 [h w 3]."""
    if line.ndim != 2 or colour.shape != (*line.shape, 3) or line.dtype != np.uint8 or colour.dtype != np.uint8 or not line.size:
        found = f"a line {line.dtype} {list(line.shape)} and colours {colour.dtype} {list(colour.shape)}"
        raise GessoError(found, where="drawing", fix="give uint8 [h w] and uint8 [h w 3] of one size")
    blank = _connected(((colour.min(-1) >= BLANK_FROM) & (line > INK)).astype(np.int32))
    border = np.zeros(int(blank.max()) + 1, bool)
    for side in (blank[0], blank[-1], blank[:, 0], blank[:, -1]):
        border[side] = True
    paper = border[blank] & (blank > 0)
    return Truth(line, colour, str(cluster), _coloured(line, colour), np.flatnonzero(paper), np.flatnonzero((blank > 0) & ~paper))


def _coloured(line: np.ndarray, colour: np.ndarray) -> tuple[Piece, ...]:
    """The coloured pieces, largest first; ties by colour in 16 levels per channel, then in reading order."""
    level = (colour >> 4).astype(np.int32) @ np.array([256, 16, 1], np.int32)
    parts = _connected(np.where(line > INK, level + 1, 0))
    areas = np.bincount(parts.ravel())
    areas[0] = 0
    found = []
    for part in np.flatnonzero(areas >= MIN_AREA * (line.shape[0] / SIDE) ** 2).tolist():
        where = np.flatnonzero(parts == part)
        median = np.median(colour.reshape(-1, 3)[where], 0)
        if median.min() < PAPER_FROM and np.median(line.reshape(-1)[where]) >= RIM_BELOW:
            y, x = _innermost(where, line.shape[1])
            found.append((-len(where), int(level.reshape(-1)[where[0]]), part, Piece(where, median, y, x)))
    return tuple(piece for *_, piece in sorted(found, key=lambda row: row[:3]))


def _connected(values: np.ndarray) -> np.ndarray:
    """4-connected components of equal value, numbered from 1 in reading order; 0 stays 0."""
    from skimage.measure import label  # slow to import

    return label(values, background=0, connectivity=1)


def _innermost(where: np.ndarray, width: int) -> tuple[int, int]:
    """(y, x) of the pixel farthest from other pieces and from the page's border; the first in reading order."""
    ys, xs = np.divmod(where, width)
    top, left = int(ys.min()) - 1, int(xs.min()) - 1
    window = np.zeros((int(ys.max()) - top + 2, int(xs.max()) - left + 2), bool)
    window[ys - top, xs - left] = True
    y, x = np.unravel_index(scipy.ndimage.distance_transform_edt(window).argmax(), window.shape)
    return int(y) + top, int(x) + left


def table_of(data: Path | None, size: int = SIDE, limit: int | None = None, group: str | None = None) -> Any:
    """The rows to measure (`eval` true, `flag` false) of a parquet file, or of the val.parquet in a folder, as a pandas table.

    At 72 it needs the columns line and color (PNG bytes), else line_svg and color_svg; always cluster, flag and eval. `group` keeps
    the rows of one group, or with "-" before it the others; it needs the column group. For a folder of coloured pictures it
    returns the held-out tenth (`OwnPictures`), which has no groups.
    """
    if data is None:
        raise GessoError("no drawings to measure on", where="--data", fix=WANTED)
    file = data / TABLE if data.is_dir() else data
    if data.is_dir() and not file.is_file() and (own := held_out_pictures(data, limit)) is not None:
        if group is not None:
            raise GessoError("own pictures have no groups", where="--group", fix="leave it out")
        return own
    if not file.is_file():
        raise GessoError("there is no such file", where=file, fix=WANTED)
    try:
        from pyarrow import parquet
    except ImportError:
        raise MissingExtra("pyarrow", "data", purpose="reading a parquet table") from None
    pictures = ["line", "color"] if size == SIDE else ["line_svg", "color_svg"]
    columns = [*pictures, "cluster", "flag", "eval", *(["group"] if group else [])]
    wanted = f"a parquet file with columns {', '.join(columns)}"
    try:
        schema = parquet.read_schema(file)
    except Exception as error:  # pyarrow raises many kinds, and OSError for other files
        raise GessoError(f"is not a parquet table: {str(error)[:160]}", where=file, fix=wanted) from None
    _check_columns({name: str(schema.field(name).type) for name in columns if name in schema.names}, columns, file)
    try:
        table = parquet.read_table(file, columns=columns).to_pandas()
    except Exception as error:
        raise GessoError(f"this table is damaged: {str(error)[:160]}", where=file, fix=wanted) from None
    if empty := [name for name in columns if table[name].isna().any()]:
        raise GessoError(f"column {empty[0]} has rows without a value", where=file)
    table = table[table["eval"] & ~table["flag"]]
    if group:
        table = table[(table["group"] == group.removeprefix("-")) != group.startswith("-")]
    table = table.iloc[:limit]
    if not len(table):
        raise GessoError("has no row with eval true and flag false" + (f" of the group {group!r}" if group else ""), where=file)
    return table


def _check_columns(kinds: Mapping[str, str], columns: Sequence[str], file: Path) -> None:
    """Raise GessoError if a column is missing or has another type than the protocol needs."""
    expected = {"line": "binary", "color": "binary", "line_svg": "string", "color_svg": "string", "flag": "bool", "eval": "bool"}
    if missing := [name for name in columns if name not in kinds]:
        raise GessoError(f"the table has no column {' and no '.join(missing)}", where=file, fix="it needs " + ", ".join(columns))
    for name in columns:
        if name in expected and expected[name] not in kinds[name]:  # large_string is a string too
            raise GessoError(f"column {name} holds {kinds[name]}, not {expected[name]}", where=file)


def truths_of(table: Any, size: int = SIDE) -> Iterator[Truth]:
    """The Truth of each row of `table_of`: from its pictures at 72, else from its SVGs rendered at `size`."""
    if isinstance(table, OwnPictures):
        yield from (truth_of(*one) for one in table.iter_pictures(size))
        return
    for number, row in enumerate(table.itertuples()):
        where = f"row {number}"
        if size == SIDE:
            line, colour = on_white(read_picture(row.line, where=where)), on_white(read_picture(row.color, where=where))
        else:
            line, colour = (_rendered(svg, size, where) for svg in (row.line_svg, row.color_svg))
        if line.shape != colour.shape:
            raise GessoError(f"line and color are of unlike sizes, {list(line.shape[:2])} and {list(colour.shape[:2])}", where=where)
        yield truth_of(np.ascontiguousarray(line[..., 0]), colour, row.cluster)


def on_white(picture: np.ndarray | Image.Image) -> np.ndarray:
    """The picture composited on white paper, uint8 [h w 3], with Pillow's rounding, which the protocol prescribes."""
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    if image.mode in ("L", "RGB"):
        return np.asarray(image.convert("RGB"))
    image = image.convert("RGBA")
    page = Image.new("RGBA", image.size, "white")
    page.alpha_composite(image)
    return np.asarray(page.convert("RGB"))


def _rendered(svg: str, size: int, where: str) -> np.ndarray:
    try:
        import resvg_py
    except ImportError:
        raise MissingExtra("resvg-py", "data", purpose=f"drawings at {size} pixels") from None
    try:
        png = bytes(resvg_py.svg_to_bytes(svg_string=svg, width=size, height=size, skip_system_fonts="<text" not in svg))
    except ValueError as error:
        raise GessoError(f"this SVG can't be drawn: {str(error)[:160]}", where=where) from None
    return on_white(Image.open(io.BytesIO(png)))
