"""For all tests: one thread a process, shapes checked at every call, and where real data is."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported: -n 2 on two cores

import pytest
from jaxtyping import install_import_hook

ROOT = Path(__file__).resolve().parents[1]
CHECKED = ("gesso.networks", "gesso.families", "gesso.metrics")

loaded_early = [name for name in sys.modules if name.startswith(CHECKED)]
if loaded_early:
    raise RuntimeError(f"imported before the shape checks were put on: {', '.join(loaded_early)}")
install_import_hook(list(CHECKED), "shape_check.check")


BROWSER = re.compile(r"chromium|playwright", re.IGNORECASE)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(terminalreporter: Any) -> Iterator[None]:
    """Print as the last line how many tests were skipped for want of a browser, and how to get one."""
    yield
    reasons = [report.longrepr[2] for report in terminalreporter.stats.get("skipped", []) if isinstance(report.longrepr, tuple)]
    if num := sum(bool(BROWSER.search(reason)) for reason in reasons):
        tests = "1 test of the studio's page was" if num == 1 else f"{num} tests of the studio's page were"
        how = "install Chromium (apt-get install chromium), or set GESSO_CHROMIUM to the path of a Chrome or Chromium program"
        terminalreporter.write_line(f"{tests} skipped for want of a browser: {how}.", yellow=True)


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
