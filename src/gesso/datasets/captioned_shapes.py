"""Made-up pictures with captions: one or two coloured shapes beside each other, in English and Korean words, for tests without files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from gesso.datasets.cifar import stack_items

COLOURS = {
    "red": ("빨간", (214, 40, 40)),
    "orange": ("주황", (244, 140, 6)),
    "yellow": ("노란", (250, 210, 60)),
    "green": ("초록", (56, 158, 70)),
    "blue": ("파란", (40, 90, 210)),
    "purple": ("보라", (130, 60, 170)),
    "brown": ("갈색", (121, 85, 61)),
    "black": ("검은", (20, 20, 20)),
}
SHAPES = {"circle": "원", "square": "네모", "triangle": "세모", "cross": "십자", "ring": "고리", "bar": "막대"}
FINE = 4  # drawn so many times larger


class CaptionedShapes:
    """`num` pictures, drawn from their index. Captions say each shape's colour and, of two, which is left."""

    name, licence = "made-up shapes", "Apache-2.0"

    def __init__(self, num: int, side: int, *, first: int = 0) -> None:
        self.num, self.side, self.first = num, side, first

    def __len__(self) -> int:
        return self.num

    def texts(self) -> Iterator[str]:
        """Every caption, each once, in order."""
        yield from sorted({text for index in range(self.num) for text, _ in self._captions(self._shapes(index))})

    def item(self, index: int, rng: np.random.Generator) -> Mapping[str, Any]:
        """`picture` uint8 [side side 3], `captions` ((text, tags), …) in English and Korean, and `group`, the first shape."""
        shapes = self._shapes(index)
        drawn = _draw(shapes, self.side, np.random.default_rng([self.first + index, 7]))
        return {"picture": drawn, "captions": self._captions(shapes), "languages": ("ko",), "group": shapes[0][1]}

    def stack(self, items: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """`image` float [b 3 side side] in [-1, 1]."""
        return {"image": stack_items([{**item, "label": 0} for item in items])["image"]}

    def _shapes(self, index: int) -> list[tuple[str, str]]:
        """(colour, shape) of each."""
        rng = np.random.default_rng([self.first + index, 3])
        num = 1 + int(rng.random() < 0.4)
        return [(list(COLOURS)[rng.integers(len(COLOURS))], list(SHAPES)[rng.integers(len(SHAPES))]) for _ in range(num)]

    def _captions(self, shapes: Sequence[tuple[str, str]]) -> tuple[tuple[str, tuple[str, ...]], ...]:
        english = " left of ".join(f"{colour} {shape}" for colour, shape in shapes)
        korean = " 왼쪽, 오른쪽 ".join(f"{COLOURS[colour][0]} {SHAPES[shape]}" for colour, shape in shapes)
        return (english, tuple(dict.fromkeys(one for pair in shapes for one in pair))), (korean, ())


def _draw(shapes: Sequence[tuple[str, str]], side: int, rng: np.random.Generator) -> np.ndarray:
    page = Image.new("RGB", (FINE * side, FINE * side), "white")
    pen = ImageDraw.Draw(page)
    wide = FINE * side / len(shapes)
    for at, (colour, shape) in enumerate(shapes):
        radius = wide * rng.uniform(0.25, 0.45)
        x = (at + 0.5) * wide + rng.uniform(-1, 1) * (wide / 2 - radius)
        y = FINE * side / 2 + rng.uniform(-1, 1) * (FINE * side / 2 - radius)
        ink = COLOURS[colour][1]
        box = (x - radius, y - radius, x + radius, y + radius)
        if shape == "circle":
            pen.ellipse(box, fill=ink)
        elif shape == "ring":
            pen.ellipse(box, outline=ink, width=max(1, round(radius / 3)))
        elif shape == "square":
            pen.rectangle(box, fill=ink)
        elif shape == "triangle":
            pen.polygon([(x, y - radius), (x + radius, y + radius), (x - radius, y + radius)], fill=ink)
        elif shape == "bar":
            pen.rectangle((x - radius, y - radius / 4, x + radius, y + radius / 4), fill=ink)
        else:
            pen.rectangle((x - radius, y - radius / 4, x + radius, y + radius / 4), fill=ink)
            pen.rectangle((x - radius / 4, y - radius, x + radius / 4, y + radius), fill=ink)
    return np.asarray(page.resize((side, side), Image.Resampling.BOX))
