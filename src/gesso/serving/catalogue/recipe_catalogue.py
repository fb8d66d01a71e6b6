"""The recipes of a server: their cards as the API tells them, and their networks, loaded when they are first needed."""

from __future__ import annotations

import json
import logging
import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from gesso import recipes
from gesso.card import Card
from gesso.errors import GessoError
from gesso.record import plain
from gesso.serving.catalogue.card_cache import CardCache, Cards
from gesso.serving.http_errors import UnknownId
from gesso.serving.settings import Settings

if TYPE_CHECKING:
    from gesso.recipes.recipe import Recipe
    from gesso.serving.storage.user_weights import UserWeights
    from gesso.verbs.assemble import Assembled

CARDS = "cards.json"  # in the home
SUMMARY = ("name", "title", "summary", "ready")  # what a list says of a recipe

log = logging.getLogger("gesso.serving")


class Catalogue:
    """Recipes by their cards' names. Cards may be asked for from any thread; `assembled` from the one that renders.

    What is told of cards (`lines`, `told`) needs no recipe loaded, where a server before this one kept it.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings, self._lock = settings, threading.Lock()
        self._recipes: dict[str, Recipe] | None = None
        self._loaded: OrderedDict[tuple[str, str, str], Assembled] = OrderedDict()
        self._cards: Cards | None = None
        self._kept: CardCache | None = None
        if settings.recipes is not None:  # what was asked for by name must be there
            self._recipes = {one.name: one for one in map(recipes.find, settings.recipes)}
        else:
            self._kept = CardCache(settings.home / CARDS)

    def recipes(self) -> dict[str, Recipe]:
        with self._lock:
            if self._recipes is None:
                found: dict[str, Recipe] = {}
                for name in recipes.names():
                    try:
                        one = recipes.find(name)
                    except Exception:  # a stranger's plug-in must not take the others along
                        log.exception("the recipe %r cannot be read", name)
                    else:
                        found[one.name] = one
                self._keep_cards(found)
                self._recipes = found
            return self._recipes

    def _keep_cards(self, found: Mapping[str, Recipe]) -> None:
        fresh = json.loads(json.dumps({name: recipe_json(one) for name, one in found.items()}))  # as it would be read again
        if self._kept is not None and fresh != (self._cards or self._kept.read()):
            self._kept.keep(fresh)
        self._cards = fresh

    def recipe(self, name: str) -> Recipe:
        found = self.recipes().get(name) if isinstance(name, str) else None
        if found is None:
            raise self._unknown(name, self.recipes())
        return found

    def card(self, name: str) -> Card:
        return self.recipe(name).card

    def assembled(self, name: str, preset: str = "", own: UserWeights | None = None) -> Assembled:
        """The recipe's networks with their weights, or with `own`; the few used last are kept."""
        from gesso.verbs.assemble import assemble

        recipe = self.recipe(name)
        own_hash = own.sha256 if own else ""
        key = (name, preset, own_hash)
        if key not in self._loaded:
            made = assemble(recipe, preset=preset or None, weights=own.path if own else self._settings.weights.get(name))
            known = (name, made.preset_name, own_hash)
            key = known if known in self._loaded else key
            self._loaded.setdefault(key, made)
        self._loaded.move_to_end(key)
        while len(self._loaded) > self._settings.limits.loaded:
            self._loaded.popitem(last=False)
        return self._loaded[key]

    def summaries(self) -> list[dict[str, Any]]:
        """All recipes, each as a line in a list."""
        told = [self.describe(name) for name in self._descriptions()]
        outputs = [[{"name": out["name"], "medium": out["medium"]} for out in one["outputs"]] for one in told]
        return [{name: one[name] for name in SUMMARY} | {"outputs": outs} for one, outs in zip(told, outputs, strict=True)]

    def describe(self, name: str) -> dict[str, Any]:
        """The whole card: conditions with their controls, settings as a JSON schema, in all its languages."""
        about = self._descriptions().get(name) if isinstance(name, str) else None
        if about is None:
            raise self._unknown(name, self._descriptions())
        missing = self._absent(about["needs"])
        return {**{key: one for key, one in about.items() if key != "needs"}, "missing": missing, "ready": not missing}

    def missing(self, name: str) -> list[str]:
        """Whose weights are not there that a recipe needs."""
        return self._absent(needs(self.recipe(name)))

    def _descriptions(self) -> Cards:
        """What is told of each: of recipes that are loaded, or as it was kept by a server before this one."""
        if self._cards is None and self._recipes is None and self._kept is not None:
            self._cards = self._kept.read()
        if self._cards is None:
            loaded = self.recipes()
            with self._lock:
                self._cards = self._cards or _describe_each(loaded)
        return self._cards

    def _absent(self, needed: list[str]) -> list[str]:
        from gesso.weights.store import shipped

        return [name for name in needed if name not in self._settings.weights and shipped(name) is None]

    @staticmethod
    def _unknown(name: Any, known: Iterable[str]) -> UnknownId:
        return UnknownId(f"there is no recipe {str(name)[:60]!r}", where="recipe", fix="one of " + ", ".join(known))


def needs(recipe: Recipe) -> list[str]:
    """Of which recipes it needs weights."""
    return ([recipe.name] if recipe.keeps else []) + sorted(set(recipe.uses.values()))


def _describe_each(recipes: Mapping[str, Recipe]) -> Cards:
    """What is told of each; a recipe whose card cannot be written as JSON is left out, and the log says why."""
    told: Cards = {}
    for name, recipe in recipes.items():
        try:
            told[name] = recipe_json(recipe)
        except Exception:
            logging.getLogger(__name__).exception("the recipe %r is not shown: its card cannot be written as JSON", name)
    return told


def recipe_json(recipe: Recipe) -> dict[str, Any]:
    """What is told of a recipe, but for what is there of the weights that it `needs`."""
    card = recipe.card
    conditions = [
        {
            "name": slot.name,
            "kind": slot.kind.kind,
            "title": dict(slot.title),
            "help": dict(slot.help),
            "required": slot.required,
            "repeatable": slot.kind.repeatable,
            "control": plain(slot.kind.control(slot.options)),
            "options": plain(slot.options),
        }
        for slot in card.conditions
    ]
    return {
        "name": card.name,
        "title": dict(card.title),
        "summary": dict(card.summary),
        "needs": needs(recipe),
        "paper": card.paper,
        "licence": card.licence,
        "data": card.data,
        "numbers": list(card.numbers),
        "example": card.example,
        "limits": dict(card.limits),
        "learns_pictures": recipe.learns_pictures,
        "presets": list(recipe.presets),
        "preset": recipe.default_preset,
        "conditions": conditions,
        "outputs": [{"name": out.name, "medium": out.medium, "help": dict(out.help), "role": out.role} for out in card.outputs],
        "settings": card.settings_schema(),
    }


def pin_weights(assembled: Assembled, request: Any) -> Any:
    """The request with the weights' hashes and the preset that will make it; GessoError where it asks for other weights."""
    wrong = [name for name, hashed in request.weights.items() if assembled.hashes.get(name) != hashed]
    if wrong:
        fix = "leave the weights out, or name those of a training of yours that is still there"
        raise GessoError("asks for other weights than are here", where=f"weights.{wrong[0]}", fix=fix)
    return request.model_copy(update={"weights": dict(assembled.hashes), "preset": assembled.preset_name})
