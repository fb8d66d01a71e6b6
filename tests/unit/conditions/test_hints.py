"""Hints: read from every door, merged in order, encoded where they lie."""

import json

import numpy as np
import pytest

from gesso.conditions.hints import ALONE, MAX_HINTS, MOST_TOKENS, Hint, Hints, stamp, tokens_of
from gesso.errors import GessoError
from gesso.ports import Frame


def read(given):
    return Hints.read(given, where="hints", options={})


def test_the_same_hint_through_every_door(tmp_path):
    file = tmp_path / "hints.json"
    file.write_text(json.dumps({"hints": [{"x": 30, "y": 40, "color": "#ff8800", "radius": 2}]}))
    wanted = Hints(marks=(Hint(30, 40, "#ff8800", radius=2),))
    doors = ["30,40,#ff8800,2", Hint(30, 40, "#F80", radius=2), [Hint(30, 40, "#ff8800", radius=2)], str(file), file.read_text()]
    doors += [(30, 40, "#f80", 2), [(30, 40, "#f80", 2)], '[[30, 40, "#f80", 2]]']
    assert [read(d) for d in doors] == [wanted] * 8


def test_json_is_lossless():
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
def test_what_is_no_hint_is_refused_by_name(bad):
    with pytest.raises(GessoError, match="hints"):
        read(bad)


def test_outside_the_page_is_refused_and_says_where():
    with pytest.raises(GessoError, match=r"500,2 lies outside.*0 to 99"):
        read("500,2,#f00").check((50, 100), where="hints")
    read("99,49,#f00").check((50, 100), where="hints")


def test_later_wins_where_they_meet():
    both = read("5,5,#ff0000,3").merge(read("5,5,#0000ff,2"))
    ports = Hints.encode([both], Frame((12, 12)))
    assert ports.spatial[0, :3, 5, 5].tolist() == [-1, -1, 1]
    assert ports.tokens.mask.tolist() == [[True, True]]


def test_null_is_zero_and_masked():
    ports = Hints.encode([None, read("3,3,#ffffff,1")], Frame((8, 8)))
    assert not ports.spatial[0].any() and not ports.tokens.mask[0].any()
    assert ports.spatial[1, 3].sum() == 5 and ports.tokens.places[1, 0].sum() == 5


def test_a_mark_outside_the_window_is_absent_and_one_inside_is_scaled():
    frame = Frame((16, 16), box=(32, 0, 64, 32), page=(64, 64))
    ports = Hints.encode([read([Hint(8, 8, "#f00", radius=2), Hint(48, 16, "#0f0", radius=2)])], frame)
    assert ports.tokens.mask.tolist() == [[False, True]] and not ports.tokens.places[0, 0].any()
    assert ports.tokens.values[0].tolist() == [[1, -1, -1], [-1, 1, -1]], "one list of colours, whichever window speaks"
    ys, xs = np.nonzero(ports.tokens.places[0, 1].numpy())
    assert abs(ys.mean() - 8) < 0.6 and abs(xs.mean() - 8) < 0.6


def test_a_stroke_covers_its_path_and_nothing_else():
    box, cover = stamp(Hint(path=[(2, 5), (12, 5)], color="#f00", radius=1), Frame((20, 20)))
    rows, columns = box
    page = np.zeros((20, 20), bool)
    page[rows, columns] = cover
    assert page[5, 2:13].all() and not page[8:].any() and not page[:, 15:].any()


def test_even_a_hair_of_a_hint_covers_a_pixel():
    _, cover = stamp(Hint(500, 500, "#f00", radius=0.1), Frame((64, 64), page=(1000, 1000)))
    assert cover.any()


def many(num, colour_of):
    return Hints(marks=tuple(Hint(n % 40, n // 40 % 40, "#{:02x}{:02x}{:02x}".format(*colour_of(n)), radius=0.6) for n in range(num)))


def test_up_to_a_page_of_marks_each_is_a_token():
    ports = Hints.encode([many(ALONE, lambda n: (n % 3, 9, 9))], Frame((40, 40)))
    assert ports.tokens.mask.shape == (1, ALONE) and ports.tokens.mask.all()
    assert [round(float((v + 1) * 127.5)) for v in ports.tokens.values[0, :5, 0]] == [0, 1, 2, 0, 1]
    assert all(ports.tokens.places[0, n, n // 40, n % 40] == 1 for n in range(ALONE))


def test_beyond_that_marks_of_one_colour_share_a_token():
    hints = many(ALONE + 36, lambda n: (n % 3 * 100, 9, 9))
    ports = Hints.encode([hints, many(2, lambda n: (7, 7, n)), None], Frame((40, 40)))
    assert ports.tokens.mask.tolist() == [[True] * 3, [True, True, False], [False] * 3]
    assert ((ports.tokens.values[0] + 1) * 127.5).round().tolist() == [[0, 9, 9], [100, 9, 9], [200, 9, 9]]
    for n in range(ALONE + 36):
        assert ports.tokens.places[0, n % 3, n // 40, n % 40] == 1
    assert ports.spatial[0, 3].sum() >= ALONE + 36, "what lies where is told as before"


def test_no_page_takes_more_memory_than_the_most_tokens():
    hints = many(MAX_HINTS, lambda n: (n % 256, n // 256 * 16, (n * 37) % 256))
    frame = Frame((16, 16), (0, 0, 40, 40), (40, 40))
    ports = Hints.encode([hints], frame)
    num = ports.tokens.mask.shape[1]
    assert MOST_TOKENS / 16 < num <= MOST_TOKENS
    token_of, colours = tokens_of([mark.rgb for mark in hints.marks])
    assert len(colours) == num and token_of.max() == num - 1 and token_of[0] == 0
    far = np.abs(colours[token_of] - np.array([mark.rgb for mark in hints.marks])).max()
    assert far < 128, "only neighbours share"
    given = {mark.rgb for mark in hints.marks}
    assert all(tuple(colour) in given for colour in colours.tolist()), "each is a colour that somebody gave"


def test_every_window_has_the_same_tokens():
    hints = many(300, lambda n: (n % 256, 3, 200))
    windows = [Hints.encode([hints], Frame((16, 16), box, (40, 40))).tokens for box in ((0, 0, 20, 20), (20, 20, 40, 40))]
    assert windows[0].values.equal(windows[1].values) and not windows[0].mask.equal(windows[1].mask)


@pytest.mark.parametrize("num", [3, ALONE, ALONE + 40])
def test_a_persons_answers_are_rows_of_tokens(num, monkeypatch):
    answers = np.zeros((num, 5), bool)
    answers[np.arange(num), np.arange(num) % 5] = True
    marks = [([(n % 20, n // 20)], (n % 5 * 50, 0, 0), 1.0) for n in range(num)]
    monkeypatch.setattr("gesso.conditions.hints.hints_of_a_person", lambda *given: (marks, {"answers": answers, "changed": None}))
    value, truth = Hints.simulate({}, np.random.default_rng(0), 1.0)
    tokens = Hints.encode([value], Frame((20, 20))).tokens
    assert len(truth["answers"]) == tokens.mask.shape[1] == (num if num <= ALONE else 5) and len(value.marks) == num
    for row, colour in zip(truth["answers"], tokens.values[0], strict=True):
        assert row.tolist() == [round(float((colour[0] + 1) * 127.5)) == piece * 50 for piece in range(5)]


def test_networks_are_not_told_of_marks_that_are_alone():
    told, alone = Hint(3, 4, "#ff0000"), Hint(8, 9, "#00ff00", alone=True)
    assert Hints(marks=(told, alone)).shown() == Hints(marks=(told,)) and Hints(marks=(alone,)).shown() is None
    frame = Frame((16, 16))
    one, other = (Hints.encode([Hints(marks=marks)], frame) for marks in ((told,), (told, alone)))
    assert one.spatial.equal(other.spatial) and one.tokens.values.equal(other.tokens.values)
    whole = Hints(marks=(told,))
    assert whole.shown() is whole
    assert Hints.model_validate_json(Hints(marks=(alone,)).model_dump_json()).marks[0].alone
