"""Sprites of scenes: found in tables, recoloured, read back to the last one, and named with the right particles."""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gesso.datasets.composed_scenes import Composition, Group, SpriteScenes, caption, drawn, scenes_of, with_particle
from gesso.datasets.scene_stock import COLOURS, SHAPES, Stock, recoloured, sprite_stock, trimmed
from gesso.errors import GessoError
from gesso.metrics.obedience import judged, objects_in, shares

DATA = Path(os.environ.get("GESSO_DATA", Path(__file__).parents[3].parent / "shared" / "data"))
real = pytest.mark.skipif(not (DATA / "openmoji").is_dir(), reason=f"{DATA}/openmoji is not there")


def png(colour: tuple[int, int, int], size: tuple[int, int] = (30, 20)) -> bytes:
    """A disc with a dark outline on a transparent page, off its middle."""
    ys, xs = np.mgrid[: size[1], : size[0]]
    away = np.hypot(xs - 10, ys - 10)
    pixels = np.zeros((size[1], size[0], 4), np.uint8)
    pixels[away < 9] = (20, 20, 20, 255)
    pixels[away < 6] = (*colour, 255)
    held = io.BytesIO()
    Image.fromarray(pixels).save(held, "PNG")
    return held.getvalue()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    (tmp_path / "openmoji").mkdir()
    rows = {"annotation": ["red apple", "crown", "nothing known"], "color": [png((220, 30, 30)), png((240, 200, 40)), png((0, 0, 0))]}
    parquet.write_table(pyarrow.table(rows), tmp_path / "openmoji" / "train.parquet")
    return tmp_path


def test_sprites_join_the_shapes(folder: Path):
    stock = sprite_stock(folder)
    assert set(stock.kinds) - set(SHAPES.kinds) == {"apple", "crown"} and stock.licence == "CC BY-SA 4.0"
    assert stock.colours("crown") == ("",) and stock.colours("apple") == tuple(COLOURS)
    assert sprite_stock(folder / "openmoji") is not SHAPES, "the folder itself is found too"
    assert scenes_of(None, "val", 32).stock is SHAPES


def test_a_folder_without_sprites_is_refused(tmp_path: Path):
    with pytest.raises(GessoError, match="none of the sprites"):
        sprite_stock(tmp_path)


def test_a_sprite_is_trimmed_and_recoloured():
    pixels = trimmed(png((220, 30, 30)))
    assert pixels.shape[0] == pixels.shape[1] < 20
    ink = recoloured(pixels[..., :3].astype(float), "blue")
    middle = len(ink) // 2
    assert np.allclose(ink[middle, middle], COLOURS["blue"][0]) and (ink[middle, 1] < 60).all(), "the outline stays"


def test_scenes_of_sprites_are_read_back(folder: Path):
    scenes = SpriteScenes(32, "val", sprite_stock(folder), num=80)
    items = [scenes.item(index, np.random.default_rng(0)) for index in range(80)]
    rows = [judged(one["picture"], one["composition"], one["captions"][0][0], scenes.stock) for one in items]
    assert shares(rows)["whole"] == 1
    assert any("apple" in one["captions"][0][0] for one in items) and not any("" == one["composition"].first.kind for one in items)


@pytest.mark.parametrize(
    ("words", "particles", "right"),
    [
        ("왕관", ("이", "가"), "왕관이"), ("사과", ("이", "가"), "사과가"), ("물약 두 병", ("은", "는"), "물약 두 병은"),
        ("나비 세 마리", ("은", "는"), "나비 세 마리는"), ("별", ("과", "와"), "별과"), ("달 한 개", ("과", "와"), "달 한 개와"),
    ],
)  # fmt: skip
def test_particles_follow_the_last_syllable(words: str, particles: tuple[str, str], right: str):
    assert with_particle(words, *particles) == right


def test_words_that_are_not_hangul_have_no_particle():
    with pytest.raises(ValueError, match="Hangul"):
        with_particle("apple", "이", "가")


def test_captions_of_sprites_have_counters_and_particles(folder: Path):
    stock = sprite_stock(folder)
    scene = Composition(Group("crown", "", 1), Group("apple", "red", 2), "left")
    texts = {caption(scene, np.random.default_rng(seed), "ko", stock) for seed in range(80)}
    assert {"왕관은 빨간 사과 두 개 왼쪽에 있다", "빨간 사과 두 개 왼쪽에 왕관이 있다", "왼쪽부터 왕관과 빨간 사과 두 개"} <= texts
    english = {caption(scene, np.random.default_rng(seed), "en", stock) for seed in range(80)}
    assert "a crown left of two red apples" in english and not any("  " in one for one in english | texts)


@real
@pytest.mark.parametrize("side", [32, 48, 64])
def test_every_sprite_of_the_real_tables_is_read_back(side: int):
    stock = sprite_stock(DATA / "openmoji")
    for kind in set(stock.kinds) - set(SHAPES.kinds):
        for colour in stock.colours(kind):
            scene = Composition(Group(kind, colour, 3), Group("circle", "red", 1), "left")
            found = objects_in(drawn(scene, side, np.random.default_rng(0), stock), stock)
            assert sorted((one.kind, one.colour) for one in found) == sorted([(kind, colour)] * 3 + [("circle", "red")]), (kind, colour)


@real
def test_true_scenes_of_the_real_tables_are_right():
    scenes = SpriteScenes(32, "val", sprite_stock(DATA / "openmoji"))
    items = [scenes.item(index, np.random.default_rng(0)) for index in range(200)]
    rows = [judged(one["picture"], one["composition"], one["captions"][0][0], scenes.stock) for one in items]
    assert shares(rows)["all"] == 1 and isinstance(scenes.stock, Stock)
