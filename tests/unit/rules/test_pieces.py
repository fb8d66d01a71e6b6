"""Closed pieces, bridged gaps, cuts and joins."""

from __future__ import annotations

import io

import numpy as np
import pytest
from scipy import ndimage

from gesso.errors import GessoError
from gesso.rules.line import INK
from gesso.rules.pieces import default_gap, find_pieces, split_pieces

WHITE = np.uint8(255)


def ring(size: int = 160, radius: float = 55, thick: float = 5, gap: float = 0, turn: float = 0.0) -> np.ndarray:
    y, x = np.mgrid[:size, :size] - size / 2
    line = np.where(np.abs(np.hypot(x, y) - radius) < thick / 2, 0, 255).astype(np.uint8)
    along, across = x * np.cos(turn) + y * np.sin(turn), x * np.sin(turn) - y * np.cos(turn)
    line[(np.abs(across) < gap / 2) & (along > 0)] = 255
    return line


def page(height: int = 60, width: int = 60) -> np.ndarray:
    return np.full((height, width), 255, np.uint8)


def same_partition(one: np.ndarray, other: np.ndarray) -> bool:
    pairs = np.unique(np.stack([one.ravel(), other.ravel()], 1), axis=0)
    return len(pairs) == len(np.unique(one)) == len(np.unique(other))


@pytest.mark.parametrize("turn", [0.0, 0.4, 0.785, 1.3, 2.9])
@pytest.mark.parametrize("thick", [1.5, 3, 6, 12])
def test_a_gap_up_to_the_stated_width_is_closed_and_twice_that_is_not(thick: float, turn: float) -> None:
    for gap in (2, 4, 6):
        closed = find_pieces(ring(thick=thick, gap=gap, turn=turn), gap=6)
        assert closed.num == 2, gap
        assert closed.labels[80, 80] != closed.labels[0, 0]
        assert closed.bridges.any() and not (closed.bridges & ~closed.free).any()
    wide = find_pieces(ring(thick=thick, gap=13, turn=turn), gap=6)
    assert wide.num == 1 and not wide.bridges.any()


def test_gap_nought_is_plain_components() -> None:
    noise = (np.random.default_rng(0).random((40, 50)) > 0.45).astype(np.uint8) * WHITE
    plain, num = ndimage.label(noise > INK)
    pieces = find_pieces(noise, gap=0)
    assert pieces.num == num
    assert (pieces.labels[pieces.free] == plain[pieces.free] - 1).all()
    assert pieces.areas.sum() == pieces.free.sum() and (pieces.areas > 0).all()


def test_the_default_gap_bridges_nothing_on_small_pictures() -> None:
    assert default_gap((72, 72)) < 1 < default_gap((512, 300)) < 8
    assert find_pieces(ring(72, 20, 3, gap=1)).num == 1
    assert find_pieces(ring(512, 200, 8, gap=5)).num == 2


def test_a_stroke_that_ends_short_of_a_wall_closes_the_room() -> None:
    line = page(100, 100)
    line[20:80, 20:24] = line[20:80, 76:80] = line[20:24, 20:80] = line[76:80, 20:80] = 0
    line[48:52, 20:72] = 0
    assert find_pieces(line, gap=0).num == 2
    assert find_pieces(line, gap=5).num == 3
    assert find_pieces(line, gap=2).num == 2


def test_three_strokes_that_meet_but_for_a_gap_part_three_rooms() -> None:
    line = ring(200, 80, 5)
    y, x = np.mgrid[:200, :200] - 100
    for turn in np.array([0.2, 2.4, 4.4]):
        along, across = x * np.cos(turn) + y * np.sin(turn), x * np.sin(turn) - y * np.cos(turn)
        line[(np.abs(across) < 2.5) & (along > 4) & (along < 80)] = 0
    assert find_pieces(line, gap=0).num == 2
    assert find_pieces(line, gap=7).num == 4


def test_corridors_necks_and_acute_corners_stay_one_piece() -> None:
    line = page(120, 200)
    line[10:110, 10:14] = line[10:110, 186:190] = line[10:14, 10:190] = line[106:110, 10:190] = 0
    line[10:58, 70:130] = line[62:110, 70:130] = 0  # two rooms joined by a corridor 4 px high, 60 long
    assert find_pieces(line, gap=0).num == find_pieces(line, gap=8).num == 2
    wedge = page(100, 200)
    for x in range(10, 180):
        half = (x - 10) * 0.2
        wedge[int(50 - half) - 2 : int(50 - half) + 1, x] = wedge[int(50 + half) : int(50 + half) + 3, x] = 0
    wedge[14:87, 178:182] = 0
    assert find_pieces(wedge, gap=0).num == find_pieces(wedge, gap=8).num == 2
    waist = np.minimum(ring(200, 60, 5), np.roll(ring(200, 60, 5), 60, 1))
    assert find_pieces(waist, gap=8).num == find_pieces(waist, gap=0).num


def test_hatching_and_specks_make_no_pieces() -> None:
    line = ring(240, 110, 5)
    for x in range(70, 170, 9):
        line[80:160, x : x + 3] = 0
    assert find_pieces(line, gap=8).num == 2
    specks = ring(240, 110, 5)
    specks[60:180:6, 60:180:6] = 0
    assert find_pieces(specks, gap=8).num == 2


def test_hairlines_do_not_leak() -> None:
    line = page(50, 50)
    for i in range(50):
        line[i, 49 - i] = 0
    pieces = find_pieces(line)
    assert pieces.num == 2 and pieces.labels[0, 0] != pieces.labels[49, 49]


def test_every_pixel_is_labelled_and_labels_meet_under_the_line() -> None:
    line = ring(thick=9)
    pieces = find_pieces(line, gap=0)
    assert pieces.labels.dtype == np.int32 and set(np.unique(pieces.labels)) == {0, 1}
    y, x = np.mgrid[:160, :160] - 80
    away = np.hypot(x, y)
    assert (pieces.labels[away < 54] == pieces.labels[80, 80]).all()
    assert (pieces.labels[away > 56] == pieces.labels[0, 0]).all()
    assert pieces.touches_border.tolist() == [True, False]
    assert (pieces.mask(1)[pieces.boxes[1]].sum()) == pieces.mask(1).sum()


def test_padding_changes_nothing_and_twice_gives_the_same() -> None:
    line = np.minimum(ring(gap=4, turn=0.7), np.roll(ring(radius=30, gap=5, turn=2.0), (10, 12), (0, 1)))
    one = find_pieces(line, gap=6)
    padded = find_pieces(np.pad(line, ((13, 4), (7, 21)), constant_values=255), gap=6)
    inner = padded.labels[13 : 13 + 160, 7 : 7 + 160]
    assert one.num == padded.num > 2
    assert same_partition(one.labels, inner)
    assert (find_pieces(line, gap=6).labels == one.labels).all()


@pytest.mark.parametrize("gap", [0, 3, None])
@pytest.mark.parametrize("shape", [(9, 7), (1, 30), (30, 1), (1, 1)])
@pytest.mark.parametrize("value", [0, 255])
def test_blank_and_black_pages(shape: tuple[int, int], value: int, gap: float | None) -> None:
    pieces = find_pieces(np.full(shape, value, np.uint8), gap=gap)
    assert pieces.num == 1 and not pieces.labels.any()
    assert pieces.areas.tolist() == [pieces.labels.size if value else 0]
    assert pieces.touches_border.tolist() == [value == 255]


def test_a_picture_one_pixel_high_is_parted_by_its_ink() -> None:
    line = np.full((1, 20), 255, np.uint8)
    line[0, 8:10] = 0
    assert find_pieces(line, gap=3).num == 2


def test_cuts_part_and_joins_unite() -> None:
    line = ring()
    cuts = np.zeros(line.shape, bool)
    cuts[80] = True
    pieces = find_pieces(line, gap=0, cuts=cuts)
    assert pieces.num == 4
    assert pieces.labels[60, 80] != pieces.labels[100, 80]
    joined = find_pieces(line, gap=6, cuts=cuts, joins=[[(80, 60), (80, 100)]])
    assert joined.num == 3 and joined.labels[60, 80] == joined.labels[100, 80] != joined.labels[0, 0]
    assert find_pieces(ring(gap=4), gap=6, joins=[[(80, 80), (2, 2)]]).num == 1


def test_split_cuts_where_parts_change_and_swallows_crumbs() -> None:
    pieces = find_pieces(ring(), gap=0)
    parts = np.zeros(pieces.shape, int)
    parts[:, 80:] = 7
    parts[70:73, 90:93] = 3
    cut = split_pieces(pieces, parts, least=20)
    assert cut.num == 4 and cut.areas.min() > 20
    assert cut.labels[71, 91] == cut.labels[71, 100] != cut.labels[71, 60]
    assert split_pieces(pieces, parts, least=1).num == 5
    assert split_pieces(pieces, np.zeros(pieces.shape, int), least=5).num == pieces.num
    assert (split_pieces(pieces, np.zeros(pieces.shape, int), least=5).labels == pieces.labels).all()


def test_split_never_joins_two_old_pieces_nor_undoes_a_join() -> None:
    rng = np.random.default_rng(1)
    line = (rng.random((60, 60)) > 0.35).astype(np.uint8) * WHITE
    pieces = find_pieces(line, gap=0)
    for least in (1, 6, 10**6):
        cut = split_pieces(pieces, rng.integers(0, 3, pieces.shape), least=least)
        pairs = np.unique(np.stack([cut.labels[cut.free], pieces.labels[cut.free]], 1), axis=0)
        assert len(pairs) == cut.num >= pieces.num
        assert cut.areas.sum() == cut.free.sum()
    assert cut.num == pieces.num
    united = find_pieces(ring(), gap=0, joins=[[(80, 80), (2, 2)]])
    halves = np.broadcast_to((np.arange(160) >= 80).astype(int), (160, 160))
    assert united.num == 1 and split_pieces(united, halves.copy(), least=9).num == 2


def test_split_gives_a_crumb_to_its_longest_border() -> None:
    pieces = find_pieces(page(30, 30))
    parts = np.zeros((30, 30), int)
    parts[:, 15:] = 1
    parts[10:13, 13:16] = 2  # two columns lie in the left half, one in the right
    cut = split_pieces(pieces, parts, least=12)
    assert cut.num == 2 and cut.labels[11, 15] == cut.labels[0, 0]


@pytest.mark.parametrize("share", [0.02, 0.2, 0.45])
@pytest.mark.parametrize("gap", [2, 6, 15])
def test_bridges_and_cuts_only_ever_part_what_was_one(gap: float, share: float) -> None:
    rng = np.random.default_rng(int(gap))
    coarse = np.kron(rng.random((40, 50)) < share, np.ones((3, 3), bool))
    line = np.where(coarse | (rng.random(coarse.shape) < share / 2), 0, 255).astype(np.uint8)
    plain, num = ndimage.label(line > INK)
    cuts = np.zeros(line.shape, bool)
    cuts[50:64, 10:90] = cuts[:, 70] = True
    for given in (None, cuts):
        pieces = find_pieces(line, gap=gap, cuts=given)
        assert (pieces.areas > 0).all()
        pairs = np.unique(np.stack([pieces.labels[pieces.free], plain[pieces.free]], 1), axis=0)
        assert len(pairs) == pieces.num >= num == len(np.unique(pairs[:, 1]))
        assert (find_pieces(line, gap=0, cuts=given).num >= num) and not (pieces.bridges & ~pieces.free).any()


@pytest.mark.parametrize(
    "call",
    [
        lambda: find_pieces(page().astype(float)),
        lambda: find_pieces(page()[..., None]),
        lambda: find_pieces(page()[:0]),
        lambda: find_pieces(page(), gap=-1),
        lambda: find_pieces(page(), gap=float("nan")),
        lambda: find_pieces(page(), cuts=np.zeros((3, 3), bool)),
        lambda: find_pieces(page(), joins=[[(1, 1), (60, 1)]]),
        lambda: split_pieces(find_pieces(page()), np.zeros((3, 3), int), least=1),
        lambda: split_pieces(find_pieces(page()), np.zeros((60, 60)), least=1),
    ],
)
def test_bad_input_is_refused(call) -> None:
    with pytest.raises(GessoError):
        call()


@pytest.mark.parametrize("data", ["openmoji"], indirect=True)
def test_real_drawings_at_72_px_are_plain_components(data) -> None:
    pandas = pytest.importorskip("pandas")
    image = pytest.importorskip("PIL.Image")
    for png in pandas.read_parquet(data / "val.parquet", columns=["line"]).line[:60]:
        picture = image.open(io.BytesIO(png)).convert("RGBA")
        paper = image.new("RGBA", picture.size, "white")
        paper.alpha_composite(picture)
        line = np.asarray(paper.convert("L"))
        plain, num = ndimage.label(line > INK)
        pieces = find_pieces(line)
        assert pieces.num == num and (pieces.labels[pieces.free] == plain[pieces.free] - 1).all()
