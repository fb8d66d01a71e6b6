"""Every recipe that is found, at its smallest, without files: what it saves is what it loads, and its conditions steer it."""

from __future__ import annotations

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
from gesso.training.batch import example_of
from gesso.verbs.assemble import Assembled, assemble
from gesso.verbs.generate import encode, method_of
from gesso.verbs.load import Model
from gesso.verbs.training_outputs import shower

NAMES = [name for name in recipes.names() if "tiny" in recipes.find(name).presets or recipes.find(name).opens is None]
"""All but those that only open models of another library, which have tests of their own."""
every = pytest.mark.parametrize("name", NAMES)


def own_data(recipe: Recipe) -> Any:
    """A dataset that needs no files: the recipe's own, or for a recipe that learns nothing its parent's."""
    stages = recipe.stages(recipe.preset("tiny"))
    if stages:
        return stages[0].data(None, "train")
    if recipe.data is None and not recipe.uses:
        pytest.skip(f"{recipe.name} reads no examples")
    parent = recipes.find(next(iter(recipe.uses.values())))
    return parent.stages(parent.preset("tiny"))[0].data(None, "train")


def known(name: str) -> Recipe:
    """The recipe, with what it wants to know of its data."""
    recipe = recipes.find(name)
    return recipe if recipe.facts is None else recipe.with_facts(recipe.facts(own_data(recipe)))


def given_for(recipe: Recipe, dataset: Any, index: int) -> dict[str, Any]:
    """What people would give for examples, one after another, so that two pictures on a card differ."""
    values = {}
    left_out = {name for group in recipe.card.one_of for name in group[1:]}
    for k, slot in enumerate(s for s in recipe.card.for_generating().conditions if s.network and s.name not in left_out):
        rng = np.random.default_rng([index, k])
        item = dataset.item((index + 3 * k) % len(dataset), rng)
        values[slot.name], _ = slot.kind.simulate(example_of(slot, item), rng, 1.0)
    return {name: value for name, value in values.items() if value is not None}


def brief(recipe: Recipe) -> dict[str, Any]:
    """Settings that make it quick, where it has them."""
    wished = {"num_steps": 2, "size": 24}
    return {name: value for name, value in wished.items() if name in recipe.card.settings.model_fields}


def raw(assembled: Assembled, given: dict[str, Any], seed: int = 1) -> list[torch.Tensor]:
    """The family's last output as tensors, before anything is rounded to pixels."""
    model = Model(assembled)
    request = model.request(seed=seed, **given, **brief(assembled.recipe))
    run = method_of(assembled)
    made = []
    with torch.enable_grad() if run.__name__ == "fit" else torch.no_grad():
        for frame in assembled.recipe.frames(request, assembled.preset):
            *_, last = run(assembled.networks, encode(assembled, request, frame), torch.Generator().manual_seed(seed), request.settings)
            made += [v.detach().float().clone() for v in last.media.values() if isinstance(v, torch.Tensor)]
    assert made and all(torch.isfinite(v).all() for v in made)
    return made


def awake(assembled: Assembled) -> Assembled:
    """With no layer at zero: what a longer training would have done, so that everything given can reach the output."""
    torch.manual_seed(5)
    with torch.no_grad():
        for role in set(assembled.recipe.keeps) - {STATE}:
            for p in assembled.networks[role].parameters():
                p.add_(torch.randn_like(p) * 0.05)
    return assembled


def apart(one: list[torch.Tensor], two: list[torch.Tensor]) -> float:
    return max(float((a - b).abs().max()) if a.shape == b.shape else 1.0 for a, b in zip(one, two, strict=True))


@every
def test_there_is_a_tiny_preset_that_needs_no_files(name: str):
    recipe = known(name)
    assert "tiny" in recipe.presets
    assert len(own_data(recipe)) >= 10
    size = sum(p.numel() for network in recipe.networks(recipe.preset("tiny")).values() for p in network.parameters())
    assert size < 500_000, "tiny is for tests"


@every
def test_what_is_saved_is_what_is_loaded(name: str, tmp_path: Path):
    recipe = known(name)
    if not recipe.keeps:
        pytest.skip(f"{name} keeps no weights of its own")
    if not recipe.stages(recipe.preset("tiny")):
        pytest.skip(f"{name} is fitted, not trained")
    done = gesso.train(name, out=tmp_path / "run", preset="tiny", steps=2, threads=1, quiet=True)
    assert done.done and done.steps == 2 * len(recipe.stages(recipe.preset("tiny")))
    first, second = assemble(name, weights=tmp_path / "run"), assemble(name, weights=done.weights)
    assert first.preset_name == "tiny" and first.hashes == second.hashes and set(first.hashes) >= {name}
    given = given_for(recipe, own_data(recipe), 0)
    assert apart(raw(first, given), raw(second, given)) == 0
    torch.manual_seed(99)
    fresh = assemble(name, preset="tiny", untrained=True, facts=recipe.known)
    assert any(
        not torch.equal(a, b)
        for role in set(recipe.keeps) - {STATE}
        for a, b in zip(first.networks[role].parameters(), fresh.networks[role].parameters(), strict=True)
    )


@every
def test_learning_moves_every_player(name: str, tmp_path: Path):
    """Nothing that is trained stays where it began, and nothing else moves."""
    recipe = recipes.find(name)
    stages = recipe.stages(recipe.preset("tiny"))
    if not stages:
        pytest.skip(f"{name} learns nothing of its own")
    gesso.train(name, out=tmp_path / "one", preset="tiny", steps=1, seed=4, threads=1, quiet=True)
    gesso.train(name, out=tmp_path / "more", preset="tiny", steps=3, seed=4, threads=1, quiet=True)
    one, more = (assemble(name, weights=tmp_path / run).networks for run in ("one", "more"))
    for role in set(recipe.keeps) - {STATE}:
        moved = [not torch.equal(a, b) for a, b in zip(one[role].parameters(), more[role].parameters(), strict=True)]
        assert np.mean(moved) > 0.5, f"{role}: {sum(moved)} of {len(moved)} tensors moved"


@every
def test_each_condition_changes_the_output(name: str):
    """Leaving out what may be left out, and another value of what may not, both reach the output."""
    recipe = known(name)
    torch.manual_seed(0)
    try:
        assembled = awake(assemble(name, preset="tiny", untrained=True, facts=recipe.known))
    except GessoError as error:
        pytest.skip(f"{name} stands on weights that are not here: {error}")
    dataset = own_data(recipe)
    other = given_for(recipe, dataset, 1)
    given = {}
    for index in (0, *range(2, 30)):  # people leave things out: look until everything was given once
        given |= {k: v for k, v in given_for(recipe, dataset, index).items() if k not in given}
    usual = raw(assembled, given)
    assert apart(usual, raw(assembled, given)) == 0, "the same request makes the same output"
    for slot in recipe.card.conditions:
        if not slot.network or slot.name not in given:
            continue
        changed = [{**given, slot.name: other[slot.name]}] if slot.name in other else []
        if not slot.required and not any(slot.name in group for group in recipe.card.one_of):
            changed.insert(0, {k: v for k, v in given.items() if k != slot.name})
        # Left out, or another one: what was given may happen to be what the recipe takes by itself, such as the likeliest class.
        assert any(apart(usual, raw(assembled, one)) > 1e-6 for one in changed), f"{slot.name} changes nothing"


@every
def test_the_card_says_what_people_need(name: str):
    card = recipes.find(name).card
    for field in ("title", "summary", "limits"):
        assert set(getattr(card, field)) >= {"en", "ko"}, field
    assert card.paper and card.example.startswith("gesso ") and name in card.example


@every
def test_a_training_shows_how_far_it_is(name: str):
    """The sheet that a run saves at intervals can be drawn from its first step on."""
    recipe = known(name)
    stages = recipe.stages(recipe.preset("tiny"))
    if not stages:
        pytest.skip(f"{name} learns nothing of its own")
    torch.manual_seed(0)
    try:
        networks = assemble(name, preset="tiny", untrained=True, facts=recipe.known).networks
    except GessoError as error:
        pytest.skip(f"{name} stands on weights that are not here: {error}")
    sheet = shower(recipe, stages[0], None, 0)(networks, 0)
    assert sheet is None or (sheet.dtype == np.uint8 and sheet.ndim in (2, 3))
    assert sheet is not None or recipe.card.outputs[0].medium != "picture", "pictures are shown"
