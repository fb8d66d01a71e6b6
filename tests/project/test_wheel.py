"""The wheel carries what a stranger needs: code, weights, sample drawings; and it works from another folder."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert run.returncode == 0, run.stderr
    (made,) = folder.glob("gesso-*.whl")
    return made


def test_it_holds_weights_samples_and_every_module(wheel: Path):
    names = set(zipfile.ZipFile(wheel).namelist())
    for kept in (ROOT / "src" / "gesso" / "weights" / "shipped").glob("*"):
        assert f"gesso/weights/shipped/{kept.name}" in names
    shipped = {n for n in names if n.startswith("gesso/weights/shipped/") and n.endswith(".safetensors")}
    assert {f"gesso/weights/shipped/{n}.safetensors" for n in ("colorize", "digits", "digit_classifier", "cifar_classifier")} <= shipped
    assert len([n for n in names if n.startswith("gesso/samples/") and n.endswith(".png")]) >= 8
    assert len([n for n in names if n.startswith("gesso/samples/") and n.endswith(".json")]) >= 8
    for path in (ROOT / "src").rglob("*.py"):
        assert path.relative_to(ROOT / "src").as_posix() in names
    assert not [n for n in names if n.startswith(("tests", "docs", "bench"))]


def test_it_is_small_and_says_its_licence(wheel: Path):
    assert wheel.stat().st_size < 40 * 2**20
    names = zipfile.ZipFile(wheel).namelist()
    assert [n for n in names if n.endswith("licenses/LICENSE")]


def test_it_works_installed_in_another_folder(wheel: Path, tmp_path: Path):
    """Installed without its dependencies, which this environment lends; the checkout is not on the path."""
    place = tmp_path / "installed"
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-index", "--target", str(place), str(wheel)],
        check=True,
        timeout=300,
    )
    environment = {**os.environ, "PYTHONPATH": str(place), "OMP_NUM_THREADS": "1"}
    code = "import gesso, sys; print(gesso.__file__); from gesso.cli import main; sys.argv = ['gesso', *sys.argv[1:]]; main()"

    def gesso(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", code, *words], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=600
        )

    listing = gesso("recipes")
    assert listing.returncode == 0, listing.stderr
    assert str(place) in listing.stdout.splitlines()[0] and "colorize" in listing.stdout
    demo = gesso("demo", "--out", str(tmp_path / "demo"))
    assert demo.returncode == 0, demo.stderr
    assert len(list((tmp_path / "demo").rglob("*.png"))) >= 8 and list((tmp_path / "demo").rglob("*.html"))
