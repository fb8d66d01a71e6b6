"""The colouring protocol: known values, invalid input, and the same figures as the protocol's reference script, if it is available."""

from __future__ import annotations

import importlib.util
import io
import json
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

from gesso.conditions.hints import Hint
from gesso.errors import GessoError
from gesso.metrics.colour import COUNTS, Score, added, by_hints, counts_of, interval, measure_rows, num_coloured, plain_rule, protocol, psnr
from gesso.metrics.drawing_pieces import Dot, Truth, on_white, truth_of

RULES = ("nothing", "flood", "spare", "exact")
DECIBELS, SHARES = 0.02, 0.002
IN_DECIBELS = ("capped", "interval", "pooled", "hinted", "permuted")

Shape = tuple[str, tuple[int, int, int, int], str | None]  # ellipse or rectangle, box in 72nds, fill

SQUARES = ((6, 6, 30, 30), (40, 6, 64, 30), (6, 40, 30, 64))
CELLS = [(i, j) for i in range(5) for j in range(3)]
GRID: list[Shape] = [
    ("rectangle", (2 + 14 * i, 2 + 20 * j, 13 + 14 * i, 18 + 20 * j), f"#{60 + 40 * i:02x}{200 - 60 * j:02x}50") for i, j in CELLS
]
DRAWINGS: list[tuple[str, list[Shape]]] = [
    ("sun", [("ellipse", (20, 18, 52, 50), "#fcea2b"), ("rectangle", (5, 58, 66, 68), "#5c9e31")]),
    ("sun", [("ellipse", (20, 18, 52, 50), "#ea5a47"), ("rectangle", (5, 58, 66, 68), "#5c9e31")]),
    ("face", [("ellipse", (8, 8, 62, 62), "#fadcbc"), ("ellipse", (20, 24, 30, 34), None), ("ellipse", (42, 24, 52, 34), "#3f3f3f")]),
    ("twins", [("rectangle", box, fill) for box, fill in zip(SQUARES, ("#92d3f5", "#92d3f5", "#d22f27"), strict=True)]),
    ("outline", [("ellipse", (16, 16, 56, 56), None)]),
    ("grid", GRID),
    ("edge", [("rectangle", (-10, 30, 40, 90), "#61b2e4"), ("ellipse", (44, 10, 68, 34), "#ffa7c0"), ("ellipse", (52, 18, 60, 26), None)]),
]


def svg_of(shapes: Sequence[Shape], *, coloured: bool) -> str:
    parts = []
    for kind, (x0, y0, x1, y1), fill in shapes:
        look = f'stroke="#000" stroke-width="2" fill="{(fill or "#fff") if coloured else "#fff"}"'
        if kind == "ellipse":
            parts.append(f'<ellipse cx="{(x0 + x1) / 2}" cy="{(y0 + y1) / 2}" rx="{(x1 - x0) / 2}" ry="{(y1 - y0) / 2}" {look}/>')
        else:
            parts.append(f'<rect x="{x0}" y="{y0}" width="{x1 - x0}" height="{y1 - y0}" {look}/>')
    return f'<svg viewBox="0 0 72 72" xmlns="http://www.w3.org/2000/svg">{"".join(parts)}</svg>'


def drawn(shapes: Sequence[Shape], *, coloured: bool) -> Image.Image:
    """72 x 72 with soft edges, the paper see-through."""
    page = Image.new("RGB", (288, 288), "white")
    pen = ImageDraw.Draw(page)
    for kind, box, fill in shapes:
        getattr(pen, kind)([4 * v for v in box], outline="#000", width=8, fill=(fill or "#fff") if coloured else "#fff")
    pixels = np.asarray(page.resize((72, 72), Image.Resampling.BOX))
    return Image.fromarray(np.dstack([pixels, np.where(pixels.min(-1) < 255, 255, 0).astype(np.uint8)]))


def as_png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def table(**changed: Any) -> dict[str, Any]:
    columns: dict[str, Any] = {
        "line": [as_png(drawn(shapes, coloured=False)) for _, shapes in DRAWINGS],
        "color": [as_png(drawn(shapes, coloured=True)) for _, shapes in DRAWINGS],
        "line_svg": [svg_of(shapes, coloured=False) for _, shapes in DRAWINGS],
        "color_svg": [svg_of(shapes, coloured=True) for _, shapes in DRAWINGS],
        "cluster": [name for name, _ in DRAWINGS],
        "flag": [False] * len(DRAWINGS),
        "eval": [True] * len(DRAWINGS),
    }
    return {name: value for name, value in {**columns, **changed}.items() if value is not None}


def written(folder: Path, **changed: Any) -> Path:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    path = folder / "val.parquet"
    parquet.write_table(pyarrow.table(table(**changed)), path)
    return path


def truths() -> list[Truth]:
    rows = []
    for name, shapes in DRAWINGS:
        line, colour = (on_white(drawn(shapes, coloured=c)) for c in (False, True))
        rows.append(truth_of(line[..., 0].copy(), colour, name))
    return rows


def two_squares() -> tuple[np.ndarray, np.ndarray]:
    """A red and a larger blue square in black frames on white paper, and a white one; no soft edges."""
    line = np.full((72, 72), 255, np.uint8)
    colour = np.full((72, 72, 3), 255, np.uint8)
    for (y, x, side), rgb in (((4, 4, 22), (200, 30, 30)), ((4, 36, 32), (30, 30, 200)), ((44, 8, 20), (255, 255, 255))):
        line[y : y + side, x : x + side] = 0
        line[y + 1 : y + side - 1, x + 1 : x + side - 1] = 255
        colour[y : y + side, x : x + side] = 0
        colour[y + 1 : y + side - 1, x + 1 : x + side - 1] = rgb
    return line, colour


def knows(line: np.ndarray, colour: np.ndarray) -> Any:
    """Colours exactly as asked: hinted pieces as their dots say, the rest as is true."""

    def paint(_: np.ndarray, dots: Sequence[Dot]) -> np.ndarray:
        out = colour.copy()
        for dot in dots:
            out.reshape(-1, 3)[dot.piece.where] = dot.rgb
        return out

    return paint


class Painter:
    """Stands for a model: every pixel takes the nearest hint's colour, a shade paler, and paper is see-through."""

    def __init__(self) -> None:
        self.calls: list[dict[str, Any]] = []

    def generate(self, **given: Any) -> Any:
        self.calls.append(given)
        line, hints = np.asarray(given["sketch"]), given.get("hints", [])
        ys, xs = np.indices(line.shape)
        out = np.full((*line.shape, 4), 255, np.uint8)
        out[..., :3] = (250, 240, 200)
        if hints:
            nearest = np.argmin([(xs - h.x) ** 2 + (ys - h.y) ** 2 for h in hints], 0)
            out[..., :3] = np.array([h.rgb for h in hints], np.uint8)[nearest] // 8 * 7 + 25
        out[..., :3] = out[..., :3] * (line[..., None] / 255)
        out[: line.shape[0] // 8, :, 3] = 40
        return SimpleNamespace(image=Image.fromarray(out))


# --- known values ---------------------------------------------------------------------------------------------------------


def test_decibels():
    black = np.zeros((4, 4, 3), np.uint8)
    assert psnr(black, black) == 40.0
    assert psnr(black, np.full_like(black, 255)) == pytest.approx(0.0)
    assert psnr(np.full_like(black, 51), black) == pytest.approx(20 * np.log10(5))


def test_coloured_pixels_are_counted_at_the_given_indices():
    picture = np.full((2, 3, 3), 255, np.uint8)
    picture[0] = [(250, 250, 250), (255, 120, 0), (255, 120, 0)]  # the first is within dE 10 of white
    assert num_coloured(picture, np.arange(6)) == 2
    assert num_coloured(picture, np.array([0, 1, 4])) == 1
    assert num_coloured(picture, np.array([], int)) == 0


def test_pieces_of_a_drawing():
    truth = truth_of(*two_squares())
    assert [piece.colour.tolist() for piece in truth.pieces] == [[30, 30, 200], [200, 30, 30]]
    assert [len(piece.where) for piece in truth.pieces] == [30 * 30, 20 * 20]
    assert [(piece.y, piece.x) for piece in truth.pieces] == [(4 + 15, 36 + 15), (4 + 10, 4 + 10)]  # the first of four in the middle
    assert len(truth.inside) == 18 * 18
    assert len(truth.paper) == 72 * 72 - 22**2 - 32**2 - 20**2


def test_small_white_and_rim_areas_are_not_pieces():
    line, colour = two_squares()
    line[5:25, 5:25] = 200  # the grey rim of a stroke, though it isn't ink
    colour[60:62, 60:64] = (0, 200, 0)  # 8 pixels are fewer than 9
    assert [piece.colour.tolist() for piece in truth_of(line, colour).pieces] == [[30, 30, 200]]
    colour[62, 60:64] = (0, 200, 0)
    assert [piece.colour.tolist() for piece in truth_of(line, colour).pieces] == [[30, 30, 200], [0, 200, 0]]
    large = truth_of(line.repeat(2, 0).repeat(2, 1), colour.repeat(2, 0).repeat(2, 1))
    assert [len(piece.where) for piece in large.pieces] == [3600, 4 * 12]
    assert truth_of(line[:1, :1] * 0, colour[:1, :1] * 0).pieces == ()


def test_hints_go_to_the_largest_pieces_or_to_a_random_half():
    truth = truths()[5]
    assert len(truth.pieces) == 15
    chosen, dots = truth.dots("3", 0)
    assert chosen == [0, 1, 2] and [(dot.y, dot.x) for dot in dots] == [(p.y, p.x) for p in truth.pieces[:3]]
    assert truth.dots("0", 0) == ([], []) and len(truth.dots("100", 0)[1]) == 15
    halves = [truth.dots("half", number) for number in range(6)]
    assert all(len(chosen) == 8 and chosen == sorted(set(chosen)) for chosen, _ in halves)
    assert len({tuple(chosen) for chosen, _ in halves}) > 1
    assert all(dot.y * 72 + dot.x in dot.piece.where for _, dots in halves for dot in dots)
    assert any((dot.y, dot.x) != (dot.piece.y, dot.piece.x) for _, dots in halves for dot in dots)
    assert truth.dots("half", 3)[0] == truth.dots("half", 3)[0]


def test_a_perfect_colouring_has_perfect_figures():
    line, colour = two_squares()
    report = measure_rows([(line, colour, "a")], knows(line, colour))
    row = report["hints"]["1"]
    assert (report["pictures"], report["drawings"], report["size"], report["unchanged"], report["unchanged_n"]) == (1, 1, 72, None, 0)
    assert (row["capped"], row["interval"], row["pooled"], row["paper"], row["inside"], row["chroma"]) == (40, [40, 40], 80, 0, 0, 1)
    assert (row["recall"], row["recall_n"], row["right"], row["right_n"]) == (None, 0, None, 0)  # no piece shares its colour with another
    assert report["hints"]["3"]["hinted"] == report["hints"]["3"]["permuted"] == 40
    assert "hinted" not in row and set(report["hints"]) == set(COUNTS)
    assert json.loads(json.dumps(report)) == report


def test_a_network_that_ignores_hints_fails_the_permuted_palette():
    line, colour = two_squares()
    row = measure_rows([(line, colour, "a")], lambda line, dots: colour.copy(), "3")["hints"]["3"]
    assert row["hinted"] == 40 and row["permuted"] < 15


def test_a_flood_fill_colours_paper_and_inside():
    line, colour = two_squares()
    red = np.full_like(colour, (255, 0, 0))
    row = measure_rows([(line, colour, "a")], lambda line, dots: red, ["0"])["hints"]["0"]
    assert row["paper"] == row["inside"] == 1.0
    half = colour.copy()
    half[45:54] = 0  # the upper half of the white square
    row = measure_rows([(line, colour, "a")], lambda line, dots: half, ["0"])["hints"]["0"]
    assert row["inside"] == 0.5 and 0 < row["paper"] < 0.2


def test_recall_and_right_of_a_spreading_hint():
    twins = truths()[3]  # two blue squares and a red one

    def all_blue(line: np.ndarray, dots: Sequence[Dot]) -> np.ndarray:
        out = twins.colour.copy()
        for piece in twins.pieces:
            out.reshape(-1, 3)[piece.where] = (0x92, 0xD3, 0xF5)
        return out

    blue = [i for i, piece in enumerate(twins.pieces) if piece.colour[2] > 200]
    assert len(blue) == 2 and 0 in blue
    row = measure_rows([twins], all_blue, "1")["hints"]["1"]
    assert (row["recall"], row["recall_n"]) == (1.0, 1)  # the other blue one has it
    assert (row["right"], row["right_n"]) == (0.5, 2)  # the red one has it too
    row = measure_rows([twins], plain_rule("exact"), "1")["hints"]["1"]
    assert (row["recall"], row["recall_n"], row["right"], row["right_n"]) == (0.0, 1, None, 0)


def test_a_drawing_without_colour_counts_only_as_unchanged():
    rows = [truths()[4], truths()[0]]
    dirty = rows[0].line[..., None].repeat(3, -1).copy()
    dirty[:36] = np.minimum(dirty[:36], 240)
    report = measure_rows(rows, lambda line, dots: dirty, "0")
    assert report["pictures"] == report["unchanged_n"] == 1
    assert report["unchanged"] == round(float((np.abs(dirty[..., 0].astype(int) - rows[0].line) <= 8).mean()), 3) < 0.7
    assert measure_rows(rows, plain_rule("nothing"), "0")["unchanged"] == 1.0


def test_means_are_over_drawings():
    report = [measure_rows([t], plain_rule("spare"), "1")["hints"]["1"]["capped"] for t in (truths()[i] for i in (0, 1, 3))]
    together = measure_rows([truths()[i] for i in (0, 1, 3)], plain_rule("spare"), "1")
    assert (together["pictures"], together["drawings"]) == (3, 2)  # two colourings of one sun
    assert together["hints"]["1"]["capped"] == pytest.approx(((report[0] + report[1]) / 2 + report[2]) / 2, abs=0.011)


def test_the_interval_contains_the_mean_and_narrows_with_more_values():
    values = np.random.default_rng(1).normal(20, 3, 400)
    low, high = interval(values)
    assert low < values.mean() < high and high - low == pytest.approx(2 * 1.96 * 3 / 20, rel=0.15)
    assert interval(np.full(5, 7.0)) == [7.0, 7.0]


def test_equal_hints_are_coloured_once():
    line, colour = two_squares()
    calls = []

    def paint(line: np.ndarray, dots: Sequence[Dot]) -> np.ndarray:
        calls.append(len(dots))
        return colour.copy()

    measure_rows([(line, colour, "a")], paint, "0,2,5,10")
    assert calls == [0, 2]


def test_the_gain_over_a_rule():
    line, colour = two_squares()
    own, rule = Score(knows(line, colour)), Score(plain_rule("nothing"))
    for score in (own, rule):
        score.add(truth_of(line, colour))
    rows = added(own, rule)
    assert rows["0"]["capped"] == round(40 - rule.report()["hints"]["0"]["capped"], 2) == rows["0"]["interval"][0]
    assert added(own, own)["half"] == {"capped": 0.0, "interval": [0.0, 0.0], "pooled": 0.0}


def test_plain_rules_colour_as_documented():
    line, colour = two_squares()
    truth = truth_of(line, colour)
    _, dots = truth.dots("2", 0)
    assert (plain_rule("exact")(line, dots) == colour).all() and (plain_rule("spare")(line, dots) == colour).all()
    line[4:36, 36] = 255  # an open outline: the blue is now joined to the paper
    assert (plain_rule("flood")(line, dots)[70, 70] == (30, 30, 200)).all()
    assert (plain_rule("spare")(line, dots)[70, 70] == 255).all()


def test_a_model_is_called_with_the_public_api():
    painter = Painter()
    measure_rows([truth_of(*two_squares())], by_hints(painter.generate), "0,1")
    bare, hinted = painter.calls
    assert set(bare) == {"sketch", "seed"} and bare["seed"] == 0 and bare["sketch"].dtype == np.uint8
    assert hinted["hints"] == [Hint(51, 19, "#1e1ec8", radius=1.0)]


# --- bad input ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("counts", ["", "two", "-1", "1.5", "half,halves", (), "9999999"])
def test_invalid_counts_are_refused(counts: Any):
    with pytest.raises(GessoError, match="count of hints"):
        counts_of(counts)


def test_counts_are_parsed_from_lists_and_texts():
    assert counts_of("0,3, half,3") == ("0", "3", "half") and counts_of((0, 10, "half")) == ("0", "10", "half")
    assert counts_of(5) == ("5",) and counts_of("half") == ("half",)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"size": 0}, "size"),
        ({"size": "large"}, "--size: 'large' is not a whole number"),
        ({"size": True}, "--size: True is not a whole number"),
        ({"limit": 2.5}, "--limit"),
        ({"size": 10**6}, "24 to 2048"),
        ({"limit": 0}, "--limit"),
        ({"limit": -3}, "--limit"),
        ({"rules": "magic"}, "'magic'.*nothing,flood,spare,exact"),
        ({"rules": 3}, "no plain rule '3'"),
        ({"rules": ("spare", "magic")}, "no plain rule 'magic'"),
        ({"counts": 1.5}, "'1.5' is not a count"),
        ({"counts": (1, "all")}, "'all' is not a count"),
        ({"shuffle": True}, "'shuffle'.*size, counts, limit"),
    ],
)
def test_invalid_options_are_refused(options: dict[str, Any], says: str, tmp_path: Path):
    with pytest.raises(GessoError, match=says):
        protocol(Painter().generate, tmp_path, options)


@pytest.mark.parametrize(
    ("changed", "size", "says"),
    [
        ({"line": None}, 72, "no column line"),
        ({"cluster": None, "flag": None}, 72, "no column cluster and no flag"),
        ({"line_svg": None}, 144, "no column line_svg"),
        ({"color": [1] * 7}, 72, "column color holds int64, not binary"),
        ({"eval": ["yes"] * 7}, 72, "column eval holds string"),
        ({"eval": [None] + [True] * 6}, 72, "column eval has rows without"),
        ({"color": [None] + [b""] * 6}, 72, "column color has rows without"),
        ({"eval": [False] * 7}, 72, "no row with eval true"),
        ({"flag": [True] * 7}, 72, "no row with eval true"),
        ({"line": [b"not a picture"] * 7}, 72, "row 0"),
        ({"color": [as_png(Image.new("RGB", (36, 36)))] * 7}, 72, "row 0.*unlike sizes"),
        ({"line_svg": ["<svg"] * 7}, 144, "row 0.*SVG"),
        ({"color": [as_png(drawn(shapes, coloured=False)) for _, shapes in DRAWINGS]}, 72, "no drawing here has a coloured piece"),
    ],
)
def test_invalid_tables_are_refused(changed: dict[str, Any], size: int, says: str, tmp_path: Path):
    if size != 72:
        pytest.importorskip("resvg_py")
    with pytest.raises(GessoError, match=says):
        protocol(None, written(tmp_path, **changed), size=size, rules="nothing")


def test_files_that_are_not_tables_are_refused(tmp_path: Path):
    pytest.importorskip("pyarrow")
    with pytest.raises(GessoError, match="--data"):
        protocol(None, None, rules="nothing")
    with pytest.raises(GessoError, match=r"no such file.*val\.parquet"):
        protocol(None, tmp_path, rules="nothing")
    text, cut = tmp_path / "text.parquet", tmp_path / "cut.parquet"
    text.write_text("not parquet")
    whole = written(tmp_path).read_bytes()
    cut.write_bytes(whole[: len(whole) // 2])
    torn = bytearray(whole)
    torn[8:3000] = bytes(2992)
    (tmp_path / "torn.parquet").write_bytes(torn)
    for name in ("text", "cut", "torn"):
        with pytest.raises(GessoError, match=rf"{name}\.parquet|row "):
            protocol(None, tmp_path / f"{name}.parquet", rules="nothing")
    with pytest.raises(GessoError, match="nothing to measure"):
        protocol(None, tmp_path)


def test_outputs_of_a_wrong_shape_or_type_are_refused():
    line, colour = two_squares()
    for out in (colour[:-1], colour.astype(float), colour[..., :1]):
        with pytest.raises(GessoError, match="the output is"):
            measure_rows([(line, colour, "a")], lambda line, dots, out=out: out)
    with pytest.raises(GessoError, match="drawing"):
        measure_rows([(line, colour[:-1], "a")], plain_rule("nothing"))
    with pytest.raises(GessoError, match="72 pixels high"):
        measure_rows([(line, colour, "a")], plain_rule("nothing"), size=144)


# --- the fixed protocol ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def fixed(root: Path) -> ModuleType:
    """The fixed protocol's own script."""
    path = root.parent / "shared" / "tools" / "colour_protocol.py"
    if not path.is_file():
        pytest.skip(f"the fixed protocol is not at {path}")
    for name in ("pandas", "pyarrow"):
        pytest.importorskip(name)
    spec = importlib.util.spec_from_file_location("colour_protocol", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def fixed_report(fixed: ModuleType, path: Path, size: int, colour: Any, limit: int | None = None) -> dict[str, Any]:
    import pandas as pd

    rows = pd.read_parquet(path)
    return fixed.measure(rows[rows["eval"] & ~rows["flag"]][:limit], colour, COUNTS, size)


def assert_same(ours: dict[str, dict[str, Any]], theirs: dict[str, dict[str, Any]]) -> None:
    assert list(ours) == list(theirs)
    for count, row in theirs.items():
        assert [name for name in ours[count] if name != "wrong"] == list(row), "what the script prints, and one figure more"
        for name, value in row.items():
            mine = ours[count][name]
            if value is None or name.endswith("_n"):
                assert mine == value, (count, name)
            else:
                within = DECIBELS if name in IN_DECIBELS else SHARES
                assert np.abs(np.subtract(mine, value)).max() <= within + 1e-9, (count, name, mine, value)


@pytest.mark.parametrize("size", [72, 144])
def test_a_model_has_the_fixed_protocols_figures(fixed: ModuleType, size: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    import gesso

    if size != 72:
        pytest.importorskip("resvg_py")
    path = written(tmp_path, eval=[True, True, True, True, True, True, False])
    monkeypatch.setattr(gesso, "load", lambda name: Painter())
    theirs = fixed_report(fixed, path, size, fixed.gesso_model("painter"))
    ours = protocol(Painter().generate, tmp_path, size=size, rules="spare,exact")
    assert {k: ours[k] for k in theirs if k != "hints"} == {k: theirs[k] for k in theirs if k != "hints"}
    assert theirs["pictures"] == 5 and theirs["unchanged_n"] == 1
    assert_same(ours["hints"], theirs["hints"])
    for rule in ("spare", "exact"):
        row = fixed_report(fixed, path, size, fixed.baseline(rule))["hints"]
        assert_same(ours[rule], row)
        more = {count: theirs["hints"][count]["capped"] - row[count]["capped"] for count in COUNTS}
        assert all(abs(ours[f"over {rule}"][count]["capped"] - more[count]) <= DECIBELS for count in COUNTS)


@pytest.mark.parametrize("data", ["openmoji"], indirect=True)
@pytest.mark.parametrize(("size", "limit"), [(72, 12), pytest.param(512, 12, marks=pytest.mark.slow)])
def test_rules_have_the_fixed_protocols_figures_on_real_drawings(fixed: ModuleType, data: Path, size: int, limit: int):
    if size != 72:
        pytest.importorskip("resvg_py")
    ours = protocol(None, data, size=size, limit=limit, rules=",".join(RULES))
    assert "hints" not in ours
    for rule in RULES:
        assert_same(ours[rule], fixed_report(fixed, data / "val.parquet", size, fixed.baseline(rule), limit)["hints"])
