"""The measure of few steps: ratios to the most steps, from sets that are resampled together, and its options."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import gesso
from gesso.errors import GessoError
from gesso.metrics.few_steps import rows_of
from gesso.verbs.measure import measure


def test_ratios_are_over_the_last_row():
    rng = np.random.default_rng(0)
    real, noise = rng.normal(size=(2, 400, 6))
    sets = [noise + apart for apart in (2.0, 1.0, 0.5)]
    rows = rows_of([1, 4, 50], sets, real)
    assert [row["steps"] for row in rows] == [1, 4, 50]
    assert rows[0]["fd_gesso"] > rows[1]["fd_gesso"] > rows[2]["fd_gesso"]
    assert rows[1]["over 50"] == pytest.approx(rows[1]["fd_gesso"] / rows[2]["fd_gesso"]) and rows[2]["over 50"] == 1
    low, high = rows[1]["over 50, 90 %"]
    assert low < rows[1]["over 50"] < high
    assert rows[2]["over 50, 90 %"] == [1, 1], "equal sets stay equal when they are resampled"


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    gesso.train("diffusion", out=folder, preset="tiny", steps=2, threads=1, quiet=True, sample_every=0)
    return folder


def test_it_measures_a_recipe(run: Path, tmp_path: Path):
    report = measure("diffusion", which="steps", weights=run, num=8, steps="1,4", guidance=1.0, sampler="euler", out=tmp_path / "made")
    figures = report["figures"]
    assert [row["steps"] for row in figures["by steps"]] == [1, 4] and figures["n"] == 8
    assert figures["aim of 4 steps over 4"] == 1.25 and figures["sampler"] == "euler" and figures["guidance"] == 1
    assert (tmp_path / "made" / "steps.png").is_file()


@pytest.mark.parametrize(("given", "what"), [({"steps": "0"}, "steps"), ({"numb": 3}, "numb"), ({"sampler": "rk9"}, "sampler")])
def test_bad_options_are_refused(run: Path, given, what):
    with pytest.raises(GessoError, match=what):
        measure("diffusion", which="steps", weights=run, **given)
