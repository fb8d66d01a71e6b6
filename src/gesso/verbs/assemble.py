"""Assemble: a recipe's networks, built and loaded with their weights. Every other verb starts from it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from gesso import recipes
from gesso.errors import GessoError
from gesso.families.family import STATE, Fits
from gesso.recipes.recipe import Recipe
from gesso.training.device import find as find_device
from gesso.weights.overlay import layered_over
from gesso.weights.store import Weights, load_into, read_network, read_weights, shipped

if TYPE_CHECKING:
    from torch import Tensor, nn

GivenWeights = Path | str | Sequence[Path | str] | Mapping[str, Path | str] | None
UNTRAINED = "untrained"  # in place of a parent's weights
WEIGHTS_FILE = "weights.safetensors"  # in a run's folder


@dataclass(frozen=True)
class Assembled:
    """A recipe with its networks by role, frozen parents among them, all in eval mode, for the data that its weights know.

    `hashes` {recipe's name: sha256 of its weights file} for the recipe itself and for each parent; `cards` {recipe's name: the card
    inside that file}; `state` is the family's own, by name.
    """

    recipe: Recipe
    preset_name: str
    preset: Any
    networks: dict[str, nn.Module]
    hashes: dict[str, str] = field(default_factory=dict)
    cards: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    state: Mapping[str, Tensor] = field(default_factory=dict)

    @property
    def device(self) -> torch.device:
        """Where the networks are."""
        return next((p.device for network in self.networks.values() for p in network.parameters()), torch.device("cpu"))


def assemble(
    recipe: Recipe | str | Path,
    *,
    preset: str | None = None,
    weights: GivenWeights = None,
    untrained: bool = False,
    facts: Mapping[str, Any] | None = None,
    device: str | None = "cpu",
    fitting: bool = False,
) -> Assembled:
    """The recipe's networks with their weights.

    `weights` is a .safetensors file or a run's folder, of this recipe or of one that it uses as a frozen parent, or a folder of another
    library for a recipe that `opens` one; several are given as a list, or by role: {"codec": "runs/vq"}, or the text "codec=runs/vq". A
    parent may be "untrained". A network of the recipe's own may come from a safetensors file of another program, by its role. An overlay
    goes over the recipe's own weights. None takes the shipped ones. A recipe that keeps no weights needs none.
    `untrained` builds all of the recipe's own networks with random parameters (seed torch first), for data with these `facts`.
    `device` is where the networks go (None: what is there). `fitting` keeps the conditions that only a fit reads.
    GessoError where weights are missing, or belong to another recipe or preset.
    """
    made = recipes.find(recipe)
    given = parse_weights(made, weights)
    own = None if untrained and given.own is None else given.own or _own_weights(made, preset)
    preset_name, chosen = _preset(made, preset, own)
    if own and own.card.get("preset") not in (None, "", preset_name):
        raise GessoError(
            f"these are weights of the preset {own.card['preset']!r}",
            where=own.path,
            fix=f"leave --preset out, or --preset {own.card['preset']}",
        )
    networks, hashes, cards, told = _parents(made, given.parents)
    known = {**(own.card.get("facts", {}) if own and facts is None else facts or {}), **told}
    made = made.with_facts(known) if known or own else made
    made = made if fitting else replace(made, card=made.card.for_generating())
    states = {} if own is None else layered_over(own, given.overlays) if given.overlays else own.states
    networks |= _build(made, chosen, own, states)
    if own:
        hashes[made.name], cards[made.name] = own.sha256, own.card
        hashes |= {f"{made.name}:overlay{n}": one.sha256 for n, one in enumerate(given.overlays, 1)}
    where = find_device(device)
    if where.type != "cpu":
        networks = {role: network.to(where) for role, network in networks.items()}
    return Assembled(made, preset_name, chosen, networks, hashes, cards, states.get(STATE, {}))


def _preset(recipe: Recipe, name: str | None, own: Weights | None) -> tuple[str, Any]:
    """The name of the preset and the preset: the one asked for, that of the weights, or the recipe's default."""
    if own is not None and own.preset is not None:
        if name:
            raise GessoError("these weights have a size of their own", where=own.path, fix="leave --preset out")
        return "", own.preset
    name = name or (str(own.card.get("preset") or "") if own else "") or recipe.default_preset
    return name, recipe.preset(name)


def read_for(recipe: Recipe, place: Path | str) -> Weights:
    """The weights at a place: a weights file, a run's folder, or a folder of another library that the recipe opens."""
    path = Path(place)
    if recipe.opens is not None and path.is_dir() and not (path / WEIGHTS_FILE).is_file():
        return recipe.opens(path)
    return read_weights(weights_file(place))


def weights_file(place: Path | str) -> Path:
    """The weights file at `place`, a file or a run's folder."""
    path = Path(place)
    if path.is_dir():
        inside = path / WEIGHTS_FILE
        if not inside.is_file():
            raise GessoError(
                f"this folder holds no {WEIGHTS_FILE}",
                where=path,
                fix="give a run's folder (gesso train … --out runs/x) or a .safetensors file",
            )
        return inside
    return path


@dataclass
class WeightsByRole:
    """Weights as they were given: the recipe's `own`, `overlays` in order, and those of `parents` by role (None: untrained)."""

    own: Weights | None = None
    overlays: list[Weights] = field(default_factory=list)
    parents: dict[str, Weights | None] = field(default_factory=dict)
    networks: dict[str, Weights] = field(default_factory=dict)  # single ones of the recipe's own


def parse_weights(recipe: Recipe, given: GivenWeights) -> WeightsByRole:
    """Read the weights that a user gave and find out what each is for; GessoError where one is for nothing here."""
    parsed = WeightsByRole()
    for role, place in named_places(given):
        if role in recipe.uses and str(place) == UNTRAINED:
            parsed.parents[role] = None
            continue
        if role in recipe.keeps and role not in recipe.uses and role != recipe.name:
            parsed.networks[role] = read_network(weights_file(place), role)
            continue
        read = read_for(_taker(recipe, role), place)
        named = read.card.get("recipe")
        roles = [role] if role else [one for one, used in recipe.uses.items() if recipes.name_of(used) == named]
        if not set(roles) <= set(recipe.uses) | {recipe.name}:
            known = ", ".join([*recipe.uses, *recipe.keeps, *[recipe.name] * bool(recipe.keeps)]) or "none: it keeps no weights"
            raise GessoError(f"{recipe.name} has no role {role!r}", where="--weights", fix=f"one of {known}")
        if roles and roles != [recipe.name]:
            parsed.parents |= dict.fromkeys(roles, read)
        elif named not in (None, recipe.name) or not recipe.keeps:
            wanted = " or ".join([recipe.name] * bool(recipe.keeps) + recipes.used_by(recipe))
            wanted = wanted or "nothing: this recipe keeps no weights"
            raise GessoError(f"these are weights of {named!r}, not of {recipe.name!r}", where=read.path, fix=f"give weights of {wanted}")
        elif "over" in read.card:
            parsed.overlays.append(read)
        elif parsed.own is not None:
            raise GessoError(f"{parsed.own.path} and {read.path} are both weights of {recipe.name}", where="--weights", fix="give one")
        else:
            parsed.own = read
    if parsed.networks:
        parsed.own = _with_networks(recipe, parsed.own, parsed.networks)
    return parsed


def _taker(recipe: Recipe, role: str) -> Recipe:
    """The recipe that a place without a weights file would be for: that of the role, or the first of all that opens such folders."""
    takers = [recipes.find(recipe.uses[role])] if role in recipe.uses else [recipe, *map(recipes.find, recipe.uses.values())]
    return next((one for one in takers if one.opens is not None), recipe)


def _with_networks(recipe: Recipe, own: Weights | None, given: Mapping[str, Weights]) -> Weights:
    """The recipe's own weights with networks from other files. Their hash is one of all files'."""
    states = {**({} if own is None else own.states), **{role: one.states[role] for role, one in given.items()}}
    missing = [role for role in recipe.keeps if role not in states and role != STATE]
    if missing:
        what = f"{recipe.name} keeps {' and '.join(missing)} too"
        raise GessoError(what, where="--weights", fix=" ".join(f"--weights {role}=FILE" for role in missing))
    lines = ["" if own is None else own.sha256, *(f"{role} {one.sha256}" for role, one in sorted(given.items()))]
    card = {"recipe": recipe.name} if own is None else own.card
    return Weights(states, card, hashlib.sha256("\n".join(lines).encode()).hexdigest(), next(iter(given.values())).path)


def places(given: GivenWeights) -> list[Path | str]:
    """The files and folders among given weights."""
    return [place for _, place in named_places(given)]


def named_places(given: GivenWeights) -> list[tuple[str, Path | str]]:
    """(role, place) of each; the role is "" where the file itself says what it is for."""
    if given is None:
        return []
    if isinstance(given, Mapping):
        return [(str(role), place) for role, place in given.items()]
    several = [given] if isinstance(given, (str, Path)) else list(given)
    return [one for part in several for one in _named(part)]


def _named(place: Path | str) -> list[tuple[str, Path | str]]:
    match = re.fullmatch(r"([a-z][a-z0-9_.]*)=(.+)", str(place), re.DOTALL)
    return [("", place)] if match is None or Path(place).exists() else [(match[1], match[2])]


def _own_weights(recipe: Recipe, preset: str | None) -> Weights | None:
    """The shipped weights of a recipe that keeps any, for this preset where there are some for it alone."""
    if not recipe.keeps:
        return None
    path = shipped(recipe.name, preset)
    if path is None and recipe.opens is not None and not recipe.stages(recipe.preset(None)):
        what = f"{recipe.name} makes nothing without weights of another library"
        raise GessoError(what, where="--weights", fix="--weights FOLDER, where they lie on this machine")
    if path is None:
        raise GessoError(
            f"no trained weights of {recipe.name!r} are shipped",
            where="--weights",
            fix=f"{_command(recipe)} --out runs/{recipe.name}, then --weights runs/{recipe.name}",
        )
    return read_weights(path)


def _command(recipe: Recipe) -> str:
    """How weights of a recipe are made: by a training, or by a fit where it has none."""
    preset = recipe.preset(None)
    if recipe.stages(preset) or not isinstance(recipe.family(preset), Fits):
        return f"train some: gesso train {recipe.name}"
    return f"fit some: gesso fit {recipe.name}{' --data FOLDER' if recipe.data else ''}"


def _parents(
    recipe: Recipe, given: Mapping[str, Weights | None]
) -> tuple[dict[str, nn.Module], dict[str, str], dict[str, Mapping[str, Any]], dict[str, Any]]:
    """Frozen parents by role, with hashes, cards, and what they know of their data, by role.fact; and of their presets, what a slot asks
    for as role.preset.FIELD.

    A parent's only network is named as the role. Of several, the one that has the role's name is too, and others are role.name.
    """
    networks: dict[str, nn.Module] = {}
    hashes: dict[str, str] = {}
    cards: dict[str, Mapping[str, Any]] = {}
    told: dict[str, Any] = {}
    asked = {fact for slot in recipe.card.conditions for fact in slot.facts.values()}
    for role, used in recipe.uses.items():
        held = given.get(role)
        untrained = role in given and held is None
        with torch.random.fork_rng(devices=[]):  # an untrained parent is the same one each time
            torch.manual_seed(0)
            parent = assemble(used, weights=None if held is None else held.path, untrained=untrained)
        kept = tuple(inner for inner in parent.recipe.keeps or parent.networks if inner != STATE)
        for inner in kept:
            networks[role if len(kept) == 1 or inner == role else f"{role}.{inner}"] = parent.networks[inner].requires_grad_(False).eval()
        for other, sha256 in parent.hashes.items():
            clashes = hashes.get(other, sha256) != sha256  # two roles with different weights of one recipe
            hashes[f"{role}:{other}" if clashes else other] = sha256
        cards |= parent.cards
        told |= {f"{role}.{name}": value for name, value in parent.recipe.known.items()}
        start = f"{role}.preset."
        told |= {fact: getattr(parent.preset, fact.removeprefix(start)) for fact in asked if fact.startswith(start)}
    return networks, hashes, cards, told


def _build(recipe: Recipe, preset: Any, weights: Weights | None, states: Mapping[str, Mapping[str, Tensor]]) -> dict[str, nn.Module]:
    """The recipe's networks: all of them without weights, else those that it keeps, loaded."""
    if weights is None:
        return {role: network.eval() for role, network in recipe.networks(preset).items()}
    if weights.networks is not None:
        return {role: network.eval() for role, network in weights.networks(preset).items()}
    roles = [role for role in recipe.keeps if role != STATE]
    with torch.random.fork_rng(devices=[]):  # parameters that are replaced at once must not advance the caller's generator
        networks = recipe.networks(preset, roles)
    for role in roles:
        if role not in states:
            raise GessoError(
                f"the file holds no network {role!r}",
                where=weights.path,
                fix=f"give weights of {recipe.name}, which keeps {', '.join(recipe.keeps)}",
            )
        load_into(networks[role], states[role], where=f"{weights.path}: {role}")
    return {role: networks[role].eval() for role in roles}
