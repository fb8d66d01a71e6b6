"""Fitting: a job in a folder, with its objective and previews; stopped, it keeps the newest."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from gesso.errors import GessoError, MissingExtra
from gesso.media.picture import read_picture
from gesso.record import read_record
from gesso.verbs import fit as module
from gesso.verbs.fit import fit
from gesso.verbs.load import load
from gesso.verbs.replay import replay


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_it_leaves_result_previews_and_objective(toy: Path, photo: Path, tmp_path: Path):
    out = tmp_path / "fits" / "one"
    seen = []
    made = fit(toy, out=out, conditions={"photo": photo}, seed=3, settings={"num_steps": 5}, on_output=lambda o: seen.append(o.step))
    previews = [f"previews/{n:04d}.png" for n in range(1, 5)]
    assert names(out) == ["objective.jsonl", "objective.png", *previews, "result.png"] and seen == [1, 2, 3, 4]
    rows = [json.loads(line) for line in (out / "objective.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [1, 2, 3, 4] and rows[1] == {"step": 2, "all": 0.5, "tags": 1.0}
    assert made.objective == rows
    assert np.array_equal(read_picture(out / "result.png"), made.result.outputs["image"])
    direct = load(toy).generate(photo=photo, seed=3, num_steps=5)
    assert np.array_equal(direct.outputs["image"], made.result.outputs["image"])
    assert read_record(out / "result.png").request.seed == 3 and replay(out / "result.png", recipe=toy).equal


def test_a_long_run_keeps_some_previews_and_every_objective(toy: Path, photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "MOST_PREVIEWS", 4)
    made = fit(toy, out=tmp_path / "f", conditions={"photo": photo}, settings={"num_steps": 20})
    assert [path.stem for path in sorted((tmp_path / "f" / "previews").iterdir())] == ["0005", "0010", "0015"]
    assert len(made.objective) == 19


def test_stopped_it_keeps_the_newest_preview(toy: Path, photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "MOST_PREVIEWS", 1)
    with pytest.raises(KeyboardInterrupt):
        fit(toy, out=tmp_path / "f", conditions={"photo": photo}, settings={"num_steps": 20, "mood": "stopped"})
    assert names(tmp_path / "f") == ["objective.jsonl", "previews/0004.png"]


def test_a_recipe_with_nothing_to_fit_is_refused(kept: Path, kept_weights: Path, tmp_path: Path):
    with pytest.raises(GessoError, match=r"nothing to fit.*gesso generate kept"):
        fit(kept, out=tmp_path / "f", weights=kept_weights, conditions={"number": 1})
    assert not (tmp_path / "f").exists()


@pytest.mark.parametrize("given", [{}, {"conditions": {"photo": "nowhere.png"}}, {"settings": {"num_steps": 0}}, {"seed": -1}])
def test_bad_input_makes_no_folder(toy: Path, photo: Path, tmp_path: Path, given: dict):
    with pytest.raises(GessoError):
        fit(toy, out=tmp_path / "f", **({"conditions": {"photo": photo}} | given if given else {}))
    assert not (tmp_path / "f").exists()


def test_an_earlier_fit_is_not_mixed_with(toy: Path, photo: Path, tmp_path: Path):
    out = tmp_path / "f"
    fit(toy, out=out, conditions={"photo": photo}, settings={"num_steps": 6})
    (out / "previews" / "notes.png").write_bytes(b"mine")
    before = names(out)
    with pytest.raises(GessoError, match="holds an earlier fit.*--fresh"):
        fit(toy, out=out, conditions={"photo": photo}, settings={"num_steps": 2})
    assert names(out) == before
    fit(toy, out=out, conditions={"photo": photo}, settings={"num_steps": 2}, fresh=True)
    assert names(out) == ["objective.jsonl", "objective.png", "previews/0001.png", "previews/notes.png", "result.png"]


def test_a_file_in_the_way_of_the_folder(toy: Path, photo: Path, tmp_path: Path):
    (tmp_path / "f").write_text("x")
    with pytest.raises(GessoError, match="could not be made"):
        fit(toy, out=tmp_path / "f", conditions={"photo": photo})
    assert (tmp_path / "f").read_text() == "x"


def test_without_matplotlib_the_numbers_are_there(toy: Path, photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(__import__("sys").modules, "matplotlib.figure", None)
    fit(toy, out=tmp_path / "f", conditions={"photo": photo}, settings={"num_steps": 3})
    assert names(tmp_path / "f") == ["objective.jsonl", "previews/0001.png", "previews/0002.png", "result.png"]
    with pytest.raises(MissingExtra, match=r"pip install 'gesso\[log\]'"):
        module.write_plot([{"step": 1.0, "all": 1.0}], tmp_path / "x.png", "x")


def test_a_bad_output_leaves_no_result(toy: Path, photo: Path, tmp_path: Path):
    with pytest.raises(GessoError, match="no numbers"):
        fit(toy, out=tmp_path / "f", conditions={"photo": photo}, settings={"mood": "nan"})
    assert not (tmp_path / "f" / "result.png").exists()
