"""The request: everything that decides an output, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pydantic import ConfigDict, Field, ValidationError

from gesso.card import Card, Settings
from gesso.conditions.condition import Condition
from gesso.errors import GessoError, as_gesso_error
from gesso.number import StrictNumbers, Whole

MAX_SEED = 2**53 - 1  # exact in JSON and JavaScript too


class Request(StrictNumbers):
    """Recipe, weights {recipe: sha256}, conditions, seed, settings, preset. Converts to JSON and back without loss."""

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)

    recipe: str
    weights: Mapping[str, str] = {}
    conditions: Mapping[str, Condition] = {}
    seed: Whole = Field(default=0, ge=0, le=MAX_SEED)
    settings: Settings = Settings()
    preset: str = ""

    @classmethod
    def build(
        cls,
        card: Card,
        conditions: Mapping[str, Any],
        *,
        seed: int = 0,
        settings: Mapping[str, Any] | Settings | None = None,
        weights: Mapping[str, str] | None = None,
        preset: str = "",
    ) -> Request:
        """A checked request from values of the command line, Python or JSON. GessoError names the field that is wrong."""
        values = card.read(conditions)
        try:
            made = settings if isinstance(settings, card.settings) else card.settings.model_validate(dict(settings or {}))
            return cls(recipe=card.name, weights=dict(weights or {}), conditions=values, seed=seed, settings=made, preset=preset)
        except ValidationError as error:
            raise as_gesso_error(error) from None

    def to_json(self) -> dict[str, Any]:
        return {
            "recipe": self.recipe,
            "preset": self.preset,
            "weights": dict(self.weights),
            "conditions": {name: value.model_dump(mode="json") for name, value in self.conditions.items()},
            "seed": self.seed,
            "settings": self.settings.model_dump(mode="json"),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any], card: Card) -> Request:
        """A checked request from untrusted JSON."""
        if not isinstance(data, Mapping):
            raise GessoError(f"a request is a JSON object, not {type(data).__name__}", where="request")
        if data.get("recipe", card.name) != card.name:
            raise GessoError(f"this is a request for {data['recipe']!r}, not for {card.name!r}", where="recipe")
        parts = {part: data.get(part, {}) for part in ("conditions", "settings", "weights")}
        for part, value in parts.items():
            if not isinstance(value, Mapping):
                raise GessoError(f"is a JSON object, not {type(value).__name__}", where=part)
        given = parts["conditions"]
        values = {name: value if isinstance(value, Condition) else card.slot(name).from_json(value) for name, value in given.items()}
        return cls.build(
            card, values, seed=data.get("seed", 0), settings=parts["settings"], weights=parts["weights"], preset=data.get("preset", "")
        )

    def __hash__(self) -> int:
        # Mappings have no hash. Settings are left out, since a field of theirs may have none.
        return hash((self.recipe, self.preset, self.seed, frozenset(self.conditions.items()), frozenset(self.weights.items())))

    def canonical(self) -> str:
        """The request as one line of JSON with sorted keys, so that equal requests have equal text."""
        return json.dumps(self.to_json(), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
