"""Measuring: the recipe's own figures, and what it takes to get them again."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from gesso import recipes
from gesso.datasets.cifar import Patterns
from gesso.errors import GessoError
from gesso.media.picture import read_picture
from gesso.verbs.load import load
from gesso.verbs.measure import Make, command, measure, tables


def test_the_report_says_how_to_get_it_again(toy: Path, tmp_path: Path):
    out = tmp_path / "new" / "figures.json"
    report = measure(toy, data=tmp_path, out=out, limit=3, counts=(0, "half"))
    assert json.loads(out.read_text("utf-8")) == report
    assert report["figures"]["options"] == {"limit": 3, "counts": [0, "half"]} and set(report["figures"]["rows"]) == {"0", "1", "2"}
    assert report["command"] == f"gesso measure toy --data {tmp_path} --limit 3 --counts 0,half"
    assert report["gesso"] and report["made"]["torch"] and report["measure"] == "means" and "commit" in report
    assert measure(toy, limit=3)["figures"]["rows"] == report["figures"]["rows"]


def test_a_folder_holds_the_table_and_what_the_measure_shows(toy: Path, tmp_path: Path):
    recipe = recipes.find(toy)
    drawn = []

    def shows(make: Any, data: Any, options: Any) -> dict[str, Any]:
        make.show("sheet", lambda: drawn.append(1) or np.full((8, 9, 3), 7, np.uint8))
        return {"a figure": 1.5}

    shown = replace(recipe, measures={"shows": shows})
    report = measure(shown, out=tmp_path / "deep" / "measured")
    folder = tmp_path / "deep" / "measured"
    assert {one.name for one in folder.iterdir()} == {"figures.json", "table.txt", "sheet.png"} and len(drawn) == 1
    assert json.loads((folder / "figures.json").read_text("utf-8")) == report
    assert read_picture(folder / "sheet.png").shape == (8, 9, 3)
    text = (folder / "table.txt").read_text("utf-8")
    assert "a figure" in text and "1.5" in text and report["command"] in text
    measure(shown, out=tmp_path / "figures.json")
    assert len(drawn) == 1, "nothing is drawn for figures alone"
    measure(shown, out=folder)
    with pytest.raises(GessoError, match="json"):
        measure(shown, out=folder / "sheet.png")
    (tmp_path / "taken").write_text("mine")
    with pytest.raises(GessoError, match="into a folder"):
        measure(shown, out=tmp_path / "taken")
    assert (tmp_path / "taken").read_text() == "mine"


def test_a_measure_trains_another_recipe_on_its_own_examples(toy: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    make = Make(load(toy))
    both = [make.learned("cifar_classifier", Patterns(40), preset="tiny", steps=2, seed=seed)["classifier"] for seed in (0, 0)]
    assert all(torch.equal(a, b) for a, b in zip(both[0].parameters(), both[1].parameters(), strict=True))
    other = make.learned("cifar_classifier", Patterns(40, first=70), preset="tiny", steps=2)["classifier"]
    assert any(not torch.equal(a, b) for a, b in zip(both[0].parameters(), other.parameters(), strict=True))
    assert not list(tmp_path.glob("gesso-measure-*")), "the run's files are removed"


def test_a_command_is_quoted():
    assert command("toy", "m", Path("a b"), None, {"top_k": 2}) == "gesso measure toy --which m --data 'a b' --top-k 2"
    assert command("toy", None, None, None, {"group": "-scene"}) == "gesso measure toy --group=-scene"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"which": "speed"}, "no measure 'speed'.*one of means"),
        ({"data": "nowhere"}, "nowhere: there is no such file or folder"),
        ({"out": "figures.csv"}, r"written as \.json"),
        ({"preset": "huge"}, "no preset 'huge'"),
    ],
)
def test_bad_input_is_told_before_any_work(toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: dict, words: str):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(GessoError, match=words):
        measure(toy, **given)
    assert not list(tmp_path.iterdir())


def test_a_recipe_without_measures(kept: Path, kept_weights: Path):
    with pytest.raises(GessoError, match="kept has no measures"):
        measure(kept, weights=kept_weights)


def test_tables_of_rows_and_of_single_figures():
    from rich.console import Console

    figures = {"by count": {"0": {"psnr": 20.123, "n": 5}, "half": {"psnr": 3.14159}}, "n": 7, "interval": [1.0, 2.0], "list": [{"a": 1}]}
    made = tables({"recipe": "toy", "measure": "m", "figures": figures})
    assert len(made) == 3
    file = io.StringIO()
    for table in made:
        Console(file=file, width=200).print(table)
    text = file.getvalue()
    for word in ("count", "half", "20.12", "3.142", "1 – 2", "interval"):
        assert word in text, text
    assert len(tables({"recipe": "toy", "measure": "m", "figures": 3.0})) == 1


def test_what_was_not_found_is_a_dash():
    from rich.console import Console

    figures = {"rows": [{"a": 1, "b": None}, {"a": None}], "single": None, "pair": [None, 2.0]}
    file = io.StringIO()
    for table in tables({"recipe": "toy", "measure": "m", "figures": figures}):
        Console(file=file, width=200).print(table)
    assert "None" not in file.getvalue() and file.getvalue().count("–") >= 5
