"""No file of the package can unpickle or run untrusted text, checked on their syntax trees."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

FORBIDDEN_MODULES = {"pickle", "cPickle", "_pickle", "joblib", "dill", "cloudpickle", "shelve", "marshal", "yaml", "torch.hub"}
FORBIDDEN_CALLS = {"torch.load", "torch.jit.load", "torch.package", "numpy.load", "np.load", "pandas.read_pickle", "pd.read_pickle"}
FORBIDDEN_BUILTINS = {"eval", "exec", "__import__"}


def sins(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (a.name for a in node.names if a.name in FORBIDDEN_MODULES or a.name.split(".")[0] in FORBIDDEN_MODULES)
        elif isinstance(node, ast.ImportFrom) and node.module:
            if node.module in FORBIDDEN_MODULES or node.module.split(".")[0] in FORBIDDEN_MODULES:
                yield node.module
            yield from (f"{node.module}.{a.name}" for a in node.names if f"{node.module}.{a.name}" in FORBIDDEN_CALLS | FORBIDDEN_MODULES)
        elif isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            if name in FORBIDDEN_CALLS and not allows_no_pickle(node):
                yield name
            if isinstance(node.func, ast.Name) and node.func.id in FORBIDDEN_BUILTINS:
                yield node.func.id


def allows_no_pickle(call: ast.Call) -> bool:
    """numpy reads its own plain arrays alone unless the call says otherwise."""
    words = {k.arg: ast.unparse(k.value) for k in call.keywords}
    return ast.unparse(call.func) in {"np.load", "numpy.load"} and len(call.args) <= 2 and words.get("allow_pickle", "False") == "False"


def test_no_file_of_the_package_can_unpickle(root: Path) -> None:
    files = sorted((root / "src").rglob("*.py"))
    assert len(files) > 30
    found = {str(f.relative_to(root)): list(sins(ast.parse(f.read_text("utf-8")))) for f in files}
    assert {f: s for f, s in found.items() if s} == {}


@pytest.mark.parametrize(
    "text",
    [
        "import pickle",
        "import joblib",
        "from pickle import loads",
        "from torch import load",
        "import torch\ntorch.load('x')",
        "import yaml",
        "eval('1')",
        "exec('x')",
        "np.load('x', allow_pickle=True)",
        "def f():\n  import dill",
    ],
)
def test_the_search_finds_known_unpicklers(text: str) -> None:
    assert list(sins(ast.parse(text)))
