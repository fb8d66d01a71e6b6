"""The kind "strokes": strokes without a colour that mark something for the rules (keep as paper, split here, merge these)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from math import dist
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self

import numpy as np
from pydantic import AfterValidator, ConfigDict, Field, ValidationError

from gesso.conditions.condition import Condition
from gesso.errors import GessoError, as_gesso_error
from gesso.media.file import parse_json, read_json
from gesso.number import StrictNumbers

MAX_COORDINATE = 65_536.0  # pixels: twice the longest side of a page
GESTURES = ("stroke", "piece", "bridge", "split", "join")
"""The studio's drawing gestures; a slot's option `gestures` lists those it offers. All except `stroke` need an output of the
medium `pieces`, which tells the studio where pieces end.

stroke  a point or a stroke, as drawn
piece   a point that stands for its whole closed piece; a loop around several pieces puts a point in each
bridge  a missing bit of outline: its ends extend to the nearest ink; a single point closes the gap it lies in
split   a line across a piece: its ends extend to the ink
join    a stroke across pieces that belong together, or a point in each
"""
MAX_PATH_LENGTH = 2.0**20  # pixels: rules walk along paths, and a short request must not make them walk for ever


def _walkable(path: tuple[tuple[float, float], ...]) -> tuple[tuple[float, float], ...]:
    length = sum(dist(one, two) for one, two in pairwise(path))
    if length > MAX_PATH_LENGTH:
        raise ValueError(f"a path of {length:.0f} pixels, at most {MAX_PATH_LENGTH:.0f} can be drawn")
    return path


Coordinate = Annotated[float, Field(ge=-MAX_COORDINATE, le=MAX_COORDINATE, allow_inf_nan=False)]
Path2D = Annotated[tuple[tuple[Coordinate, Coordinate], ...], AfterValidator(_walkable)]


class Stroke(StrictNumbers):
    """A pen's path in page pixels; one point is a dot."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: Path2D = Field(min_length=1, max_length=4096)
    radius: float = Field(default=3.0, gt=0, le=1000, allow_inf_nan=False)

    def shaken(self, rng: np.random.Generator, wobble: float, page: tuple[int, int]) -> Self:
        """The same stroke of a hand that shakes by `wobble` pixels (standard deviation), on a page of (width, height)."""
        path = np.array(self.path) + rng.normal(0, 1, (len(self.path), 2)) * wobble
        return self.model_copy(update={"path": tuple((float(x), float(y)) for x, y in path.clip(0, np.array(page) - 1.0))})


class Strokes(Condition):
    """Paths in the order they were drawn. Only rules read them, no network."""

    kind: ClassVar[str] = "strokes"
    notation: ClassVar[str] = '"x,y x,y", or a .json file'
    repeatable: ClassVar[bool] = True

    strokes: tuple[Stroke, ...] = Field(default=(), max_length=4096)

    @classmethod
    def read(cls, given: Any, *, where: str, options: Mapping[str, Any]) -> Self:
        """Parse a Stroke, a list of strokes or paths, {"strokes": […]}, a JSON file, or "x,y x,y x,y"."""
        try:
            if isinstance(given, (str, Path)):
                given = _parsed(str(given), where)
            if isinstance(given, Stroke):
                return cls(strokes=(given,))
            if isinstance(given, Mapping):
                given = given["strokes"] if "strokes" in given else [given]
            if isinstance(given, Sequence):
                return cls(
                    strokes=tuple(
                        s if isinstance(s, Stroke) else Stroke.model_validate(s if isinstance(s, Mapping) else {"path": s}) for s in given
                    )
                )
        except ValidationError as error:
            wrong = as_gesso_error(error)
            raise GessoError(wrong.what, where=f"{where}.{wrong.where}", fix=wrong.fix or '"x,y x,y x,y", in pixels') from None
        raise GessoError(f"is a {type(given).__name__}, not strokes", where=where, fix='"x,y x,y x,y", in pixels')

    def check(self, page: tuple[int, int] | None, *, where: str) -> None:
        if page is None:
            return
        for stroke in self.strokes:
            x, y = stroke.path[0]
            if all(not (0 <= x < page[1] and 0 <= y < page[0]) for x, y in stroke.path):
                raise GessoError(
                    f"a stroke at {x:g},{y:g} lies outside the page",
                    where=where,
                    fix=f"x from 0 to {page[1] - 1}, y from 0 to {page[0] - 1}",
                )

    def merge(self, edit: Self) -> Self:
        return type(self)(strokes=self.strokes + edit.strokes)

    @classmethod
    def control(cls, options: Mapping[str, Any]) -> dict[str, Any]:
        return {"tool": "pen", "schema": cls.model_json_schema(), "colour": False} | gestures_of(options, "stroke", "piece")


def gestures_of(options: Mapping[str, Any], *usual: str) -> dict[str, Any]:
    """The gestures of a control: the slot's, else the kind's usual ones; and `clears`, slots whose marks in the same piece are removed."""
    gestures = list(options.get("gestures", usual))
    if unknown := [one for one in gestures if one not in GESTURES]:
        raise GessoError(f"there is no gesture {unknown[0]!r}", where="gestures", fix="one of " + ", ".join(GESTURES))
    return {"gestures": gestures, "clears": list(options.get("clears", ()))}


def _parsed(text: str, where: str) -> Any:
    if text.lower().endswith(".json"):
        return read_json(text, 8 << 20)
    if text.lstrip().startswith(("[", "{")):
        return parse_json(text, where=where)
    try:
        return [[tuple(float(v) for v in point.split(",")) for point in text.split()]]
    except ValueError:
        raise GessoError(f"{text[:60]!r} is not a stroke", where=where, fix='"x,y x,y x,y", in pixels') from None
