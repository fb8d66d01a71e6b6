"""Drawings: line and flats get the same warp, sets are merged, renders are cached, and invalid tables are refused."""

import numpy as np
import pytest

from gesso.datasets.drawing_table import UNSEEN_SOURCES, from_table, held_out, without_lines
from gesso.datasets.drawings import PALETTE, WHITE, drawing, merged, nearest, synthetic_set
from gesso.errors import GessoError

RING = '<g id="line"><circle cx="36" cy="36" r="24" fill="none" stroke="#000" stroke-width="2"/></g>'
DISC = '<g id="color"><circle cx="36" cy="36" r="24" fill="#FCEA2B"/></g>'
LINE = f'<svg viewBox="0 0 72 72" xmlns="http://www.w3.org/2000/svg">{RING}</svg>'
COLOUR = f'<svg viewBox="0 0 72 72" xmlns="http://www.w3.org/2000/svg">{DISC}{RING}</svg>'


YELLOW = int(nearest(np.array([[[252, 234, 43]]], np.uint8))[0, 0])


def table(path, rows=24):
    pd = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    pd.DataFrame(
        {"color_svg": [COLOUR] * rows, "line_svg": [LINE] * rows, "cluster": [f"c{i // 2}" for i in range(rows)], "flag": [False] * rows}
    ).to_parquet(path)


def test_flats_have_no_lines_and_nearest_finds_the_palette():
    assert "stroke" not in without_lines(COLOUR) and "FCEA2B" in without_lines(COLOUR)
    assert nearest(np.array([[[250, 232, 45], [254, 255, 255]]], np.uint8)).tolist() == [[YELLOW, WHITE]]
    assert nearest(np.array([[[240, 240, 242], [243, 243, 243]]], np.uint8)).tolist() == [[len(PALETTE) - 1, WHITE]], "pale is not white"


def test_pieces_are_connected_and_have_their_class():
    classes = np.zeros((8, 8), np.uint8)
    classes[1:3, 1:3] = classes[5:7, 5:7] = 5
    made = drawing(np.full((8, 8), 255, np.uint8), classes)
    assert made.classes.tolist() == [0, 5, 5] and (made.classes[made.pieces] == classes).all()


def test_a_table_is_rendered_once_and_line_and_flats_get_the_same_warp(tmp_path, monkeypatch):
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
        yellow = (item["colours"][item["pieces"]] == PALETTE[YELLOW]).all(-1)
        assert yellow.sum() > 600, "the disc is still there"
        assert item["line"][yellow].min() < 100 and (item["line"] < 100).sum() > 60
    assert (again.item(3, np.random.default_rng(1))["line"] == data.item(3, np.random.default_rng(1))["line"]).all()
    assert data.weights.sum() == pytest.approx(len(data) / 2)


def test_a_drawing_has_the_regions_of_its_lines():
    data = synthetic_set()
    item = data.item(0, np.random.default_rng(0))
    assert item["regions"].shape == item["line"].shape and item["regions"].max() >= 1
    turned = next(i for i in (data.item(0, np.random.default_rng(n)) for n in range(20)) if not np.array_equal(i["line"], item["line"]))
    assert np.array_equal(turned["line"][:, ::-1], item["line"]) and np.array_equal(turned["regions"][:, ::-1], item["regions"])


def test_sets_of_different_sizes_are_merged():
    drawings, scenes = synthetic_set(), synthetic_set(num=3, size=192)
    both = merged([scenes, drawings])
    assert len(both) == 48 and list(both.by_size) == [72, 192]
    both.shares = {72: 0.0, 192: 1.0}
    view = both.for_batch(np.random.default_rng(0))
    assert view.item(47, np.random.default_rng(0))["line"].shape == (192, 192) and view.batch_size(48) == 7


def test_scenes_are_read_from_pictures(tmp_path, monkeypatch):
    pd = pytest.importorskip("pandas")
    import io

    from PIL import Image

    def png(picture):
        out = io.BytesIO()
        Image.fromarray(picture).save(out, "PNG")
        return out.getvalue()

    monkeypatch.setenv("GESSO_CACHE", str(tmp_path / "cache"))
    line, flat = np.full((216, 288), 255, np.uint8), np.zeros((216, 288, 3), np.uint8)
    line[100:104], flat[:102], flat[102:] = 0, (160, 210, 245), (112, 170, 70)
    rows = {"line": [png(line)] * 4, "flat": [png(flat)] * 4, "cluster": list("abcd"), "flag": [False] * 4}
    pd.DataFrame(rows).to_parquet(tmp_path / "train.parquet")
    data = from_table(tmp_path, shares={72: 0.5, 192: 0.5})
    item = data.item(0, np.random.default_rng(0))
    assert item["line"].shape == (144, 192) and len(item["classes"]) == 2 and WHITE not in item["classes"]


def test_unseen_sources_are_held_out():
    pd = pytest.importorskip("pandas")
    rows = pd.DataFrame({"cluster": [f"c{n}" for n in range(200)], "source": [UNSEEN_SOURCES[0]] * 50 + ["another"] * 150})
    held = held_out(rows)
    assert held[:50].all() and 0 < held[50:].sum() < 30


@pytest.mark.parametrize("content", [b"", b"not parquet", b"PAR1" + b"\0" * 40])
def test_a_file_that_is_not_a_table_is_refused(tmp_path, content):
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
