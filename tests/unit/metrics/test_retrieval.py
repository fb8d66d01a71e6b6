"""Retrieval: ranks by hand, chance, ties, sets of questions, groups by name."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from gesso.errors import GessoError
from gesso.metrics.retrieval import measure_model, measure_retrieval, recall

ALL = np.ones(20, bool)


def test_its_own_picture_is_found_and_chance_is_chance():
    eye = np.eye(20)
    keys = [str(n) for n in range(20)]
    row = recall(eye, eye, keys, ALL, ALL, 0)
    assert row["R@1"] == 1 and row["median rank"] == 1 and row["chance R@10"] == pytest.approx(0.5) and row["R@10, 90 %"] == [1, 1]
    turned = recall(np.roll(eye, 1, 0), eye, keys, ALL, ALL, 0)
    assert turned["R@1"] == 0 and turned["median rank"] == 20, "a tie counts as lost"
    rng = np.random.default_rng(0)
    noise = recall(
        rng.normal(size=(400, 8)), rng.normal(size=(400, 8)), list(map(str, range(400))), np.ones(400, bool), np.ones(400, bool), 0
    )
    assert noise["R@10"] == pytest.approx(noise["chance R@10"], abs=0.02) and noise["chance R@10"] == pytest.approx(0.025)


def test_pictures_with_the_same_caption_are_the_same_answer():
    scores = np.array([[0.1, 0.9, 0.5], [0.9, 0.1, 0.5], [0, 0, 1.0]])
    row = recall(scores, np.eye(3), ["a", "a", "b"], ALL[:3], ALL[:3], 0)
    assert row["R@1"] == 1
    assert recall(scores, np.eye(3), ["a", "c", "b"], ALL[:3], ALL[:3], 0)["R@1"] == pytest.approx(1 / 3)
    assert row["chance R@10"] == 1


def test_sets_leave_questions_and_answers_out():
    eye = np.eye(20)
    some = np.arange(20) < 4
    keys = [str(n) for n in range(20)]
    assert recall(eye, eye, keys, some, some, 0)["among"] == 4 and recall(eye, eye, keys, some, ALL, 0)["among"] == 20
    assert recall(eye, eye, keys, ~ALL, ALL, 0) == {"n": 0}


class Held:
    """Twelve pictures whose grey is their number, in three groups, half of them with a second language."""

    name = "greys"

    def __len__(self) -> int:
        return 12

    def item(self, index: int, rng: Any) -> dict[str, Any]:
        captions = ((f"grey {index}", ()), (f"회색 {index}", ()))
        told = {"captions": captions[: 1 + index % 2], "languages": ("ko",) * (index % 2)}
        return {"picture": np.full((2, 2, 3), index, np.uint8), "group": ("people-body", "food drink", "flags")[index % 3], **told}


def test_a_measure_has_sets_languages_and_groups():
    def texts(several: Any) -> np.ndarray:
        return np.eye(13)[[int(one.split()[-1]) if one.split()[-1].isdigit() else 12 for one in several]]

    learned = SimpleNamespace(texts=lambda: ["Grey 0", "grey, 1"])
    report = measure_retrieval(texts, lambda pictures: np.eye(13)[[one[0, 0, 0] for one in pictures]], Held(), learned=learned)
    assert report["captions"]["captions never learned"]["n"] == 10
    found = report["captions"]
    assert found["all"]["R@1"] == 1 and found["all"]["aim R@10"] == 0.5 and found["all, in ko"]["n"] == 6
    assert found["without people and flags"]["among"] == 4 and found["without people and flags, among all"]["among"] == 12
    assert (
        report["chance of a group"] == pytest.approx(1 / 3)
        and report["n"] == 12
        and set(report["by group"]) == {"people-body", "food drink", "flags"}
    )


def test_an_unknown_option_is_refused():
    with pytest.raises(GessoError, match="no option 'size'"):
        measure_model(None, Held(), {"size": 3})
