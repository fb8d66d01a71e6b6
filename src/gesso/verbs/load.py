"""Load: a recipe with its weights, ready in Python."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from torch import nn

from gesso import recipes
from gesso.card import Card
from gesso.errors import GessoError
from gesso.families.family import Output
from gesso.media.budget import budget_of
from gesso.media.file import parse_json, read_bytes, shown
from gesso.number import whole
from gesso.recipes.recipe import Recipe
from gesso.record import Asked, carries, parse_request, record_in
from gesso.request import Request
from gesso.verbs.assemble import Assembled, assemble, weights_file
from gesso.verbs.generate import run
from gesso.verbs.result import Result, is_file
from gesso.weights.store import read_weights, shipped


def load(
    name: str | Path | Recipe, *, preset: str | None = None, weights: str | Path | None = None, base: str | Path | None = None
) -> Model:
    """The model of a recipe's name, or of a recipe file's path.

    `weights` is a .safetensors file or a run's folder; None takes the shipped ones. `base` is the file of a request, or of an
    output with its record inside, which the model is to make: preset and weights are the file's unless given here, and
    GessoError says which weights it needs where those at hand are others.
    """
    if base is None:
        return Model(assemble(name, preset=preset, weights=weights))
    recipe = name if isinstance(name, Recipe) else recipes.find(name)
    asked = read_request(base, recipe.name)
    wanted = asked.preset if preset is None and not _names_preset(weights, recipe.name) else preset
    if wanted and wanted not in recipe.presets:
        raise GessoError(f"{recipe.name} has no preset {wanted!r}", where=f"{base}: preset", fix="one of " + ", ".join(recipe.presets))
    model = Model(assemble(recipe, preset=wanted or None, weights=weights))
    if weights is None:
        _check_weights(asked, model, base)
    return model


class Model:
    """A recipe's networks and what can be asked of them."""

    def __init__(self, assembled: Assembled) -> None:
        self.assembled = assembled

    def __repr__(self) -> str:
        held = ", ".join(f"{role}: {sum(p.numel() for p in network.parameters()) / 1e6:.2f} M" for role, network in self.networks.items())
        return f"Model({self.card.name}, preset={self.preset!r}, {held or 'no networks'})"

    @property
    def card(self) -> Card:
        return self.assembled.recipe.card

    @property
    def recipe(self) -> Recipe:
        return self.assembled.recipe

    @property
    def preset(self) -> str:
        return self.assembled.preset_name

    @property
    def networks(self) -> dict[str, nn.Module]:
        """By role, frozen parents among them."""
        return self.assembled.networks

    @property
    def network(self) -> nn.Module:
        """The network, a plain nn.Module in eval: the recipe's only one, or its only parent's."""
        kept = [role for role in self.networks if role in self.recipe.keeps] or list(self.networks)
        if len(kept) != 1:
            raise GessoError(
                f"{self.card.name} has {len(kept)} networks", where="network", fix=f"networks[…], one of {', '.join(kept) or 'none'}"
            )
        return self.networks[kept[0]]

    def request(self, *, seed: int | None = None, base: str | Path | None = None, **given: Any) -> Request:
        """A checked request. Names that the card lists as conditions are conditions; the rest are settings.

        `base` is the file of a request's JSON, or of an output with its record inside; what is given besides takes its place.
        Preset and weights are this model's: `load(…, base=…)` loads the file's.
        """
        conditions, settings = sort_out(self.card, given)
        if base is not None:
            asked = read_request(base, self.card.name, conditions)
            held = {name: self.card.slot(name).from_json(value) for name, value in asked.conditions.items() if name not in conditions}
            conditions = {**held, **conditions}
            settings = {**asked.settings, **settings}
            seed = asked.seed if seed is None else seed
        number = 0 if seed is None else seed  # False is no seed, and neither is ""
        return Request.build(self.card, conditions, seed=number, settings=settings, weights=self.assembled.hashes, preset=self.preset)

    def make(
        self,
        request: Request,
        *,
        on_output: Callable[[Output], None] | None = None,
        threads: int | None = None,
        files: Mapping[str, str] | None = None,
    ) -> Result:
        """What a request asks for."""
        return run(self.assembled, request, on_output=on_output, threads=threads, files=files)

    def generate(
        self, *, seed: int = 0, on_output: Callable[[Output], None] | None = None, threads: int | None = None, **given: Any
    ) -> Result:
        """Make one output: `generate(sketch="cat.png", hints=[(30, 40, "#f80")], seed=5).image`.

        Conditions are given as a file's path, bytes, a Pillow image, an array, or a value of the condition's own kind.
        `on_output` is shown each preview.
        """
        return self.make(self.request(seed=seed, **given), on_output=on_output, threads=threads, files=self.files_of(given))

    def variations(self, num: int, *, seed: int = 0, **given: Any) -> Iterator[Result]:
        """`num` outputs of the seeds from `seed` on, one after another, as from `generate`."""
        many, first = whole(num, where="num", low=1), whole(seed, where="seed", low=0)
        return (self.generate(seed=first + number, **given) for number in range(many))

    def files_of(self, given: Mapping[str, Any]) -> dict[str, str]:
        """The names, without folders, of the files that conditions come from."""
        slots = {slot.name for slot in self.card.conditions}
        return {name: Path(value).name for name, value in given.items() if name in slots and is_file(value)}


def sort_out(card: Card, given: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Conditions and settings by name; a name that is neither is a GessoError that lists both."""
    slots = [slot.name for slot in card.conditions]
    fields = list(card.settings.model_fields)
    for name in given:
        if name not in slots and name not in fields:
            raise GessoError(
                f"{card.name} has no condition or setting {name!r}",
                where=name,
                fix=f"conditions: {', '.join(slots) or 'none'}; settings: {', '.join(fields) or 'none'}",
            )
    return {k: v for k, v in given.items() if k in slots}, {k: v for k, v in given.items() if k not in slots and v is not None}


def read_request(path: str | Path, recipe: str, given: Collection[str] | None = None) -> Asked:
    """A request from a file: its JSON, or the record of an output.

    `given` are the conditions that somebody gives besides: GessoError where the record left out another. None is not asking.
    """
    data = read_bytes(path, budget_of(path).max_bytes)
    value = None if carries(data) else parse_json(data, where=path)
    if value is None or (isinstance(value, Mapping) and ("record" in value or "gesso" in value)):
        asked, left = (record := record_in(data, where=shown(path))).request, record.left
        absent = [] if given is None else [name for name in left if name not in given]
        if absent:
            raise GessoError(f"{' and '.join(absent)} was too large to be kept in the record", where=path, fix="give it again as a flag")
    else:
        asked = parse_request(value, where=path)
    if asked.recipe != recipe:
        raise GessoError(f"this is a request for {asked.recipe!r}, not for {recipe!r}", where=path, fix=f"gesso generate {asked.recipe}")
    return asked


def _names_preset(weights: str | Path | None, recipe: str) -> bool:
    """Do these weights say which preset of the recipe they are of."""
    card = {} if weights is None else read_weights(weights_file(weights)).card
    return card.get("recipe") == recipe and bool(card.get("preset"))


def _check_weights(asked: Asked, model: Model, base: str | Path) -> None:
    """GessoError where the request in the file `base` names other weights than the model has."""
    held = model.assembled.hashes
    for name, wanted in asked.weights.items():
        if held.get(name) != wanted:
            here = shipped(name)
            has = held.get(name, "none")[:16]
            use = "" if here is None else f", or --weights {here} for those shipped here"
            raise GessoError(
                f"it asks for weights of {shown(name)} with sha256 {shown(wanted[:16])}…, and those here have {has}…",
                where=f"{base}: weights",
                fix=f"--weights FILE with the ones it asks for{use}",
            )
