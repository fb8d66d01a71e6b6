"""CONTRIBUTING holds: its files, written as they stand there into a copy of the package, pass lint, contracts and tests."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
STEP = re.compile(r"^\*\*\d\. [^`]*`([^`]+\.py)`.*?^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
BIN = Path(sys.executable).parent


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """A copy of the checkout after following the page's steps, and the files written for them."""
    copy = tmp_path_factory.mktemp("contributing")
    for name in ("src", "tests", "examples"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__", "project", "*.svg"))
    shutil.copy(ROOT / "pyproject.toml", copy)
    files = dict(STEP.findall((ROOT / "CONTRIBUTING.md").read_text("utf-8")))
    for name, text in files.items():
        assert not (ROOT / name).exists(), f"{name} exists already: the page needs another example"
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        (copy / name).write_text(text, "utf-8")
    return copy, sorted(files)


def run(copy: Path, *words: str | Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(copy / "src"), "OMP_NUM_THREADS": "1"}
    environment.pop("PYTEST_XDIST_WORKER", None)
    return subprocess.run([*map(str, words)], cwd=copy, env=environment, capture_output=True, text=True, timeout=600)


def test_it_takes_four_files_with_test_and_changelog(followed: tuple[Path, list[str]]):
    _, files = followed
    assert len(files) == 3  # and CHANGELOG.md


def test_what_it_shows_is_clean(followed: tuple[Path, list[str]]):
    copy, files = followed
    for words in (["check"], ["format", "--check"]):
        made = run(copy, BIN / "ruff", *words, *files)
        assert made.returncode == 0, made.stdout + made.stderr
    made = run(copy, BIN / "lint-imports", "--no-cache")
    assert made.returncode == 0, made.stdout


def test_its_tests_pass(followed: tuple[Path, list[str]]):
    copy, files = followed
    (own,) = [f for f in files if f.startswith("tests/")]
    (recipe,) = [Path(f).stem for f in files if "/recipes/" in f]
    made = run(
        copy,
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        own,
        "tests/recipes",
        "-k",
        f"({recipe} and not moves) or {Path(own).stem}",
    )
    assert made.returncode == 0, made.stdout[-3000:] + made.stderr[-1000:]
    assert re.search(r"\b([5-9]|\d\d+) passed", made.stdout), made.stdout[-500:]


@pytest.mark.slow
def test_its_types_are_right(followed: tuple[Path, list[str]]):
    copy, files = followed
    made = run(copy, BIN / "mypy", *[f for f in files if f.startswith("src/")])
    assert made.returncode == 0, made.stdout


@pytest.mark.slow
@pytest.mark.parametrize("where", ["inside", "outside"])
def test_its_commands_train_and_make(followed: tuple[Path, list[str]], where: str, tmp_path: Path):
    copy, _ = followed
    (tmp_path / "examples").symlink_to(copy / "examples", target_is_directory=True)
    recipe, flag = ("thick_digits", ["--thickness", "0.8"]) if where == "inside" else ("./examples/my_recipe.py", ["--phase", "0.3"])
    environment = {**os.environ, "PYTHONPATH": str(copy / "src"), "OMP_NUM_THREADS": "1"}
    for words in (
        ["train", recipe, "--preset", "tiny", "--steps", "10", "--out", "runs/new", "--quiet"],
        ["generate", recipe, "--weights", "runs/new", *flag, "--out", "new.png"],
        ["replay", "new.png", "--recipe", recipe, "--weights", "runs/new", "--out", "again.png"],
    ):
        code = "import sys; from gesso.cli import main; sys.exit(main())"
        made = subprocess.run(
            [sys.executable, "-c", code, *words], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=600
        )
        assert made.returncode == 0, f"gesso {' '.join(words)}: {made.stdout}{made.stderr}"
    assert (tmp_path / "again.png").stat().st_size > 100
