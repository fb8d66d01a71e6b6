"""Layers recompose to the flats under the line, to the bit."""

import numpy as np
import pytest

from gesso.errors import GessoError
from gesso.media.budget import Budget
from gesso.media.layers import MAX_COLOURS, Layer, layered, multiplied, plain_name, recompose
from gesso.rules.fill import over_line
from unit.media.flat import drawing
from unit.media.made import noise


@pytest.mark.parametrize("height, width", [(60, 90), (1, 300), (300, 1), (8, 8)])
def test_recomposed_they_are_the_flats_under_the_line(height, width):
    line, flats = drawing(height, width)
    layers = layered(line, flats)
    want = over_line(flats, line)
    np.testing.assert_array_equal(layers.merged(), want)
    np.testing.assert_array_equal(recompose(layers, height, width), want)


def test_multiply_is_the_nearest_for_every_pair():
    one, two = np.meshgrid(np.arange(256, dtype=np.uint8), np.arange(256, dtype=np.uint8))
    np.testing.assert_array_equal(multiplied(one, two), np.rint(one * (two / 255.0)))


def test_paper_below_a_layer_a_colour_and_the_line_on_top():
    line, flats = drawing()
    every = list(layered(line, flats))
    assert len(every) == len(layered(line, flats)) == 7  # five colours without white, paper and line
    assert [every[0].name, every[-1].name] == ["paper", "line"]
    assert (every[0].pixels == 255).all() and every[-1].blend == "multiply" and {one.blend for one in every[:-1]} == {"normal"}
    np.testing.assert_array_equal(every[-1].pixels, np.repeat(line[..., None], 3, -1))
    covered = np.zeros(line.shape, int)
    for one in every[1:-1]:
        assert len(np.unique(one.pixels[..., :3].reshape(-1, 3), axis=0)) == 1
        alpha = one.pixels[..., 3]
        assert set(np.unique(alpha)) <= {0, 255}
        assert all(edge.any() for edge in (alpha[0], alpha[-1], alpha[:, 0], alpha[:, -1]))  # cut to what it holds
        covered[one.top : one.top + one.height, one.left : one.left + one.width] += alpha > 0
    np.testing.assert_array_equal(covered, (flats != 255).any(-1))  # each pixel in one layer
    areas = [(one.pixels[..., 3] > 0).sum() for one in every[1:-1]]
    assert areas == sorted(areas, reverse=True)


def test_strips_make_no_seams(monkeypatch):
    line, flats = drawing(100, 50)
    whole = layered(line, flats)
    monkeypatch.setattr("gesso.media.layers.STRIP_PIXELS", 350)
    strips = layered(line, flats)
    assert strips.colours == whole.colours and strips.boxes == whole.boxes
    np.testing.assert_array_equal(strips.merged(), whole.merged())


def test_a_page_of_paper_alone():
    layers = layered(np.full((9, 9), 255, np.uint8), np.full((9, 9, 3), 255, np.uint8))
    assert [one.name for one in layers] == ["paper", "line"]
    assert (recompose(layers, 9, 9) == 255).all()


def test_names():
    line, flats = drawing()
    names = {(255, 204, 153): "지우의 피부", (1, 2, 3): "hair\n\x00 ", (200, 30, 40): "line", (254, 255, 255): "cloth", (0, 0, 0): "cloth"}
    called = dict(zip(layered(line, flats, names).colours, layered(line, flats, names).names, strict=True))
    assert called[(255, 204, 153)] == "지우의 피부" and called[(1, 2, 3)] == "hair"
    assert called[(200, 30, 40)] == "line #c81e28"
    assert called[(254, 255, 255)] == "cloth #feffff" and called[(0, 0, 0)] == "cloth #000000"
    assert layered(line, flats, {(1, 2, 3): " \n"}).names[layered(line, flats).colours.index((1, 2, 3))] == "#010203"


def test_plain_names():
    assert plain_name("a\u2028b\ud800c\x7f\uffff") == "a b c"
    assert len(plain_name("x" * 5000)) == 100 and plain_name("👩‍🎨 눈") == "👩‍🎨 눈"


def test_recompose_by_hand():
    below = np.array([[[255, 0, 0]]], np.uint8)
    half = Layer("half", 0, 0, np.array([[[0, 0, 255, 128]]], np.uint8))
    page = recompose([Layer("red", 1, 1, below), half._replace(left=1, top=1)], 3, 3)
    assert page[1, 1].tolist() == [127, 0, 128] and page[0, 0].tolist() == [255, 255, 255]
    over_the_rim = Layer("rim", -1, 2, np.full((5, 2, 3), 7, np.uint8), "multiply")
    page = recompose([over_the_rim, Layer("outside", 9, 9, below), Layer("above", 0, -4, below)], 3, 3)
    assert page[2, 0].tolist() == [7, 7, 7] and (page.reshape(-1, 3) == 7).all(-1).sum() == 1


@pytest.mark.parametrize(
    "line, flats, why",
    [
        (np.zeros((8, 8)), np.zeros((8, 8, 3), np.uint8), "line: is float64"),
        (np.zeros((8, 8), np.uint8), np.zeros((8, 8), np.uint8), r"flats: is uint8 \[8, 8\]"),
        (np.zeros((8, 8), np.uint8), np.zeros((8, 9, 3), np.uint8), r"give \[8, 8, 3\]"),
        (np.zeros((8, 8), np.uint8), np.zeros((8, 8, 4), np.uint8), "flats"),
        (np.zeros((0, 8), np.uint8), np.zeros((0, 8, 3), np.uint8), "line"),
        (None, np.zeros((8, 8, 3), np.uint8), "line: is NoneType"),
        (np.zeros((60, 60), np.uint8), noise(60, 60, 3), f"more than {MAX_COLOURS} colours.*save it as .png"),
    ],
)
def test_invalid_drawings_are_refused(line, flats, why):
    with pytest.raises(GessoError, match=why):
        layered(line, flats)


def test_the_budget_is_kept():
    line, flats = drawing()
    with pytest.raises(GessoError, match="90 x 60"):
        layered(line, flats, budget=Budget(max_pixels=5000))
