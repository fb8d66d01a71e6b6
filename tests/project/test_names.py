"""One meaning a name: a class name is defined once in the package, and each exception has a reason."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[2] / "src" / "gesso"

ALLOWED = {
    "Preset": "each recipe has its own; a recipe is one file and imports no other recipe",
    "Settings": "`gesso.card.Settings` is what a recipe offers, `gesso.serving.Settings` how a server is set up; both are public names",
    "Limits": "`gesso.serving.Limits` is a public name; steering's is to be renamed",
}


def classes(folder: Path) -> dict[str, list[str]]:
    """The files that define each class name, nested classes among them."""
    found = defaultdict(list)
    for path in sorted(folder.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"), str(path))):
            if isinstance(node, ast.ClassDef):
                found[node.name].append(path.relative_to(folder).as_posix())
    return found


def duplicates(folder: Path) -> dict[str, list[str]]:
    return {name: files for name, files in classes(folder).items() if len(files) > 1}


def test_a_class_name_is_defined_once():
    unexpected = {name: files for name, files in duplicates(SOURCE).items() if name not in ALLOWED}
    assert not unexpected, "rename one of them, or allow the name with a reason"


def test_each_allowed_name_is_still_defined_more_than_once():
    assert sorted(ALLOWED.keys() - duplicates(SOURCE).keys()) == [], "take these out of ALLOWED"


@pytest.mark.parametrize("text", ["class Line: ...\nclass Line: ...\n", "class Line:\n    class Line: ...\n"])
def test_duplicates_are_found(tmp_path: Path, text: str):
    (tmp_path / "one.py").write_text(text, "utf-8")
    assert duplicates(tmp_path) == {"Line": ["one.py", "one.py"]}


def test_serving_defines_no_name_of_another_package():
    """Serving's own names: none of them is defined elsewhere, except for the two public ones."""
    foreign = {name for name, files in duplicates(SOURCE).items() if any(file.startswith("serving/") for file in files)}
    assert foreign <= {"Settings", "Limits"}
