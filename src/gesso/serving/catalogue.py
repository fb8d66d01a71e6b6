"""The recipes of a server: their cards as the API tells them, and their networks, loaded when they are first needed."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from gesso import recipes
from gesso.card import Card
from gesso.errors import GessoError
from gesso.record import plain
from gesso.serving.refusal import Unknown
from gesso.serving.settings import Settings

if TYPE_CHECKING:
    from gesso.recipes.recipe import Recipe
    from gesso.serving.learned import Own
    from gesso.verbs.assemble import Assembled

log = logging.getLogger("gesso.serving")


class Catalogue:
    """Recipes by their cards' names. Cards may be asked for from any thread; `assembled` from the one that renders."""

    def __init__(self, settings: Settings) -> None:
        self._settings, self._lock = settings, threading.Lock()
        self._recipes: dict[str, Recipe] | None = None
        self._loaded: OrderedDict[tuple[str, str, str], Assembled] = OrderedDict()
        if settings.recipes is not None:  # what was asked for by name must be there
            self._recipes = {one.name: one for one in map(recipes.find, settings.recipes)}

    def recipes(self) -> dict[str, Recipe]:
        with self._lock:
            if self._recipes is None:
                self._recipes = {}
                for name in recipes.names():
                    try:
                        one = recipes.find(name)
                    except Exception:  # a stranger's plug-in must not take the others along
                        log.exception("the recipe %r cannot be read", name)
                    else:
                        self._recipes[one.name] = one
            return self._recipes

    def recipe(self, name: str) -> Recipe:
        found = self.recipes().get(name) if isinstance(name, str) else None
        if found is None:
            raise Unknown(f"there is no recipe {str(name)[:60]!r}", where="recipe", fix="one of " + ", ".join(self.recipes()))
        return found

    def card(self, name: str) -> Card:
        return self.recipe(name).card

    def assembled(self, name: str, preset: str = "", own: Own | None = None) -> Assembled:
        """The recipe's networks with their weights, or with `own`; the few used last are kept."""
        from gesso.verbs.assemble import assemble

        recipe = self.recipe(name)
        learned = own.sha256 if own else ""
        key = (name, preset, learned)
        if key not in self._loaded:
            made = assemble(recipe, preset=preset or None, weights=own.path if own else self._settings.weights.get(name))
            known = (name, made.preset_name, learned)
            key = known if known in self._loaded else key
            self._loaded.setdefault(key, made)
        self._loaded.move_to_end(key)
        while len(self._loaded) > self._settings.limits.loaded:
            self._loaded.popitem(last=False)
        return self._loaded[key]

    def line(self, name: str) -> dict[str, Any]:
        """A recipe in a list."""
        recipe = self.recipe(name)
        card, missing = recipe.card, self._missing(recipe)
        return {
            "name": card.name,
            "title": dict(card.title),
            "summary": dict(card.summary),
            "ready": not missing,
            "outputs": [{"name": out.name, "medium": out.medium} for out in card.outputs],
        }

    def told(self, name: str) -> dict[str, Any]:
        """The whole card: conditions with their controls, settings as a JSON schema, in all its languages."""
        recipe = self.recipe(name)
        card, missing = recipe.card, self._missing(recipe)
        about = {"paper": card.paper, "licence": card.licence, "data": card.data, "numbers": list(card.numbers), "example": card.example}
        return {
            **self.line(name),
            **about,
            "missing": missing,
            "limits": dict(card.limits),
            "learns_pictures": recipe.learns_pictures,
            "presets": list(recipe.presets),
            "preset": recipe.default_preset,
            "conditions": [
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
            ],
            "outputs": [{"name": out.name, "medium": out.medium, "help": dict(out.help), "role": out.role} for out in card.outputs],
            "settings": card.settings_schema(),
        }

    def _missing(self, recipe: Recipe) -> list[str]:
        """Whose weights are not there."""
        from gesso.weights.store import shipped

        needed = ([recipe.name] if recipe.keeps else []) + sorted(set(recipe.uses.values()))
        return [name for name in needed if name not in self._settings.weights and shipped(name) is None]


def complete(assembled: Assembled, request: Any) -> Any:
    """The request with the weights' hashes and the preset that will make it; GessoError where it asks for other weights."""
    wrong = [name for name, hashed in request.weights.items() if assembled.hashes.get(name) != hashed]
    if wrong:
        fix = "leave the weights out, or name those of a training of yours that is still there"
        raise GessoError("asks for other weights than are here", where=f"weights.{wrong[0]}", fix=fix)
    return request.model_copy(update={"weights": dict(assembled.hashes), "preset": assembled.preset_name})
