"""Drawings of every kind are found, read, and keep their colours; ordinary ones are as they always were."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage
from skimage.color import deltaE_ciede2000, rgb2lab

from gesso.errors import GessoError
from gesso.media.layers import layered, recompose
from gesso.rules.fill import flats, over_line
from gesso.rules.line import INK, line_values
from gesso.rules.pieces import Pieces, find_pieces
from gesso.rules.reading import Reading, read_lines, restore_paper_and_ink, warnings
from unit.rules.inked import KINDS, PLACES, SIZE, clear, cover, ink, scanned

FILLS = {"head": (255, 200, 160), "left eye": (90, 160, 255), "body": (200, 60, 60), "belt": (255, 255, 255)}


def coloured(read: Reading) -> tuple[np.ndarray, np.ndarray, Pieces]:
    """The drawing filled as FILLS say: picture, flats, pieces."""
    pieces = find_pieces(read.line)
    colours = np.full((pieces.num, 3), 255, np.uint8)
    for name, rgb in FILLS.items():
        x, y = PLACES[name]
        colours[pieces.labels[y, x]] = rgb
    flat = flats(pieces, colours)
    marks = [([PLACES[name]], rgb, 2.0) for name, rgb in FILLS.items()]
    images, laid = restore_paper_and_ink([over_line(flat, read.line)], [flat], pieces, read, marks)
    return images[0], laid[0], pieces


def away(one: np.ndarray, other: object) -> np.ndarray:
    pair = np.broadcast_arrays(one / 255.0, np.asarray(other, float) / 255.0)
    return np.asarray(deltaE_ciede2000(*(rgb2lab(each) for each in pair)))


@pytest.mark.parametrize("name", KINDS)
def test_each_kind_is_found_and_every_piece_is_a_piece_of_its_own(name: str) -> None:
    make, kind = KINDS[name]
    read = read_lines(make())
    assert read.kind == kind
    pieces = find_pieces(read.line)
    found = {place: int(pieces.labels[y, x]) for place, (x, y) in PLACES.items()}
    assert len(set(found.values())) == len(found) == pieces.num, found
    assert read.notes(pieces.num) == (() if kind == "dark" else (kind,))


@pytest.mark.parametrize("name", [name for name, (_, kind) in KINDS.items() if kind == "dark"])
def test_dark_lines_are_read_as_before_to_the_bit(name: str) -> None:
    picture = KINDS[name][0]()
    read = read_lines(picture)
    assert np.array_equal(read.line, line_values(picture)) and read.ink is None and read.paper == (255, 255, 255)


@pytest.mark.parametrize("size", [72, 240])
def test_a_drawing_and_its_negative_have_the_same_pieces(size: int) -> None:
    for width in (1.0, 2.0, 3.0, 5.0):
        line = ink(cover(width), (0, 0, 0))[..., 0]
        line = np.asarray(Image.fromarray(line).resize((size, size), Image.Resampling.BOX))
        one, other = read_lines(line), read_lines(255 - line)
        assert other.kind == "light" and np.array_equal(one.line, other.line)
        nothing = clear(1 - line.astype(np.float32) / 255, (255, 255, 255))
        assert np.array_equal(read_lines(nothing).line, line)


@pytest.mark.parametrize(
    ("name", "colour"),
    [
        ("yellow", (255, 255, 0)), ("cyan", (0, 220, 255)), ("pink", (255, 182, 203)), ("brown", (80, 45, 20)), ("navy", (20, 24, 70)),
        ("white on black", (255, 255, 255)), ("blueprint", (255, 255, 255)), ("neon", (0, 90, 255)), ("white, clear", (255, 255, 255)),
        ("red, clear", (220, 40, 40)),
    ],
)  # fmt: skip
def test_lines_keep_their_colour_in_the_picture_and_in_layers(name: str, colour: tuple[int, int, int]) -> None:
    read = read_lines(KINDS[name][0]())
    image, flat, pieces = coloured(read)
    middle = cover() > 0.99
    assert away(image[middle], colour).max() < 5, "wherever it runs, over whatever colour"
    stack = layered(read.line, flat, ink=read.ink, paper=read.paper)
    every = list(stack)
    assert every[-1].name == "line" and away(every[-1].pixels[middle][:, :3], colour).max() < 5
    assert np.array_equal(recompose(every, SIZE, SIZE), image) and np.array_equal(stack.merged(), image)
    rim = (cover() > 0.2) & (cover() < 0.8)
    x, y = PLACES["head"]
    rim &= pieces.mask(int(pieces.labels[y, x]))
    share = cover()[rim][:, None]
    expected = np.array(FILLS["head"]) * (1 - share) + np.array(colour) * share
    assert np.quantile(away(image[rim], expected), 0.95) < 5, "no rim of another colour"


def test_uncoloured_areas_stay_as_in_the_input() -> None:
    for name in ("white on black", "blueprint", "neon", "yellow", "pink", "brown", "black on white"):
        given = KINDS[name][0]()
        read = read_lines(given)
        pieces = find_pieces(read.line)
        blank = np.full((SIZE, SIZE, 3), 255, np.uint8)
        image = restore_paper_and_ink([over_line(blank, read.line)], [blank], pieces, read, [])[0][0]
        off = away(image, given)
        assert off.mean() < 0.3 and np.quantile(off, 0.99) < 6, name


def test_white_that_was_asked_for_is_white_on_black_paper_and_what_is_left_is_paper() -> None:
    image, flat, _ = coloured(read_lines(KINDS["white on black"][0]()))
    at = {name: tuple(image[y, x].tolist()) for name, (x, y) in PLACES.items()}
    assert at["belt"] == (255, 255, 255) and at["ground"] == at["right eye"] == (0, 0, 0) and at["head"] == FILLS["head"]
    assert tuple(flat[PLACES["ground"][1], PLACES["ground"][0]]) == (0, 0, 0)


def test_two_colours_that_cross_stay_what_they_are() -> None:
    page = np.full((120, 160, 3), 255, np.uint8)
    page[58:61] = (0, 0, 0)
    page[:, 40:43] = (255, 182, 203)
    page[:, 100:103] = (0, 80, 255)
    page[58:61] = (0, 0, 0)
    read = read_lines(page)
    assert read.kind == "colour" and read.ink is not None and (read.line[:, 40:43] <= INK).all()
    for x, colour in ((41, (255, 182, 203)), (101, (0, 80, 255)), (20, (0, 0, 0))):
        y = 59 if x == 20 else 20
        assert tuple(read.ink[y, x]) == colour and read.line[y, x] == 0
    assert (read.line[[50, 66]][:, 41] == 0).all() and (read.ink[50, 41] == (255, 182, 203)).all()


def test_coloured_areas_are_not_lines_and_a_scanners_rims_are_not_colours() -> None:
    line = ink(cover(), (0, 0, 0))
    filled = line.copy()
    pieces = find_pieces(line[..., 0])
    filled[pieces.mask(int(pieces.labels[PLACES["head"][1], PLACES["head"][0]])) & (line[..., 0] == 255)] = (255, 220, 120)
    read = read_lines(filled)
    assert read.kind == "dark" and find_pieces(read.line).num == pieces.num
    rims = line.copy()
    rims[..., 0] = np.roll(line[..., 0], 1, 1)  # red is seen a pixel aside
    assert read_lines(rims).kind == "dark"


def test_a_sheet_that_was_cut_out_is_a_sheet() -> None:
    line = ink(cover(), (0, 0, 0))[..., 0]
    pieces = find_pieces(line)
    ground = pieces.mask(int(pieces.labels[12, 12])) & (line == 255)
    sheet = np.dstack([line] * 3 + [np.where(ground, 0, 255).astype(np.uint8)])
    read = read_lines(sheet)
    assert read.kind == "dark" and np.array_equal(read.line, line)


def test_a_person_may_say_how_it_is_read() -> None:
    black = ink(cover(), (0, 0, 0))
    assert (read_lines(255 - black, "dark").line <= INK).mean() > 0.9 and read_lines(255 - black, "dark").kind == "dark"
    assert read_lines(black, "light").kind == "light"
    yellow = KINDS["yellow"][0]()
    assert read_lines(yellow, "dark").ink is None
    wide = np.full((100, 100, 3), 255, np.uint8)
    wide[20:80, 20:80] = (255, 190, 0)
    assert (read_lines(wide).line > INK).all() and (read_lines(wide, "colour").line[20:80, 20:80] == 0).all()
    assert read_lines(clear(cover(), (0, 0, 0)), "alpha").kind in ("alpha", "dark")
    with pytest.raises(GessoError, match="transparent"):
        read_lines(black, "alpha")


def test_what_cannot_be_coloured_in_is_said() -> None:
    rng = np.random.default_rng(0)
    photo = np.clip(ndimage.gaussian_filter(rng.normal(120, 1500, (200, 200, 3)), (6, 6, 0)), 0, 255).astype(np.uint8)

    def said(picture: np.ndarray) -> tuple[str, ...]:
        read = read_lines(picture)
        return warnings(read.line, find_pieces(read.line).num, read.plain)

    assert said(np.full((80, 80), 255, np.uint8)) == ("no_line",)
    assert said(scanned(np.full((80, 80, 3), 200, np.uint8))) == ("no_line",)
    assert said(np.zeros((80, 80), np.uint8)) == ("all_ink",)
    assert "scarce_paper" in said(photo)
    scribble = np.full((100, 100), 255, np.uint8)
    scribble[50, 10:90] = 0
    assert said(scribble) == ("no_piece",)
    assert said(ink(cover(), (0, 0, 0))) == ()


@pytest.mark.parametrize("shape", [(1, 1), (1, 40, 3), (40, 1, 4), (8, 8, 2), (3, 3, 1)])
def test_tiny_pages_of_any_content_are_read(shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(1)
    for values in (rng.integers(0, 256, shape), np.zeros(shape), np.full(shape, 255), np.full(shape, 90)):
        for lines in ("auto", "dark", "light", "colour"):
            read = read_lines(values.astype(np.uint8), lines)  # type: ignore[arg-type]
            assert read.line.shape == shape[:2] and read.line.dtype == np.uint8
            assert read.ink is None or (read.ink.shape == (*shape[:2], 3) and read.ink.dtype == np.uint8)


def test_the_inputs_people_sent() -> None:
    folder = Path(os.environ.get("GESSO_DATA", "../shared/data")).parent / "cases"
    if not folder.is_dir():
        pytest.skip(f"no {folder}")
    for name, kind, place, colour in (
        ("white_on_black.png", "light", (256, 140), (255, 255, 255)),
        ("yellowlines.png", "colour", (256, 120), (255, 255, 0)),
    ):
        read = read_lines(np.asarray(Image.open(folder / name)))
        pieces = find_pieces(read.line)
        head = int(pieces.labels[place[1], place[0]])
        assert read.kind == kind and not pieces.touches_border[head] and pieces.num == 6
        cols = np.full((pieces.num, 3), 255, np.uint8)
        cols[head] = (255, 136, 0)
        flat = flats(pieces, cols)
        image = restore_paper_and_ink([over_line(flat, read.line)], [flat], pieces, read, [])[0][0]
        assert away(image[read.line == 0], colour).max() < 5 and tuple(image[place[1], place[0]]) == (255, 136, 0)
