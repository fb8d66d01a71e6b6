"""Weights that lie in a folder of another library: a pipeline of diffusers, or a CLIP of transformers, for the recipes that open one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gesso.weights.store import Weights


def pipeline_weights(folder: Path, recipe: str) -> Weights:
    """A pipeline, for a recipe of this name whose presets are types of numbers (None: as they are stored).

    Its facts say which conditions it takes (`gesso.networks.hub_pipeline.facts_of`). GessoError where the folder is not as it must be.
    """
    from gesso.networks.hub_parts import number_type, versions
    from gesso.networks.hub_pipeline import classes_of, facts_of, open_pipeline
    from gesso.weights.hub import read_hub
    from gesso.weights.store import Weights

    used, held = versions(), read_hub(folder)
    configs = {name: part.config for name, part in held.parts.items()}
    classes = classes_of(held.kind, configs, str(folder))

    def networks(preset: str | None) -> Mapping[str, Any]:
        return {"pipeline": open_pipeline(folder, classes, held.parts, held.options, number_type(preset))}

    card = {"recipe": recipe, "facts": facts_of(classes, configs), "libraries": used}
    return Weights({}, card, held.sha256, folder, networks)


def clip_weights(folder: Path, recipe: str, preset: Any) -> Weights:
    """A CLIP with its tokenizer, for a recipe of this name with networks "text", "picture" and "match"; `preset` with its own sizes.

    It reads texts itself, so its vocabulary is "bytes". GessoError where the folder is not as it must be.
    """
    from gesso.media.subwords import BYTES
    from gesso.networks.hub_clip import open_clip, sizes
    from gesso.networks.hub_parts import versions
    from gesso.weights.hub import read_hub
    from gesso.weights.store import Weights

    used, held = versions(), read_hub(folder)
    part = held.model
    side, out = sizes(part.config)
    card = {"recipe": recipe, "facts": {"vocabulary": BYTES}, "libraries": used}
    return Weights({}, card, held.sha256, folder, lambda _: open_clip(part), replace(preset, side=side, out=out))
