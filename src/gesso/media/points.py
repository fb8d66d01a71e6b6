"""Points in space with colours, and PLY files of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from gesso.errors import GessoError
from gesso.media.budget import Budget
from gesso.media.medium import Carried, Medium

MOST = 20_000_000
RECORD = "gesso "  # begins the comment lines of the header that hold the record
LINE = 900  # characters of one comment line; readers may cut longer lines
MAX_HEADER = 2**24
ROW = np.dtype([("x", "<f4"), ("y", "<f4"), ("z", "<f4"), ("red", "u1"), ("green", "u1"), ("blue", "u1")])
TYPES = {
    "char": "i1", "int8": "i1", "uchar": "u1", "uint8": "u1", "short": "i2", "int16": "i2", "ushort": "u2", "uint16": "u2",
    "int": "i4", "int32": "i4", "uint": "u4", "uint32": "u4", "float": "f4", "float32": "f4", "double": "f8", "float64": "f8",
}  # fmt: skip
THUMB = 256


class PointsMedium(Medium):
    """A mapping of `position`, float32 [n 3] in the scene's units, and `colour`, uint8 [n 3].

    A .ply file is binary and little-endian. Its record lies in comment lines of the header, as JSON in ASCII.
    """

    name: ClassVar[str] = "points"
    endings: ClassVar[Mapping[str, str]] = {".ply": "application/ply"}
    inputs: ClassVar[frozenset[str]] = frozenset({".ply"})
    viewer: ClassVar[str] = "points"
    on_request: ClassVar[bool] = True
    budget: ClassVar[Budget] = Budget(max_bytes=2**29)

    def check(self, value: Any, *, where: str, recipe: str) -> None:
        if not self.is_value(value):
            raise GessoError(
                f"{where!r} is not a point cloud", where=recipe, fix='{"position": float32 [n 3], "colour": uint8 [n 3]}, n at least 1'
            )

    def is_value(self, value: Any) -> bool:
        if not (isinstance(value, Mapping) and set(value) == {"position", "colour"}):
            return False
        position, colour = value["position"], value["colour"]
        if not (isinstance(position, np.ndarray) and isinstance(colour, np.ndarray)):
            return False
        fits = position.ndim == 2 and position.shape[1] == 3 and position.shape == colour.shape and 0 < len(position) <= MOST
        return fits and position.dtype == np.float32 and colour.dtype == np.uint8 and bool(np.isfinite(position).all())

    def in_json(self, value: Any) -> Any:
        return {"num_points": len(value["position"]), "low": value["position"].min(0).tolist(), "high": value["position"].max(0).tolist()}

    def encode(self, value: Any, ending: str, carried: Carried) -> bytes:
        if ending != ".ply":
            return super().encode(value, ending, carried)
        rows = np.empty(len(value["position"]), ROW)
        for number, name in enumerate(("x", "y", "z")):
            rows[name] = value["position"][:, number]
        for number, name in enumerate(("red", "green", "blue")):
            rows[name] = value["colour"][:, number]
        return header(len(rows), carried.record).encode("ascii") + rows.tobytes()

    def carries(self, data: bytes) -> str:
        return "PLY" if data[:4] in (b"ply\n", b"ply\r") else ""

    def record_in(self, data: bytes, *, where: str) -> str | None:
        lines, _ = _header_of(data, where)
        start = f"comment {RECORD}"
        return "".join(line[len(start) :] for line in lines if line.startswith(start)) or None

    def decode(self, data: bytes, *, where: str, budget: Budget | None = None) -> dict[str, np.ndarray]:
        """The vertices of a PLY file, binary (either order of bytes) or ASCII. Without colours they are grey."""
        limit = (budget or self.budget).max_bytes
        if len(data) > limit:
            raise GessoError(f"the file is larger than {limit // 10**6} MB", where=where, fix="give fewer points")
        lines, start = _header_of(data, where)
        rows = _rows_of(lines, data, start, where)
        names = rows.dtype.names or ()
        if not {"x", "y", "z"} <= set(names):
            raise GessoError("its vertices have no x, y and z", where=where, fix="a PLY file of points")
        position = np.stack([rows[name] for name in ("x", "y", "z")], -1).astype(np.float32)
        if not np.isfinite(position).all():
            raise GessoError("holds a position that is no number", where=where, fix="remove such points")
        colour = np.full(position.shape, 128, np.uint8)
        if {"red", "green", "blue"} <= set(names):
            seen = np.stack([rows[name] for name in ("red", "green", "blue")], -1)
            colour = (255 * seen.clip(0, 1)).round().astype(np.uint8) if seen.dtype.kind == "f" else seen.clip(0, 255).astype(np.uint8)
        return {"position": position, "colour": colour}

    def thumb(self, value: Any) -> np.ndarray:
        """The points seen from the front and a little above, on white."""
        return drawn(value["position"], value["colour"], THUMB)


def header(num: int, record: str | None) -> str:
    """The header of a file of `num` vertices. The record's JSON is escaped to ASCII and cut into comment lines."""
    lines = ["ply", "format binary_little_endian 1.0"]
    if record is not None:
        plain = "".join(letter if " " <= letter < "\x7f" else _escaped(letter) for letter in record)
        lines += [f"comment {RECORD}{plain[i : i + LINE]}" for i in range(0, len(plain), LINE)]
    lines.append(f"element vertex {num}")
    lines += [f"property {'float' if name in 'xyz' else 'uchar'} {name}" for name in ROW.names or ()]
    return "\n".join([*lines, "end_header", ""])


def _escaped(letter: str) -> str:
    """A letter of a JSON text as JSON's escape, in ASCII. Line breaks stand between values there, and become spaces."""
    if letter in "\n\r\t":
        return " "
    pairs = letter.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{pairs[i]:02x}{pairs[i + 1]:02x}" for i in range(0, len(pairs), 2))


def _header_of(data: bytes, where: str) -> tuple[list[str], int]:
    """The header's lines, and where the data begin."""
    end = re.search(rb"(?:^|\n)end_header\r?\n", data[:MAX_HEADER])
    if data[:3] != b"ply" or end is None:
        raise GessoError("is not a PLY file, or is damaged", where=where, fix="a PLY file of points")
    # A line keeps its spaces: the record's text may have been cut beside one.
    return [line.rstrip("\r") for line in data[: end.start()].decode("ascii", "replace").split("\n")], end.end()


def _rows_of(lines: list[str], data: bytes, start: int, where: str) -> np.ndarray:
    """The vertices as a structured array. They must be the first element of the file."""
    words = [cells for line in lines if (cells := line.split()) and cells[0] in ("format", "element", "property")]
    kind = next((cells[1] for cells in words if cells[0] == "format" and len(cells) > 1), "")
    elements = [number for number, cells in enumerate(words) if cells[0] == "element"]
    order = {"binary_little_endian": "<", "binary_big_endian": ">", "ascii": "="}.get(kind)
    if order is None or not elements or words[elements[0]][1:2] != ["vertex"]:
        raise GessoError("does not begin with vertices", where=where, fix="a PLY file of points")
    count = words[elements[0]][2] if len(words[elements[0]]) > 2 else ""
    if not (count.isascii() and count.isdigit() and len(count) < 10 and 0 < int(count) <= MOST):
        raise GessoError(f"claims {count[:20]!r} vertices", where=where, fix=f"1 to {MOST}")
    listed = words[elements[0] + 1 : elements[1] if len(elements) > 1 else None]
    if any(cells[0] != "property" or len(cells) != 3 or cells[1] not in TYPES for cells in listed) or not listed:
        raise GessoError("its vertices have properties that are no plain numbers", where=where, fix="a PLY file of points")
    try:
        row = np.dtype([(cells[2], order + TYPES[cells[1]]) for cells in listed])
    except ValueError:
        raise GessoError("its vertices have two properties of one name", where=where, fix="a PLY file of points") from None
    num = int(count)
    if kind != "ascii":
        if len(data) - start < num * row.itemsize:
            raise GessoError(f"ends before its {num} vertices do", where=where, fix="save it again")
        return np.frombuffer(data, row, num, start)
    return _ascii_rows(data[start:], row, num, where)


def _ascii_rows(text: bytes, row: np.dtype, num: int, where: str) -> np.ndarray:
    lines = text.decode("ascii", "replace").split("\n", num)[:num]
    try:
        return np.array([tuple(map(float, line.split())) for line in lines], np.dtype([(name, "f8") for name in row.names or ()])).astype(
            row
        )
    except (ValueError, TypeError, OverflowError):
        raise GessoError("its vertices are not numbers, or end early", where=where, fix="save it again") from None


def drawn(position: np.ndarray, colour: np.ndarray, side: int) -> np.ndarray:
    """A picture, uint8 [side side 3], of points from the front and 25° above, without perspective."""
    middle = (position.min(0) + position.max(0)) / 2
    reach = float(np.linalg.norm(position - middle, axis=1).max()) or 1.0
    angle = np.radians(25)
    back = np.array([np.cos(angle) * 0.866, np.cos(angle) * 0.5, np.sin(angle)])
    right = np.array([-0.5, 0.866, 0.0])
    seen = (position - middle) @ np.stack([right, np.cross(back, right), back], 1) / reach
    across, down = ((1 + np.stack([seen[:, 0], -seen[:, 1]])) / 2 * (side - 1)).round().astype(int)
    picture = np.full((side, side, 3), 255, np.uint8)
    near_last = np.argsort(seen[:, 2], kind="stable")
    picture[down[near_last], across[near_last]] = colour[near_last]
    return picture


MEDIUM = PointsMedium()
