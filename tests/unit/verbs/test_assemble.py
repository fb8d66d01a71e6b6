"""Assembling: the right weights in the right networks, and clear words where they are not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from gesso import recipes
from gesso.errors import GessoError
from gesso.verbs.assemble import assemble
from gesso.weights.store import read_weights, save_weights


def test_a_recipe_without_weights_needs_none(toy: Path):
    made = assemble(toy)
    assert made.networks == {} and made.hashes == {} and made.preset_name == "small"


def test_kept_roles_are_filled_and_named_by_hash(kept: Path, kept_weights: Path):
    made = assemble(kept, weights=kept_weights)
    held = read_weights(kept_weights)
    assert list(made.networks) == ["painter"], "a critic is not needed to make"
    assert made.hashes == {"kept": held.sha256} and made.cards["kept"]["preset"] == "small"
    for name, value in made.networks["painter"].state_dict().items():
        assert torch.equal(value, held.states["painter"][name].float())
    assert not made.networks["painter"].training


def test_a_runs_folder_stands_for_its_weights(kept: Path, kept_weights: Path):
    assert assemble(kept, weights=kept_weights.parent).hashes == assemble(kept, weights=kept_weights).hashes


def test_the_callers_dice_are_not_moved(kept: Path, kept_weights: Path):
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    assemble(kept, weights=kept_weights)
    assert torch.equal(torch.rand(1), expected)


def test_the_weights_card_names_the_preset(kept: Path, tmp_path: Path, save: Callable[..., Path]):
    wide = save(kept, tmp_path / "w.safetensors", preset="wide")
    assert assemble(kept, weights=wide).preset_name == "wide"
    with pytest.raises(GessoError, match=r"of the preset 'wide'.*leave --preset out"):
        assemble(kept, weights=wide, preset="small")


def test_an_unknown_preset_lists_the_known(toy: Path):
    with pytest.raises(GessoError, match="no preset 'huge'.*small, other"):
        assemble(toy, preset="huge")


def test_missing_weights_say_how_to_get_some(kept: Path):
    with pytest.raises(GessoError, match=r"no trained weights of 'kept' are shipped.*gesso train"):
        assemble(kept)


def test_untrained_builds_everything_from_the_seed(kept: Path):
    torch.manual_seed(0)
    one = assemble(kept, untrained=True)
    torch.manual_seed(0)
    two = assemble(kept, untrained=True)
    assert set(one.networks) == {"painter", "critic"} and one.hashes == {}
    assert all(p.requires_grad for p in one.networks["painter"].parameters())
    assert all(torch.equal(a, b) for a, b in zip(one.networks["painter"].parameters(), two.networks["painter"].parameters(), strict=True))


def test_weights_of_another_recipe_are_refused(kept: Path, tmp_path: Path, save: Callable[..., Path]):
    other = save(kept, tmp_path / "w.safetensors", card={"recipe": "colorize", "preset": "small"})
    with pytest.raises(GessoError, match="of 'colorize', not of 'kept'"):
        assemble(kept, weights=other)


def test_a_recipe_that_keeps_nothing_takes_no_weights(toy: Path, kept_weights: Path):
    with pytest.raises(GessoError, match="of 'kept', not of 'toy'"):
        assemble(toy, weights=kept_weights)


def test_weights_of_another_shape_are_refused(kept: Path, tmp_path: Path):
    path = tmp_path / "w.safetensors"
    save_weights(path, {"painter": {"0.weight": torch.zeros(3, 3)}}, {"recipe": "kept", "preset": "small"})
    with pytest.raises(GessoError, match="do not fit"):
        assemble(kept, weights=path)


def test_a_file_without_the_role_is_refused(kept: Path, tmp_path: Path):
    path = tmp_path / "w.safetensors"
    save_weights(path, {"someone": {"x": torch.zeros(1)}}, {"recipe": "kept", "preset": "small"})
    with pytest.raises(GessoError, match="holds no network 'painter'"):
        assemble(kept, weights=path)


def test_a_folder_without_weights_is_refused(kept: Path, tmp_path: Path):
    with pytest.raises(GessoError, match=r"no weights\.safetensors"):
        assemble(kept, weights=tmp_path)


@pytest.mark.parametrize("name", ["nothing", "os", "../toy", "", "recipe", "a" * 5000])
def test_an_unknown_recipe_is_refused(name: str):
    with pytest.raises(GessoError):
        assemble(name)


def test_parents_are_frozen_and_named(toy: Path, kept: Path, kept_weights: Path, other_weights: Path, monkeypatch: pytest.MonkeyPatch):
    child = replace(recipes.find(toy), uses={"eye": "kept"})
    monkeypatch.setattr(recipes, "find", lambda name, find=recipes.find: find(kept) if name == "kept" else find(name))
    made = assemble(child, weights=kept_weights)
    assert list(made.networks) == ["eye"]
    assert not any(p.requires_grad for p in made.networks["eye"].parameters())
    assert made.hashes == {"kept": read_weights(kept_weights).sha256}
    assert assemble(child, weights=other_weights).hashes != made.hashes


def test_a_network_that_is_not_kept_is_built_for_training_only(kept: Path, kept_weights: Path):
    built: list[str] = []

    def critic() -> torch.nn.Module:
        built.append("critic")
        return torch.nn.Linear(192, 1)

    found = recipes.find(kept)
    lazy = replace(found, build=lambda preset: {**found.build(preset), "critic": critic})
    assert list(assemble(lazy, weights=kept_weights).networks) == ["painter"] and not built
    assert set(assemble(lazy, untrained=True).networks) == {"painter", "critic"} and built == ["critic"]
