"""Convergence of style transfer for pairs of pictures from two folders."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from gesso.errors import GessoError
from gesso.metrics.descent import measure_descent, some_pairs


@pytest.fixture
def folder(tmp_path):
    for kind, names in (("content", "ab"), ("style", "xyz")):
        (tmp_path / kind).mkdir()
        for name in names:
            (tmp_path / kind / f"{name}.png").write_bytes(b"never opened here")
        (tmp_path / kind / "notes.txt").write_text("no picture")
    return tmp_path


def make(content, style, on_output, num_steps=4, size=0):
    assert content.endswith(("a.png", "b.png")) and style.endswith(("x.png", "y.png", "z.png"))
    for step in range(num_steps + 1):
        on_output(SimpleNamespace(taps={"objective": {"all": 8.0 / 2**step}}))


def test_values_are_relative_to_the_start(folder):
    report = measure_descent(make, folder, {"pairs": 3, "num_steps": 6})
    table = report["objective over its start"]
    assert len(table) == 4 and report["pairs"] == 3 and report["iterations"] == 6 and report["iterations that rose"] == 0
    assert table["mean"] == {"after 1": 0.5, "after 2": 0.25, "after 5": 2.0**-5, "after 6": 2.0**-6}


def test_rises_are_counted(folder):
    def shaky(content, style, on_output):
        for value in (4, 2, 3, 1):
            on_output(SimpleNamespace(taps={"objective": {"all": value}}))

    assert measure_descent(shaky, folder, {"pairs": 2})["iterations that rose"] == 2


def test_few_pairs_use_many_pictures(folder):
    pairs = some_pairs(folder, 3)
    assert len({p for pair in pairs for p in pair}) == 5
    assert len(set(some_pairs(folder, 100))) == 6


def test_both_folders_are_required(folder, tmp_path):
    with pytest.raises(GessoError, match="--data"):
        some_pairs(None, 1)
    with pytest.raises(GessoError, match="content and style"):
        some_pairs(folder / "content", 1)


def test_the_curves_are_drawn(folder, tmp_path):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed: no plot is tried")
    measure_descent(make, folder, {"pairs": 2, "plot": tmp_path / "curves.png"})
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
