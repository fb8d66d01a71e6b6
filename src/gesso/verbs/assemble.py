"""Assemble: a recipe's networks, built and loaded with their weights. Every other verb starts from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from gesso import recipes
from gesso.errors import GessoError
from gesso.recipes.recipe import Recipe
from gesso.weights.store import load_into, read_weights, shipped

if TYPE_CHECKING:
    from torch import nn

    from gesso.weights.store import Weights


@dataclass(frozen=True)
class Assembled:
    """A recipe with its networks by role, frozen parents among them, all in eval mode.

    `hashes` {recipe's name: sha256 of its weights file} for the recipe itself and for each parent; `facts` {recipe's
    name: the card inside that file}.
    """

    recipe: Recipe
    preset_name: str
    preset: Any
    networks: dict[str, nn.Module]
    hashes: dict[str, str] = field(default_factory=dict)
    facts: dict[str, Mapping[str, Any]] = field(default_factory=dict)


def assemble(
    recipe: Recipe | str | Path, *, preset: str | None = None, weights: Path | str | None = None, untrained: bool = False
) -> Assembled:
    """The recipe's networks with their weights.

    `weights` is a .safetensors file or a run's folder (of this recipe, or of a recipe it uses as a frozen parent); None takes
    the shipped ones. A recipe that keeps no weights needs none. `untrained` builds all of the recipe's own networks with random
    parameters (seed torch first) and loads its parents only.
    GessoError where weights are missing, or belong to another recipe or preset.
    """
    made = recipes.find(recipe)
    own, parents = _weights_of(made, weights, untrained)
    preset_name = preset or (str(own.card.get("preset") or "") if own else "") or made.default_preset
    chosen = made.preset(preset_name)
    if own and own.card.get("preset") not in (None, "", preset_name):
        raise GessoError(
            f"these are weights of the preset {own.card['preset']!r}",
            where=own.path,
            fix=f"leave --preset out, or --preset {own.card['preset']}",
        )
    networks, hashes, facts = _parents(made, parents)
    networks |= _build(made, chosen, own)
    if own:
        hashes[made.name], facts[made.name] = own.sha256, own.card
    return Assembled(made, preset_name, chosen, networks, hashes, facts)


def weights_file(place: Path | str) -> Path:
    """The weights file at `place`, a file or a run's folder."""
    path = Path(place)
    if path.is_dir():
        inside = path / "weights.safetensors"
        if not inside.is_file():
            raise GessoError(
                "this folder holds no weights.safetensors",
                where=path,
                fix="give a run's folder (gesso train … --out runs/x) or a .safetensors file",
            )
        return inside
    return path


def _weights_of(recipe: Recipe, given: Path | str | None, untrained: bool) -> tuple[Weights | None, dict[str, Weights]]:
    """The recipe's own weights, if it keeps any, and weights given for one of its parents, by the parent's name."""
    parents: dict[str, Weights] = {}
    own: Weights | None = None
    if given is not None:
        read = read_weights(weights_file(given))
        named = read.card.get("recipe")
        if named in recipe.uses.values():
            parents[str(named)] = read
        elif named in (None, recipe.name) and recipe.keeps:
            own = read
        else:
            wanted = (
                " or ".join([recipe.name] * bool(recipe.keeps) + sorted(set(recipe.uses.values())))
                or "nothing: this recipe keeps no weights"
            )
            raise GessoError(f"these are weights of {named!r}, not of {recipe.name!r}", where=read.path, fix=f"give weights of {wanted}")
    if own is None and recipe.keeps and not untrained:
        own = _shipped_weights(recipe)
    return own, parents


def _shipped_weights(recipe: Recipe) -> Weights:
    path = shipped(recipe.name)
    if path is None:
        raise GessoError(
            f"no trained weights of {recipe.name!r} are shipped",
            where="--weights",
            fix=f"train some: gesso train {recipe.name} --out runs/{recipe.name}, then --weights runs/{recipe.name}",
        )
    return read_weights(path)


def _parents(recipe: Recipe, given: Mapping[str, Weights]) -> tuple[dict[str, nn.Module], dict[str, str], dict[str, Mapping[str, Any]]]:
    """Frozen parents by role, with hashes and cards. The networks of a parent that keeps several are named role.name."""
    networks: dict[str, nn.Module] = {}
    hashes: dict[str, str] = {}
    facts: dict[str, Mapping[str, Any]] = {}
    for role, name in recipe.uses.items():
        parent = assemble(name, weights=given[name].path if name in given else None)
        kept = parent.recipe.keeps or tuple(parent.networks)
        for inner in kept:
            networks[role if len(kept) == 1 else f"{role}.{inner}"] = parent.networks[inner].requires_grad_(False).eval()
        hashes |= parent.hashes
        facts |= parent.facts
    return networks, hashes, facts


def _build(recipe: Recipe, preset: Any, weights: Weights | None) -> dict[str, nn.Module]:
    """The recipe's networks: all of them without weights, else those that it keeps, loaded."""
    if weights is None:
        return {role: network.eval() for role, network in recipe.networks(preset).items()}
    with torch.random.fork_rng(devices=[]):  # parameters that are replaced at once must not advance the caller's generator
        networks = recipe.networks(preset, recipe.keeps)
    for role in recipe.keeps:
        if role not in weights.states:
            raise GessoError(
                f"the file holds no network {role!r}",
                where=weights.path,
                fix=f"give weights of {recipe.name}, which keeps {', '.join(recipe.keeps)}",
            )
        load_into(networks[role], weights.states[role], where=f"{weights.path}: {role}")
    return {role: networks[role].eval() for role in recipe.keeps}
