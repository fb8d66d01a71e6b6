"""pyproject says what is needed, constraints.txt what was tried: every need has one exact version, and nothing else slips in."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
LINES = [line for line in (ROOT / "constraints.txt").read_text("utf-8").splitlines() if line and not line.startswith("#")]


def plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def needs(*lists: list[str]) -> dict[str, str]:
    """Names and what is said of their versions; the package's own extras left out."""
    found = [re.fullmatch(r"([\w.-]+)(?:\[[\w,]+\])?(.*)", need) for each in lists for need in each if not need.startswith("gesso")]
    return {plain(m[1]): m[2] for m in found if m}


def test_every_line_is_one_exact_version():
    for line in LINES:
        assert re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][\w.]*", line), f"{line!r}: no address, no path, no local build"
    names = [plain(line.split("==")[0]) for line in LINES]
    assert len(names) == len(set(names))


def test_every_need_was_tried():
    tried = {plain(line.split("==")[0]) for line in LINES}
    assert set(needs(PROJECT["dependencies"], *EXTRAS.values())) <= tried
    assert "torch==2.13.0" in LINES


def test_only_lower_bounds():
    for name, bound in needs(PROJECT["dependencies"], *EXTRAS.values()).items():
        assert re.fullmatch(r">=[\d.]+", bound), f"{name}{bound}"


def test_nothing_comes_in_that_breaks_torch_or_the_licence():
    tried = {plain(line.split("==")[0]) for line in LINES}
    unwanted = {
        "torchvision",
        "torchaudio",
        "torchcodec",
        "timm",
        "lpips",
        "torch-fidelity",
        "albumentationsx",
        "sdv",
        "ctgan",
        "phonemizer",
    }
    assert not unwanted & tried
    assert not [name for name in tried if name.startswith("nvidia")]


@pytest.mark.parametrize(
    "extra", [e for e in EXTRAS if e not in ("all", "dev", "dist", "docs")]
)  # users need neither a cluster nor the site
def test_all_and_dev_take_every_extra(extra: str):
    assert any(re.match(rf"gesso\[.*\b{extra}\b.*\]", need) for need in EXTRAS["all"])
    assert any(re.match(r"gesso\[.*\ball\b.*\]", need) for need in EXTRAS["dev"])


def test_dev_builds_the_site():
    assert any(re.match(r"gesso\[.*\bdocs\b.*\]", need) for need in EXTRAS["dev"])


def test_what_the_package_imports_is_declared():
    """Third-party names imported anywhere in src are dependencies or belong to an extra."""
    import ast
    import sys

    called = {"PIL": "pillow", "c2pa": "c2pa-python", "skimage": "scikit-image", "sklearn": "scikit-learn", "resvg_py": "resvg-py"}
    imported: set[str] = set()
    for path in (ROOT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            modules = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            modules += [node.module] if isinstance(node, ast.ImportFrom) and node.module and not node.level else []
            imported |= {m.split(".")[0] for m in modules}
    outside = {called.get(name, name) for name in imported - set(sys.stdlib_module_names) - {"gesso"}}
    assert {plain(n) for n in outside} <= set(
        needs(PROJECT["dependencies"], *(EXTRAS[name] for name in ("data", "log", "studio", "dist", "video", "export", "hub")))
    )
