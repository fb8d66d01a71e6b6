"""Every recipe that is found, and the one outside: its parts fit, JSON loses nothing, ports are as wide as said, outputs are the card's."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import gesso
from gesso import recipes
from gesso.errors import GessoError
from gesso.families.family import STATE
from gesso.recipes.recipe import Recipe
from gesso.request import Request
from gesso.training.batch import example_of
from gesso.verbs.assemble import assemble
from gesso.verbs.load import Model

ROOT = Path(__file__).resolve().parents[2]
OUTSIDE = str(ROOT / "examples" / "my_recipe.py")
NAMES = [*recipes.names(), OUTSIDE]
every = pytest.mark.parametrize("name", NAMES, ids=lambda n: Path(n).stem)


def smallest(recipe: Recipe) -> str:
    return "tiny" if "tiny" in recipe.presets else next(iter(recipe.presets))


@cache
def loaded(name: str) -> Any:
    """The dataset of the recipe's first stage without any files, or the reason why there is no dataset."""
    recipe = recipes.find(name)
    stages = recipe.stages(recipe.preset(smallest(recipe)))
    if not stages:
        return "learns nothing of its own"
    try:
        return stages[0].data(None, "train")
    except GessoError as error:
        return f"needs data: {error}"


def known(name: str) -> Recipe:
    """The recipe, with what it wants to know of its data."""
    recipe = recipes.find(name)
    return recipe if recipe.facts is None else recipe.with_facts(recipe.facts(examples(name)))


def examples(name: str) -> Any:
    found = loaded(name)
    if isinstance(found, str):
        pytest.skip(f"{name} {found}")
    return found


def simulated(recipe: Recipe, dataset: Any, index: int = 0) -> dict[str, Any]:
    """What a person would give for one example."""
    rng = np.random.default_rng(index)
    item = dataset.item(index, rng)
    left_out = {name for group in recipe.card.one_of for name in group[1:]}
    slots = [s for s in recipe.card.for_generating().conditions if s.network and s.name not in left_out]
    given = {s.name: s.kind.simulate(example_of(s, item), rng, 1.0)[0] for s in slots}
    return {name: value for name, value in given.items() if value is not None}


@every
def test_its_parts_fit(name: str):
    recipe = known(name)
    assert recipe.default_preset in recipe.presets
    for preset in map(recipe.preset, recipe.presets):
        networks = recipe.networks(preset)
        assert set(recipe.keeps) <= {*networks, STATE}
        for stage in recipe.stages(preset):
            assert set(stage.trains) <= set(networks), f"{stage.name} trains a role that is not built"
            assert stage.num_steps > 0 and stage.batch_size > 0
            looked_at = (0, stage.num_steps // 2, stage.num_steps - 1)
            players = {role for step in looked_at for phase in stage.family.phases(step) for role in phase.players}
            assert players == set(stage.trains), "who moves, and who has an optimiser"
    assert {*recipes.used_by(recipe)} <= set(recipes.names())


@every
def test_what_people_give_survives_json(name: str):
    recipe = known(name)
    dataset, card = examples(name), recipe.card.for_generating()
    for index in range(min(3, len(dataset))):
        request = Request.build(card, simulated(recipe, dataset, index), seed=index)
        again = Request.from_json(json.loads(request.canonical()), card)
        assert again.canonical() == request.canonical()


@every
def test_ports_are_as_wide_as_the_kind_says(name: str):
    recipe = known(name)
    dataset = examples(name)
    rng = np.random.default_rng(0)
    item = dataset.item(0, rng)
    (stage, *_) = recipe.stages(recipe.preset(smallest(recipe)))
    frame = dataset.frame([item]) if hasattr(dataset, "frame") else stage.frame
    for slot in recipe.card.conditions:
        if not slot.network:
            continue
        value, _ = slot.kind.simulate(example_of(slot, item), rng, 1.0)
        ports = slot.kind.encode([value, None], frame.with_options(slot.options))
        sizes = slot.kind.sizes(slot.options)
        assert (0 if ports.vector is None else ports.vector.shape[1]) == sizes.vector, slot.name
        assert (0 if ports.spatial is None else ports.spatial.shape[1]) == sizes.spatial, slot.name
        assert (0 if ports.tokens is None else ports.tokens.values.shape[2]) == sizes.token, slot.name


@every
def test_it_makes_what_its_card_names(name: str):
    """Through every door to `finish`, with first numbers for weights; and the same twice."""
    recipe = known(name)
    given = simulated(recipe, examples(name))
    torch.manual_seed(0)
    model = Model(assemble(name, preset=smallest(recipe), untrained=True, facts=recipe.known))
    result = model.generate(seed=3, **given)
    assert {out.name for out in recipe.card.outputs} <= set(result.outputs)
    assert model.generate(seed=3, **given).record.output == result.record.output


def test_a_recipe_outside_the_package_trains_and_makes(tmp_path: Path):
    done = gesso.train(OUTSIDE, out=tmp_path / "run", preset="tiny", steps=3, quiet=True)
    assert done.done
    result = gesso.load(OUTSIDE, weights=tmp_path / "run").generate(phase=0.3)
    result.save(tmp_path / "moon.png")
    again = gesso.replay(tmp_path / "moon.png", recipe=OUTSIDE, weights=tmp_path / "run")
    assert again.equal, again.differences


@every
def test_what_is_required_is_asked_for(name: str):
    card = recipes.find(name).card
    required = [slot.name for slot in card.conditions if slot.required]
    if not required and not card.one_of:
        Request.build(card, {})
        return
    required = required or list(card.one_of[0])
    with pytest.raises(GessoError, match=required[0]):
        Request.build(card, {})
    with pytest.raises(GessoError, match="no_such_thing"):
        Request.build(card, {"no_such_thing": 1})


def test_cards_are_read_without_torch() -> None:
    """`gesso recipes` and `--help` answer at once: a recipe imports families and networks in the functions that need them."""
    code = "import sys; from gesso import recipes; [recipes.find(name) for name in recipes.names()]; print('torch' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"
