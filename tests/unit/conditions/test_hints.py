"""Hints: parsing of every input format, merging in order, and encoding at their positions."""

import json

import numpy as np
import pytest

from gesso.conditions.hints import MAX_HINTS, MAX_SINGLE_TOKENS, MAX_TOKENS, Hint, Hints, stamp, tokens_of
from gesso.errors import GessoError
from gesso.ports import Frame


def read(given):
    return Hints.read(given, where="hints", options={})


def test_every_input_format_gives_the_same_hint(tmp_path):
    file = tmp_path / "hints.json"
    file.write_text(json.dumps({"hints": [{"x": 30, "y": 40, "color": "#ff8800", "radius": 2}]}))
    wanted = Hints(marks=(Hint(30, 40, "#ff8800", radius=2),))
    formats = ["30,40,#ff8800,2", Hint(30, 40, "#F80", radius=2), [Hint(30, 40, "#ff8800", radius=2)], str(file), file.read_text()]
    formats += [(30, 40, "#f80", 2), [(30, 40, "#f80", 2)], '[[30, 40, "#f80", 2]]']
    assert [read(given) for given in formats] == [wanted] * 8


def test_hints_round_trip_through_json():
    value = Hints(marks=(Hint(1.25, 2, "orange"), Hint(path=[(1, 2), (3, 4.5)], color="#123456", radius=0.5)))
    assert Hints.model_validate_json(value.model_dump_json()) == value


@pytest.mark.parametrize(
    "bad",
    [
        *("30,40", "30,40,#ggg", "a,b,#fff", "1,2,#fff,-3", "1,2,#fff,nan", "inf,2,#fff", 7, [{"x": 1}], '{"x":', "[3]"),
        *("[" * 100_000, "1e9,2,#fff", {"x": 1, "y": 1, "color": "red", "path": [[1, 1], [float("nan"), 3]]}),
        {"x": 1, "y": 1, "color": "red", "path": [[0, 0], [60_000, 0]] * 2000},
    ],
)
def test_invalid_hints_are_refused_and_named(bad):
    with pytest.raises(GessoError, match="hints"):
        read(bad)


def test_a_hint_outside_the_page_is_refused_with_the_valid_range():
    with pytest.raises(GessoError, match=r"500,2 lies outside.*0 to 99"):
        read("500,2,#f00").check((50, 100), where="hints")
    read("99,49,#f00").check((50, 100), where="hints")


def test_the_later_hint_wins_where_two_overlap():
    both = read("5,5,#ff0000,3").merge(read("5,5,#0000ff,2"))
    ports = Hints.encode([both], Frame((12, 12)))
    assert ports.spatial[0, :3, 5, 5].tolist() == [-1, -1, 1]
    assert ports.tokens.mask.tolist() == [[True, True]]


def test_null_is_encoded_as_zeros_and_masked():
    ports = Hints.encode([None, read("3,3,#ffffff,1")], Frame((8, 8)))
    assert not ports.spatial[0].any() and not ports.tokens.mask[0].any()
    assert ports.spatial[1, 3].sum() == 5 and ports.tokens.places[1, 0].sum() == 5


def test_a_hint_outside_the_window_is_masked_and_one_inside_is_scaled():
    frame = Frame((16, 16), box=(32, 0, 64, 32), page=(64, 64))
    ports = Hints.encode([read([Hint(8, 8, "#f00", radius=2), Hint(48, 16, "#0f0", radius=2)])], frame)
    assert ports.tokens.mask.tolist() == [[False, True]] and not ports.tokens.places[0, 0].any()
    assert ports.tokens.values[0].tolist() == [[1, -1, -1], [-1, 1, -1]], "all windows share one list of colours"
    ys, xs = np.nonzero(ports.tokens.places[0, 1].numpy())
    assert abs(ys.mean() - 8) < 0.6 and abs(xs.mean() - 8) < 0.6


def test_a_stroke_covers_its_path_and_nothing_else():
    box, cover = stamp(Hint(path=[(2, 5), (12, 5)], color="#f00", radius=1), Frame((20, 20)))
    rows, columns = box
    page = np.zeros((20, 20), bool)
    page[rows, columns] = cover
    assert page[5, 2:13].all() and not page[8:].any() and not page[:, 15:].any()


def test_a_hint_thinner_than_a_pixel_covers_one_pixel():
    _, cover = stamp(Hint(500, 500, "#f00", radius=0.1), Frame((64, 64), page=(1000, 1000)))
    assert cover.any()


def many(num, colour_of):
    return Hints(marks=tuple(Hint(n % 40, n // 40 % 40, "#{:02x}{:02x}{:02x}".format(*colour_of(n)), radius=0.6) for n in range(num)))


def test_up_to_the_limit_each_mark_is_a_token():
    ports = Hints.encode([many(MAX_SINGLE_TOKENS, lambda n: (n % 3, 9, 9))], Frame((40, 40)))
    assert ports.tokens.mask.shape == (1, MAX_SINGLE_TOKENS) and ports.tokens.mask.all()
    assert [round(float((v + 1) * 127.5)) for v in ports.tokens.values[0, :5, 0]] == [0, 1, 2, 0, 1]
    assert all(ports.tokens.places[0, n, n // 40, n % 40] == 1 for n in range(MAX_SINGLE_TOKENS))


def test_beyond_the_limit_marks_of_one_colour_share_a_token():
    hints = many(MAX_SINGLE_TOKENS + 36, lambda n: (n % 3 * 100, 9, 9))
    ports = Hints.encode([hints, many(2, lambda n: (7, 7, n)), None], Frame((40, 40)))
    assert ports.tokens.mask.tolist() == [[True] * 3, [True, True, False], [False] * 3]
    assert ((ports.tokens.values[0] + 1) * 127.5).round().tolist() == [[0, 9, 9], [100, 9, 9], [200, 9, 9]]
    for n in range(MAX_SINGLE_TOKENS + 36):
        assert ports.tokens.places[0, n % 3, n // 40, n % 40] == 1
    assert ports.spatial[0, 3].sum() >= MAX_SINGLE_TOKENS + 36, "the maps are as with fewer marks"


def test_the_number_of_tokens_is_limited():
    hints = many(MAX_HINTS, lambda n: (n % 256, n // 256 * 16, (n * 37) % 256))
    frame = Frame((16, 16), (0, 0, 40, 40), (40, 40))
    ports = Hints.encode([hints], frame)
    num = ports.tokens.mask.shape[1]
    assert MAX_TOKENS / 16 < num <= MAX_TOKENS
    token_of, colours = tokens_of([mark.rgb for mark in hints.marks])
    assert len(colours) == num and token_of.max() == num - 1 and token_of[0] == 0
    far = np.abs(colours[token_of] - np.array([mark.rgb for mark in hints.marks])).max()
    assert far < 128, "only similar colours share a token"
    given = {mark.rgb for mark in hints.marks}
    assert all(tuple(colour) in given for colour in colours.tolist()), "each token has a colour of some hint"


def test_all_windows_have_the_same_token_colours():
    hints = many(300, lambda n: (n % 256, 3, 200))
    windows = [Hints.encode([hints], Frame((16, 16), box, (40, 40))).tokens for box in ((0, 0, 20, 20), (20, 20, 40, 40))]
    assert windows[0].values.equal(windows[1].values) and not windows[0].mask.equal(windows[1].mask)


@pytest.mark.parametrize("num", [3, MAX_SINGLE_TOKENS, MAX_SINGLE_TOKENS + 40])
def test_simulated_answers_have_one_row_per_token(num, monkeypatch):
    answers = np.zeros((num, 5), bool)
    answers[np.arange(num), np.arange(num) % 5] = True
    marks = [([(n % 20, n // 20)], (n % 5 * 50, 0, 0), 1.0) for n in range(num)]
    monkeypatch.setattr("gesso.conditions.hints.simulate_hints", lambda *given: (marks, {"answers": answers, "changed": None}))
    value, truth = Hints.simulate({}, np.random.default_rng(0), 1.0)
    tokens = Hints.encode([value], Frame((20, 20))).tokens
    assert len(truth["answers"]) == tokens.mask.shape[1] == (num if num <= MAX_SINGLE_TOKENS else 5) and len(value.marks) == num
    for row, colour in zip(truth["answers"], tokens.values[0], strict=True):
        assert row.tolist() == [round(float((colour[0] + 1) * 127.5)) == piece * 50 for piece in range(5)]


def test_hints_that_are_alone_are_not_encoded():
    plain, alone = Hint(3, 4, "#ff0000"), Hint(8, 9, "#00ff00", alone=True)
    assert Hints(marks=(plain, alone)).for_networks() == Hints(marks=(plain,)) and Hints(marks=(alone,)).for_networks() is None
    frame = Frame((16, 16))
    one, other = (Hints.encode([Hints(marks=marks)], frame) for marks in ((plain,), (plain, alone)))
    assert one.spatial.equal(other.spatial) and one.tokens.values.equal(other.tokens.values)
    whole = Hints(marks=(plain,))
    assert whole.for_networks() is whole
    assert Hints.model_validate_json(Hints(marks=(alone,)).model_dump_json()).marks[0].alone
