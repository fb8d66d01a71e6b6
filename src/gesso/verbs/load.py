"""Load: a recipe with its weights, ready in Python."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from torch import nn

from gesso.card import Card
from gesso.errors import GessoError
from gesso.families.family import Output
from gesso.media.budget import DEFAULT
from gesso.media.file import parse_json, read_bytes
from gesso.media.png import SIGNATURE
from gesso.recipes.recipe import Recipe
from gesso.record import Asked, parse_request, read_record
from gesso.request import Request
from gesso.verbs.assemble import Assembled, assemble
from gesso.verbs.generate import run
from gesso.verbs.result import Result, is_file


def load(name: str | Path | Recipe, *, preset: str | None = None, weights: str | Path | None = None) -> Model:
    """The model of a recipe's name, or of a recipe file's path.

    `weights` is a .safetensors file or a run's folder; None takes the shipped ones.
    """
    return Model(assemble(name, preset=preset, weights=weights))


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
        """
        conditions, settings = sort_out(self.card, given)
        if base is not None:
            asked = Request.from_json(read_request(base, self.card.name).model_dump(), self.card)
            conditions = {**asked.conditions, **conditions}
            settings = {**asked.settings.model_dump(), **settings}
            seed = asked.seed if seed is None else seed
        return Request.build(self.card, conditions, seed=seed or 0, settings=settings, weights=self.assembled.hashes, preset=self.preset)

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
        if num < 1:
            raise GessoError(f"{num} variations cannot be made", where="num", fix="give 1 or more")
        return (self.generate(seed=seed + number, **given) for number in range(num))

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


def read_request(path: str | Path, recipe: str) -> Asked:
    """A request from a file: its JSON, or the record of an output."""
    data = read_bytes(path, DEFAULT.max_bytes)
    value = None if data.startswith(SIGNATURE) else parse_json(data, where=path)
    if value is None or (isinstance(value, Mapping) and ("record" in value or "gesso" in value)):
        asked, left = (record := read_record(path)).request, record.left
        if left:
            raise GessoError(f"{' and '.join(left)} was too large to be kept in the record", where=path, fix="give it again as a flag")
    else:
        asked = parse_request(value, where=path)
    if asked.recipe != recipe:
        raise GessoError(f"this is a request for {asked.recipe!r}, not for {recipe!r}", where=path, fix=f"gesso generate {asked.recipe}")
    return asked
