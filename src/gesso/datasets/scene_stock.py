"""What composed scenes are made of: kinds of objects, the colours that each comes in, how they look, and their names in two languages.

`SHAPES` are drawn here in plain colours. `sprite_stock` adds single emoji of OpenMoji and items of Dungeon Crawl's tiles from the folders
that hold them: some take any colour, others keep their own, which captions never name.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache, lru_cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from gesso.datasets.picture_table import read_columns
from gesso.errors import GessoError

COLOURS: dict[str, tuple[tuple[int, int, int], str]] = {
    "red": ((214, 40, 40), "빨간"), "orange": ((245, 130, 32), "주황"), "yellow": ((245, 205, 40), "노란"),
    "green": ((50, 160, 70), "초록"), "blue": ((50, 90, 205), "파란"), "purple": ((140, 60, 170), "보라"),
}  # fmt: skip
KINDS: dict[str, str] = {
    "circle": "동그라미", "square": "네모", "triangle": "세모", "star": "별", "heart": "하트",
    "cross": "십자", "ring": "고리", "moon": "달", "arrow": "화살표", "diamond": "마름모",
}  # fmt: skip
OWN = ""  # the colour of what keeps its own colours
FINE = 8  # shapes are drawn so many times as large, then made smaller
CHROMA = 50  # levels between a pixel's channels from which it is recoloured: outlines and greys stay
EMOJI, TILES = "openmoji", "dungeon_tiles"
# name | plural | Korean | Korean counter | where | annotation, or group/name | takes any colour
SPRITES = """
    apple | apples | 사과 | 개 | openmoji | red apple | yes
    balloon | balloons | 풍선 | 개 | openmoji | balloon | yes
    butterfly | butterflies | 나비 | 마리 | openmoji | butterfly | yes
    fish | fish | 물고기 | 마리 | openmoji | fish | yes
    book | books | 책 | 권 | openmoji | closed book | yes
    bell | bells | 종 | 개 | openmoji | bell | yes
    mushroom | mushrooms | 버섯 | 개 | openmoji | mushroom | yes
    crown | crowns | 왕관 | 개 | openmoji | crown | no
    key | keys | 열쇠 | 개 | openmoji | key | no
    anchor | anchors | 닻 | 개 | openmoji | anchor | no
    cat | cats | 고양이 | 마리 | openmoji | cat face | no
    duck | ducks | 오리 | 마리 | openmoji | duck | no
    snail | snails | 달팽이 | 마리 | openmoji | snail | no
    house | houses | 집 | 채 | openmoji | house | no
    tree | trees | 나무 | 그루 | openmoji | deciduous tree | no
    rocket | rockets | 로켓 | 대 | openmoji | rocket | no
    helmet | helmets | 투구 | 개 | dungeon_tiles | item/armour/headgear/helmet1 | no
    shield | shields | 방패 | 개 | dungeon_tiles | item/armour/shields/shield1 | no
    sword | swords | 검 | 자루 | dungeon_tiles | item/weapon/long sword1 | no
    potion | potions | 물약 | 병 | dungeon_tiles | item/potion/ruby | yes
"""


@dataclass(frozen=True)
class Kind:
    """An object's names, and whether it comes in every colour; `picture` RGBA uint8 [n n 4] is None for a shape."""

    plural: str
    korean: str
    counter: str = "개"
    coloured: bool = True
    picture: np.ndarray | None = field(default=None, repr=False)


@dataclass(frozen=True, eq=False)
class Stock:
    """Kinds of objects by their English names. `name` is the data's."""

    kinds: Mapping[str, Kind]
    name: str = "composed scenes"
    licence: str = "Apache-2.0"

    def colours(self, kind: str) -> tuple[str, ...]:
        return tuple(COLOURS) if self.kinds[kind].coloured else (OWN,)

    def appearance(self, kind: str, colour: str, size: int) -> tuple[np.ndarray, np.ndarray]:
        """An object at size × size: ink [size size 3] in levels, and how much of each pixel it covers [size size 1] in [0, 1]."""
        return _appearance(self, kind, colour, size)


@lru_cache(maxsize=4096)
def _appearance(stock: Stock, kind: str, colour: str, size: int) -> tuple[np.ndarray, np.ndarray]:
    picture = stock.kinds[kind].picture
    if picture is None:
        return np.broadcast_to(np.array(COLOURS[colour][0]), (size, size, 3)), shape(kind, size)[..., None]
    rgba = np.asarray(Image.fromarray(picture).convert("RGBa").resize((size, size), Image.Resampling.BOX).convert("RGBA"), np.float64)
    ink = rgba[..., :3]
    return (ink if colour == OWN else recoloured(ink, colour)), rgba[..., 3:] / 255


def recoloured(ink: np.ndarray, colour: str) -> np.ndarray:
    """A sprite's coloured pixels [h w 3] in another colour: darker where they were darker than most, never lighter than the colour."""
    spread = ink.max(-1) - ink.min(-1)
    coloured = spread > CHROMA
    if not coloured.any():
        return ink
    light = ink @ np.array([0.299, 0.587, 0.114])
    shade = np.clip(light / np.median(light[coloured]), 0.55, 1.0)
    return np.where(coloured[..., None], np.array(COLOURS[colour][0]) * shade[..., None], ink)


SHAPES = Stock({name: Kind(f"{name}es" if name == "cross" else f"{name}s", korean) for name, korean in KINDS.items()})


def sprite_stock(folder: Path) -> Stock:
    """Shapes, and the sprites that the tables in or beside a folder hold (`openmoji`, `dungeon_tiles`); GessoError where there are none."""
    return _sprite_stock(Path(folder).resolve())


@cache
def _sprite_stock(place: Path) -> Stock:
    found: dict[str, Kind] = {}
    sources = {EMOJI: _emoji(place), TILES: _tiles(place)}
    for line in filter(None, map(str.strip, SPRITES.splitlines())):
        name, plural, korean, counter, where, key, coloured = (cell.strip() for cell in line.split("|"))
        data = sources[where].get(key)
        if data is not None:
            found[name] = Kind(plural, korean, counter, coloured == "yes", trimmed(data))
    if not found:
        fix = f"a folder with {EMOJI}/train.parquet or {TILES}/tiles.parquet"
        raise GessoError("holds none of the sprites that scenes are made of", where=place, fix=fix)
    licences = [licence for name, licence in ((EMOJI, "CC BY-SA 4.0"), (TILES, "CC0")) if sources[name]]
    return Stock({**SHAPES.kinds, **found}, "composed scenes with sprites", " and ".join(licences))


def _emoji(place: Path) -> dict[str, bytes]:
    table = _table(place, EMOJI, "train.parquet")
    columns = {} if table is None else read_columns(table, ("color", "annotation"))
    return dict(zip(columns["annotation"], columns["color"], strict=True)) if {"annotation", "color"} <= set(columns) else {}


def _tiles(place: Path) -> dict[str, bytes]:
    table = _table(place, TILES, "tiles.parquet")
    columns = {} if table is None else read_columns(table, ("image", "group", "name"))
    if not {"image", "group", "name"} <= set(columns):
        return {}
    return {f"{group}/{name}": one for group, name, one in zip(columns["group"], columns["name"], columns["image"], strict=True)}


def _table(place: Path, folder: str, file: str) -> Path | None:
    """The table of a source: the folder itself is it, or it lies inside or beside."""
    options = (*([place] if place.name == folder else []), place / folder, place.parent / folder)
    return next((one / file for one in options if (one / file).is_file()), None)


def trimmed(data: bytes) -> np.ndarray:
    """A PNG as RGBA uint8 [n n 4]: what is not transparent, in the middle of a square."""
    image = Image.open(io.BytesIO(data)).convert("RGBA")
    box = image.getchannel("A").point(lambda a: 255 if a > 40 else 0).getbbox()
    if box is None:
        raise GessoError("a sprite is transparent everywhere", where="sprites")
    cut = image.crop(box)
    side = max(cut.size)
    page = Image.new("RGBA", (side, side))
    page.paste(cut, ((side - cut.width) // 2, (side - cut.height) // 2))
    pixels = np.array(page)
    pixels.flags.writeable = False
    return pixels


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
