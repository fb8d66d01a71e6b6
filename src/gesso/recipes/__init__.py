"""Finding a recipe: by the name of a file in this folder, by an entry point, or by the path of a .py file."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import pkgutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from pydantic import ValidationError

from gesso.errors import GessoError, as_gesso_error

if TYPE_CHECKING:
    from gesso.recipes.recipe import Recipe


def names() -> list[str]:
    """Names of all recipes in the package and of those that installed packages offer under the entry point `gesso.recipes`."""
    inside = [m.name for m in pkgutil.iter_modules(__path__) if m.name != "recipe" and not m.name.startswith("_")]
    outside = [e.name for e in entry_points(group="gesso.recipes")]
    return sorted({*inside, *outside})


def find(name: str | Path | Recipe) -> Recipe:
    """The recipe of that name, entry point, or .py file; a Recipe is returned as it is."""
    if not isinstance(name, (str, Path)):
        return name
    text = str(name)
    if text.endswith(".py"):
        module = _module_from(Path(text))
    elif text in {m.name for m in pkgutil.iter_modules(__path__)} - {"recipe"}:
        module = importlib.import_module(f"gesso.recipes.{text}")
    else:
        offered = [e for e in entry_points(group="gesso.recipes") if e.name == text]
        if not offered:
            raise GessoError(
                f"there is no recipe {text!r}", where="recipe", fix="one of " + ", ".join(names()) + ", or a path to a .py file"
            )
        with _readable(text):
            module = offered[0].load()
    recipe = getattr(module, "recipe", None)
    if recipe is None:
        raise GessoError("defines no `recipe`", where=text, fix="end the file with recipe = Recipe(card=…, …)")
    return recipe


def name_of(used: str | Path | Recipe) -> str:
    """The name of a recipe that another uses: given by its name, as the path of a .py file, or itself."""
    return used if isinstance(used, str) and not used.endswith(".py") else find(used).name


def used_by(recipe: Recipe) -> list[str]:
    """The names of the recipes whose networks a recipe uses."""
    return sorted({name_of(used) for used in recipe.uses.values()})


def _module_from(path: Path) -> ModuleType:
    if not path.is_file():
        raise GessoError("there is no such file", where=path)
    label = "gesso_recipe_" + hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:12]
    if label in sys.modules:
        return sys.modules[label]
    spec = importlib.util.spec_from_file_location(label, path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[label] = module
    try:
        with _readable(path):
            spec.loader.exec_module(module)
    except GessoError:
        del sys.modules[label]
        raise
    return module


@contextmanager
def _readable(where: object) -> Iterator[None]:
    """Convert any exception that a recipe's file raises into a GessoError: the mistake is the recipe's."""
    try:
        yield
    except ValidationError as error:  # of its card, most likely
        wrong = as_gesso_error(error)
        what = f"could not be read as a recipe: {error.title}.{wrong.where}: {wrong.what}"
        raise GessoError(what, where=where, fix=wrong.fix) from error
    except Exception as error:
        raise GessoError(f"could not be read as a recipe: {type(error).__name__}: {error}", where=where) from error
