"""Cards as they were last read, on the disk: recipes bring torch along, and the start page waits for the cards alone."""

from __future__ import annotations

import contextlib
import hashlib
import json
import sys
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from gesso import __version__
from gesso.errors import GessoError
from gesso.media.file import read_json, write_atomic

MOST_BYTES = 4 * 2**20
PACKAGE = Path(__file__).parents[2]

Cards = dict[str, dict[str, Any]]  # what is told of a recipe, by name


class CardCache:
    """A file that holds good as long as the code that the cards were read from is as it was."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> Cards | None:
        """What was kept; None where there is nothing, or the code is another by now."""
        try:
            kept = read_json(self._path, MOST_BYTES)
        except GessoError:
            return None
        if not isinstance(kept, dict) or kept.get("code") != code_fingerprint() or not isinstance(kept.get("cards"), dict):
            return None
        return kept["cards"]

    def keep(self, cards: Cards) -> None:
        """For the next start; on a full disk they are read anew then."""
        with contextlib.suppress(GessoError):
            write_atomic(self._path, json.dumps({"code": code_fingerprint(), "cards": cards}, ensure_ascii=False).encode())


def code_fingerprint() -> str:
    """What tells this code from any other: the package's files, and the packages that offer recipes."""
    seen = hashlib.sha256(f"{__version__} {sys.version}".encode())
    for path in sorted(PACKAGE.rglob("*.py")):
        about = path.stat()
        seen.update(f"{path.relative_to(PACKAGE)} {about.st_size} {about.st_mtime_ns}".encode("utf-8", "surrogateescape"))
    for one in sorted(entry_points(group="gesso.recipes")):
        seen.update(f"{one.name} {one.value} {one.dist.version if one.dist else ''}".encode())
    return seen.hexdigest()
