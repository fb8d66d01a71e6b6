"""What must stay light: asking for help, reading a card or an error loads no torch."""

from __future__ import annotations

import subprocess
import sys

import pytest

LIGHT = (
    "gesso",
    "gesso.errors",
    "gesso.ports",
    "gesso.conditions.condition",
    "gesso.card",
    "gesso.request",
    "gesso.record",
    "gesso.media",
    "gesso.rules",
    "gesso.cli",
)
HEAVY = ("torch", "scipy", "skimage", "pandas", "matplotlib", "tensorboard", "sklearn")


def python(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize("module", LIGHT)
def test_import_loads_no_torch(module: str):
    run = python(f"import sys, {module}; print([m for m in {HEAVY!r} if m in sys.modules])")
    assert run.returncode == 0, run.stderr
    loaded = run.stdout.strip()
    assert "torch" not in loaded, f"importing {module} loads {loaded}"


def test_help_loads_nothing_heavy():
    code = (
        "import sys\nimport gesso.cli\nsys.argv = ['gesso', *sys.argv[1:]]\n"
        "try:\n    gesso.cli.main()\nexcept SystemExit as end:\n    assert not end.code, end.code\n"
        f"print('LOADED', [m for m in {HEAVY!r} if m in sys.modules])"
    )
    run = python(code, "--help")
    assert run.returncode == 0, run.stderr
    assert "generate" in run.stdout and "train" in run.stdout
    assert run.stdout.strip().endswith("LOADED []"), run.stdout[-200:]


def test_cards_of_all_recipes_load_nothing_that_only_works_on_pictures():
    code = (
        "import sys\nfrom gesso import recipes\ncards = [recipes.find(name).card for name in recipes.names()]\nassert cards\n"
        "print([m for m in ('torch', 'scipy.ndimage', 'scipy.sparse', 'pandas', 'sklearn', 'matplotlib') if m in sys.modules])"
    )
    run = python(code)
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip() == "[]", "import scipy, whose parts load on first use, or import inside a function"
