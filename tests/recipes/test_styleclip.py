"""styleclip from the training of its parents to a replayed picture, through Python, the command line and the server; and its measure."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gesso
from gesso.cli import main
from gesso.errors import GessoError
from gesso.metrics.worded_edits import judged, main_colour, measure_edits
from gesso.verbs.load import Model

Weights = dict[str, Path]


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Weights:
    place = tmp_path_factory.mktemp("runs")
    found: Weights = {}
    for role, recipe in (("generator", "stylegan2"), ("clip", "clip")):
        done = gesso.train(recipe, preset="tiny", steps=2, out=place / role, quiet=True, sample_every=0)
        assert done.weights is not None
        found[role] = done.weights
    fitted = gesso.fit("styleclip", preset="tiny", weights=dict(found), out=place / "channels")
    assert fitted.weights is not None
    return {"styleclip": fitted.weights, **found}


@pytest.fixture(scope="module")
def model(weights: Weights) -> Model:
    return gesso.load("styleclip", weights=dict(weights))


def picture(model: Model, **given: Any) -> np.ndarray:
    made: np.ndarray = model.generate(seed=4, **given).outputs["image"]
    return made


def test_words_of_both_languages_move_the_picture(model: Model):
    still = picture(model)
    assert still.shape == (32, 32, 3)
    for words in ("red", "빨간 원"):
        assert not np.array_equal(picture(model, words=words, disentanglement=0), still)
        assert np.array_equal(picture(model, words=words, strength=0), still)
    assert np.array_equal(picture(model, words="red", disentanglement=1), still), "no channel is so relevant"
    assert not np.array_equal(picture(model, words="red", way="search", num_steps=2), still)


def test_the_picture_is_the_generators(model: Model, weights: Weights):
    assert np.array_equal(picture(model), picture(gesso.load("stylegan2", weights=weights["generator"])))


def test_its_weights_know_their_vocabulary_and_their_generator(model: Model, weights: Weights):
    assert model.card.slot("words").options["vocabulary"]
    assert set(model.request(words="red").weights) == {"styleclip", "stylegan2", "clip"}
    other = gesso.train(
        "stylegan2", preset="tiny", steps=1, seed=9, out=weights["clip"].parent.parent / "other", quiet=True, sample_every=0
    )
    wrong = gesso.load("styleclip", weights={**weights, "generator": other.weights})
    with pytest.raises(GessoError, match="another generator"):
        picture(wrong, words="red")


def test_a_place_that_was_found_is_changed(model: Model, tmp_path: Path, weights: Weights):
    given = picture(model)
    found = gesso.fit("stylegan2", given={"picture": given, "num_steps": 2}, weights=weights["generator"], out=tmp_path / "found")
    place = str(found.out / "request.json")
    assert not np.array_equal(picture(model, place=place, words="red", disentanglement=0), picture(model, place=place))
    own = gesso.fit("styleclip", given={"picture": given, "num_steps": 2}, weights=dict(weights), out=tmp_path / "own")
    assert own.weights is None and np.array_equal(own.result.outputs["image"], found.result.outputs["image"]), "it finds the same"


def test_the_command_line_makes_it_and_it_is_replayed(weights: Weights, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    out = tmp_path / "red.png"
    files = [part for role, file in weights.items() for part in ("--weights", f"{role}={file}")]
    assert main(["generate", "styleclip", *files, "--words", "red", "--strength", "2", "--out", str(out), "--seed", "4"]) == 0
    assert gesso.replay(out, weights=dict(weights)).equal
    best = tmp_path / "best.png"
    told = ["generate", "styleclip", *files, "--words", "red", "--best", "3", "--rank", str(weights["clip"]), "--out", str(best)]
    assert main(told) == 0
    assert capsys.readouterr().err.count("seed ") == 3
    assert gesso.replay(best, weights=dict(weights)).equal, "the best is an ordinary output, with its own seed"


def test_the_best_of_several_has_the_best_fit(weights: Weights, tmp_path: Path):
    given = {"words": "red", "strength": 2}
    path, ranked = gesso.best("styleclip", given, num=4, seed=6, judge=weights["clip"], weights=dict(weights), out=tmp_path / "b.png")
    assert path is not None and sorted(one.seed for one in ranked) == [6, 7, 8, 9]
    assert [one.fit for one in ranked] == sorted((one.fit for one in ranked), reverse=True)
    assert ranked[0].result.request.seed == ranked[0].seed
    alone = gesso.load("styleclip", weights=dict(weights)).generate(seed=ranked[0].seed, **given)
    assert np.array_equal(alone.outputs["image"], ranked[0].result.outputs["image"])
    for wrong, what in (({"num": 0}, "best"), ({"num": 65}, "best"), ({"num": 2, "seed": 2**53 - 1}, "beyond")):
        with pytest.raises(GessoError, match=what):
            gesso.best("styleclip", given, judge=weights["clip"], weights=dict(weights), **wrong)
    with pytest.raises(GessoError, match="no words"):
        gesso.best("styleclip", {}, num=2, judge=weights["clip"], weights=dict(weights))
    with pytest.raises(GessoError, match="no picture of words"):
        gesso.best("stylegan2", {}, num=2)
    assert not list(tmp_path.glob("*.png"))[1:], "nothing else was written"


def test_the_measure_counts_edits_and_what_else_changed(model: Model):
    found = measure_edits(model, {"num": 6, "strength": 2})
    assert set(found["edits"]["all"]) >= {"succeeded", "form changed", "outline changed", "n", "succeeded, 90 %"}
    assert found["settings"]["strength"] == 2 and 0 <= found["chance"] <= 1
    for wrong in ({"nothing": 1}, {"num": 0}, {"strength": 99}, {"language": "fr"}):
        with pytest.raises(GessoError):
            measure_edits(model, {"num": 6, **wrong})


def test_the_judge_reads_colours_and_forms():
    page = np.full((20, 20, 3), 255, np.uint8)
    page[4:16, 4:16] = (20, 20, 20)
    page[6:14, 6:14] = (214, 40, 40)
    assert main_colour(page) == "red" and main_colour(np.full((20, 20, 3), 255, np.uint8)) == ""
    blue = page.copy()
    blue[6:14, 6:14] = (50, 90, 205)
    assert judged(page, blue, "blue") == {"succeeded": 1.0, "form changed": 0.0, "outline changed": 0.0}
    gone = blue.copy()
    gone[:, :10] = 255
    row = judged(page, gone, "blue")
    assert row["succeeded"] == 1 and row["form changed"] == row["outline changed"] * 144 / 400 == 0.18
    assert judged(page, page, "blue")["succeeded"] == 0
    for name, colour in {"orange": (245, 130, 32), "yellow": (245, 205, 40), "green": (50, 160, 70), "purple": (140, 60, 170)}.items():
        page[6:14, 6:14] = colour
        assert main_colour(page) == name


def test_a_server_changes_and_chooses(weights: Weights, tmp_path: Path):
    testclient = pytest.importorskip("fastapi.testclient")
    from gesso.serving import Settings, create_app

    token = "a" * 30
    by_recipe = {"styleclip": weights["styleclip"], "stylegan2": weights["generator"], "clip": weights["clip"]}
    app = create_app(Settings(home=tmp_path / "home", tokens={"ann": token}, recipes=list(by_recipe), weights=by_recipe, sign=False))
    try:
        client = testclient.TestClient(app, base_url="http://127.0.0.1:8765", headers={"Authorization": f"Bearer {token}"})
        body = {"recipe": "styleclip", "conditions": {"words": {"text": "red"}}, "settings": {"strength": 2, "disentanglement": 0}}
        plain = client.post("/api/generate", json=body).json()
        assert plain["record"]["request"]["seed"] == 0 and "fits" not in plain
        told = client.post("/api/generate", json={**body, "best": 3, "seed": 5}).json()
        assert [one["fit"] for one in told["fits"]] == sorted((one["fit"] for one in told["fits"]), reverse=True)
        assert told["record"]["request"]["seed"] == told["fits"][0]["seed"] and {one["seed"] for one in told["fits"]} == {5, 6, 7}
        assert client.post("/api/generate", json={**body, "best": 99}).status_code == 400
        without = client.post("/api/generate", json={"recipe": "styleclip", "best": 2})
        assert without.status_code == 400 and "no words" in without.json()["error"]["what"]
        edits = [{"op": "set", "slot": "words", "value": {"text": "red"}}]
        made = client.post("/api/sessions", json={"recipe": "styleclip", "edits": edits})
        session = made.json()["session"]
        rank = f"/api/sessions/{session['id']}/ranks/{session['head']}"
        ranked = client.post(rank, json={"seeds": [9, 4]}).json()["ranked"]
        assert {one["seed"] for one in ranked} == {4, 9} and ranked[0]["fit"] >= ranked[1]["fit"]
        assert client.post(rank, json={"seeds": []}).status_code == 400
    finally:
        app.state.services.close()
