"""For tests of marking: a signer with a key of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("c2pa", reason="the extra gesso[studio] is not installed: nothing is signed")

from gesso.marking.marker import Marker


@pytest.fixture(scope="session")
def marker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Marker]:
    """One signer for all tests that do not harm it."""
    made = Marker(tmp_path_factory.mktemp("home") / "signing")
    yield made
    made.close()


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Marker]:
    """A signer for this test alone."""
    made = Marker(tmp_path / "signing")
    yield made
    made.close()
