"""Colour hints on a page: points and strokes, each with its colour."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from pydantic import ConfigDict, Field, ValidationError, field_validator, model_validator

from gesso.conditions.condition import Clean, Condition, Truth
from gesso.conditions.hint_person import hints_by_person, points_by_person
from gesso.conditions.hint_simulator import SimulatedMark, simulate_hints
from gesso.conditions.point_simulator import simulate_points
from gesso.conditions.strokes import Coordinate, Path2D, gestures_of
from gesso.errors import GessoError, as_gesso_error
from gesso.media.file import parse_json, read_json
from gesso.number import StrictNumbers
from gesso.person import Person
from gesso.ports import Frame, Ports, PortSizes, Tokens
from gesso.rules.palette import format_colour, parse_colour

MAX_HINTS = 4096
MAX_PATH = 4096
MAX_SINGLE_TOKENS = 64  # up to so many marks, each mark is its own token, as in training
MAX_TOKENS = 128  # each token is a map as large as the window; more would take gigabytes
JSON_BYTES = 8 << 20
FIELD_ORDER = ("x", "y", "color", "radius")


class Hint(StrictNumbers):
    """A dot at (x, y) or a stroke along `path`, in page pixels (0, 0 is the top left corner), in one colour.

    `color` is "#rrggbb", "#rgb" or a CSS name; `radius` is half the pen's width in pixels. A hint on the background around a
    drawing colours the pixels it covers, and the whole background if the network is confident of that, as for a sky; with `fill` it
    always colours the whole background. A hint with `alone` is not encoded for networks: it colours its piece, and no other pixel
    changes.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    x: Coordinate
    y: Coordinate
    color: str
    radius: float = Field(default=3.0, gt=0, le=1000, allow_inf_nan=False)
    path: Path2D = Field(default=(), max_length=MAX_PATH)
    fill: bool = False
    alone: bool = False

    def __init__(self, x: float | None = None, y: float | None = None, color: str | None = None, **rest: Any) -> None:
        given = {k: v for k, v in (("x", x), ("y", y), ("color", color)) if v is not None}
        super().__init__(**given, **rest)

    @model_validator(mode="before")
    @classmethod
    def _start_of_path(cls, data: Any) -> Any:
        if isinstance(data, dict) and data.get("path") and "x" not in data and len(data["path"][0]) == 2:
            return {**data, "x": data["path"][0][0], "y": data["path"][0][1]}
        return data

    @field_validator("color")
    @classmethod
    def _as_hex(cls, value: str) -> str:
        return format_colour(parse_colour(value))

    @property
    def rgb(self) -> tuple[int, int, int]:
        return int(self.color[1:3], 16), int(self.color[3:5], 16), int(self.color[5:7], 16)

    @property
    def points(self) -> tuple[tuple[float, float], ...]:
        return self.path or ((self.x, self.y),)


class Hints(Condition):
    """Points and strokes with colours, in the order they were made. The later one wins where two overlap."""

    kind: ClassVar[str] = "hints"
    notation: ClassVar[str] = "x,y,#rrggbb[,radius], or a .json file"
    repeatable: ClassVar[bool] = True

    marks: tuple[Hint, ...] = Field(default=(), max_length=MAX_HINTS)

    @classmethod
    def read(cls, given: Any, *, where: str, options: Mapping[str, Any]) -> Self:
        """Parse a Hint, (x, y, colour[, radius]), a list of either, {"marks": […]}, "x,y,#colour[,radius]", or a JSON file's path."""
        try:
            if isinstance(given, Hint):
                return cls(marks=(given,))
            if isinstance(given, (str, Path)):
                return cls(marks=tuple(_marks_of(str(given), where)))
            if isinstance(given, Mapping):
                given = given.get("marks", given.get("hints", [given]))
            if isinstance(given, Sequence):
                several = [given] if given and isinstance(given[0], (int, float)) else given
                return cls(marks=tuple(_mark(one) for one in several))
        except ValidationError as error:
            wrong = as_gesso_error(error)
            raise GessoError(wrong.what, where=f"{where}.{wrong.where}", fix=wrong.fix or "x,y,#rrggbb or x,y,#rrggbb,radius") from None
        raise GessoError(f"is a {type(given).__name__}, not hints", where=where, fix="a gesso.Hint, a list of them, or x,y,#rrggbb")

    def check(self, page: tuple[int, int] | None, *, where: str) -> None:
        if page is None:
            return
        h, w = page
        for mark in self.marks:
            if all(not (0 <= x < w and 0 <= y < h) for x, y in mark.points):
                raise GessoError(
                    f"a hint at {mark.x:g},{mark.y:g} lies outside the page", where=where, fix=f"x from 0 to {w - 1}, y from 0 to {h - 1}"
                )

    def for_networks(self) -> Self | None:
        encoded = tuple(mark for mark in self.marks if not mark.alone)
        return self if len(encoded) == len(self.marks) else type(self)(marks=encoded) if encoded else None

    def merge(self, edit: Self) -> Self:
        return type(self)(marks=self.marks + edit.marks)

    @classmethod
    def sizes(cls, options: Mapping[str, Any]) -> PortSizes:
        return PortSizes(spatial=4 if options.get("maps", True) else 0, token=3 if options.get("tokens", True) else 0)

    @classmethod
    def encode(cls, values: Sequence[Self | None], frame: Frame) -> Ports:
        """Encode as tokens, colours and the pixels each covers (see `tokens_of`), and as spatial: colour in [-1, 1] under the marks, then
        1 where a mark is. The slot's options `tokens` and `maps` turn either off."""
        import torch

        h, w = frame.size
        blind = frame.options.get("blind", False)  # a view of the page as if nothing were marked on it
        values = [None if value is None or blind else value.for_networks() for value in values]
        spatial = torch.from_numpy(_maps_of(values, frame)) if frame.options.get("maps", True) else None
        if not frame.options.get("tokens", True):
            return Ports(spatial=spatial)
        shared = [tokens_of([mark.rgb for mark in v.marks]) if v else (np.zeros(0, int), np.zeros((0, 3), int)) for v in values]
        num = max(1, *(len(tokens) for _, tokens in shared)) if shared else 1
        colours = np.zeros((len(values), num, 3), np.float32)
        places = np.zeros((len(values), num, h, w), np.float32)
        mask = np.zeros((len(values), num), bool)
        for b, (value, (token_of, tokens)) in enumerate(zip(values, shared, strict=True)):
            # Every window gets all colours, so that colour n is the same colour in each window of a page.
            colours[b, : len(tokens)] = tokens.astype(np.float32) / 127.5 - 1
            for n, mark in zip(token_of, value.marks if value else (), strict=True):
                box, cover = _stamped(mark, frame.size, frame.box, frame.page)
                if not cover.any():
                    continue
                places[b, n, *box][cover] = 1
                mask[b, n] = True
        return Ports(spatial=spatial, tokens=Tokens(*map(torch.from_numpy, (colours, mask, places))))

    @classmethod
    def simulate(cls, clean: Clean, rng: np.random.Generator, budget: float, given: Any = None) -> tuple[Self | None, Truth]:
        """Simulate a user's hints: on a drawing with known pieces by `simulate_hints`, else on a picture by `simulate_points`. `given` is
        the current picture, uint8 [h w 3], or None.

        Row n of truth["answers"] belongs to token n of `encode`.
        """
        if "picture" in clean and "pieces" not in clean:
            points = simulate_points(clean["picture"], rng, budget, given)
            told = tuple(Hint.model_construct(x=x, y=y, color=format_colour(c), radius=r, path=()) for x, y, c, r in points)
            return (cls.model_construct(marks=told) if told else None), {}
        return cls._simulated(*simulate_hints(clean, rng, budget, given))

    @classmethod
    def given_by(
        cls, person: Person, clean: Clean, rng: np.random.Generator, given: Any = None, before: Self | None = None, turns: int = 1
    ) -> tuple[Self | None, Truth]:
        """The marks of this person's next look at the picture; see `hints_by_person`."""
        starts = [(mark.x, mark.y) for mark in before.marks] if before is not None else []
        if "picture" in clean and "pieces" not in clean:
            marks, truth = points_by_person(person, clean["picture"], rng, given, starts, turns)
            return cls._simulated(marks, truth | {"answers": np.zeros((len(marks), 0), bool)})
        return cls._simulated(*hints_by_person(person, clean, rng, given, starts, turns))

    @classmethod
    def _simulated(cls, marks: Sequence[SimulatedMark], truth: Truth) -> tuple[Self | None, Truth]:
        if len(marks) > MAX_SINGLE_TOKENS:
            token_of, tokens = tokens_of([colour for _, colour, _ in marks])
            truth = truth | {"answers": np.stack([truth["answers"][token_of == n].any(0) for n in range(len(tokens))])}
        made = tuple(
            Hint.model_construct(x=p[0][0], y=p[0][1], color=format_colour(c), radius=r, path=tuple(p) if len(p) > 1 else ())
            for p, c, r in marks
        )
        return (cls.model_construct(marks=made) if made else None), truth

    @classmethod
    def control(cls, options: Mapping[str, Any]) -> dict[str, Any]:
        return {"tool": "brush", "schema": cls.model_json_schema(), "colour": True} | gestures_of(options, "stroke", "piece")


def _maps_of(values: Sequence[Hints | None], frame: Frame) -> np.ndarray:
    """Colour in [-1, 1] under the marks, then 1 where a mark is, float32 [values 4 h w]."""
    maps = np.zeros((len(values), 4, *frame.size), np.float32)
    for value, shown in zip(values, maps, strict=True):
        for mark in value.marks if value else ():
            box, cover = _stamped(mark, frame.size, frame.box, frame.page)
            shown[:3, *box][:, cover] = (np.asarray(mark.rgb, np.float32) / 127.5 - 1)[:, None]
            shown[3, *box][cover] = 1
    return maps


def tokens_of(colours: Sequence[tuple[int, int, int]]) -> tuple[np.ndarray, np.ndarray]:
    """The token that each mark of these colours belongs to, [marks], and the tokens' colours 0-255, [tokens 3], in the marks' order.

    Up to MAX_SINGLE_TOKENS marks, each mark is a token. Beyond that, marks of the same colour share a token. If there are still more
    than MAX_TOKENS, similar colours share one: those in one cube of 2, 4, 8 … values a side, with the colour of its first mark.
    """
    given = np.asarray(colours, int).reshape(-1, 3)
    if len(given) <= MAX_SINGLE_TOKENS:
        return np.arange(len(given)), given
    side, first, cube = 1, np.zeros(0, int), np.zeros(0, int)
    while side == 1 or len(first) > MAX_TOKENS:
        _, first, cube = np.unique(given // side, axis=0, return_index=True, return_inverse=True)
        side *= 2
    in_order = np.argsort(first)
    return np.argsort(in_order)[cube.reshape(-1)], given[first[in_order]]


@lru_cache(maxsize=2048)
def _stamped(
    mark: Hint, size: tuple[int, int], box: tuple[int, int, int, int] | None, page: tuple[int, int] | None
) -> tuple[tuple[slice, slice], np.ndarray]:
    """`stamp` with a cache, because earlier marks stay the same while the user adds more."""
    return stamp(mark, Frame(size, box, page))


def stamp(mark: Hint, frame: Frame) -> tuple[tuple[slice, slice], np.ndarray]:
    """The tensor pixels that a mark covers: a box (rows, columns) and a bool mask in it; not empty if a point is in the frame."""
    h, w = frame.size
    points = np.array([frame.to_tensor_xy(x + 0.5, y + 0.5) for x, y in mark.points]) - 0.5
    radius = max(mark.radius * frame.scale, 0.71)
    left, top = np.floor(points.min(0) - radius).astype(int).clip(0)
    right, bottom = np.minimum(np.ceil(points.max(0) + radius).astype(int) + 1, (w, h))
    if right <= left or bottom <= top:
        return (slice(0, 0), slice(0, 0)), np.zeros((0, 0), bool)
    ys, xs = np.mgrid[top:bottom, left:right]
    away = np.full(ys.shape, np.inf)
    for a, b in zip(points[:-1], points[1:], strict=True) if len(points) > 1 else [(points[0], points[0])]:
        along = b - a
        t = ((xs - a[0]) * along[0] + (ys - a[1]) * along[1]) / max(float(along @ along), 1e-9)
        t = t.clip(0, 1)
        away = np.minimum(away, np.hypot(xs - a[0] - t * along[0], ys - a[1] - t * along[1]))
    return (slice(top, bottom), slice(left, right)), away <= radius


def _marks_of(text: str, where: str) -> list[Hint]:
    """Parse marks from a flag's text: the path of a JSON file, JSON, or x,y,colour[,radius]."""
    if text.lstrip().startswith(("[", "{")):
        data = parse_json(text, where=where)
    elif text.lower().endswith(".json"):
        data = read_json(text, JSON_BYTES)
    else:
        parts = re.split(r"\s*,\s*", text.strip())
        if len(parts) not in (3, 4):
            raise GessoError(f"{text!r} is not a hint", where=where, fix="x,y,#rrggbb or x,y,#rrggbb,radius, or a .json file")
        return [_mark(parts)]
    if isinstance(data, dict):
        data = data.get("marks", data.get("hints", [data]))
    if not isinstance(data, list):
        raise GessoError("holds no list of hints", where=where, fix='[{"x": 30, "y": 40, "color": "#ff8800"}]')
    return [_mark(one) for one in data]


def _mark(one: Any) -> Hint:
    if isinstance(one, (list, tuple)) and len(one) in (3, 4):
        one = dict(zip(FIELD_ORDER, one, strict=False))
    return one if isinstance(one, Hint) else Hint.model_validate(one)
