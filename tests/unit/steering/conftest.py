"""A store in an empty folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gesso.steering import Store
from unit.steering.example_card import cards


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "sessions.sqlite"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    made = Store(path, cards=cards)
    yield made
    made.close()
