"""The import contract bites: a copy of the package with one forbidden import, or one module without a place, must fail."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

LINT = Path(sys.executable).with_name("lint-imports")


@pytest.fixture
def copy(tmp_path: Path, root: Path) -> Path:
    """The package and its contracts, copied where they can be broken."""
    shutil.copytree(root / "src" / "gesso", tmp_path / "gesso", ignore=shutil.ignore_patterns("__pycache__", "*.safetensors"))
    shutil.copy(root / "pyproject.toml", tmp_path)
    return tmp_path


def lint(folder: Path) -> tuple[bool, str]:
    environment = {**os.environ, "PYTHONPATH": str(folder), "COLUMNS": "200"}
    run = subprocess.run(
        [LINT, "--no-cache", "--config", "pyproject.toml"], cwd=folder, env=environment, capture_output=True, text=True, timeout=120
    )
    return run.returncode == 0, run.stdout + run.stderr


def add(path: Path, text: str) -> None:
    path.write_text((path.read_text("utf-8") if path.exists() else "") + text, "utf-8")


def test_the_package_keeps_its_contracts(copy: Path):
    kept, report = lint(copy)
    assert kept, report


@pytest.mark.parametrize(
    ("module", "line", "broken"),
    [
        ("errors.py", "\nimport gesso.recipes\n", "Layers"),
        ("networks/__init__.py", "\ndef later():\n    from gesso import card\n    return card\n", "Layers"),
        ("datasets/__init__.py", "\nfrom gesso.conditions import condition\n", "Layers"),
        ("weights/__init__.py", "\nimport gesso.training\n", "Layers"),
        ("verbs/assemble.py", "\nimport gesso.verbs.load\n", "Verbs"),
        ("verbs/measure.py", "\nimport gesso.verbs.replay\n", "Verbs"),
        ("steering/queries.py", "\nimport gesso.steering.store\n", "Steering"),
        ("families/__init__.py", "\nimport gesso.networks\n", "A family never knows"),
        ("serving/http/guard.py", "\nimport gesso.serving.services\n", "Serving"),
        ("serving/decode/decoder.py", "\nimport gesso.serving.render.renderer\n", "Serving"),
        ("serving/api/pages.py", "\nimport gesso.serving.live.socket\n", "Serving"),
        ("serving/jobs/worker.py", "\nimport gesso.serving.jobs.service\n", "Jobs"),
    ],
)
def test_a_forbidden_import_fails(copy: Path, module: str, line: str, broken: str):
    add(copy / "gesso" / module, line)
    kept, report = lint(copy)
    assert not kept, f"{line.strip()!r} in {module} went unseen"
    assert f"{broken}" in report.split("Broken contracts")[-1], report


@pytest.mark.parametrize("module", ["loose.py", "verbs/loose.py", "steering/loose.py", "serving/loose.py", "serving/jobs/loose.py"])
def test_a_module_without_a_place_fails(copy: Path, module: str):
    add(copy / "gesso" / module, '"""An unlisted module."""\n')
    kept, report = lint(copy)
    assert not kept, f"{module} went unseen"
    assert "loose" in report, report
