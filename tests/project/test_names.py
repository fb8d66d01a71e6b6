"""One meaning per name: class names are defined once in the package, and methods that share a name do the same thing."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

SOURCE = Path(__file__).resolve().parents[2] / "src" / "gesso"

ALLOWED_CLASSES = {
    "Preset": "each recipe has its own; a recipe is one file and imports no other recipe",
    "Settings": "`gesso.card.Settings` is what a recipe offers, `gesso.serving.Settings` how a server is set up; both are public names",
}

# Verbs with one ordinary meaning, which classes of different kinds may share.
VERBS = {
    "add", "append", "check", "close", "decode", "delete", "encode", "find", "from_json", "get", "list", "of", "open", "put",
    "read", "run", "send", "show", "start", "stop", "submit", "to_json", "write",
}  # fmt: skip

ALLOWED_METHODS = {
    "control": "a slot passes on its kind's control",
    "due": "whether an interval and a lazy term are taken at a step",
    "describe": "a recipe and a job, each as the JSON of the HTTP API",
    "for_batch": "a dataset chooses what one batch has in common: the size of drawings, the scale of pairs",
    "make": "`Model.make` and `IncrementalModel.make` both make a request's result",
    "null": "a condition and a batch of conditions, each encoded as absent",
    "play": "each way of an adversarial game makes a step's pictures",
    "png": "both encode a picture as PNG",
    "recipe": "the catalogue and a worker both find a recipe by name",
    "renew": "a lease extends itself by the store's method of that name",
    "request": "a model and a session store both return a Request",
    "restore": "each restores its part of a training's state from a checkpoint",
    "stack": "a dataset puts examples into a batch, the medium of layers puts a picture's layers on each other",
    "step": "one optimisation step, as in torch",
    "texts": "each dataset of captions lists its texts, of which a vocabulary is learned",
    "to": "moves tensors, as in torch",
    "uniform": "a batch, and a turn of a game over it, draw uniform numbers for its items",
    "wake": "the job service wakes its scheduler",
    "with_facts": "a recipe passes the facts on to its card",
}


class Class(NamedTuple):
    """A class of the package: its bases as written, and its public methods without properties."""

    name: str
    file: str
    bases: tuple[str, ...]
    methods: frozenset[str]


def classes(folder: Path) -> Iterator[Class]:
    """All classes of a folder, nested classes among them."""
    for path in sorted(folder.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"), str(path))):
            if isinstance(node, ast.ClassDef):
                written = (ast.unparse(base).partition("[")[0] for base in node.bases)
                bases = tuple("torch.nn" if base.startswith("nn.") else base.rpartition(".")[2] for base in written)
                methods = frozenset(one.name for one in node.body if is_method(one) and not one.name.startswith("_"))
                yield Class(node.name, path.relative_to(folder).as_posix(), bases, methods)


def is_method(node: ast.stmt) -> bool:
    """Whether a statement of a class defines a method, not a property."""
    if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return False
    return not any("property" in ast.unparse(decorator) for decorator in node.decorator_list)


def duplicates(folder: Path) -> dict[str, list[str]]:
    """The files that define each class name that is defined more than once."""
    files = defaultdict(list)
    for one in classes(folder):
        files[one.name].append(one.file)
    return {name: found for name, found in files.items() if len(found) > 1}


def shared_methods(folder: Path) -> dict[str, list[str]]:
    """Method names defined in several public classes that have no base and no protocol of this method in common, with these classes."""
    known = list(classes(folder))
    bases: dict[str, set[str]] = defaultdict(set)
    for one in known:
        bases[one.name] |= set(one.bases)
    protocols = {one.name: one.methods for one in known if "Protocol" in one.bases}
    families: dict[str, dict[str, set[str]]] = defaultdict(dict)
    for one in known:
        origins = {one.name, *ancestors(one.name, bases)}
        implemented = {name for name, methods in protocols.items() if methods and methods <= inherited(origins, known)}
        for method in one.methods if not one.name.startswith("_") else ():
            families[method][one.name] = origins | {name for name in implemented if method in protocols[name]}
    return {method: sorted(by_class) for method, by_class in sorted(families.items()) if not related(list(by_class.values()))}


def ancestors(name: str, bases: dict[str, set[str]]) -> set[str]:
    """The bases of a class and their bases, except those that say nothing about its methods."""
    direct = bases.get(name, set()) - {"Protocol", "NamedTuple", "BaseModel", "StrictNumbers", "Generic"}
    return direct | {far for base in direct if base != name for far in ancestors(base, bases)}


def inherited(names: set[str], known: list[Class]) -> set[str]:
    return {method for one in known if one.name in names for method in one.methods}


def related(origins: list[set[str]]) -> bool:
    """Whether the sets are connected by common members."""
    first, rest = set(origins[0]), origins[1:]
    while near := [one for one in rest if one & first]:
        first |= set().union(*near)
        rest = [one for one in rest if not one & first]
    return not rest


def test_a_class_name_is_defined_once():
    unexpected = {name: files for name, files in duplicates(SOURCE).items() if name not in ALLOWED_CLASSES}
    assert not unexpected, "rename one of them, or allow the name with a reason"


def test_each_allowed_class_name_is_still_defined_more_than_once():
    assert sorted(ALLOWED_CLASSES.keys() - duplicates(SOURCE).keys()) == [], "remove these from ALLOWED_CLASSES"


def test_methods_that_share_a_name_are_related():
    unexpected = {name: where for name, where in shared_methods(SOURCE).items() if name not in VERBS | ALLOWED_METHODS.keys()}
    assert not unexpected, "rename all but one, or allow the name with a reason"


def test_each_allowed_method_name_is_still_shared():
    assert sorted((VERBS | ALLOWED_METHODS.keys()) - shared_methods(SOURCE).keys()) == [], "remove these from VERBS or ALLOWED_METHODS"


@pytest.mark.parametrize("text", ["class Line: ...\nclass Line: ...\n", "class Line:\n    class Line: ...\n"])
def test_duplicates_are_found(tmp_path: Path, text: str):
    (tmp_path / "one.py").write_text(text, "utf-8")
    assert duplicates(tmp_path) == {"Line": ["one.py", "one.py"]}


SHARED = {
    "unrelated": ("class A:\n    def told(self): ...\nclass B:\n    def told(self): ...\n", True),
    "a common base": ("class A:\n    def told(self): ...\nclass B(A):\n    def told(self): ...\n", False),
    "a base of both, elsewhere": ("class A(Base):\n    def told(self): ...\nclass B(x.Base):\n    def told(self): ...\n", False),
    "a protocol": (
        "class P(Protocol):\n    def told(self): ...\nclass A:\n    def told(self): ...\nclass B:\n    def told(self): ...\n",
        False,
    ),
    "properties": ("class A:\n    @property\n    def told(self): ...\nclass B:\n    @cached_property\n    def told(self): ...\n", False),
    "private": ("class A:\n    def told(self): ...\nclass _B:\n    def told(self): ...\n", False),
}


@pytest.mark.parametrize(("text", "found"), SHARED.values(), ids=SHARED)
def test_shared_methods_are_found(tmp_path: Path, text: str, found: bool):
    (tmp_path / "one.py").write_text(text, "utf-8")
    assert shared_methods(tmp_path) == ({"told": ["A", "B"]} if found else {})


def test_serving_defines_no_class_name_of_another_package():
    """Serving's class names are not defined elsewhere, except for the public `Settings`."""
    assert {name for name, files in duplicates(SOURCE).items() if any(file.startswith("serving/") for file in files)} <= {"Settings"}
