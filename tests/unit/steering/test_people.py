"""Simulated people at work, in front of a model that does exactly what it is told, or the opposite; and their figures."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from gesso import recipes
from gesso.errors import GessoError
from gesso.person import LIBRARY, Person
from gesso.request import Request
from gesso.rules.fill import bucket_fill
from gesso.steering import people_figures
from gesso.steering.people import UNDO, episode, steered, why_not
from gesso.steering.people_figures import of_turns, row_of

RECIPE = recipes.find("colorize")
EXAMPLES = RECIPE.stages(RECIPE.preset("tiny"))[0].data(None, "val")


def obedient(request: Request) -> Any:
    """Fills what is hinted, and nothing else."""
    line = request.conditions["sketch"].pixels
    marks = request.conditions["hints"].marks if "hints" in request.conditions else ()
    made = bucket_fill(line, [(round(m.x), round(m.y), m.rgb, 1.0) for m in marks], spare_paper=False)
    return SimpleNamespace(outputs={"image": made})


def contrary(request: Request) -> Any:
    """Spoils the whole page once anything is given."""
    line = request.conditions["sketch"].pixels
    spoilt = np.zeros((*line.shape, 3), np.uint8) if "hints" in request.conditions else np.repeat(line[..., None], 3, -1)
    return SimpleNamespace(outputs={"image": spoilt})


def steer(make: Any, person: Person, index: int = 0, seed: int = 0) -> tuple[list[Any], np.ndarray]:
    clean = EXAMPLES.item(index, np.random.default_rng(0))
    aim = RECIPE.aim(clean) if RECIPE.aim else {}
    return list(episode(make, RECIPE.card, person, clean, aim, np.random.default_rng(seed))), aim["image"]


def test_an_exact_person_gets_there_with_a_model_that_obeys():
    turns, aim = steer(obedient, LIBRARY["exact"])
    figures = of_turns(turns, "image", aim, most=10, target=20.0)
    assert figures["adherence"] == 1 and figures["bleed"] == 0
    assert figures["dB at the end"] > figures["dB at first"] and figures["reached"] == 1
    assert [turn.action for turn in turns[:2]] == ["begin", "hints"]


def test_what_made_it_worse_is_undone_and_something_else_is_tried():
    stubborn = LIBRARY["exact"].model_copy(update={"patience": 6})
    turns, aim = steer(contrary, stubborn)
    undone = [turn for turn in turns if turn.action == UNDO]
    assert undone and all(not turn.state.values.get("hints") for turn in undone)
    figures = of_turns(turns, "image", aim, most=6, target=39.0)
    assert figures["undone"] == len(undone) and figures["reached"] == 0 and figures["actions"] == 6 and figures["bleed"] > 0.5
    never = LIBRARY["exact"].model_copy(update={"undo": 0.0})
    assert UNDO not in [turn.action for turn in steer(contrary, never)[0]]


def test_episodes_repeat_and_stop():
    turns = [steer(obedient, LIBRARY["sloppy"], seed=seed)[0] for seed in (4, 4, 5)]
    marks = [[turn.state.to_json()["conditions"].get("hints") for turn in one] for one in turns]
    assert marks[0] == marks[1] != marks[2]
    assert all(len(steer(obedient, LIBRARY["hasty"], index)[0]) <= 1 + 2 * 4 for index in range(4))


def test_why_people_do_not_steer_is_said():
    assert not why_not(RECIPE) and not why_not(recipes.find("inpaint"))
    reasons = {name: why_not(recipes.find(name)).get("en", "") for name in ("style", "pix2pix", "text_to_image")}
    assert "learns nothing" in reasons["style"] and "from the start" in reasons["pix2pix"] and "right one" in reasons["text_to_image"]
    assert all(set(why_not(recipes.find(name))) in (set(), {"en", "ko"}) for name in recipes.names())
    with pytest.raises(GessoError, match="no simulated people steer pix2pix"):
        people_figures.measure_people("pix2pix", "exact")


def test_rows_have_intervals_and_nothing_where_nothing_is_said():
    one = {"adherence": None, "locality": 1.0, "bleed": 0.0, "actions": None, "reached": None, "dB at first": 20.0, "dB at the end": 30.0}
    row = row_of(
        [one | {"seconds": 0.1, "undone": 0.0, "done": 1.0}, one | {"dB at the end": 32.0, "seconds": 0.3, "undone": 1.0, "done": 2.0}], 10
    )
    assert row["adherence"] is None and row["reached"] is None
    assert row["dB at the end"] == {"value": 31.0, "low": 30.0, "high": 32.0}


@pytest.mark.parametrize("options", [{"num": 0}, {"target": 99}, {"target": True}, {"nun": 1}, {"most": 1.5}])
def test_bad_options_are_refused(options: dict[str, Any]):
    with pytest.raises(GessoError):
        people_figures.people_figures(SimpleNamespace(model=None), None, [LIBRARY["exact"]], options)


def test_networks_conditions_alone_are_given_step_by_step():
    assert [slot.name for slot in steered(RECIPE.card)] == ["hints"]
    assert [slot.name for slot in steered(recipes.find("digits").card)] == ["label", "known"]
