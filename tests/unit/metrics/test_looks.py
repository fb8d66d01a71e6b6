"""Measures of looks and of exemplars, on cases whose answers are known."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from gesso.datasets.exemplar_pictures import centres, exemplar_pictures
from gesso.datasets.looks import look_pictures
from gesso.metrics.exemplars import measure_exemplars, near, places_of
from gesso.metrics.looks import ColourTable, change_elsewhere, measure_looks
from gesso.verbs.measure import Make

SIDE = 32


def test_a_table_of_colours_learns_what_becomes_of_them():
    told, held = look_pictures(None, "train", SIDE), look_pictures(None, "val", SIDE)
    table = ColourTable(told)
    index, other = (int(np.flatnonzero((held.groups == held.groups[0]) & (held.labels == label))[0]) for label in (0, 2))
    before, wanted = held.pixels[index], held.pixels[other].astype(int)
    assert np.abs(table(before, 0, 2) - wanted).mean() < np.abs(before - wanted).mean() / 4
    assert np.array_equal(table(before, 0, 0), before)


def test_change_elsewhere_looks_at_what_must_stay():
    source = np.zeros((4, 4, 3), np.uint8)
    truth, made = source.copy(), source.copy()
    truth[:2] = 200
    made[:2] = 90
    assert change_elsewhere(made, truth, source) == 0
    made[3, 0] = 24
    assert change_elsewhere(made, truth, source) == pytest.approx(24 / 8)


def test_a_perfect_model_of_looks_is_measured_as_one(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("gesso.metrics.looks.JUDGE_STEPS", 20)
    told, held = look_pictures(None, "train", SIDE), look_pictures(None, "val", SIDE)

    def generate(picture: Any, attribute: str, seed: int, exemplar: Any = None) -> Any:
        there = (held.groups == held.groups[seed]) & (held.labels == held.classes.index(attribute))
        return SimpleNamespace(outputs={"image": held.pixels[np.flatnonzero(there)[0]]})

    make = Make(cast(Any, SimpleNamespace(generate=generate)), keeps_sheets=True)
    report = measure_looks(make, told, held, told, {"limit": 9})
    assert make.sheets["looks"].shape[1] > 6 * held.pixels.shape[2]
    assert report["looks"]["by noise"]["psnr"] == 40 and report["looks"]["by noise"]["elsewhere"] < 1
    assert report["looks"]["by noise"]["accuracy"] == report["looks"]["the true variants"]["accuracy"]
    assert report["looks"]["the input itself"]["psnr"] < 30 and report["n"] == 18


def test_a_model_that_looks_at_the_exemplar_is_told_from_one_that_does_not():
    held = exemplar_pictures(None, "val", SIDE)

    def model(looks: bool) -> Any:
        def generate(picture: np.ndarray, exemplar: np.ndarray, seed: int) -> Any:
            image = exemplar if looks else picture
            places = {} if looks else {"warped": exemplar, "places": np.zeros((SIDE, SIDE, 3), np.uint8)}
            return SimpleNamespace(outputs={"image": image, **places})

        return Make(cast(Any, SimpleNamespace(generate=generate)), keeps_sheets=True)

    makes = [model(looks) for looks in (False, True)]
    blind, seeing = (measure_exemplars(make, held, None, {"limit": 12}) for make in makes)
    assert makes[0].sheets["exemplars"].shape[1] > makes[1].sheets["exemplars"].shape[1], "places are shown where there are some"
    assert "carried over alone" in blind["exemplars"]["warped copies"] and not any("PCK" in name for name in seeing)
    assert blind["exemplars"]["warped copies"]["right - wrong"] == 0 < seeing["exemplars"]["warped copies"]["right - wrong"]
    assert set(blind["exemplars"]) == {"warped copies"}, "made-up pictures have no relatives"


def test_places_are_read_from_their_picture():
    at = centres(8)
    picture = np.kron((at + 1) * 127.5, np.ones((4, 4, 1))).round().astype(np.uint8)
    assert near(places_of(np.concatenate([picture, picture[..., :1]], 2)), at).all()
