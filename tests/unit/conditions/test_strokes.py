"""Strokes: parsing of every input format, checks and merging."""

import pytest

from gesso.conditions.strokes import Stroke, Strokes
from gesso.errors import GessoError


def read(given):
    return Strokes.read(given, where="cuts", options={})


def test_every_input_format_gives_the_same_stroke():
    wanted = Strokes(strokes=(Stroke(path=((1, 2), (3, 4))),))
    doors = ["1,2 3,4", [[(1, 2), (3, 4)]], wanted.strokes[0], {"strokes": [{"path": [[1, 2], [3, 4]]}]}, '[{"path": [[1, 2], [3, 4]]}]']
    assert [read(d) for d in doors] == [wanted] * 5
    assert Strokes.model_validate_json(wanted.model_dump_json()) == wanted


@pytest.mark.parametrize("bad", ["", "1", "1,2,3", "[", 4, [[]], "nan,1 2,2x", "5,5 nan,5", "5,5 inf,5", "5,5 1e9,5", "[" * 100_000])
def test_invalid_strokes_are_refused(bad):
    with pytest.raises(GessoError, match="cuts"):
        read(bad)


def test_an_overlong_path_is_refused():
    with pytest.raises(GessoError, match=r"cuts.*pixels"):
        read([[(0, 0), (60_000, 0)] * 2000])


def test_a_stroke_outside_the_page_is_refused():
    with pytest.raises(GessoError, match="outside"):
        read("500,500 600,600").check((100, 100), where="cuts")
    read("50,50 600,600").check((100, 100), where="cuts")


def test_merged_strokes_keep_their_order():
    assert [s.path[0] for s in read("1,1").merge(read("2,2")).strokes] == [(1, 1), (2, 2)]


def test_a_control_offers_only_the_slots_gestures():
    assert Strokes.control({})["gestures"] == ["stroke", "piece"]
    control = Strokes.control({"gestures": ("bridge", "split"), "clears": ("dots",)})
    assert (control["gestures"], control["clears"]) == (["bridge", "split"], ["dots"])
    with pytest.raises(GessoError, match="wiggle"):
        Strokes.control({"gestures": ("wiggle",)})
