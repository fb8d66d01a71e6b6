"""Scenes composed of a few objects, with captions that say exactly what they hold: a test of whether a model does what it is told.

A scene has two groups, one left of or above the other; each is one to three objects of one kind and one colour. Captions say it in
several word orders, in English and Korean, and sometimes leave a colour out. A tenth of the pairs of kind and colour are in no training
scene, so that "val" asks for combinations that were never shown. Objects are shapes, and sprites where there are pictures of them
(`gesso.datasets.scene_stock`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from gesso.datasets.dataset import Dataset
from gesso.datasets.paired_pictures import to_images
from gesso.datasets.scene_stock import COLOURS, OWN, SHAPES, Stock, sprite_stock

Relation = Literal["left", "above"]
COUNTS = (("a", "one"), ("two", "two"), ("three", "three"))
KOREAN_COUNTS = ("한", "두", "세")
PAPER = (250, 248, 244)
MOST = 3  # objects of a group
PLACES = {1: (0.5,), 2: (0.33, 0.67), 3: (0.19, 0.5, 0.81)}  # of a group's objects, across the direction of the relation
SIZE, STRAY = 0.25, 0.012  # of an object, and how far it is moved, in shares of the side
NUM_TEXTS = 4000
NEVER = 10  # one in so many pairs of kind and colour is for "val" alone


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
    name: str = SHAPES.name
    licence: str = SHAPES.licence
    stock = SHAPES  # no field, so that a run's hash of its data stays as it was

    def __len__(self) -> int:
        return self.num

    def texts(self) -> Iterator[str]:
        """Many captions, of which a vocabulary can be learned, each once and in order."""
        rng = np.random.default_rng(5)
        scenes = (random_composition(rng, stock=self.stock) for _ in range(NUM_TEXTS))
        yield from sorted({caption(scene, rng, language, self.stock) for scene in scenes for language in ("en", "ko")})

    def item(self, index: int, rng: np.random.Generator) -> Mapping[str, Any]:
        """`picture` uint8 [side side 3], `captions` ((text, no tags),), no `languages` beside and no `group`, and the `composition`."""
        own = rng if self.split == "train" else np.random.default_rng([index, 77])
        composition = random_composition(own, new=self.split == "val" and index % 2 == 0, old=self.split != "val", stock=self.stock)
        text = caption(composition, own, "ko" if own.random() < 0.3 else "en", self.stock)
        captions = {"captions": ((text, ()),), "languages": (), "group": ""}
        return {"picture": drawn(composition, self.side, own, self.stock), **captions, "composition": composition}

    def stack(self, items: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """`image` float [b 3 side side] in [-1, 1]."""
        return {"image": to_images([item["picture"] for item in items])}


class SpriteScenes(ComposedScenes):
    """Scenes of another stock than shapes."""

    def __init__(self, side: int, split: str, stock: Stock, num: int = 20_000) -> None:
        super().__init__(side, split, num, stock.name, stock.licence)
        self.stock = stock


def scenes_of(folder: Path | None, split: str, side: int, num: int = 20_000) -> ComposedScenes:
    """Scenes of shapes; with a folder, of shapes and the sprites that its tables hold."""
    return ComposedScenes(side, split, num) if folder is None else SpriteScenes(side, split, sprite_stock(folder), num)


def scenes_or_captioned(folder: Path | None, split: str, side: int, *, scenes: bool = False) -> Dataset:
    """The pictures with captions of a folder, or composed scenes without one; with `scenes`, always `scenes_of`."""
    from gesso.datasets.captioned_pictures import captioned_pictures

    return scenes_of(folder, split, side) if scenes or folder is None else captioned_pictures(folder, split, side)


def never_shown(kind: str, colour: str, stock: Stock = SHAPES) -> bool:
    """Whether this pair is in no training scene."""
    return colour != OWN and (7 * list(stock.kinds).index(kind) + 3 * list(COLOURS).index(colour)) % NEVER == 0


def random_composition(rng: np.random.Generator, *, new: bool = False, old: bool = True, stock: Stock = SHAPES) -> Composition:
    """A scene; `old`: of pairs that training shows; `new`: one of its groups is of a pair that it does not."""
    groups: list[Group] = []
    for number in range(2):
        while True:
            kind = str(rng.choice(list(stock.kinds)))
            colour = str(rng.choice(list(stock.colours(kind))))
            never = never_shown(kind, colour, stock)
            if (number == 0 and new and not never) or (never and old) or any(one.kind == kind for one in groups):
                continue
            groups.append(Group(kind, colour, int(rng.integers(1, MOST + 1))))
            break
    first, second = groups if rng.random() < 0.5 else groups[::-1]
    return Composition(first, second, "left" if rng.random() < 0.5 else "above")


def caption(composition: Composition, rng: np.random.Generator, language: str = "en", stock: Stock = SHAPES) -> str:
    """One of several ways to say it."""
    left_out = int(rng.integers(6))  # the colour of one group, sometimes
    groups = [(group, number != left_out) for number, group in enumerate((composition.first, composition.second))]
    left = composition.relation == "left"
    if language == "ko":
        forms = _korean_forms(groups, ("왼쪽", "오른쪽") if left else ("위", "아래"), stock)
    else:
        one, two = (_english(group, colour, stock) for group, colour in groups)
        near, far = ("left of", "right of") if left else ("above", "below")
        places = ("on the left", "on the right") if left else ("at the top", "at the bottom")
        forms = (f"{one} {near} {two}", f"{two} {far} {one}", f"{one} {places[0]}, {two} {places[1]}")
    return forms[int(rng.integers(len(forms)))]


def named(text: str, composition: Composition, stock: Stock = SHAPES) -> tuple[bool, bool]:
    """Whether the caption names the colour of the first group, and of the second."""
    lowered = text.lower()
    return tuple(  # type: ignore[return-value]
        group.colour != OWN
        and any(
            f"{word} {kind}" in lowered
            for word in (group.colour, COLOURS[group.colour][1])
            for kind in (group.kind, stock.kinds[group.kind].korean)
        )
        for group in (composition.first, composition.second)
    )


def _english(group: Group, colour: bool, stock: Stock) -> str:
    kind = group.kind if group.count == 1 else stock.kinds[group.kind].plural
    words = [COUNTS[group.count - 1][0], *([group.colour] if colour and group.colour != OWN else []), kind]
    if words[0] == "a" and words[1][0] in "aeiou":
        words[0] = "an"
    return " ".join(words)


def _korean(group: Group, colour: bool, stock: Stock) -> str:
    kind = stock.kinds[group.kind]
    return " ".join([*_korean_colour(group, colour), kind.korean, KOREAN_COUNTS[group.count - 1], kind.counter])


def _korean_colour(group: Group, colour: bool) -> list[str]:
    return [COLOURS[group.colour][1]] if colour and group.colour != OWN else []


def _korean_forms(groups: Sequence[tuple[Group, bool]], sides: tuple[str, str], stock: Stock) -> tuple[str, ...]:
    """The ways to say it in Korean. Scenes of shapes alone have the first three, as models that were trained on them do."""
    (one, two), (near, far) = (_korean(group, colour, stock) for group, colour in groups), sides
    plain = (f"{two} {near}에 {one}", f"{one} {far}에 {two}", f"{near}에 {one}, {far}에 {two}")
    if stock is SHAPES:
        return plain
    # A single thing may be named without a counter, and then its own last letter decides the particle.
    short_one, short_two = (
        " ".join([*_korean_colour(group, colour), stock.kinds[group.kind].korean]) if group.count == 1 else full
        for (group, colour), full in zip(groups, (one, two), strict=True)
    )
    return (
        *plain,
        f"{two} {near}에 {with_particle(short_one, '이', '가')} 있다",
        f"{with_particle(short_one, '은', '는')} {short_two} {near}에 있다",
        f"{near}에는 {with_particle(one, '이', '가')}, {far}에는 {with_particle(two, '이', '가')} 있다",
        f"{near}부터 {with_particle(short_one, '과', '와')} {short_two}",
    )


def with_particle(words: str, after_consonant: str, after_vowel: str) -> str:
    """Korean words with the particle that their last syllable asks for."""
    last = ord(words[-1]) - 0xAC00
    if not 0 <= last < 11172:
        raise ValueError(f"{words!r} does not end in a syllable of Hangul")
    return words + (after_consonant if last % 28 else after_vowel)


def drawn(composition: Composition, side: int, rng: np.random.Generator, stock: Stock = SHAPES) -> np.ndarray:
    """The scene as a picture; objects of a group stand in a row across the direction of the relation, each moved a little."""
    picture = np.empty((side, side, 3), np.uint8)
    picture[:] = PAPER
    size = round(side * SIZE)
    for number, group in enumerate((composition.first, composition.second)):
        for across in PLACES[group.count]:
            along = 0.26 + 0.48 * number
            x, y = (along, across) if composition.relation == "left" else (across, along)
            left, top = (int(np.clip(round((at + rng.uniform(-STRAY, STRAY)) * side - size / 2), 0, side - size)) for at in (x, y))
            ink, cover = stock.appearance(group.kind, group.colour, size)
            part = picture[top : top + size, left : left + size]
            part[:] = (part * (1 - cover) + ink * cover).round().astype(np.uint8)
    return picture
