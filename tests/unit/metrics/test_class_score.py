"""Classification accuracy score: real pictures in place of generated ones score about 1, pictures of wrong classes little."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gesso
from gesso.datasets.cifar import Patterns
from gesso.errors import GessoError
from gesso.metrics import class_score
from gesso.metrics.class_score import measure_score
from gesso.metrics.learned_classifier import Shown
from gesso.verbs.measure import Make, measure


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = tmp_path_factory.mktemp("run")
    gesso.train("acgan", out=folder, preset="tiny", steps=2, threads=1, quiet=True)
    return folder


def data(split: str) -> Patterns:
    return Patterns(100, first=0 if split == "train" else 500)


@pytest.mark.slow
def test_pictures_of_wrong_classes_teach_nothing(run: Path, monkeypatch: pytest.MonkeyPatch):
    """Generated pictures are replaced by real ones of the class that was asked for, and by those of the next class."""
    make = Make(gesso.load("acgan", weights=run))
    names = make.model.card.slot("label").options["classes"]
    examples = [Patterns(100, first=900).item(i, np.random.default_rng(0)) for i in range(100)]

    def instead(off: int) -> Any:
        def make_many(model: Any, given: Any, settings: Any, seed: int) -> list[np.ndarray]:
            asked = [names.index(one["label"].name) for one in given]
            return [examples[10 * (i % 10) + (c + off) % 10]["picture"] for i, c in enumerate(asked)]

        return make_many

    figures = []
    for off in (0, 1):
        monkeypatch.setattr(class_score, "make_many", instead(off))
        figures.append(measure_score(make, data, {"num": 100, "steps": 12}, {"tiny": 0.5}))
    good, bad = figures
    assert good["ratio"] > 1.5 * bad["ratio"] and good["ratio"] > 0.6, (good["ratio"], bad["ratio"])
    assert good["class obeyed"] > bad["class obeyed"] and good["aim"] == 0.5
    low, high = good["ratio, 90 %"]
    assert low <= good["ratio"] <= high and good["n"] == 100 and good["n held-out"] == 100
    assert set(good["accuracy"]) == {"all classes", *names} and good["accuracy"]["all classes"]["learned from real"] > 0.3
    assert good["diversity within classes over real"] == pytest.approx(1, abs=0.2)


def test_what_a_classifier_is_shown_is_moved_and_keeps_its_class():
    shown = Shown(np.arange(32 * 32 * 3, dtype=np.uint8).reshape(1, 32, 32, 3), np.array([3]), ("a", "b", "c", "d"), name="x")
    items = [shown.item(0, np.random.default_rng(seed)) for seed in range(8)]
    assert {item["label"] for item in items} == {3} and len({item["picture"].tobytes() for item in items}) > 4


def test_another_option_is_refused(run: Path):
    with pytest.raises(GessoError, match="no option 'step'.*num, steps, seed"):
        measure("acgan", weights=run, step=3)


def test_data_of_other_classes_are_refused(run: Path):
    make = Make(gesso.load("acgan", weights=run))
    shown = Shown(np.zeros((12, 32, 32, 3), np.uint8), np.arange(12) % 2, ("cats", "dogs"), name="x")
    with pytest.raises(GessoError, match="no class '(cats|dogs)'"):
        measure_score(make, lambda split: shown, {"num": 12, "steps": 1})


def test_the_curve_has_a_row_for_each_weights_of_the_history(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    pytest.importorskip("matplotlib", reason="the extra gesso[log] is not installed")
    run = tmp_path / "run"
    gesso.train("cgan", out=run, preset="tiny", steps=3, threads=1, quiet=True, checkpoint_every=1, sample_every=0)
    assert [one.stem for one in sorted((run / "history").iterdir())] == ["000000001", "000000002"]
    monkeypatch.setattr("gesso.metrics.of_classes.labelled_pictures", lambda folder, split, side: data(split))
    report = measure("cgan", which="curve", weights=run, num=24, steps=1, out=tmp_path / "figures")
    rows = report["figures"]["curve"]
    assert [row["steps"] for row in rows] == [1, 2, 3] and [row["pictures"] for row in rows] == [8, 16, 24]
    assert all(row["accuracy, 90 %"][0] <= row["accuracy"] <= row["accuracy, 90 %"][1] for row in rows)
    assert rows[0]["minutes"] < rows[-1]["minutes"] and (tmp_path / "figures" / "curve.png").is_file()


def test_a_curve_needs_a_run(run: Path):
    with pytest.raises(GessoError, match="keeps no weights of its training"):
        measure("acgan", which="curve", weights=run, num=8, steps=1)
