"""A request from names and values, and from files: a request's JSON, or an output with its record inside."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gesso import recipes
from gesso.card import Card, named_errors
from gesso.conditions.branches import joined
from gesso.conditions.condition import Condition
from gesso.errors import GessoError
from gesso.media.file import parse_json, printable, read_bytes
from gesso.media.medium import budget_of, carrier
from gesso.recipes.recipe import Recipe
from gesso.record import RecordedRequest, parse_request, record_in, record_place
from gesso.request import Request
from gesso.verbs.assemble import Assembled, GivenWeights, assemble, parse_weights
from gesso.verbs.result import is_file
from gesso.weights.store import shipped


@dataclass(frozen=True)
class RequestFile:
    """A request as a file holds it. `left_out` are conditions that were too large for the record."""

    path: str | Path
    asked: RecordedRequest
    left_out: tuple[str, ...] = ()

    def check_complete(self, given: Collection[str]) -> None:
        """GessoError where a condition that the record left out is not among those `given`."""
        absent = [name for name in self.left_out if name not in given]
        if absent:
            what = f"{' and '.join(absent)} was too large to be kept in the record"
            raise GessoError(what, where=self.path, fix="give it again as a flag")


def read_request(path: str | Path, recipe: str) -> RequestFile:
    """The request in a file; GessoError where there is none, or where it is for another recipe."""
    place = record_place(path)
    data = read_bytes(place, budget_of(place).max_bytes)
    value = None if carrier(data) else parse_json(data, where=path)
    if value is None or (isinstance(value, Mapping) and ("record" in value or "gesso" in value)):
        record = record_in(data, where=printable(path))
        file = RequestFile(path, record.request, tuple(record.left))
    else:
        file = RequestFile(path, parse_request(value, where=path))
    asked = file.asked.recipe
    if asked != recipe:
        raise GessoError(f"this is a request for {asked!r}, not for {recipe!r}", where=path, fix=f"gesso generate {asked}")
    return file


def assemble_for(
    recipe: Recipe | str | Path,
    *,
    preset: str | None = None,
    weights: GivenWeights = None,
    base: RequestFile | None = None,
    device: str | None = None,
) -> Assembled:
    """The recipe's networks for the request in `base`: its preset and weights, unless others are given here.

    GessoError where the weights at hand are not those that the file asks for.
    """
    if base is None:
        return assemble(recipe, preset=preset, weights=weights, device=device)
    found = recipes.find(recipe)
    wanted = base.asked.preset if preset is None and not _name_preset(found, weights) else preset
    if wanted and wanted not in found.presets:
        raise GessoError(f"{found.name} has no preset {wanted!r}", where=f"{base.path}: preset", fix="one of " + ", ".join(found.presets))
    assembled = assemble(found, preset=wanted or None, weights=weights, device=device)
    if weights is None:
        _check_weights(base, assembled)
    return assembled


def request_of(
    assembled: Assembled,
    given: Mapping[str, Any],
    *,
    seed: int | None = None,
    base: RequestFile | None = None,
    merged: Sequence[RequestFile] = (),
) -> Request:
    """A checked request for these networks. `given` holds conditions and settings by name, and overrides those of `base`.

    `merged` are files of other branches, whose conditions are joined with those of `base`: marks of all are kept, and where two say
    something else of the same, the later file wins. GessoError where they are of another drawing.
    """
    card = assembled.recipe.card
    conditions, settings = split(card, given)
    if base is not None:
        base.check_complete(conditions)
        kept = {name: card.slot(name).from_json(value) for name, value in base.asked.conditions.items() if name not in conditions}
        for file in merged:
            _merge(card, kept, file, conditions)
        conditions, settings = {**kept, **conditions}, {**base.asked.settings, **settings}
        seed = base.asked.seed if seed is None else seed
    number = 0 if seed is None else seed  # False and "" are not None: Request refuses them
    return Request.build(
        card, conditions, seed=number, settings=settings, weights=assembled.hashes, preset=assembled.preset_name
    )  # fmt: skip


def _merge(card: Card, kept: dict[str, Condition], file: RequestFile, given: Collection[str]) -> None:
    """Join the conditions of a file with those `kept`, but for those that are `given` anew."""
    file.check_complete(given)
    for name, given_there in file.asked.conditions.items():
        slot = card.slot(name)
        later = slot.from_json(given_there)
        if name in given:
            continue
        if slot.required and name in kept and kept[name] != later:
            fix = f"merge outputs of the same {name}, or give --{name.replace('_', '-')}"
            raise GessoError(f"it has another {name}", where=file.path, fix=fix)
        with named_errors(name, slot.kind):
            value = joined(kept.get(name), later, None)
        if value is not None:
            kept[name] = value


def split(card: Card, given: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Conditions and settings by name. GessoError lists both where a name is neither."""
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


def files_of(card: Card, given: Mapping[str, Any]) -> dict[str, str]:
    """{condition: name of the file it was read from, without the folder}."""
    slots = {slot.name for slot in card.conditions}
    return {name: Path(value).name for name, value in given.items() if name in slots and is_file(value)}


def _name_preset(recipe: Recipe, weights: GivenWeights) -> bool:
    """Do the recipe's own weights among these name a preset."""
    own = parse_weights(recipe, weights).own
    return own is not None and bool(own.card.get("preset"))


def _check_weights(base: RequestFile, assembled: Assembled) -> None:
    """GessoError where the request in a file names weights other than those assembled."""
    for name, wanted in base.asked.weights.items():
        if assembled.hashes.get(name) != wanted:
            here = shipped(name)
            has = assembled.hashes.get(name, "none")[:16]
            use = "" if here is None else f", or --weights {here} for those shipped here"
            raise GessoError(
                f"it asks for weights of {printable(name)} with sha256 {printable(wanted[:16])}…, and those here have {has}…",
                where=f"{base.path}: weights",
                fix=f"--weights FILE with the ones it asks for{use}",
            )
