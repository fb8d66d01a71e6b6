"""Paired drawings: the same warp on line and flats, pages, what is cached, what is refused."""

import numpy as np
import pytest

from gesso.datasets.drawings import PALETTE, WHITE, _half, drawing, from_table, made_up, nearest, without_lines
from gesso.errors import GessoError

RING = '<g id="line"><circle cx="36" cy="36" r="24" fill="none" stroke="#000" stroke-width="2"/></g>'
DISC = '<g id="color"><circle cx="36" cy="36" r="24" fill="#FCEA2B"/></g>'
LINE = f'<svg viewBox="0 0 72 72" xmlns="http://www.w3.org/2000/svg">{RING}</svg>'
COLOUR = f'<svg viewBox="0 0 72 72" xmlns="http://www.w3.org/2000/svg">{DISC}{RING}</svg>'


def table(path, rows=24):
    pd = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    pd.DataFrame(
        {"color_svg": [COLOUR] * rows, "line_svg": [LINE] * rows, "cluster": [f"c{i // 2}" for i in range(rows)], "flag": [False] * rows}
    ).to_parquet(path)


def test_flats_have_no_lines_and_nearest_finds_the_palette():
    assert "stroke" not in without_lines(COLOUR) and "FCEA2B" in without_lines(COLOUR)
    assert nearest(np.array([[[250, 232, 45], [254, 255, 255]]], np.uint8)).tolist() == [[5, WHITE]]


def test_pieces_are_connected_and_know_their_class():
    classes = np.zeros((8, 8), np.uint8)
    classes[1:3, 1:3] = classes[5:7, 5:7] = 5
    made = drawing(np.full((8, 8), 255, np.uint8), classes)
    assert made.classes.tolist() == [0, 5, 5] and (made.classes[made.pieces] == classes).all()


def test_a_table_is_rendered_once_and_warped_alike(tmp_path, monkeypatch):
    pytest.importorskip("resvg_py")
    monkeypatch.setenv("GESSO_CACHE", str(tmp_path / "cache"))
    table(tmp_path / "train.parquet")
    data = from_table(tmp_path, "train")
    assert len(list((tmp_path / "cache").iterdir())) == 1
    again = from_table(tmp_path, "train")
    dev = from_table(tmp_path, "dev") if len(data) < 24 else None
    assert dev is None or len(dev) + len(data) == 24
    rng = np.random.default_rng(0)
    for _ in range(20):
        item = data.item(0, rng)
        yellow = (item["colours"][item["pieces"]] == PALETTE[5]).all(-1)
        assert yellow.sum() > 600, "the disc is still there"
        assert item["line"][yellow].min() < 100 and (item["line"] < 100).sum() > 60
    assert (again.item(3, np.random.default_rng(1))["line"] == data.item(3, np.random.default_rng(1))["line"]).all()
    assert data.weights.sum() == pytest.approx(len(data) / 2)


def test_a_page_of_several_has_one_paper():
    data = made_up()
    data.by_size = {72: data.by_size[72]}
    data.sizes = ((144, 2, 1.0),)
    view = data.for_batch(np.random.default_rng(0))
    item = view.item(0, np.random.default_rng(0))
    assert item["line"].shape == (144, 144) and item["across"] == 2
    assert len({item["pieces"][y, x] for y, x in ((0, 0), (0, 143), (143, 0), (143, 143))}) == 1
    assert view.batch_size(48) == 12


@pytest.mark.parametrize("content", [b"", b"not parquet", b"PAR1" + b"\0" * 40])
def test_what_is_no_table_is_refused(tmp_path, content):
    pytest.importorskip("pyarrow")
    (tmp_path / "train.parquet").write_bytes(content)
    with pytest.raises(GessoError, match=r"train\.parquet.*table"):
        from_table(tmp_path)


def test_a_missing_column_is_named(tmp_path):
    pd = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    pd.DataFrame({"color_svg": []}).to_parquet(tmp_path / "train.parquet")
    with pytest.raises(GessoError, match="line_svg"):
        from_table(tmp_path)


def test_a_drawing_warped_anew_keeps_its_pieces_under_its_line():
    size = 144
    ys, xs = np.mgrid[:size, :size] - 71.5
    away = np.hypot(ys, xs)
    classes = np.where(away <= 44, 5, WHITE).astype(np.uint8)
    line = np.where(abs(away - 44) <= 2, 0, 255).astype(np.uint8)
    whole, rng = drawing(line, classes), np.random.default_rng(0)
    one, two = _half(whole, rng), _half(whole, rng)
    assert one.line.shape == one.pieces.shape == (72, 72) and not np.array_equal(one.line, two.line)
    for d in (one, two):
        painted = d.classes[d.pieces]
        assert (painted[0] == WHITE).all() and 0.15 < (painted == 5).mean() < 0.45
        edge = (painted[:, 1:] != painted[:, :-1]) & (d.line[:, 1:] > 200) & (d.line[:, :-1] > 200)
        assert not edge.any(), "colour ends under the line"
