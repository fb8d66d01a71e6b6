"""Strokes without a colour: what the person marks for the rules (this is paper, cut here, these are one)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from math import dist
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self

from pydantic import AfterValidator, ConfigDict, Field, ValidationError

from gesso.conditions.condition import Condition
from gesso.errors import GessoError, readable
from gesso.media.file import parse_json, read_json
from gesso.number import Exact

FAR = 65_536.0  # pixels: twice the longest side of a page
GESTURES = ("stroke", "piece", "bridge", "split", "join")
"""What a hand does to make a mark; a slot's option `gestures` names those that fit what its recipe reads into it. All but
`stroke` need an output of the medium `pieces`, by which the studio knows where they end.

stroke  a point or a stroke, as it was drawn
piece   a point, and it means the whole closed piece that it lies in; a loop around several gives each one
bridge  a bit of outline that was left out: its ends go to the ink beside them, a point closes the gap it lies in
split   a line through a piece: its ends go on to the ink
join    a stroke over pieces that are one, or a point in each
"""
LONGEST = 2.0**20  # pixels: rules walk along a path, and a few numbers must not send them walking for ever


def _walkable(path: tuple[tuple[float, float], ...]) -> tuple[tuple[float, float], ...]:
    length = sum(dist(one, two) for one, two in pairwise(path))
    if length > LONGEST:
        raise ValueError(f"a path of {length:.0f} pixels, at most {LONGEST:.0f} can be drawn")
    return path


Coordinate = Annotated[float, Field(ge=-FAR, le=FAR, allow_inf_nan=False)]
Path2D = Annotated[tuple[tuple[Coordinate, Coordinate], ...], AfterValidator(_walkable)]


class Stroke(Exact):
    """A pen's path in the page's pixels; one point is a dot."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: Path2D = Field(min_length=1, max_length=4096)
    radius: float = Field(default=3.0, gt=0, le=1000, allow_inf_nan=False)


class Strokes(Condition):
    """Paths in the order they were drawn. Rules read them; no network does."""

    kind: ClassVar[str] = "strokes"
    notation: ClassVar[str] = '"x,y x,y", or a .json file'
    repeatable: ClassVar[bool] = True

    strokes: tuple[Stroke, ...] = Field(default=(), max_length=4096)

    @classmethod
    def read(cls, given: Any, *, where: str, options: Mapping[str, Any]) -> Self:
        """From a Stroke, a list of them or of paths, {"strokes": […]}, a JSON file, or "x,y x,y x,y"."""
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
            wrong = readable(error)
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
    """What a control says of gestures: the slot's own, or the kind's usual ones; and `clears`, slots whose marks give way to these."""
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
        raise GessoError(f"{text[:60]!r} is no stroke", where=where, fix='"x,y x,y x,y", in pixels') from None
