"""The judge reads true scenes without a mistake, and sees each thing that is wrong."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gesso.datasets.composed_scenes import ComposedScenes, Composition, Group, caption, drawn, named, never_shown
from gesso.datasets.scene_stock import COLOURS, KINDS
from gesso.metrics.obedience import judged, objects_in, share_of, shares

SCENE = Composition(Group("star", "red", 2), Group("moon", "blue", 1), "left")
TEXT = "two red stars left of a blue moon"


@pytest.mark.parametrize("side", [32, 48, 64])
def test_true_scenes_are_right(side: int):
    scenes = ComposedScenes(side, "val", num=300)
    rows = []
    for index in range(len(scenes)):
        item = scenes.item(index, np.random.default_rng(index))
        rows.append(judged(item["picture"], item["composition"], item["captions"][0][0]))
    assert shares(rows)["whole"] > 0.99 and shares(rows)["all"] > 0.998


def test_each_kind_and_colour_is_named():
    for kind in KINDS:
        for colour in COLOURS:
            scene = Composition(Group(kind, colour, 3), Group("star" if kind != "star" else "moon", "red", 1), "above")
            found = objects_in(drawn(scene, 32, np.random.default_rng(1)))
            assert sorted(one.kind for one in found)[:] and sum((one.kind, one.colour) == (kind, colour) for one in found) == 3, (
                kind,
                colour,
            )


@pytest.mark.parametrize(
    ("wrong", "what"),
    [
        (replace(SCENE, first=Group("star", "green", 2)), {"colour"}),
        (replace(SCENE, first=Group("star", "red", 3)), {"count"}),
        (replace(SCENE, second=Group("ring", "blue", 1)), {"kind", "count", "relation"}),
        (replace(SCENE, first=SCENE.second, second=SCENE.first), {"kind", "colour", "count", "relation"}),
    ],
)
def test_what_is_wrong_is_seen(wrong: Composition, what: set[str]):
    found = judged(drawn(wrong, 32, np.random.default_rng(0)), SCENE, TEXT)
    assert {name for name, row in found.items() if not all(row)} == what
    assert share_of(judged(drawn(SCENE, 32, np.random.default_rng(0)), SCENE, TEXT)) == 1


def test_nothing_and_noise_are_wrong():
    empty = np.full((32, 32, 3), 250, np.uint8)
    assert share_of(judged(empty, SCENE, TEXT)) == 0
    noise = np.random.default_rng(0).integers(0, 256, (32, 32, 3)).astype(np.uint8)
    assert share_of(judged(noise, SCENE, TEXT)) < 0.5


def test_a_colour_that_is_not_named_is_not_judged():
    assert named("two stars left of a blue moon", SCENE) == (False, True)
    found = judged(
        drawn(replace(SCENE, first=Group("star", "green", 2)), 32, np.random.default_rng(0)), SCENE, "two stars left of a blue moon"
    )
    assert found["colour"] == [True] and share_of(found) == 1
    assert named("파란 달 한 개 왼쪽에 빨간 별 두 개", SCENE) == (True, True)


def test_captions_say_the_scene_in_several_orders_and_languages():
    texts = {caption(SCENE, np.random.default_rng(seed), language) for seed in range(60) for language in ("en", "ko")}
    assert TEXT in texts and "a blue moon right of two red stars" in texts and len(texts) > 12
    assert all(("star" in text or "별" in text) and ("moon" in text or "달" in text) for text in texts)


def test_training_never_shows_what_is_asked_later():
    train, val = ComposedScenes(32, "train", num=400), ComposedScenes(32, "val", num=100)
    shown = [train.item(i, np.random.default_rng(i))["composition"] for i in range(len(train))]
    asked = [val.item(i, np.random.default_rng(0))["composition"] for i in range(len(val))]
    assert not any(never_shown(group.kind, group.colour) for one in shown for group in (one.first, one.second))
    new = [any(never_shown(group.kind, group.colour) for group in (one.first, one.second)) for one in asked]
    assert all(new[::2]) and 0.4 < np.mean(new) < 0.8
    again = val.item(3, np.random.default_rng(9))
    assert np.array_equal(again["picture"], val.item(3, np.random.default_rng(1))["picture"]), "what is asked is always the same"
