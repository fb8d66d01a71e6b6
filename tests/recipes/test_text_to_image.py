"""text_to_image: words in two languages, a vocabulary of its own, and a measure that judges by what captions ask."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import gesso
from gesso.errors import GessoError
from gesso.metrics.obedience import measure_obedience
from gesso.verbs.load import Model


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    done = gesso.train("text_to_image", preset="tiny", steps=3, out=tmp_path_factory.mktemp("run") / "w", quiet=True)
    made = gesso.load("text_to_image", weights=done.weights)
    torch.manual_seed(0)
    with torch.no_grad():  # no layer at zero: what a longer training would have done
        for parameter in made.networks["denoiser"].parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return made


def test_words_of_both_languages_make_a_picture_and_change_it(model: Model):
    pictures = [model.generate(words=words, num_steps=2, seed=1).outputs["image"] for words in ("two red stars", "빨간 별 두 개", "달")]
    assert all(one.shape == (32, 32, 3) for one in pictures)
    assert not np.array_equal(pictures[0], pictures[1]) and not np.array_equal(pictures[1], pictures[2])
    assert not np.array_equal(model.generate(num_steps=2, seed=1).outputs["image"], pictures[0]), "without words too"


def test_guidance_changes_what_is_made(model: Model):
    one, other = (model.generate(words="a blue moon", num_steps=2, guidance_scale=scale).outputs["image"] for scale in (1.0, 9.0))
    assert not np.array_equal(one, other)


@pytest.mark.parametrize("words", ["", " ", "x" * 500, 7])
def test_what_are_no_words_is_refused(model: Model, words: object):
    with pytest.raises(GessoError, match="words"):
        model.generate(words=words, num_steps=1)


def test_the_measure_judges_pictures_and_true_ones(model: Model):
    found = measure_obedience(SimpleNamespace(model=model), {"num": 12, "num_steps": 2})
    rows = found["obedience"]
    assert rows["the true picture"]["all"] == rows["the true picture"]["whole"] == 1.0
    assert rows["one picture"]["all"] < 0.6 and found["n"] == 12
    assert {"one picture, of new pairs", "one picture, of pairs it learned"} <= set(rows)


def test_wrong_settings_of_the_measure_are_refused(model: Model):
    for wrong in ({"num": 1}, {"best": 0}, {"guidance_scale": -3}):
        with pytest.raises(GessoError):
            measure_obedience(SimpleNamespace(model=model), {"num": 4, **wrong})


def test_captions_of_ones_own_pictures_are_learned(tmp_path: Path):
    from PIL import Image

    folder = tmp_path / "mine"
    folder.mkdir()
    for number in range(12):
        Image.fromarray(np.full((20, 20, 3), 20 * number, np.uint8)).save(folder / f"{number}.png")
        (folder / f"{number}.txt").write_text(f"a plain square of brightness {number}", encoding="utf-8")
    done = gesso.train("text_to_image", preset="tiny", data=folder, steps=2, out=tmp_path / "run", quiet=True)
    made = gesso.load("text_to_image", weights=done.weights).generate(words="a square of brightness 3", num_steps=1)
    assert made.outputs["image"].shape == (32, 32, 3)


def test_the_best_of_several_is_chosen_by_a_model_of_words_and_pictures(model: Model, tmp_path: Path):
    clip = gesso.train("clip", preset="tiny", steps=2, out=tmp_path / "clip", quiet=True).weights
    make = SimpleNamespace(model=model, other=lambda name, weights: gesso.load(name, weights=weights))
    rows = measure_obedience(make, {"num": 4, "num_steps": 1, "best": 2, "rank": clip})["obedience"]
    assert 0 <= rows["best of 2"]["all"] <= 1
