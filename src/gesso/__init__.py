"""Gesso: generative models you steer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_LAZY = {
    "load": "gesso.verbs.load",
    "Model": "gesso.verbs.load",
    "train": "gesso.verbs.train",
    "fit": "gesso.verbs.fit",
    "batch": "gesso.verbs.batch",
    "best": "gesso.verbs.best",
    "measure": "gesso.verbs.measure",
    "replay": "gesso.verbs.replay",
    "Hint": "gesso.conditions.hints",
    "Hints": "gesso.conditions.hints",
    "Request": "gesso.request",
    "GessoError": "gesso.errors",
}

if TYPE_CHECKING:
    from gesso.conditions.hints import Hint as Hint
    from gesso.conditions.hints import Hints as Hints
    from gesso.errors import GessoError as GessoError
    from gesso.request import Request as Request
    from gesso.verbs.batch import batch as batch
    from gesso.verbs.best import best as best
    from gesso.verbs.fit import fit as fit
    from gesso.verbs.load import Model as Model
    from gesso.verbs.load import load as load
    from gesso.verbs.measure import measure as measure
    from gesso.verbs.replay import replay as replay
    from gesso.verbs.train import train as train


def __getattr__(name: str) -> Any:
    """Import names on first use, so that `gesso --help` does not load torch."""
    if name not in _LAZY:
        raise AttributeError(f"module 'gesso' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_LAZY[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY})
