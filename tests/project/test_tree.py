"""The tree keeps its own rules: names, sizes, docstrings, no pickle, nothing of one machine."""

from __future__ import annotations

import ast
import re
import subprocess
import warnings
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCE = sorted((ROOT / "src").rglob("*.py"))
LINES_WISHED, LINES_ALLOWED, FEW_LINES = 400, 600, 8
VAGUE = {"utils", "util", "helpers", "helper", "common", "base", "manager", "misc"}
WORDBOOK = re.compile(r'wordbook\("""\n.*?"""\)', re.S)  # a table for translators, a line a name
# Spelt in halves, so that this file does not find itself.
MACHINE = re.compile(r"(?<![\w.~-])/(?:wo" r"rk|ro" r"ot|ho" r"me|Us" r"ers|op" r"t)/\w")
REGISTRY = re.compile(r"py" r"pi\.org|python" r"hosted|npm" r"js\.org|deb" r"ian\.org|download\.py" r"torch")


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"), str(path))


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def tracked() -> list[Path]:
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if listing.returncode:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in listing.stdout.split("\0") if name and (ROOT / name).is_file()]


def test_there_is_a_tree_to_look_at():
    assert len(SOURCE) > 20 and len(tracked()) > len(SOURCE)


def test_no_module_has_a_name_that_says_nothing():
    vague = [name_of(p) for p in SOURCE if VAGUE & {p.stem, *p.relative_to(ROOT).parts}]
    assert not vague


def test_files_are_short():
    lengths = {name_of(p): p.read_text("utf-8").count("\n") for p in SOURCE}
    for name, num in lengths.items():
        if LINES_WISHED < num <= LINES_ALLOWED:
            warnings.warn(f"{name} has {num} lines: a file is wished to stay under {LINES_WISHED}", stacklevel=1)
    assert {name: num for name, num in lengths.items() if num > LINES_ALLOWED} == {}


def test_recipes_are_one_short_file_each():
    recipes = [p for p in SOURCE if p.parent.name == "recipes" and p.name not in ("__init__.py", "recipe.py")]
    assert len(recipes) >= 3
    without_words = {p.name: WORDBOOK.sub("", p.read_text("utf-8")).count("\n") for p in recipes}
    assert {name: num for name, num in without_words.items() if num > 170} == {}


def test_a_recipe_imports_no_other_recipe():
    meets = []
    for path in SOURCE:
        if path.parent.name != "recipes" or path.name in ("__init__.py", "recipe.py"):
            continue
        for node in ast.walk(parsed(path)):
            modules = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            modules += [a.name for a in node.names] if isinstance(node, ast.Import) else []
            meets += [f"{path.name}: {m}" for m in modules if m.startswith("gesso.recipes.") and m != "gesso.recipes.recipe"]
    assert not meets, "parents are named in `uses`"


def is_explained(path: Path, node: ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """It has a docstring; or its name and signature say it all in a few lines; or it is a part of a recipe, which `Recipe` explains."""
    long = isinstance(node, ast.ClassDef) or (node.end_lineno or 0) - node.lineno >= FEW_LINES
    return bool(ast.get_docstring(node)) or not long or path.parent.name == "recipes"


def test_public_things_say_what_they_are():
    silent = []
    for path in SOURCE:
        module = parsed(path)
        if not ast.get_docstring(module):
            silent.append(name_of(path))
        for node in module.body:
            public = isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)) and not node.name.startswith("_")
            if public and not is_explained(path, node):
                silent.append(f"{name_of(path)}: {node.name}")
    assert not silent


def unpicklers(module: ast.Module) -> list[str]:
    """Imports and calls that could run code from a file."""
    found = []
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            found += [a.name for a in node.names if a.name.split(".")[0] in ("pickle", "cPickle", "dill", "joblib", "shelve", "marshal")]
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in ("pickle", "dill", "joblib", "shelve", "marshal"):
            found.append(str(node.module))
        elif isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            if called == "torch.load" or called.endswith(("read_pickle", "jit.load", "load_state_dict_from_url")):
                found.append(called)
            if called.endswith("np.load") and any(k.arg == "allow_pickle" and ast.unparse(k.value) != "False" for k in node.keywords):
                found.append(ast.unparse(node))
            if called in ("eval", "exec"):
                found.append(called)
    return found


@pytest.mark.parametrize("line", ["import pickle", "from joblib import load", "torch.load(p)", "np.load(p, allow_pickle=True)", "eval(s)"])
def test_unpicklers_are_seen(line: str):
    assert unpicklers(ast.parse(line))


def test_nothing_is_ever_unpickled():
    assert {name_of(p): found for p in SOURCE if (found := unpicklers(parsed(p)))} == {}


def test_nothing_of_one_machine_is_written_down():
    found = []
    for path in tracked():
        try:
            text = path.read_text("utf-8")
        except UnicodeDecodeError:
            continue
        for num, line in enumerate(text.splitlines(), 1):
            if MACHINE.search(line) or REGISTRY.search(line):
                found.append(f"{name_of(path)}:{num}: {line.strip()[:100]}")
    assert not found


def test_tracked_files_stay_small():
    large = {name_of(p): p.stat().st_size for p in tracked() if p.stat().st_size > 12 * 2**20}
    assert not large, "weights are at most 8 MB, everything else less"
