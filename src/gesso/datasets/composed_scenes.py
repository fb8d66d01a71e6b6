"""Scenes composed of a few objects, with captions that say exactly what they hold: a test of whether a model does what it is told.

A scene has two groups, one left of or above the other; each is one to three objects of one kind and one colour. Captions say it in
several word orders, in English and Korean, and sometimes leave a colour out. A tenth of the pairs of kind and colour are in no training
scene, so that "val" asks for combinations that were never shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image, ImageDraw

from gesso.datasets.dataset import Dataset
from gesso.datasets.paired_pictures import to_images

Relation = Literal["left", "above"]
COLOURS: dict[str, tuple[tuple[int, int, int], str]] = {
    "red": ((214, 40, 40), "빨간"), "orange": ((245, 130, 32), "주황"), "yellow": ((245, 205, 40), "노란"),
    "green": ((50, 160, 70), "초록"), "blue": ((50, 90, 205), "파란"), "purple": ((140, 60, 170), "보라"),
}  # fmt: skip
KINDS: dict[str, str] = {
    "circle": "동그라미", "square": "네모", "triangle": "세모", "star": "별", "heart": "하트",
    "cross": "십자", "ring": "고리", "moon": "달", "arrow": "화살표", "diamond": "마름모",
}  # fmt: skip
COUNTS = (("a", "one"), ("two", "two"), ("three", "three"))
KOREAN_COUNTS = ("한", "두", "세")
PAPER = (250, 248, 244)
MOST = 3  # objects of a group
PLACES = {1: (0.5,), 2: (0.33, 0.67), 3: (0.19, 0.5, 0.81)}  # of a group's objects, across the direction of the relation
SIZE, STRAY = 0.25, 0.012  # of an object, and how far it is moved, in shares of the side
NUM_TEXTS = 4000
NEVER = 10  # one in so many pairs of kind and colour is for "val" alone
FINE = 8  # shapes are drawn so many times as large, then made smaller


@dataclass(frozen=True)
class Group:
    """One to three equal objects."""

    kind: str
    colour: str
    count: int


@dataclass(frozen=True)
class Composition:
    """`first` is left of or above `second`."""

    first: Group
    second: Group
    relation: Relation


@dataclass
class ComposedScenes:
    """Scenes `side` × `side` from their numbers, never stored; those of "train" are drawn anew at each look."""

    side: int
    split: str
    num: int = 20_000
    name: str = "composed scenes"
    licence: str = "Apache-2.0"

    def __len__(self) -> int:
        return self.num

    def texts(self) -> Iterator[str]:
        """Many captions, of which a vocabulary can be learned, each once and in order."""
        rng = np.random.default_rng(5)
        scenes = (random_composition(rng) for _ in range(NUM_TEXTS))
        yield from sorted({caption(scene, rng, language) for scene in scenes for language in ("en", "ko")})

    def item(self, index: int, rng: np.random.Generator) -> Mapping[str, Any]:
        """`picture` uint8 [side side 3], `captions` ((text, no tags),), and the `composition`."""
        own = rng if self.split == "train" else np.random.default_rng([index, 77])
        composition = random_composition(own, new=self.split == "val" and index % 2 == 0, old=self.split != "val")
        text = caption(composition, own, language="ko" if own.random() < 0.3 else "en")
        return {"picture": drawn(composition, self.side, own), "captions": ((text, ()),), "composition": composition}

    def stack(self, items: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """`image` float [b 3 side side] in [-1, 1]."""
        return {"image": to_images([item["picture"] for item in items])}


def scenes_or_captioned(folder: Path | None, split: str, side: int) -> Dataset:
    """The pictures with captions of a folder, or composed scenes without one."""
    from gesso.datasets.captioned_pictures import captioned_pictures

    return ComposedScenes(side, split) if folder is None else captioned_pictures(folder, split, side)


def never_shown(kind: str, colour: str) -> bool:
    """Whether this pair is in no training scene."""
    return (7 * list(KINDS).index(kind) + 3 * list(COLOURS).index(colour)) % NEVER == 0


def random_composition(rng: np.random.Generator, *, new: bool = False, old: bool = True) -> Composition:
    """A scene; `old`: of pairs that training shows; `new`: one of its groups is of a pair that it does not."""
    groups: list[Group] = []
    for number in range(2):
        while True:
            kind, colour = str(rng.choice(list(KINDS))), str(rng.choice(list(COLOURS)))
            never = never_shown(kind, colour)
            if (number == 0 and new and not never) or (never and old) or any(one.kind == kind for one in groups):
                continue
            groups.append(Group(kind, colour, int(rng.integers(1, MOST + 1))))
            break
    first, second = groups if rng.random() < 0.5 else groups[::-1]
    return Composition(first, second, "left" if rng.random() < 0.5 else "above")


def caption(composition: Composition, rng: np.random.Generator, language: str = "en") -> str:
    """One of several ways to say it."""
    left_out = int(rng.integers(6))  # the colour of one group, sometimes
    said = _korean if language == "ko" else _english
    one, two = (said(group, colour=number != left_out) for number, group in enumerate((composition.first, composition.second)))
    left = composition.relation == "left"
    if language == "ko":
        near, far = ("왼쪽", "오른쪽") if left else ("위", "아래")
        forms = (f"{two} {near}에 {one}", f"{one} {far}에 {two}", f"{near}에 {one}, {far}에 {two}")
    else:
        near, far = ("left of", "right of") if left else ("above", "below")
        places = ("on the left", "on the right") if left else ("at the top", "at the bottom")
        forms = (f"{one} {near} {two}", f"{two} {far} {one}", f"{one} {places[0]}, {two} {places[1]}")
    return forms[int(rng.integers(len(forms)))]


def named(text: str, composition: Composition) -> tuple[bool, bool]:
    """Whether the caption names the colour of the first group, and of the second."""
    lowered = text.lower()
    return tuple(  # type: ignore[return-value]
        any(f"{word} {kind}" in lowered for word in (group.colour, COLOURS[group.colour][1]) for kind in (group.kind, KINDS[group.kind]))
        for group in (composition.first, composition.second)
    )


def _english(group: Group, colour: bool) -> str:
    kind = group.kind if group.count == 1 else f"{group.kind}es" if group.kind == "cross" else f"{group.kind}s"
    words = [COUNTS[group.count - 1][0], *([group.colour] if colour else []), kind]
    if words[0] == "a" and words[1][0] in "aeiou":
        words[0] = "an"
    return " ".join(words)


def _korean(group: Group, colour: bool) -> str:
    return " ".join([*([COLOURS[group.colour][1]] if colour else []), KINDS[group.kind], KOREAN_COUNTS[group.count - 1], "개"])


def drawn(composition: Composition, side: int, rng: np.random.Generator) -> np.ndarray:
    """The scene as a picture; objects of a group stand in a row across the direction of the relation, each moved a little."""
    picture = np.empty((side, side, 3), np.uint8)
    picture[:] = PAPER
    size = round(side * SIZE)
    for number, group in enumerate((composition.first, composition.second)):
        for across in PLACES[group.count]:
            along = 0.26 + 0.48 * number
            x, y = (along, across) if composition.relation == "left" else (across, along)
            left, top = (int(np.clip(round((at + rng.uniform(-STRAY, STRAY)) * side - size / 2), 0, side - size)) for at in (x, y))
            ink = np.array(COLOURS[group.colour][0])
            cover = shape(group.kind, size)[..., None]
            part = picture[top : top + size, left : left + size]
            part[:] = (part * (1 - cover) + ink * cover).round().astype(np.uint8)
    return picture


@lru_cache(maxsize=256)
def shape(kind: str, size: int) -> np.ndarray:
    """How much of each pixel a shape covers, float [size size] in [0, 1]."""
    large = size * FINE
    image = Image.new("L", (large, large))
    pen = ImageDraw.Draw(image)

    def at(*points: tuple[float, float]) -> list[tuple[float, float]]:
        return [(x * large, y * large) for x, y in points]

    low, high = 0.06, 0.94
    if kind in ("circle", "ring", "moon"):
        pen.ellipse(at((low, low), (high, high)), fill=255)
    if kind == "ring":
        pen.ellipse(at((0.3, 0.3), (0.7, 0.7)), fill=0)
    if kind == "moon":
        pen.ellipse(at((0.34, low - 0.06), (1.16, high - 0.12)), fill=0)
    polygons: dict[str, list[tuple[float, float]]] = {
        "square": [(0.1, 0.1), (0.9, 0.1), (0.9, 0.9), (0.1, 0.9)],
        "triangle": [(0.5, low), (high, 0.92), (low, 0.92)],
        "diamond": [(0.5, 0.02), (0.86, 0.5), (0.5, 0.98), (0.14, 0.5)],
        "cross": [
            (0.36, low), (0.64, low), (0.64, 0.36), (high, 0.36), (high, 0.64), (0.64, 0.64),
            (0.64, high), (0.36, high), (0.36, 0.64), (low, 0.64), (low, 0.36), (0.36, 0.36),
        ],
        "arrow": [(0.04, 0.38), (0.5, 0.38), (0.5, 0.12), (0.97, 0.5), (0.5, 0.88), (0.5, 0.62), (0.04, 0.62)],
        "heart": _heart(),
        "star": [(0.5 + r * np.sin(a), 0.53 - r * np.cos(a)) for a, r in zip(np.arange(10) * np.pi / 5, [0.5, 0.2] * 5, strict=True)],
    }  # fmt: skip
    if kind in polygons:
        pen.polygon(at(*polygons[kind]), fill=255)
    cover = np.asarray(image, np.float64).reshape(size, FINE, size, FINE).mean((1, 3)) / 255
    cover.flags.writeable = False
    return cover


def _heart() -> list[tuple[float, float]]:
    t = np.linspace(0, 2 * np.pi, 60)
    x, y = 16 * np.sin(t) ** 3, 13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t)
    return [(0.5 + 0.028 * float(a), 0.46 - 0.028 * float(b)) for a, b in zip(x, y, strict=True)]
