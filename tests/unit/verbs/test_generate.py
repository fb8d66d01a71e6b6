"""Generating: the same request makes the same output, conditions reach the sampler, and a bad output is an error."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from gesso.errors import GessoError
from gesso.families.family import Output
from gesso.request import Request
from gesso.verbs.assemble import Assembled, assemble
from gesso.verbs.generate import encode, make
from gesso.verbs.thread import default_threads


@pytest.fixture
def assembled(toy: Path) -> Assembled:
    return assemble(toy)


def ask(assembled: Assembled, *, seed: int = 0, settings: dict[str, Any] | None = None, **conditions: Any) -> Request:
    return Request.build(assembled.recipe.card, conditions, seed=seed, settings=settings)


def test_equal_requests_make_equal_outputs(assembled: Assembled, pixels: np.ndarray):
    one, two = (make(assembled, ask(assembled, photo=pixels, tags="warm", seed=3)) for _ in range(2))
    assert np.array_equal(one.outputs["image"], two.outputs["image"])
    assert one.outputs["image"].shape == (10, 14, 3) and one.outputs["image"].dtype == np.uint8


@pytest.mark.parametrize("change", [{"seed": 4}, {"tags": "warmer"}, {"tags": ["warm", "warm"]}, {"settings": {"strength": 0.9}}])
def test_whatever_is_asked_decides(assembled: Assembled, pixels: np.ndarray, change: dict):
    base = {"photo": pixels, "tags": "warm", "seed": 3}
    one, two = make(assembled, ask(assembled, **base)), make(assembled, ask(assembled, **(base | change)))
    assert not np.array_equal(one.outputs["image"], two.outputs["image"])


def test_a_condition_for_rules_alone_makes_no_port(assembled: Assembled, pixels: np.ndarray):
    one, two = make(assembled, ask(assembled, photo=pixels)), make(assembled, ask(assembled, photo=pixels, keep="b"))
    assert np.array_equal(one.outputs["image"], two.outputs["image"])


def test_null_keeps_what_is_required(assembled: Assembled, pixels: np.ndarray):
    request = ask(assembled, photo=pixels, tags="warm")
    inputs = encode(assembled, request, assembled.recipe.frames(request, assembled.preset)[0])
    assert inputs.ports.vector.tolist() == [[1.0, 1.0]] and inputs.null.vector.tolist() == [[0.0, 0.0]]
    assert torch.equal(inputs.ports.spatial, inputs.null.spatial) and inputs.null.spatial[:, 3].all()


def test_an_absent_condition_is_null(assembled: Assembled, pixels: np.ndarray):
    request = ask(assembled, photo=pixels)
    inputs = encode(assembled, request, assembled.recipe.frames(request, assembled.preset)[0])
    assert inputs.ports.vector.tolist() == inputs.null.vector.tolist() == [[0.0, 0.0]]


def test_previews_are_shown_and_the_final_is_not(assembled: Assembled, pixels: np.ndarray):
    seen: list[Output] = []
    make(assembled, ask(assembled, photo=pixels, settings={"num_steps": 5}), on_output=seen.append)
    assert [output.step for output in seen] == [1, 2, 3, 4] and not any(output.final for output in seen)


def test_threads_are_fixed_while_it_runs_and_given_back(assembled: Assembled, pixels: np.ndarray):
    seen: list[Output] = []
    before = torch.get_num_threads()
    result = make(assembled, ask(assembled, photo=pixels), on_output=seen.append, threads=3)
    assert {output.taps["threads"] for output in seen} == {3} and torch.get_num_threads() == before
    assert result.record.made.threads == 3
    with pytest.raises(GessoError):
        make(assembled, ask(assembled, photo=pixels, settings={"mood": "nan"}), threads=3)
    assert torch.get_num_threads() == before


def test_the_number_of_threads_is_stated(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert default_threads() == 1
    for nonsense in ("0", "-3", "many", ""):
        monkeypatch.setenv("OMP_NUM_THREADS", nonsense)
        assert 1 <= default_threads() <= 4


def test_gradients_are_kept_only_while_something_is_fitted(assembled: Assembled, pixels: np.ndarray):
    for fitting in (False, True):
        seen: list[Output] = []
        make(assembled, ask(assembled, photo=pixels), on_output=seen.append, fitting=fitting)
        assert seen and all(output.taps["inference"] is not fitting for output in seen)


@pytest.mark.parametrize(("mood", "words"), [("nan", "no numbers"), ("empty", "empty")])
def test_a_bad_output_is_an_error(assembled: Assembled, pixels: np.ndarray, mood: str, words: str):
    with pytest.raises(GessoError, match=words):
        make(assembled, ask(assembled, photo=pixels, settings={"mood": mood}))


def test_no_output_is_an_error(assembled: Assembled, pixels: np.ndarray):
    class Silent:
        def sample(self, *given: Any) -> Any:
            return iter([Output({"image": torch.zeros(1, 3, 8, 8)}, final=False)])

    silent = replace(assembled, recipe=replace(assembled.recipe, family=lambda preset: Silent()))
    with pytest.raises(GessoError, match="made no output"):
        make(silent, ask(assembled, photo=pixels))


@pytest.mark.parametrize(
    ("outputs", "words"),
    [
        ({"image": np.zeros((4, 4, 3))}, "is no picture"),
        ({"image": np.zeros((0, 4, 3), np.uint8)}, "empty"),
        ({"picture": np.zeros((4, 4, 3), np.uint8)}, "card does not name"),
        ({"mean": np.array([np.nan])}, "no numbers"),
        ({"mean": torch.tensor([float("inf")])}, "no numbers"),
        ({"mean": float("nan")}, "no number"),
    ],
)
def test_a_finish_that_breaks_the_cards_word_is_an_error(assembled: Assembled, pixels: np.ndarray, outputs: dict, words: str):
    broken = replace(assembled, recipe=replace(assembled.recipe, finish=lambda request, frames: outputs))
    with pytest.raises(GessoError, match=words):
        make(broken, ask(assembled, photo=pixels))


def test_a_request_for_another_recipe_is_refused(assembled: Assembled, kept: Path, kept_weights: Path, pixels: np.ndarray):
    with pytest.raises(GessoError, match="for 'toy', not 'kept'"):
        make(assemble(kept, weights=kept_weights), ask(assembled, photo=pixels))


def test_without_a_finish_the_only_medium_is_the_picture(kept: Path, kept_weights: Path):
    made = assemble(kept, weights=kept_weights)
    result = make(made, Request.build(made.recipe.card, {"number": 2}))
    assert result.outputs["image"].shape == (8, 8, 3) and result.outputs["image"].std() > 5


def test_frames_start_from_the_same_dice(assembled: Assembled, pixels: np.ndarray):
    frames = assembled.recipe.frames(ask(assembled, photo=pixels), assembled.preset)
    states = []

    class Looks:
        def sample(self, networks: Any, inputs: Any, rng: torch.Generator, settings: Any) -> Any:
            states.append(torch.rand(1, generator=rng).item())
            yield Output({"image": torch.zeros(1, 3, 8, 8)})

    twice = replace(assembled, recipe=replace(assembled.recipe, family=lambda p: Looks(), frames=lambda r, p: [*frames, *frames]))
    make(twice, ask(assembled, photo=pixels, seed=8))
    assert len(states) == 2 and states[0] == states[1]


def test_it_runs_in_a_thread(assembled: Assembled, pixels: np.ndarray):
    got = []
    thread = threading.Thread(target=lambda: got.append(make(assembled, ask(assembled, photo=pixels))))
    thread.start()
    thread.join()
    assert np.array_equal(got[0].outputs["image"], make(assembled, ask(assembled, photo=pixels)).outputs["image"])


def test_notes_are_told_beside_the_outputs_and_have_the_cards_words(assembled: Assembled, pixels: np.ndarray):
    result = make(assembled, ask(assembled, photo=pixels, settings={"num_steps": 50}))
    assert result.notes == ("steps",) and result.note_texts[0]["words"]["en"] == "Fewer steps do as well."
    assert "notes" not in result.outputs and "notes" not in result.record.output
    assert make(assembled, ask(assembled, photo=pixels)).notes == ()


def test_a_frames_own_options_reach_a_condition_unless_the_slot_says_otherwise(assembled: Assembled, pixels: np.ndarray):
    seen: list[Any] = []
    slot = assembled.recipe.card.conditions[0]

    class Watched(slot.kind):  # type: ignore[misc, name-defined]
        @classmethod
        def encode(cls, values: Any, frame: Any) -> Any:
            seen.append(dict(frame.options))
            return super().encode(values, frame)

    card = assembled.recipe.card.model_copy(update={"conditions": (slot.model_copy(update={"kind": Watched, "options": {"b": 2}}),)})
    request = ask(assembled, photo=pixels)
    frame = replace(assembled.recipe.frames(request, assembled.preset)[0], options={"a": 1, "b": 1})
    encode(replace(assembled, recipe=replace(assembled.recipe, card=card)), request, frame)
    assert seen[0] == {"a": 1, "b": 2}
