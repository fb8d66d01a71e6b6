"""For all tests: one thread a process, shapes checked at every call, and where real data is."""

from __future__ import annotations

import os
import sys
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported: -n 2 on two cores

import pytest
from jaxtyping import install_import_hook

ROOT = Path(__file__).resolve().parents[1]
CHECKED = ("gesso.networks", "gesso.families", "gesso.metrics")

loaded_early = [name for name in sys.modules if name.startswith(CHECKED)]
if loaded_early:
    raise RuntimeError(f"imported before the shape checks were put on: {', '.join(loaded_early)}")
install_import_hook(list(CHECKED), "shape_check.check")


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture(scope="session")
def data_root() -> Path:
    """The folder of real data; tests that need it are skipped where it is absent."""
    folder = Path(os.environ.get("GESSO_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder} (say where: GESSO_DATA=…)")
    return folder


@pytest.fixture
def data(request: pytest.FixtureRequest, data_root: Path) -> Path:
    """One folder of real data, by `@pytest.mark.parametrize("data", ["openmoji"], indirect=True)`."""
    folder = data_root / request.param
    if not folder.is_dir():
        pytest.skip(f"no {request.param} in {data_root}")
    return folder
