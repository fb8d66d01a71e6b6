"""The recipes of a server: their cards as JSON, and their networks, loaded on first use."""

from __future__ import annotations

import json
import logging
import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from gesso import recipes
from gesso.card import Card, Out
from gesso.errors import GessoError
from gesso.media.medium import medium
from gesso.record import plain
from gesso.serving.catalogue.card_cache import CardCache, Cards
from gesso.serving.http_errors import UnknownId
from gesso.serving.settings import Settings

if TYPE_CHECKING:
    from gesso.recipes.recipe import Recipe
    from gesso.serving.storage.user_weights import UserWeights
    from gesso.verbs.assemble import Assembled

CARDS = "cards.json"  # in the home
MOST_CARDS = 64  # of weights that users trained, in memory
SUMMARY = ("name", "title", "summary", "ready")  # fields of a recipe in a list

log = logging.getLogger("gesso.serving")


class Catalogue:
    """Recipes by name. All methods may be called from any thread, except `assembled`: from the render thread only.

    `summaries` and `describe` load no recipe if an earlier server has cached the cards.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings, self._lock = settings, threading.Lock()
        self._recipes: dict[str, Recipe] | None = None
        self._loaded: OrderedDict[tuple[str, str, str], Assembled] = OrderedDict()
        self._own_cards: OrderedDict[str, Card] = OrderedDict()  # by the weights' sha256
        self._cards: Cards | None = None
        self._cache: CardCache | None = None
        if settings.recipes is not None:  # recipes that the settings name must exist
            self._recipes = {one.name: self._with_facts(one) for one in map(recipes.find, settings.recipes)}
        else:
            self._cache = CardCache(settings.home / CARDS, settings.weights)

    def recipes(self) -> dict[str, Recipe]:
        with self._lock:
            if self._recipes is None:
                found: dict[str, Recipe] = {}
                for name in recipes.names():
                    try:
                        one = self._with_facts(recipes.find(name))
                    except Exception:  # a broken plug-in must not disable the others
                        log.exception("the recipe %r cannot be read", name)
                    else:
                        found[one.name] = one
                self._cache_cards(found)
                self._recipes = found
            return self._recipes

    def _with_facts(self, recipe: Recipe) -> Recipe:
        """The recipe with what the server's weights know of their data, so that its card has all options."""
        from gesso.weights.store import shipped

        path = self._settings.weights.get(recipe.name) or shipped(recipe.name)
        if not recipe.needs_facts or path is None:
            return recipe
        from gesso.verbs.assemble import read_for

        return recipe.with_facts(read_for(recipe, path).card.get("facts", {}))

    def _cache_cards(self, found: Mapping[str, Recipe]) -> None:
        fresh = json.loads(json.dumps({name: recipe_json(one) for name, one in found.items()}))  # as it will be read back
        if self._cache is not None and fresh != (self._cards or self._cache.read()):
            self._cache.write(fresh)
        self._cards = fresh

    def recipe(self, name: str) -> Recipe:
        found = self.recipes().get(name) if isinstance(name, str) else None
        if found is None:
            raise self._unknown(name, self.recipes())
        return found

    def card(self, name: str) -> Card:
        return self.recipe(name).card.for_generating()

    def own_card(self, name: str, own: UserWeights) -> Card:
        """The card with what the owner's weights know of their data."""
        recipe = self.recipe(name)
        if not recipe.needs_facts:
            return recipe.card.for_generating()
        with self._lock:
            if own.sha256 not in self._own_cards:
                from gesso.weights.store import read_weights

                self._own_cards[own.sha256] = recipe.with_facts(read_weights(own.path).card.get("facts", {})).card.for_generating()
                while len(self._own_cards) > MOST_CARDS:
                    self._own_cards.popitem(last=False)
            return self._own_cards[own.sha256]

    def assembled(self, name: str, preset: str = "", own: UserWeights | None = None) -> Assembled:
        """The recipe's networks with their weights, or with `own`; a few recently used ones stay loaded."""
        from gesso.verbs.assemble import assemble

        recipe = self.recipe(name)
        own_hash = own.sha256 if own else ""
        key = (name, preset, own_hash)
        if key not in self._loaded:
            parents = [one for one in recipes.used_by(recipe) if one != name]
            given = [own.path if own else self._settings.weights.get(name), *map(self._settings.weights.get, parents)]
            weights = [place for place in given if place is not None] or None
            made = assemble(recipe, preset=preset or None, weights=weights, device=self._settings.device)
            known = (name, made.preset_name, own_hash)
            key = known if known in self._loaded else key
            self._loaded.setdefault(key, made)
        self._loaded.move_to_end(key)
        while len(self._loaded) > self._settings.limits.loaded:
            self._loaded.popitem(last=False)
        return self._loaded[key]

    def summaries(self) -> list[dict[str, Any]]:
        """All recipes, with the fields that a list shows."""
        cards = [self.describe(name) for name in self._descriptions()]
        outputs = [[{"name": out["name"], "medium": out["medium"]} for out in one["outputs"]] for one in cards]
        return [{name: one[name] for name in SUMMARY} | {"outputs": outs} for one, outs in zip(cards, outputs, strict=True)]

    def describe(self, name: str, own: Card | None = None) -> dict[str, Any]:
        """The whole card: conditions with their controls (`own`: of this card), settings as a JSON schema, texts in all languages."""
        card = self._descriptions().get(name) if isinstance(name, str) else None
        if card is None:
            raise self._unknown(name, self._descriptions())
        missing = self._absent(card["needs"])
        changed = {} if own is None else {"conditions": conditions_json(own)}
        told = {**{key: one for key, one in card.items() if key != "needs"}, **changed}
        return {**told, "missing": missing, "ready": not missing, "ready_presets": self._ready_presets(card)}

    def missing_weights(self, name: str) -> list[str]:
        """Names of recipes whose weights this recipe needs and the server does not have."""
        return self._absent(needs(self.recipe(name)))

    def _descriptions(self) -> Cards:
        """The JSON of all recipes: from the loaded ones, or from the cache of an earlier server."""
        if self._cards is None and self._recipes is None and self._cache is not None:
            self._cards = self._cache.read()
        if self._cards is None:
            loaded = self.recipes()
            with self._lock:
                self._cards = self._cards or _describe_each(loaded)
        return self._cards

    def _ready_presets(self, card: Mapping[str, Any]) -> list[str]:
        """The presets whose weights are shipped, the default first; none to choose from where the settings replace the weights."""
        from gesso.weights.store import shipped

        name, own = card["name"], shipped(card["name"])
        if name in self._settings.weights or own is None:
            return []
        return [card["preset"], *(one for one in card["presets"] if one != card["preset"] and shipped(name, one) != own)]

    def _absent(self, needed: list[str]) -> list[str]:
        from gesso.weights.store import shipped

        return [name for name in needed if name not in self._settings.weights and shipped(name) is None]

    @staticmethod
    def _unknown(name: Any, known: Iterable[str]) -> UnknownId:
        return UnknownId(f"there is no recipe {str(name)[:60]!r}", where="recipe", fix="one of " + ", ".join(known))


def needs(recipe: Recipe) -> list[str]:
    """Names of the recipes whose weights it needs."""
    return ([recipe.name] if recipe.keeps else []) + recipes.used_by(recipe)


def _describe_each(recipes: Mapping[str, Recipe]) -> Cards:
    """The JSON of each recipe; one whose card cannot be written as JSON is left out, and the reason is logged."""
    cards: Cards = {}
    for name, recipe in recipes.items():
        try:
            cards[name] = recipe_json(recipe)
        except Exception:
            logging.getLogger(__name__).exception("the recipe %r is not shown: its card cannot be written as JSON", name)
    return cards


def _output_json(out: Out) -> dict[str, Any]:
    """An output: its name, the name of the page's viewer for it, and the files it is written to."""
    kind = medium(out.medium)
    return {
        "name": out.name,
        "medium": out.medium,
        "help": dict(out.help),
        "role": out.role,
        "viewer": kind.viewer,
        "files": [ending[1:] for ending in kind.endings],
    }


def conditions_json(card: Card) -> list[dict[str, Any]]:
    """A card's conditions with their controls."""
    return [
        {
            "name": slot.name,
            "kind": slot.kind.kind,
            "title": dict(slot.title),
            "help": dict(slot.help),
            "required": slot.required,
            "repeatable": slot.kind.repeatable,
            "control": dict(plain(slot.control())),
            "options": plain(slot.options),
        }
        for slot in card.conditions
    ]


def recipe_json(recipe: Recipe) -> dict[str, Any]:
    """A recipe as JSON, without the availability of the weights that it `needs`."""
    card = recipe.card.for_generating()
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
        "layout": dict(recipe.layout),
        "fits_data": [] if recipe.data is None else list(recipe.data_files),
        "trains_data": list(recipe.data_files) if recipe.stages(recipe.preset(None)) else [],
        "film": recipe.film is not None,
        "presets": list(recipe.presets),
        "preset": recipe.default_preset,
        "conditions": conditions_json(card),
        "fit_conditions": [one for one in conditions_json(recipe.card) if recipe.card.slot(one["name"]).fit],
        "one_of": [list(group) for group in card.one_of],
        "outputs": [_output_json(out) for out in card.outputs],
        "settings": card.settings_schema(),
    }


def pin_weights(assembled: Assembled, request: Any) -> Any:
    """The request with the hashes of the weights and the preset in use; GessoError if it names other weights."""
    mismatched = [name for name, hashed in request.weights.items() if assembled.hashes.get(name) != hashed]
    if mismatched:
        fix = "omit the weights, or name those of one of your trainings that still exists"
        raise GessoError("the request names other weights than this server has", where=f"weights.{mismatched[0]}", fix=fix)
    return request.model_copy(update={"weights": dict(assembled.hashes), "preset": assembled.preset_name})
