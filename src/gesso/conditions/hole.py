"""The kind "hole": strokes over the part of a picture that shall be made anew."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
from PIL import Image, ImageDraw

from gesso.conditions.condition import Clean, Truth
from gesso.conditions.strokes import Stroke, Strokes, gestures_of
from gesso.person import Person
from gesso.ports import Frame, Ports, PortSizes

Point = tuple[float, float]
Drawn = list[tuple[list[Point], float]]  # paths and their radius, in shares of the picture's side
Box = tuple[int, int, int, int]  # left, top, right, bottom


class Hole(Strokes):
    """Everything that the strokes cover, a disc of their radius along their paths."""

    kind: ClassVar[str] = "hole"
    reads: ClassVar[str] = "picture"

    def covered(self, box: Box, size: tuple[int, int] | None = None) -> np.ndarray:
        """What is covered of a part of the page, bool, at the box's size, or at another: a pixel is covered if any of it is."""
        left, top, right, bottom = box
        drawn = Image.new("L", (right - left, bottom - top))
        pen = ImageDraw.Draw(drawn)
        for stroke in self.strokes:
            points = [(x - left, y - top) for x, y in stroke.path]
            if len(points) > 1:
                pen.line(points, fill=1, width=max(1, round(2 * stroke.radius)), joint="curve")
            for x, y in points:
                pen.ellipse((x - stroke.radius, y - stroke.radius, x + stroke.radius, y + stroke.radius), fill=1)
        found = np.asarray(drawn).astype(bool)
        if size is None or size == found.shape:
            return found
        shares = Image.fromarray(found.astype(np.float32)).resize((size[1], size[0]), Image.Resampling.BOX)
        return np.asarray(shares) > 0

    @classmethod
    def sizes(cls, options: Mapping[str, Any]) -> PortSizes:
        return PortSizes(spatial=1)

    @classmethod
    def encode(cls, values: Sequence[Self | None], frame: Frame) -> Ports:
        """Encode as spatial [b 1 h w]: 1 in the hole. No hole is the same as none given."""
        import torch

        h, w = frame.page or frame.size
        out = torch.zeros(len(values), 1, *frame.size)
        for row, value in zip(out, values, strict=True):
            if value is not None:
                row[0] = torch.from_numpy(value.covered(frame.box or (0, 0, w, h), frame.size).astype(np.float32))
        return Ports(spatial=out)

    @classmethod
    def simulate(cls, clean: Clean, rng: np.random.Generator, budget: float, given: Any = None) -> tuple[Self | None, Truth]:
        """Someone who paints over a part of the clean `picture`, with one of several habits (`HABITS`)."""
        h, w = clean["picture"].shape[:2]
        habit = list(HABITS)[int(rng.integers(len(HABITS)))]
        return cls.of_habit(habit, (h, w), rng), {"habit": habit}

    @classmethod
    def given_by(
        cls, person: Person, clean: Clean, rng: np.random.Generator, given: Any = None, before: Self | None = None, turns: int = 1
    ) -> tuple[Self | None, Truth]:
        """A part painted over, once, by this person's hand. What is in its place is not asked for, so it means a place alone."""
        value, truth = super().given_by(person, clean, rng, given, before, turns)
        if value is None:
            return None, truth
        h, w = clean["picture"].shape[:2]
        meant = value.covered((0, 0, w, h))
        shaken = tuple(stroke.shaken(rng, person.wobble * max(h, w), (w, h)) for stroke in value.strokes)
        return cls(strokes=shaken), truth | {"meant": meant}

    @classmethod
    def of_habit(cls, habit: str, page: tuple[int, int], rng: np.random.Generator) -> Self:
        """A hole in a page (height, width), as a person of this habit paints it."""
        h, w = page
        scale = (w, h)
        strokes = tuple(
            Stroke(path=tuple((x * scale[0], y * scale[1]) for x, y in path), radius=max(0.5, radius * min(h, w)))
            for path, radius in HABITS[habit](rng)
        )
        return cls(strokes=strokes)

    @classmethod
    def control(cls, options: Mapping[str, Any]) -> dict[str, Any]:
        return {"tool": "pen", "schema": cls.model_json_schema(), "colour": False} | gestures_of(options, "stroke")


def _dots(rng: np.random.Generator) -> Drawn:
    """A few thick dots on small things."""
    return [([_place(rng)], float(rng.uniform(0.04, 0.14))) for _ in range(rng.integers(1, 5))]


def _brush(rng: np.random.Generator) -> Drawn:
    """Loose strokes that bend."""
    return [(_wander(rng, steps=int(rng.integers(3, 9)), step=0.16), float(rng.uniform(0.03, 0.09))) for _ in range(rng.integers(1, 4))]


def _scrub(rng: np.random.Generator) -> Drawn:
    """One thing painted over by going to and fro."""
    (left, top), wide, tall = _place(rng, 0.05, 0.55), rng.uniform(0.2, 0.45), rng.uniform(0.2, 0.45)
    radius = float(rng.uniform(0.04, 0.08))
    rows = np.arange(top, top + tall, 1.6 * radius)
    ends = [(left, left + wide) if n % 2 == 0 else (left + wide, left) for n in range(len(rows))]
    sway = rng.normal(0, 0.02, (len(rows), 2))
    path = [(float(x + s), float(y)) for y, row, wobble in zip(rows, ends, sway, strict=True) for x, s in zip(row, wobble, strict=True)]
    return [(path, radius)]


def _border(rng: np.random.Generator) -> Drawn:
    """One to three sides of the picture: it shall become larger."""
    deep = float(rng.uniform(0.12, 0.4))
    near, far = 0.0, 0.999  # a point at 1 would be off the page
    sides = {"left": [(near, near), (near, far)], "right": [(far, near), (far, far)]}
    sides |= {"top": [(near, near), (far, near)], "bottom": [(near, far), (far, far)]}
    chosen = rng.choice(list(sides), int(rng.integers(1, 4)), replace=False)
    return [(sides[str(side)], deep) for side in chosen]


def _line(rng: np.random.Generator) -> Drawn:
    """A scratch, a wire or a hair across the picture."""
    return [(_wander(rng, steps=12, step=0.12, bend=0.3), float(rng.uniform(0.008, 0.02))) for _ in range(rng.integers(1, 4))]


Habit = Callable[[np.random.Generator], Drawn]
HABITS: dict[str, Habit] = {"dots": _dots, "brush": _brush, "scrub": _scrub, "border": _border, "line": _line}


def _place(rng: np.random.Generator, low: float = 0.1, high: float = 0.9) -> Point:
    x, y = rng.uniform(low, high, 2)
    return float(x), float(y)


def _wander(rng: np.random.Generator, steps: int, step: float, bend: float = 0.8) -> list[Point]:
    (x, y), angle = _place(rng), rng.uniform(0, 2 * np.pi)
    path = [(x, y)]
    for _ in range(steps):
        angle += rng.normal(0, bend)
        x, y = (float(np.clip(at + step * turn, 0, 0.999)) for at, turn in ((x, np.cos(angle)), (y, np.sin(angle))))
        path.append((x, y))
    return path
