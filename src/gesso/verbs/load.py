"""Load: a recipe with its weights, for use from Python."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import nn

from gesso import recipes
from gesso.card import Card
from gesso.errors import GessoError
from gesso.families.family import Output
from gesso.number import whole
from gesso.recipes.recipe import Recipe
from gesso.request import Request
from gesso.verbs.assemble import Assembled, GivenWeights
from gesso.verbs.generate import make
from gesso.verbs.read_request import assemble_for, files_of, read_request, request_of
from gesso.verbs.result import Result


def load(
    name: str | Path | Recipe,
    *,
    preset: str | None = None,
    weights: GivenWeights = None,
    base: str | Path | None = None,
    device: str | None = None,
) -> Model:
    """The model of a recipe, given by its name or by the path of its file.

    `weights` is a .safetensors file or a run's folder, or several, by role: {"codec": "runs/vq"}; None takes the shipped ones. `device`
    is where networks run, such as "cpu" or "cuda" (None: what is there). `base` is the file of a request, or an
    output with its record inside, which the model is to make: preset and weights are the file's unless given here.
    GessoError where the weights at hand are not those that the file asks for.
    """
    recipe = recipes.find(name)
    file = None if base is None else read_request(base, recipe.name)
    return Model(assemble_for(recipe, preset=preset, weights=weights, base=file, device=device))


class Model:
    """A recipe's networks with their weights, and what they can make."""

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
        """Networks by role, frozen parents among them."""
        return self.assembled.networks

    @property
    def network(self) -> nn.Module:
        """The recipe's only network, or its only parent's, in eval mode."""
        kept = [role for role in self.networks if role in self.recipe.keeps] or list(self.networks)
        if len(kept) != 1:
            raise GessoError(
                f"{self.card.name} has {len(kept)} networks", where="network", fix=f"networks[…], one of {', '.join(kept) or 'none'}"
            )
        return self.networks[kept[0]]

    def request(
        self, *, seed: int | None = None, base: str | Path | None = None, merge: Sequence[str | Path] = (), **given: Any
    ) -> Request:
        """A checked request. `given` holds conditions and settings by the card's names.

        `base` is the file of a request's JSON, or an output with its record inside; `given` overrides what it holds. Preset and
        weights are this model's: `load(…, base=…)` loads the file's. `merge` are more such files, of other branches of the same
        drawing: their hints and other conditions are joined with those of `base`.
        """
        file = None if base is None else read_request(base, self.card.name)
        if merge and file is None:
            raise GessoError("there is nothing to merge it with", where="merge", fix="give base= too")
        merged = [read_request(one, self.card.name) for one in merge]
        return request_of(self.assembled, given, seed=seed, base=file, merged=merged)

    def make(
        self,
        request: Request,
        *,
        on_output: Callable[[Output], None] | None = None,
        threads: int | None = None,
        files: Mapping[str, str] | None = None,
    ) -> Result:
        """The outputs of a request, with their record."""
        return make(self.assembled, request, on_output=on_output, threads=threads, files=files)

    def generate(
        self, *, seed: int = 0, on_output: Callable[[Output], None] | None = None, threads: int | None = None, **given: Any
    ) -> Result:
        """Make one output: `generate(sketch="cat.png", hints=[(30, 40, "#f80")], seed=5).image`.

        A condition is a file's path, bytes, a Pillow image, an array, or a value of the condition's own class.
        `on_output` is called with each preview.
        """
        return self.make(self.request(seed=seed, **given), on_output=on_output, threads=threads, files=self.files_of(given))

    def variations(self, num: int, *, seed: int = 0, **given: Any) -> Iterator[Result]:
        """`num` outputs, made one after another, of the seeds `seed`, `seed + 1`, …"""
        many, first = whole(num, where="num", low=1), whole(seed, where="seed", low=0)
        return (self.generate(seed=first + number, **given) for number in range(many))

    def files_of(self, given: Mapping[str, Any]) -> dict[str, str]:
        """{condition: name of the file it was read from, without the folder}."""
        return files_of(self.card, given)
